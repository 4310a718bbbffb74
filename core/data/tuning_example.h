// SPDX-License-Identifier: Apache-2.0
// What fine-tuning trains on: made by tuning_data.h, consumed by training and by losses on held-out examples.
#pragma once

#include <cstdint>
#include <vector>

namespace crest::data {

/// One training example in tokens: learned[i] = 1 where predicting ids[i] from what precedes it counts in the loss
/// (never at i = 0). Both have the same length, which is at least 1.
struct TuningExample {
    std::vector<std::int32_t> ids;
    std::vector<std::uint8_t> learned;
    bool operator==(const TuningExample&) const = default;
};

} // namespace crest::data
