// SPDX-License-Identifier: Apache-2.0
// Computes the batches of a Gaussian noise probe (and their bases) for the executor.
#pragma once

#include <memory>

#include "core/base/result.h"
#include "core/run/batch_runner.h"

namespace crest::probe {

/// A run::BatchRunnerFactory. Unsupported where the device is not there.
///
/// One draw (seed) is an antithetic pair: `value` is the mean loss of both members over the scored tokens,
/// `sequenceNats` the mean of both members, `stderr_` over sequences. All strengths of a seed share one pass and one
/// draw; the numbers of a cell do not depend on what else is in the batch (but in bfloat16 without AMX, where LibTorch's
/// products round rows differently in other shapes, by parts in a thousand of a logit). What is checked before anything is
/// computed: the content of weights and texts against the plan, every weight finite, every standard deviation known
/// (NoiseScale::InitStd) - each an error that names the file or tensor.
Result<std::unique_ptr<run::BatchRunner>> makeNoiseRunner(const run::RunnerOptions& options);

} // namespace crest::probe
