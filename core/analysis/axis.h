// SPDX-License-Identifier: Apache-2.0
// What charts need of the axes: ticks on the token axis, and thinning to the columns of a picture.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/analysis/figure.h"

namespace crest::analysis {

/// Ticks within [low, high], labelled as 4M, 1.5B. Log: powers of two times 10^(3k) over short ranges (0.5M, 1M, 2M
/// ...), else powers of ten; linear: steps of 1, 2 or 5 times a power of ten. At most `most` (>= 2) ticks. Empty where
/// low >= high, an end is not finite, or low <= 0 on a log axis.
std::vector<Tick> tokenTicks(double low, double high, AxisScale scale, int most = 9);

struct XY {
    double x = 0, y = 0;
};
/// Thins a polyline, ascending in x, for a picture of `columns` pixel columns between `low` and `high`: per column its
/// first, lowest, highest and last point, in order of x, so that the drawn line covers the same pixels. Points with y
/// not finite are kept (they are gaps), one per run. Lines of at most 4 * columns points come back as they are.
std::vector<XY> decimateMinMax(std::span<const XY> points, double low, double high, std::size_t columns);

} // namespace crest::analysis
