// SPDX-License-Identifier: Apache-2.0
// Says a lack of memory.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/model/torch_errors.h"
#include "core/train/training_memory.h"

namespace crest::train {

using model::isOutOfMemory;
using model::wordsOf;

/// For what a training holds from its start to its end.
Error noMemoryForState(const TrainingMemory& needed);
/// For a step with one example, of `longest` tokens, at a time, which takes `least` bytes beside that.
Error noMemoryForStep(std::int64_t step, std::int64_t longest, std::int64_t least, const TrainingMemory& needed, bool recompute);
/// For a run whose passes had `before` rows and have `now` from that step on.
std::string noteOfHalving(std::int64_t before, std::int64_t step, std::int64_t now);

} // namespace crest::train
