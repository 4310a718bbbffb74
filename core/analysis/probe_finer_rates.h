// SPDX-License-Identifier: Apache-2.0
// From a measured grid of learning rates to finer ones, around the rate that the envelope chooses at each checkpoint. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figures.h"
#include "core/base/result.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {

/// What is to be tried beside what was: `between` rates to each side of the best, up to its neighbours, in geometric steps. A
/// neighbour is the next rate of which something is known, be it that it diverged. Where the best is at an end, the grid goes on by
/// its widest step (of one rate alone: by the factor 2): `between` rates and one at the step's end. Where every rate diverged, the
/// same below the smallest. Nothing where no rate is known to be best. Ascending; three digits each, so that what cannot be told
/// from a neighbour by three is not tried again; within the range of learning rates; none of `choice.tried`.
std::vector<double> ratesAround(const RateChoice& choice, int between);

/// Of one checkpoint.
struct RefinedCheckpoint {
    std::string name, weights;
    std::optional<double> best;
    std::vector<double> added; ///< ascending
    std::string why;           ///< "between 0.002 and 0.008"; where nothing is added, the reason
};

struct Refinement {
    study::FinerRates finer; ///< those that were there and the new ones: study::withFinerRates
    std::vector<RefinedCheckpoint> checkpoints; ///< those with a place on the axis, in the order of the plan
    std::vector<std::string> notes;             ///< what was left out, and what a reader must know
    std::int64_t added() const;                 ///< rates that are new, over all checkpoints
};

/// Of a run of fine-tuning, as far as it is stored: each checkpoint by its own choice (envelopeOf). OutOfRange for `between` < 1
/// or above 100; Mismatch where the probe varies no learning rate or has no ID task.
Result<Refinement> refineRates(const ProbeResults& results, int between);

/// "6 finer rates at 3 checkpoints", with what was left out: a line each.
std::vector<std::string> refinementText(const Refinement& refinement);

} // namespace crest::analysis
