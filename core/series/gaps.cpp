// SPDX-License-Identifier: Apache-2.0
#include "core/series/gaps.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/series/series_rules.h"

namespace crest::series {
namespace {

constexpr std::size_t kRecurs = 3;
constexpr double kEqualGrowth = 0.03;   ///< of logarithms: 1000 follows 512 as a doubling does
constexpr double kLeastGrowth = 0.1823; ///< log 1.2: below it equal spacings look like equal growth

// ---- equal spacings

class Spacings {
public:
    explicit Spacings(std::span<const std::int64_t> steps) {
        for (std::size_t i = 1; i < steps.size(); ++i)
            m_widths.push_back(steps[i] - steps[i - 1]);
        std::map<std::int64_t, std::size_t> counts;
        for (std::size_t i = 0; i < m_widths.size(); ++i) {
            ++counts[m_widths[i]];
            m_lastAt[m_widths[i]] = i;
        }
        for (const auto& [width, count] : counts)
            if (count >= kRecurs || (count == 2 && 2 * count > m_widths.size()))
                m_recurring.push_back(width);
        std::ranges::reverse(m_recurring);
    }

    /// The widest recurring spacing that this interval leaves a hole in.
    std::optional<std::int64_t> holeOf(std::size_t interval) const {
        if (isSchedule(interval))
            return std::nullopt;
        const auto at = std::ranges::find_if(m_recurring, [&](std::int64_t spacing) {
            return m_widths[interval] >= 2 * spacing && (m_lastAt.at(spacing) > interval || breaksOff(interval, spacing));
        });
        return at == m_recurring.end() ? std::nullopt : std::optional(*at);
    }

private:
    /// One of several equal ones in a row.
    bool isSchedule(std::size_t interval) const {
        const std::int64_t width = m_widths[interval];
        std::size_t first = interval, last = interval;
        while (first > 0 && m_widths[first - 1] == width)
            --first;
        while (last + 1 < m_widths.size() && m_widths[last + 1] == width)
            ++last;
        return last - first + 1 >= kRecurs;
    }
    /// The spacing held until here, and nothing says that a wider one begins.
    bool breaksOff(std::size_t interval, std::int64_t spacing) const {
        for (std::size_t back = 1; back <= kRecurs; ++back)
            if (interval < back || m_widths[interval - back] != spacing)
                return false;
        return interval + 1 == m_widths.size() || m_widths[interval + 1] < m_widths[interval];
    }

    std::vector<std::int64_t> m_widths;
    std::vector<std::int64_t> m_recurring; ///< widest first
    std::map<std::int64_t, std::size_t> m_lastAt;
};

// ---- equal growth

class Growths {
public:
    explicit Growths(std::span<const std::int64_t> steps) {
        for (std::size_t i = 1; i < steps.size(); ++i)
            m_growths.push_back(steps[i - 1] > 0 ? std::log(static_cast<double>(steps[i]) / static_cast<double>(steps[i - 1])) : 0);
    }

    /// The growth that this interval leaves a hole in, as a factor.
    std::optional<double> holeOf(std::size_t interval) const {
        const double own = m_growths[interval];
        if (const double before = recurringAt(interval, -1); before > 0 && own >= 2 * before - kEqualGrowth &&
                                                       (interval + 1 == m_growths.size() || m_growths[interval + 1] < own - kEqualGrowth))
            return std::exp(before);
        // What comes after is no reason for what was before, unless whole steps of it fit.
        const double after = recurringAt(interval, +1), steps = after > 0 ? std::round(own / after) : 0;
        return steps >= 2 && std::abs(own - steps * after) <= kEqualGrowth ? std::optional(std::exp(after)) : std::nullopt;
    }

private:
    /// That of the interval just before (-1) or after (+1), where it recurs; else 0.
    double recurringAt(std::size_t interval, int direction) const {
        const auto near = static_cast<std::ptrdiff_t>(interval) + direction;
        if (near < 0 || near >= std::ssize(m_growths))
            return 0;
        const double growth = m_growths[static_cast<std::size_t>(near)];
        const auto count = std::ranges::count_if(m_growths, [&](double other) { return std::abs(other - growth) <= kEqualGrowth; });
        return growth >= kLeastGrowth && count >= static_cast<std::ptrdiff_t>(kRecurs) ? growth : 0;
    }

    std::vector<double> m_growths; ///< logarithms; 0 from step 0
};

} // namespace

std::vector<StepGap> gapsOfSteps(std::span<const std::int64_t> steps) {
    const Spacings spacings(steps);
    const Growths growths(steps);
    std::vector<StepGap> gaps;
    for (std::size_t i = 1; i < steps.size(); ++i) {
        if (const auto spacing = spacings.holeOf(i - 1))
            gaps.push_back({i, *spacing == 1 ? "every step" : fmt::format("every {} steps", *spacing)});
        else if (const auto growth = growths.holeOf(i - 1))
            gaps.push_back({i, fmt::format("each {} times the step before", formatNumber(*growth, 2))});
    }
    return gaps;
}

std::vector<SeriesGap> findGaps(const Series& series) {
    std::map<SeriesLine, std::map<std::int64_t, std::size_t>> lines; // of two at one step the first
    for (std::size_t i = 0; i < series.checkpoints.size(); ++i)
        if (const Checkpoint& one = series.checkpoints[i]; one.step)
            lines[lineOf(one)].emplace(*one.step, i);
    std::vector<SeriesGap> gaps;
    for (const auto& [key, line] : lines) {
        std::vector<std::int64_t> steps;
        std::vector<std::size_t> places;
        for (const auto& [step, place] : line) {
            steps.push_back(step);
            places.push_back(place);
        }
        for (StepGap& gap : gapsOfSteps(steps))
            gaps.push_back({places[gap.after - 1], places[gap.after], std::move(gap.usual)});
    }
    return gaps;
}

} // namespace crest::series
