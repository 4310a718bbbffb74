// SPDX-License-Identifier: Apache-2.0
// What a mitigation costs in ID score against what it saves in OOD: a dot for each setting of the study that trains the same
// checkpoints on the same data, each at the rate that is best in ID for it, or all at one. Pure functions; any thread.
#pragma once

#include <vector>

#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// What a trade-off of this run and its siblings can be made of, by the plans.
struct TradeOffChoices {
    bool ownRates = false;       ///< of two settings or more at least one was, or is to be, trained at several rates
    std::vector<double> rates;   ///< at which at least two settings were, or are to be, trained; ascending
    std::vector<double> budgets; ///< tokens, ascending
    bool ofSteps = false;        ///< these are steps: no token count is known
    /// Where none is asked for: each at its own (kEnvelopeStrength) where two settings have several rates, else the middle one of
    /// this run's.
    double rate = 0;
    double budget = 0; ///< where none is asked for: the largest
    bool any() const { return (ownRates || !rates.empty()) && !budgets.empty(); }
};
/// None where there is nothing to compare, or no task is OOD.
TradeOffChoices tradeOffChoices(const ProbeResults& results);

/// A panel for each OOD task: x the ID score, y the task, both over the same trainings; with YQuantity::Change both minus those of
/// plain fine-tuning, paired by checkpoint and seed, sequence by sequence. FigureOptions::strength is the learning rate, also where
/// `results` is an interpolation, or kEnvelopeStrength (probe_envelope.h): each setting at its own, chosen for each checkpoint by ID as the
/// envelope's is. Errors: Mismatch where there is nothing to compare (with), NotFound for a rate or a budget
/// that is not there.
Result<Figure> tradeOffFigure(const ProbeResults& results, const FigureOptions& options);

} // namespace crest::analysis
