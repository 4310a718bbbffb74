// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_rate_trend.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/analysis/statistics.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

struct Line {
    double slope = 0, spread = 0; ///< spread: sum of squares of log tokens about their mean
    double residual = 0;          ///< variance of one choice about the line; n - 2 degrees of freedom
    double meanX = 0, meanY = 0;
    std::size_t n = 0;
};

Line fitLine(const std::vector<RatePoint>& points) {
    Line line;
    line.n = points.size();
    const double n = static_cast<double>(line.n);
    for (const RatePoint& one : points) {
        line.meanX += std::log(one.tokens) / n;
        line.meanY += std::log(one.rate) / n;
    }
    double cross = 0, squares = 0;
    for (const RatePoint& one : points) {
        const double x = std::log(one.tokens) - line.meanX, y = std::log(one.rate) - line.meanY;
        line.spread += x * x;
        cross += x * y;
        squares += y * y;
    }
    line.slope = cross / line.spread;
    line.residual = std::max(0.0, squares - line.slope * cross) / (n - 2);
    return line;
}

/// Runs with three budgets or more.
std::vector<std::vector<RatePoint>> usableRuns(std::span<const RatePoint> points) {
    std::map<std::int64_t, std::vector<RatePoint>> runs;
    for (const RatePoint& one : points)
        if (one.tokens > 0 && one.rate > 0)
            runs[one.run].push_back(one);
    std::vector<std::vector<RatePoint>> usable;
    for (auto& [run, own] : runs) {
        std::set<double> budgets;
        for (const RatePoint& one : own)
            budgets.insert(one.tokens);
        if (budgets.size() >= 3)
            usable.push_back(std::move(own));
    }
    return usable;
}

RateTrend classOf(double exponent, const RateTrendResult& result) {
    if (exponent <= result.quickBelow)
        return RateTrend::QuicklyDecreasing;
    if (exponent > result.constantWithin)
        return RateTrend::Rising;
    return exponent < -result.constantWithin ? RateTrend::SlowlyDecreasing : RateTrend::Constant;
}

std::vector<RateTrend> touched(const RateTrendResult& result) {
    const double within = result.constantWithin, quick = result.quickBelow;
    std::vector<RateTrend> out;
    const auto add = [&](RateTrend trend, double from, double to) {
        if (from < to && (trend == result.trend || (result.low < to && result.high > from)))
            out.push_back(trend);
    };
    constexpr double kFar = std::numeric_limits<double>::infinity();
    add(RateTrend::QuicklyDecreasing, -kFar, quick);
    add(RateTrend::SlowlyDecreasing, quick, std::max(quick, -within));
    add(RateTrend::Constant, std::max(quick, -within), within);
    add(RateTrend::Rising, within, kFar);
    return out;
}

std::string textOf(const RateTrendResult& result, const std::string& over) {
    std::string text = fmt::format("{}: rate ~ {}^{} (95 %: {} to {})", rateTrendName(result.trend), over,
                                   formatNumber(result.exponent, 2), formatNumber(result.low, 2),
                                   formatNumber(result.high, 2));
    std::string others;
    for (const RateTrend other : result.possible)
        if (other != result.trend)
            others += (others.empty() ? "" : ", ") + rateTrendName(other);
    return others.empty() ? text : text + "; not told from " + others;
}

} // namespace

std::string rateTrendName(RateTrend trend) {
    switch (trend) {
    case RateTrend::Rising:
        return "rising";
    case RateTrend::Constant:
        return "constant";
    case RateTrend::SlowlyDecreasing:
        return "slowly decreasing";
    case RateTrend::QuicklyDecreasing:
        break;
    }
    return "quickly decreasing";
}

RateTrendResult rateTrend(std::span<const RatePoint> points, double gridStep, double quick, const std::string& over) {
    RateTrendResult result;
    const std::vector<std::vector<RatePoint>> runs = usableRuns(points);
    if (runs.empty())
        return result;
    std::vector<double> slopes;
    std::set<double> budgets, rates;
    double least = std::numeric_limits<double>::infinity(), meanX = 0, meanY = 0;
    Line line;
    for (const std::vector<RatePoint>& run : runs) {
        line = fitLine(run);
        slopes.push_back(line.slope);
        least = std::min(least, line.spread);
        meanX += line.meanX / static_cast<double>(runs.size());
        meanY += line.meanY / static_cast<double>(runs.size());
        for (const RatePoint& one : run) {
            budgets.insert(one.tokens);
            rates.insert(one.rate);
        }
    }
    const Summary slope = summarize(slopes);
    const double step = std::log(gridStep);
    result.known = true;
    result.runs = static_cast<std::int64_t>(runs.size());
    result.budgets = static_cast<std::int64_t>(budgets.size());
    result.centre = std::exp(meanX);
    result.rateAtCentre = std::exp(meanY);
    result.constantWithin = step / std::log(*budgets.rbegin() / *budgets.begin());
    result.quickBelow = -quick;
    result.exponent = slope.mean;
    if (rates.size() == 1) {
        result.low = -result.constantWithin;
        result.high = result.constantWithin;
    } else {
        const bool several = runs.size() > 1;
        const ErrorComponent spread =
            several ? ErrorComponent{slope.se * slope.se, static_cast<double>(runs.size() - 1)}
                    : ErrorComponent{line.residual / line.spread, static_cast<double>(line.n) - 2};
        const ErrorComponent rounding{step * step / 12 / least, std::numeric_limits<double>::infinity()};
        const ErrorComponent total = combine(std::vector{spread, rounding});
        const Interval interval = studentInterval(result.exponent, std::sqrt(total.variance), total.df);
        result.low = interval.low;
        result.high = interval.high;
    }
    result.trend = classOf(result.exponent, result);
    result.possible = touched(result);
    result.text = textOf(result, over);
    return result;
}

} // namespace crest::analysis
