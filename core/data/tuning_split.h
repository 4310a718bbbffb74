// SPDX-License-Identifier: Apache-2.0
// Which rows are trained on and which are held out, by seed. Pure functions: the same numbers give the same rows on
// every machine and for every tokenizer.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.h"

namespace crest::data {

struct TuningSplitSettings {
    /// Share of the rows that is held out, to the nearest whole number of rows and at least one where it is above 0;
    /// `heldOutCount` > 0 counts instead.
    double heldOutShare = 0.1;
    std::int64_t heldOutCount = 0;
    std::uint32_t splitSeed = 1;
    std::int64_t sampleCount = 0; ///< so many of the rows that are not held out; 0, or more than there are: all
    std::uint32_t sampleSeed = 1;
    bool operator==(const TuningSplitSettings&) const = default;
};

/// Row numbers from 0, ascending.
struct TuningSplit {
    std::vector<std::int64_t> train, heldOut;
};

/// In Python: heldOut = sorted(random.Random(splitSeed).sample(range(rows), h)), rest = the other rows, and
/// train = sorted(random.Random(sampleSeed).sample(rest, sampleCount)) where that is fewer than all. OutOfRange where
/// no row would be left to train on.
Result<TuningSplit> splitTuningRows(std::int64_t rows, const TuningSplitSettings& settings);
/// OutOfRange with a sentence for settings that make no sense.
Result<void> checkTuningSplit(const TuningSplitSettings& settings);

} // namespace crest::data
