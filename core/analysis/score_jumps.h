// SPDX-License-Identifier: Apache-2.0
// A checkpoint whose base score jumps off its neighbours: damaged or mixed-up weights show so, where no header does.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace crest::analysis {

struct ScorePoint {
    double tokens = 0; ///< only their order counts
    double value = 0;  ///< loss or score of the unmodified checkpoint
    double error = 0;  ///< its standard error, 0 where unknown
};

struct ScoreJump {
    std::size_t index = 0;             ///< into the points given
    std::size_t before = 0, after = 0; ///< its neighbours (the last point: one of them twice)
    double distance = 0;               ///< how far its value lies outside of what they span
};

/// The points that lie far outside the interval that their two neighbours span; worst first. A monotone curve has none,
/// however steep: only what goes out and comes back counts, so the fall at the start of training is no jump. A value
/// that is not finite always is one. The scatter of the other points is 1.48 times the median of |value - mean of both
/// neighbours|, at least the median standard error and 0.2 % of the median value; a jump is 8 times that or more. Found
/// one by one, each left out before the next is looked for, so that a bad point does not make its neighbours suspect;
/// never more than a third of the points. The last point has one neighbour only: there the step must also be 4 times
/// the largest between the rest. The first is not judged. Fewer than five points are not judged. Points need not be
/// ordered.
std::vector<ScoreJump> findScoreJumps(std::span<const ScorePoint> points);

} // namespace crest::analysis
