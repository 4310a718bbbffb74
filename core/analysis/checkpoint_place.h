// SPDX-License-Identifier: Apache-2.0
// Where a checkpoint stands in pretraining, in words: by its tokens, else its step, else its name. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace crest::analysis {

struct CheckpointPlace {
    std::string name; ///< of the checkpoint
    std::optional<std::int64_t> tokens, step;
};

/// "step 1,000".
std::string stepText(std::int64_t step);
/// A place on an axis of tokens or of steps: "16M", "step 1,000".
std::string budgetHeading(double place, bool isStep);
/// In a sentence: "16M tokens", "step 1,000".
std::string budgetText(double place, bool isStep);
/// Above a column: "1.5B", "step 1,000", "final".
std::string placeHeading(const CheckpointPlace& place);
/// In a sentence: "1.5B tokens", "step 1,000", "final".
std::string placeText(const CheckpointPlace& place);

} // namespace crest::analysis
