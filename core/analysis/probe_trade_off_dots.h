// SPDX-License-Identifier: Apache-2.0
// The settings that a trade-off compares, each with what was measured of it at one budget. Inside of probe_trade_off.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis::detail {

struct TradeOffPlace {
    double rate = 0; ///< kEnvelopeStrength: each setting at its own best
    double budget = 0;
    bool ofSteps = false; ///< the budget is a step
    bool ownRates() const;
};
/// What the options ask for, or tradeOffChoices has. Mismatch where there is nothing to compare, NotFound for what is not there.
Result<TradeOffPlace> placeOf(const ProbeResults& results, const FigureOptions& options);

/// One setting: a dot in every panel.
struct Dot {
    std::string family, familyName; ///< of the curve: id and legend
    std::string label;              ///< beside the dot: its strength; "" where the family has one dot
    std::string text;               ///< "L2 to the start 0.1"
    std::string rates;              ///< where they were chosen: "0.004", or each pretraining run's
    std::string variant;            ///< which modification, but for its rate: never the same for two that are not
    std::vector<double> order;      ///< within the family; joined by a line where it is one number
    const ProbeResults* source = nullptr; ///< of which run, first of all
    double strength = 0;            ///< in that run
    bool isBase = false, isPlain = false;
    std::vector<Observation> measured; ///< tasks by the names of the shown run; strength 1, of the base 0
};

/// Dots in the order of the legend, and in words what of the study is not among them.
struct Dots {
    std::vector<Dot> dots;
    std::vector<std::string> leftOut;
    std::vector<std::string> chosen; ///< of own rates: which, and what a reader must know of the choice
    std::vector<const ProbeResults*> siblings; ///< that gave any
    const Dot* plain() const;
};

/// Of the shown run and its siblings at one budget, at one rate or each at its own.
Dots dotsAt(const ProbeResults& results, const TradeOffPlace& place, const std::string& metric);

/// Score and task of one training: both finite.
struct PairedCell {
    Observation id, ood;
};
using PairedCells = std::map<std::pair<std::int64_t, std::int64_t>, PairedCell>; ///< by pretraining and fine-tuning seed

/// Those of a dot; `notFinite` counts trainings left out. The ID score is the plain mean of `idTasks`.
PairedCells cellsOf(const Dot& dot, const std::vector<std::string>& idTasks, const std::string& task, std::int64_t& notFinite);
/// Cell by cell minus plain fine-tuning of the same checkpoint and seed; the base minus each. Cells without a partner are left out.
PairedCells minusPlain(const PairedCells& cells, const PairedCells& plain, bool isBase);

} // namespace crest::analysis::detail
