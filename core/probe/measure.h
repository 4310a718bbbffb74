// SPDX-License-Identifier: Apache-2.0
// One pass over a checkpoint's weights: the cells of one seed (or the base), measured on texts or on one task of a
// suite.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/decoder.h"
#include "core/probe/loaded_checkpoint.h"
#include "core/probe/pass_weights.h"
#include "core/probe/task_inputs.h"
#include "core/run/batch_runner.h"

namespace crest::probe {

/// What one pass serves. Texts share it; each task of a suite has its own, so that a kill costs one task, a failure
/// fails one, and what comes out depends on nothing else.
struct Pass {
    std::int64_t seed = 0; ///< 0: the base
    std::vector<int> tasks;
    std::vector<int> cells;
};
std::vector<Pass> passesOf(const run::BatchRequest& request);

/// Measures `pass`; the numbers of an antithetic pair are the means of both members. `tokensDone` is what `job` has
/// been told already, and grows.
Result<std::vector<run::Measurement>> measure(const study::Plan& plan, const Pass& pass,
                                              const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                                              PassWeights& weights, model::Decoder& decoder, double& tokensDone, const JobContext& job);

} // namespace crest::probe
