// SPDX-License-Identifier: Apache-2.0
// What a mitigation costs in ID score against what it saves in OOD: a dot for each setting of the study that trains the same
// checkpoints on the same data at the same learning rate. Pure functions; any thread.
#pragma once

#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// What a trade-off of this run and its siblings can be made of, by the plans.
struct TradeOffChoices {
    std::vector<double> rates;   ///< learning rates at which at least two settings were, or are to be, trained; ascending
    std::vector<double> budgets; ///< tokens, ascending
    double rate = 0, budget = 0; ///< where none is asked for: of this run's rates the middle one, the largest budget
};
/// Without rates where there is nothing to compare, or no task is OOD.
TradeOffChoices tradeOffChoices(const ProbeResults& results);

/// A panel for each OOD task: x the ID score, y the task, both over the same trainings; with YQuantity::Change both minus those of
/// plain fine-tuning, paired by checkpoint and seed, sequence by sequence. FigureOptions::strength is the learning rate, also where
/// `results` is an interpolation. Errors: Mismatch where there is nothing to compare (with), NotFound for a rate or a budget
/// that is not there.
Result<Figure> tradeOffFigure(const ProbeResults& results, const FigureOptions& options);

} // namespace crest::analysis
