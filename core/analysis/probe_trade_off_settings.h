// SPDX-License-Identifier: Apache-2.0
// What a study has of each setting that a trade-off may compare, at all of its learning rates. Inside of probe_trade_off.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis::detail {

/// A cell's place in its own run.
struct CellSource {
    const ProbeResults* run = nullptr;
    double strength = 0;
};

/// Plain fine-tuning, a mitigation with its strength, a share of an interpolation; the base.
struct Setting {
    std::string family, familyName; ///< as in Dot
    std::string label, text;        ///< as in Dot; of plain fine-tuning without its rate
    std::string variant;            ///< variantOf, but for the rate
    std::vector<double> order;      ///< strengths; of plain fine-tuning none
    std::map<double, CellSource> rates; ///< at which it was, or is to be, trained here; of the first run that has each. Of the base: 0
    TriedRates tried;                   ///< the same for each checkpoint
    std::vector<Observation> measured;  ///< at one budget; tasks by the names of the shown run, strength: the rate, of the base 0

    bool isBase() const;
    bool isPlain() const;
    bool isInterpolation() const;
};

/// Settings in order of appearance, and in words what of the study is not among them.
struct Settings {
    std::vector<Setting> all;
    std::vector<std::string> leftOut;
    std::vector<const ProbeResults*> siblings; ///< whose training is the same
};
/// `x`: whether the budget is tokens or a step.
Settings settingsAt(const ProbeResults& results, double budget, XQuantity x, const std::string& metric);

/// Of one setting, by the plans alone.
struct PlannedRates {
    std::vector<double> everywhere; ///< that every checkpoint of a run has, in order of appearance
    bool several = false;           ///< it has another rate, too, be it a finer one of single checkpoints
};
/// Settings as settingsAt has them.
std::map<std::string, PlannedRates> ratesOfSettings(const ProbeResults& results);

} // namespace crest::analysis::detail
