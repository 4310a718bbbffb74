// SPDX-License-Identifier: Apache-2.0
// Computes the batches of every kind of probe for the executor.
#pragma once

#include <memory>

#include "core/base/result.h"
#include "core/run/batch_runner.h"

namespace crest::probe {

/// A run::BatchRunnerFactory. Unsupported where the device is not there.
///
/// One draw (seed) is an antithetic pair: losses, metrics and the values of items are means over both members, standard
/// errors are over sequences or items. All strengths of a seed share one pass and one draw; the numbers of a cell do
/// not depend on what else is in the batch (but in bfloat16 without AMX or AVX512_BF16, where LibTorch's products round rows
/// differently in other shapes, by parts in a thousand of a logit). What is checked before anything is computed: the
/// content of weights, texts and data against the plan, every weight finite, every standard deviation known
/// (NoiseScale::InitStd) - each an error that names the file or tensor. A task that cannot be measured (its data are
/// gone, say) fails by itself: the others of the batch are emitted first.
Result<std::unique_ptr<run::BatchRunner>> makeProbeRunner(const run::RunnerOptions& options);

} // namespace crest::probe
