// SPDX-License-Identifier: Apache-2.0
#include "core/train/out_of_memory.h"

#include <fmt/format.h>

#include "core/base/units.h"

namespace crest::train {

Error noMemoryForState(const TrainingMemory& needed) {
    return {ErrorKind::OutOfRange,
            fmt::format("There is not enough memory to fine-tune this model: its weights, moments and gradients take {}; use adapters "
                        "or fewer workers.",
                        formatBytes(needed.tuned() + needed.gradients)),
            ""};
}

Error noMemoryForStep(std::int64_t step, std::int64_t longest, std::int64_t least, const TrainingMemory& needed, bool recompute) {
    return {ErrorKind::OutOfRange,
            fmt::format("There is not enough memory for step {}, not even with one example of at most {} tokens at a time, which takes "
                        "{} beside the {} of weights, moments and gradients; use {}adapters, fewer workers or shorter examples.",
                        step, longest, formatBytes(static_cast<double>(least)), formatBytes(needed.tuned() + needed.gradients),
                        recompute ? "" : "activation checkpointing, "),
            ""};
}

std::string noteOfHalving(std::int64_t before, std::int64_t step, std::int64_t now) {
    return fmt::format("There was not enough memory for {} tokens at a time: from step {} on at most {} went through the model "
                       "together. The examples of each step stayed the same; only the order of sums changed.",
                       before, step, now);
}

} // namespace crest::train
