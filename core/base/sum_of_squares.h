// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace crest {

/// In double, where the square of a float is exact; not finite where any value is not. The order of sums is fixed.
inline double sumOfSquares(std::span<const float> values) {
    double sums[8] = {}; // side by side, for vectors
    std::size_t i = 0;
    for (; i + 8 <= values.size(); i += 8)
        for (std::size_t lane = 0; lane < 8; ++lane)
            sums[lane] += static_cast<double>(values[i + lane]) * static_cast<double>(values[i + lane]);
    for (; i < values.size(); ++i)
        sums[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    double sum = 0;
    for (const double part : sums)
        sum += part;
    return sum;
}

} // namespace crest
