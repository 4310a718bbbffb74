// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/score_jumps.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace crest::analysis {
namespace {

constexpr std::size_t kFewest = 5;
constexpr double kNormalMad = 1.4826; ///< the median of |x| of a normal variable, to its standard deviation
constexpr double kLeastShare = 0.002;
constexpr double kJump = 8;
constexpr double kEndSteps = 4;

double medianOf(std::vector<double> values) {
    if (values.empty())
        return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

using Order = std::vector<std::size_t>;

double scatterOf(std::span<const ScorePoint> points, const Order& order) {
    std::vector<double> bends, sizes, errors;
    for (std::size_t i = 0; i < order.size(); ++i) {
        sizes.push_back(std::abs(points[order[i]].value));
        errors.push_back(points[order[i]].error);
        if (i > 0 && i + 1 < order.size())
            bends.push_back(
                std::abs(points[order[i]].value - (points[order[i - 1]].value + points[order[i + 1]].value) / 2));
    }
    return std::max({kNormalMad * medianOf(bends), medianOf(errors), kLeastShare * medianOf(sizes),
                     std::numeric_limits<double>::min()});
}

/// How far a value lies outside of what two others span.
double outside(double value, double a, double b) {
    return std::max({value - std::max(a, b), std::min(a, b) - value, 0.0});
}

/// The largest step between neighbours, the one at `end` left out.
double largestStep(std::span<const ScorePoint> points, const Order& order, std::size_t end) {
    double largest = 0;
    for (std::size_t i = 1; i < order.size(); ++i)
        if (i != end && i - 1 != end)
            largest = std::max(largest, std::abs(points[order[i]].value - points[order[i - 1]].value));
    return largest;
}

/// 0 where the point may be honest whatever the scatter is.
ScoreJump jumpAt(std::span<const ScorePoint> points, const Order& order, std::size_t i) {
    if (i == 0)
        return {}; // a model falls far from its first checkpoint on
    const bool last = i + 1 == order.size();
    const std::size_t before = order[i - 1], after = order[last ? i - 1 : i + 1];
    ScoreJump jump{order[i], before, after, outside(points[order[i]].value, points[before].value, points[after].value)};
    if (last && jump.distance < kEndSteps * largestStep(points, order, i))
        jump.distance = 0;
    return jump;
}

} // namespace

std::vector<ScoreJump> findScoreJumps(std::span<const ScorePoint> points) {
    std::vector<ScoreJump> jumps;
    if (points.size() < kFewest)
        return jumps;
    Order all(points.size()), order;
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::stable_sort(all.begin(), all.end(),
                     [&](std::size_t a, std::size_t b) { return points[a].tokens < points[b].tokens; });
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (std::isfinite(points[all[i]].value))
            order.push_back(all[i]);
        else
            jumps.push_back({all[i], all[i > 0 ? i - 1 : 1], all[i + 1 < all.size() ? i + 1 : i - 1],
                             std::numeric_limits<double>::infinity()});
    }
    while (order.size() >= kFewest && jumps.size() < points.size() / 3) {
        ScoreJump worst;
        std::size_t place = 0;
        for (std::size_t i = 0; i < order.size(); ++i)
            if (const ScoreJump jump = jumpAt(points, order, i); jump.distance > worst.distance) {
                worst = jump;
                place = i;
            }
        order.erase(order.begin() + static_cast<std::ptrdiff_t>(place));
        if (!(worst.distance >= kJump * scatterOf(points, order)))
            break;
        jumps.push_back(worst);
    }
    return jumps;
}

} // namespace crest::analysis
