// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_split.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/data/py_random.h"

namespace crest::data {
namespace {

constexpr std::int64_t kMostRows = std::int64_t(1) << 31; ///< what PyRandom draws from
constexpr double kLargestShare = 0.9;

std::int64_t heldOutRows(std::int64_t rows, const TuningSplitSettings& settings) {
    if (settings.heldOutCount > 0)
        return settings.heldOutCount;
    if (settings.heldOutShare <= 0)
        return 0;
    return std::max<std::int64_t>(1, std::llround(settings.heldOutShare * static_cast<double>(rows)));
}

} // namespace

Result<void> checkTuningSplit(const TuningSplitSettings& settings) {
    if (!(settings.heldOutShare >= 0 && settings.heldOutShare <= kLargestShare))
        return fail(ErrorKind::OutOfRange, fmt::format("the held-out share is {}, it must be from 0 to {}",
                                                       formatNumber(settings.heldOutShare), kLargestShare));
    if (settings.heldOutCount < 0 || settings.sampleCount < 0)
        return fail(ErrorKind::OutOfRange, "a number of rows must not be negative");
    return {};
}

Result<TuningSplit> splitTuningRows(std::int64_t rows, const TuningSplitSettings& settings) {
    CREST_CHECK(checkTuningSplit(settings));
    if (rows > kMostRows)
        return fail(ErrorKind::OutOfRange, fmt::format("{} rows; the most is {}", rows, kMostRows));
    const std::int64_t heldOut = heldOutRows(rows, settings);
    if (heldOut >= rows)
        return fail(ErrorKind::OutOfRange,
                    rows == 1 ? std::string("there is one row that can be used, too few to hold one out and train on "
                                            "another; take more data")
                              : fmt::format("{} of {} rows are to be held out, so that none is left to train on; hold "
                                            "fewer out",
                                            heldOut, rows));
    TuningSplit split;
    if (heldOut > 0)
        split.heldOut = PyRandom(settings.splitSeed).sample(rows, heldOut);
    std::ranges::sort(split.heldOut);
    std::vector<std::int64_t> rest;
    rest.reserve(static_cast<std::size_t>(rows - heldOut));
    std::size_t next = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
        if (next < split.heldOut.size() && split.heldOut[next] == row)
            ++next;
        else
            rest.push_back(row);
    }
    if (settings.sampleCount == 0 || settings.sampleCount >= static_cast<std::int64_t>(rest.size())) {
        split.train = std::move(rest);
        return split;
    }
    const auto drawn =
        PyRandom(settings.sampleSeed).sample(static_cast<std::int64_t>(rest.size()), settings.sampleCount);
    for (const std::int64_t place : drawn)
        split.train.push_back(rest[static_cast<std::size_t>(place)]);
    std::ranges::sort(split.train);
    return split;
}

} // namespace crest::data
