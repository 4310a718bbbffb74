// SPDX-License-Identifier: Apache-2.0
// Tells a lack of memory from other failures, and says it.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include <c10/util/Exception.h>

#include "core/base/result.h"
#include "core/train/training_memory.h"

namespace crest::train {

/// LibTorch has a type of its own on GPUs only; its allocator of the CPU says it in words. A thread without room for its stack
/// is a system_error.
inline bool isOutOfMemory(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error))
        return true;
    if (const auto* system = dynamic_cast<const std::system_error*>(&error))
        return system->code() == std::errc::resource_unavailable_try_again;
    const std::string_view text = error.what();
    return dynamic_cast<const c10::Error*>(&error) && (text.find("can't allocate memory") != std::string_view::npos ||
                                                       text.find("not enough memory") != std::string_view::npos);
}

/// For what a training holds from its start to its end.
Error noMemoryForState(const TrainingMemory& needed);
/// For a step with one example, of `longest` tokens, at a time, which takes `least` bytes beside that.
Error noMemoryForStep(std::int64_t step, std::int64_t longest, std::int64_t least, const TrainingMemory& needed, bool recompute);
/// For a run whose passes had `before` rows and have `now` from that step on.
std::string noteOfHalving(std::int64_t before, std::int64_t step, std::int64_t now);

} // namespace crest::train
