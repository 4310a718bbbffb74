// SPDX-License-Identifier: Apache-2.0
// Noise on the two-layer linear network (theory.h) by simulation, beside its closed form.
#pragma once

#include <vector>

#include "core/analysis/theory.h"
#include "core/base/job_context.h"

namespace crest::analysis {

struct MonteCarloMean {
    double mean = 0, standardError = 0;
    std::int64_t draws = 0;
    bool operator==(const MonteCarloMean&) const = default;
};
inline constexpr std::int64_t kMostDraws = 1'000'000;

/// E[L_A] of W_k + gamma E_k, by [gamma][stop], from `draws` pairs of full d x d matrices E_k. Draw number and seed give the normals by themselves
/// (Philox), whatever else is asked for: one draw serves all gammas and stops, so that their differences have less noise. About 3 us a draw
/// at d = 6 and six stops. Errors: those of checkTheory, OutOfRange (draws < 2 or above a million), Stopped.
Result<std::vector<std::vector<MonteCarloMean>>> sampleNoisyLosses(const TheoryModel& model, const std::vector<double>& gammas,
                                                                   std::int64_t draws, std::uint64_t seed, const JobContext& job);

} // namespace crest::analysis
