// SPDX-License-Identifier: Apache-2.0
// Where checkpoints are missing between others (formats.md 1.4). Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/series/series.h"

namespace crest::series {

struct StepGap {
    std::size_t after = 0; ///< between steps[after - 1] and steps[after]
    std::string usual;     ///< how checkpoints follow each other there: "every 1000 steps", "each 2 times the step before"
};

/// Of ascending, distinct steps. A run is saved by a schedule, which may grow wider on the way (Pythia: 0, 1, 2, 4 .. 512, then
/// every 1000) and which nobody tells, so a gap is what no schedule explains:
/// - at least twice a spacing that recurs (three times, or twice and most of the time) and comes back later; or that came three
///   times just before, where what follows is no wider schedule;
/// - at least two steps of a growth that recurs three times, one of them just before or just after.
/// Three equal spacings in a row are a schedule of their own.
std::vector<StepGap> gapsOfSteps(std::span<const std::int64_t> steps);

/// Between two neighbours by step of one line (SeriesLine).
struct SeriesGap {
    std::size_t before = 0, after = 0; ///< indices into Series::checkpoints
    std::string usual;
};
/// By lines, ascending in steps. Checkpoints without a step have no part in it; broken and excluded ones are there.
std::vector<SeriesGap> findGaps(const Series& series);

} // namespace crest::series
