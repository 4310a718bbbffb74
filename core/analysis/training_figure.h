// SPDX-License-Identifier: Apache-2.0
// The training curves of a checkpoint's cells as a figure: loss, learning rate and gradient norm by step, a colour for each
// learning rate. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/figure.h"
#include "core/analysis/probe_figures.h"
#include "core/base/result.h"
#include "core/study/training_log.h"

namespace crest::analysis {

/// Whose curves are looked at: cells of one checkpoint and one seed.
struct TrainingChoice {
    int checkpoint = 0;         ///< index into Plan::checkpoints
    std::int64_t seed = 1;      ///< of fine-tuning
    std::optional<double> rate; ///< nothing: all of the plan, side by side
    bool operator==(const TrainingChoice&) const = default;
};

/// One training of the choice, as far as it is logged.
struct TrainingCurve {
    double rate = 0;
    std::optional<study::TrainingLog> log; ///< nothing where there is no file
    bool measured = false;                 ///< its cell is stored: it is finished, whatever the log says
};

/// Whether cells of a probe are trained, so that they have such curves.
bool isTrained(const study::Probe& probe);
/// The learning rates of every checkpoint of a plan, ascending: its grid, or of an interpolation the one of its tuned weights.
std::vector<double> trainingRates(const study::Plan& plan);
/// Those of a choice: of a checkpoint with its finer rates (study/finer_rates.h).
std::vector<double> ratesOf(const study::Plan& plan, const TrainingChoice& choice);
/// "η = 0.004".
std::string rateLabel(double rate);
/// "16M tokens", with what tells it apart where others of the plan have as many; its name where the tokens are not known.
std::string checkpointLabel(const study::Plan& plan, int checkpoint);

/// The choice by the words of a command: `checkpoint` as the plan names it (or "series/name"), a rate and a seed of the plan.
/// NotFound lists what there is; Unsupported for a probe that trains nothing.
Result<TrainingChoice> trainingChoice(const study::Plan& plan, const std::string& checkpoint, std::optional<double> rate,
                                      std::optional<std::int64_t> seed);

/// Three panels over the same steps. The step with which a training diverged is no point (nothing was updated with it), but a
/// mark; what is not there yet, or was not kept, is said in the first panel. No panel where no curve has a point.
/// `curves`: in the order of ratesOf.
Figure trainingFigure(const ProbeResults& results, const TrainingChoice& choice, const std::vector<TrainingCurve>& curves);

} // namespace crest::analysis
