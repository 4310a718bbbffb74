// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/axis.h"

#include <algorithm>
#include <cmath>

#include "core/base/units.h"

namespace crest::analysis {

namespace {
/// Ends of an axis are often computed; a tick that misses by rounding still belongs to it.
constexpr double kSlack = 1e-9;

bool usable(double low, double high) {
    return std::isfinite(low) && std::isfinite(high) && low < high;
}

/// Multiples of `step` in [low, high].
std::vector<double> multiples(double low, double high, double step) {
    std::vector<double> values;
    const double slack = kSlack * (high - low);
    for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k)
        values.push_back(k == 0 ? 0.0 : k * step);
    return values;
}

/// Steps of 1, 2 or 5 times a power of ten, the finest that gives at most `most` ticks.
std::vector<double> linearValues(double low, double high, int most) {
    double power = std::pow(10.0, std::floor(std::log10((high - low) / most)));
    while (true) {
        for (const double factor : {1.0, 2.0, 5.0})
            if (auto values = multiples(low, high, factor * power); values.size() <= static_cast<std::size_t>(most))
                return values;
        power *= 10;
    }
}

/// unit * base^(stride k) in [low, high].
std::vector<double> powers(double low, double high, double unit, double base, int stride) {
    std::vector<double> values;
    const double scale = std::log(base);
    const double last = std::log(high / unit) / scale + kSlack;
    double k = std::ceil(std::log(low / unit) / scale - kSlack);
    k = std::ceil(k / stride) * stride;
    for (; k <= last; k += stride)
        values.push_back(unit * std::pow(base, k));
    return values;
}

/// Doublings of a million (thousand, billion ...), thinned to every second, third ..., up to a range of 10^3.5; else
/// powers of ten.
std::vector<double> logValues(double low, double high, int most) {
    const double unit = std::pow(1000.0, std::round(std::log10(low) / 3));
    const bool shortRange = std::log10(high / low) <= 3.5;
    for (int stride = 1;; ++stride) {
        auto values = powers(low, high, unit, shortRange ? 2 : 10, stride);
        if (values.size() <= static_cast<std::size_t>(most))
            return values;
    }
}

/// Keeps what a drawn line needs of the points of one pixel column.
void flushColumn(std::span<const XY> column, std::vector<XY>& out) {
    if (column.empty())
        return;
    const auto byY = [](const XY& a, const XY& b) { return a.y < b.y; };
    const auto [lowest, highest] = std::minmax_element(column.begin(), column.end(), byY);
    std::size_t kept[] = {0, static_cast<std::size_t>(lowest - column.begin()),
                          static_cast<std::size_t>(highest - column.begin()), column.size() - 1};
    std::ranges::sort(kept);
    const auto end = std::unique(std::begin(kept), std::end(kept));
    for (auto index = std::begin(kept); index != end; ++index)
        out.push_back(column[*index]);
}
} // namespace

std::vector<Tick> tokenTicks(double low, double high, AxisScale scale, int most) {
    if (!usable(low, high) || (scale == AxisScale::Log && low <= 0))
        return {};
    most = std::max(most, 2);
    std::vector<Tick> ticks;
    for (const double value : scale == AxisScale::Log ? logValues(low, high, most) : linearValues(low, high, most))
        ticks.push_back({value, formatTokens(value)});
    return ticks;
}

std::vector<XY> decimateMinMax(std::span<const XY> points, double low, double high, std::size_t columns) {
    if (columns == 0 || !usable(low, high) || points.size() <= 4 * columns)
        return {points.begin(), points.end()};
    const double perColumn = (high - low) / static_cast<double>(columns);
    std::vector<XY> out;
    std::size_t begin = 0;
    while (begin < points.size()) {
        if (!std::isfinite(points[begin].y)) {
            if (out.empty() || std::isfinite(out.back().y))
                out.push_back(points[begin]);
            ++begin;
            continue;
        }
        const double column = std::floor((points[begin].x - low) / perColumn);
        std::size_t end = begin + 1;
        while (end < points.size() && std::isfinite(points[end].y) &&
               std::floor((points[end].x - low) / perColumn) == column)
            ++end;
        flushColumn(points.subspan(begin, end - begin), out);
        begin = end;
    }
    return out;
}

} // namespace crest::analysis
