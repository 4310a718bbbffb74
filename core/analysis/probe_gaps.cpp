// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_gaps.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_stages.h"
#include "core/base/counted.h"

namespace crest::analysis {
namespace {

using Span = std::pair<double, double>;

/// On this axis; nothing where the hole has no place on it.
std::optional<Span> spanOf(const SeriesHole& hole, XQuantity x) {
    const auto& from = x == XQuantity::Steps ? hole.stepFrom : hole.tokensFrom;
    const auto& to = x == XQuantity::Steps ? hole.stepTo : hole.tokensTo;
    if (!from || !to || *from > *to)
        return std::nullopt;
    return Span(static_cast<double>(*from), static_cast<double>(*to));
}

/// Of the checkpoints that have results, ascending.
std::vector<double> measuredPlaces(const ProbeResults& results, XQuantity x) {
    const ResultIndex index(results);
    std::set<int> measured;
    for (const study::Cell& cell : results.plan.cells)
        for (std::size_t task = 0; task < cell.keys.size(); ++task)
            if (index.row(cell, task))
                measured.insert(cell.checkpoint);
    std::vector<double> places;
    for (const int checkpoint : measured)
        if (const auto place = placeOf(results.plan.checkpoints[static_cast<std::size_t>(checkpoint)], x))
            places.push_back(static_cast<double>(*place));
    std::ranges::sort(places);
    return places;
}

/// A checkpoint that broke after it was measured, or whose place another replicate has, leaves the line whole, as LineBreaks does.
bool isFilled(const Span& hole, const std::vector<double>& places) {
    return std::ranges::any_of(places, [&](double place) {
        return hole.first == hole.second ? place == hole.first : place > hole.first && place < hole.second;
    });
}

} // namespace

LineBreaks::LineBreaks(const ProbeResults& results, XQuantity x) {
    for (const SeriesHole& hole : results.holes)
        if (const auto span = spanOf(hole, x))
            m_spans.push_back(*span);
    if (x != XQuantity::Steps) // which a later stage counts anew
        for (const StageBorder& border : stagesOf(results).borders)
            m_spans.emplace_back(border.before, border.after);
    for (const study::PlannedCheckpoint& one : results.plan.checkpoints)
        if (const auto place = placeOf(one, x))
            m_spans.emplace_back(static_cast<double>(*place), static_cast<double>(*place));
    std::ranges::sort(m_spans);
}

bool LineBreaks::isBetween(double from, double to) const {
    auto span = std::ranges::lower_bound(m_spans, from, {}, &Span::first);
    for (; span != m_spans.end() && span->first <= to; ++span) {
        const bool inside = span->first == span->second ? span->first > from && span->first < to : span->second <= to;
        if (inside)
            return true;
    }
    return false;
}

void addHoleNotes(FigurePanel& panel, const ProbeResults& results, XQuantity x) {
    constexpr std::size_t kMostTold = 2;
    if (results.holes.empty())
        return;
    const std::vector<double> places = measuredPlaces(results, x);
    if (places.empty())
        return;
    std::vector<std::string> told;
    for (const SeriesHole& hole : results.holes)
        if (const auto span = spanOf(hole, x); span && span->first >= places.front() && span->second <= places.back() && !isFilled(*span, places))
            told.push_back(span->first == span->second
                               ? fmt::format("gap: the checkpoint at {} is broken", budgetText(span->first, x == XQuantity::Steps))
                               : fmt::format("gap: no checkpoint between {} and {}", budgetHeading(span->first, x == XQuantity::Steps),
                                             budgetText(span->second, x == XQuantity::Steps)));
    if (told.size() <= kMostTold)
        panel.notes.insert(panel.notes.end(), told.begin(), told.end());
    else
        panel.notes.push_back(fmt::format("{} in the series, each marked in the Series dock", counted(static_cast<std::int64_t>(told.size()), "gap")));
}

} // namespace crest::analysis
