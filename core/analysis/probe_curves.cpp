// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_curves.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/probe_gaps.h"
#include "core/analysis/probe_provenance.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {

double xOf(double tokens, const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return tokens / static_cast<double>(results.parameters);
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return tokens * results.flopsPerToken;
    return tokens;
}

std::string xTitle(const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return "pretraining tokens per parameter";
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return "pretraining compute (FLOPs)";
    return x == XQuantity::Steps ? kStepsTitle : kTokensTitle;
}

std::string curveId(const ProbeResults& results, double strength) {
    return strength == 0 ? "base" : kindOf(results).curve + ("=" + formatNumber(strength, 6));
}

const study::ProbeKind& kindOf(const ProbeResults& results) {
    return study::probeKind(results.plan.probe.kind);
}

std::string drawsText(const study::ProbeKind& kind, std::int64_t draws) {
    return kind.isDrawn() ? counted(draws, kind.draw) : std::string();
}

namespace {

constexpr Marker kMarkers[] = {Marker::Circle,       Marker::Square,   Marker::Diamond, Marker::TriangleUp,
                               Marker::TriangleDown, Marker::Pentagon, Marker::Star};

std::string withUnit(double value, const Measure& measure, bool change, int digits) {
    const std::string& unit = change ? measure.unit : measure.valueUnit;
    return formatNumber(value, digits) + (unit.empty() || measure.isShare ? std::string() : " " + unit);
}

std::string pointDetail(const study::ProbeKind& kind, const std::string& label, const StrengthCurves& curve, const CurvePoint& point,
                        const FigurePoint& shown, const CurveContent& content) {
    const Measure& measure = content.measure;
    const bool base = curve.strength == 0;
    const std::string place = content.place.empty() ? budgetText(point.tokens, content.x == XQuantity::Steps) : content.place;
    std::string text = fmt::format("{}, {}\n{} {}", label, place,
                                   content.change ? "change from base" : measure.title,
                                   withUnit(shown.y, measure, content.change, 6));
    if (shown.low && shown.high)
        text += fmt::format("\n{}: {} to {}", bandKindLabel(point.band, measure.item, base ? "" : kind.draw),
                            formatNumber(*shown.low, 5), formatNumber(*shown.high, 5));
    if (point.band != BandKind::None && point.standardError > 0)
        text += fmt::format("\nstandard error {}{}", formatNumber(point.standardError, 3),
                            measure.exponential ? " " + measure.unit : "");
    text += "\nN: " + counted(point.seeds, "pretraining run");
    if (!base && kind.isDrawn())
        text += ", " + drawsText(kind, point.draws) + (kind.members == 1 ? "" : point.draws == 1 ? " (pair)" : " (pairs)");
    if (point.sequences > 0)
        text += ", " + counted(point.sequences, measure.item.c_str());
    if (point.nonFinite > 0)
        text += fmt::format("\n{} not finite and left out", counted(point.nonFinite, "value"));
    return text;
}

/// What the band's N counts; without a band, what there is most of.
std::int64_t bandCount(const CurvePoint& point) {
    switch (point.band) {
    case BandKind::SeedSd:
    case BandKind::SeedCi95:
        return point.seeds;
    case BandKind::DrawSd:
    case BandKind::DrawCi95:
        return point.draws;
    case BandKind::SequenceCi95:
        return point.sequences;
    case BandKind::None:
        break;
    }
    return std::max({point.seeds, point.draws, point.sequences});
}

/// A change stays in the unit of the ratio; a value is shown as people know it, a share within 0 and 1.
double shownValue(double ratio, const CurveContent& content) {
    if (content.change)
        return ratio;
    const double value = content.measure.shown(ratio);
    return content.measure.isShare ? std::clamp(value, 0.0, 1.0) : value;
}

FigurePoint makePoint(const ProbeResults& results, const StrengthCurves& curve, const CurvePoint& point,
                      const CurveContent& content, const std::string& label) {
    FigurePoint out;
    out.x = xOf(point.tokens, results, content.x);
    out.y = shownValue(point.mean, content);
    if (point.band != BandKind::None && std::isfinite(point.low) && std::isfinite(point.high)) {
        out.low = shownValue(point.low, content);
        out.high = shownValue(point.high, content);
    }
    out.n = bandCount(point);
    out.runs = point.seeds;
    if (curve.strength != 0 && kindOf(results).isDrawn())
        out.draws = point.draws;
    out.detail = pointDetail(kindOf(results), label, curve, point, out, content);
    const std::string modification = modificationText(results, curve.strength);
    out.recipe = content.place.empty() ? pointRecipe(results, curve.task, modification, point.tokens, "curves", content.x)
                                       : pointRecipeAt(results, curve.task, modification, content.place, "curves", content.x);
    return out;
}

} // namespace

Marker markerAt(std::size_t position) {
    return kMarkers[position % std::size(kMarkers)];
}

Marker categoryMarkerAt(std::size_t position) {
    return markerAt(position + position / std::size(kMarkers));
}

double colorPositionAt(std::size_t position, std::size_t count) {
    return count < 2 ? 0.3 : static_cast<double>(position) / static_cast<double>(count - 1);
}

CurveLooks looksOf(const ProbeResults& results, double strength, std::size_t position) {
    const study::Probe& probe = results.plan.probe;
    if (!probe.strengths.empty())
        return {curveId(results, strength), strength == 0 ? "base" : study::strengthLabel(kindOf(results), strength), position, study::gridOf(probe).size(),
                false};
    const bool alone = results.others.empty();
    return {alone ? "base" : "series=" + probe.series, alone ? "base" : probe.series, 0, 0, true};
}

FigureCurve makeFigureCurve(const ProbeResults& results, const StrengthCurves& source, const CurveContent& content,
                            const CurveLooks& looks, int& hidden) {
    FigureCurve curve;
    curve.id = looks.id;
    curve.label = looks.label;
    const bool base = source.strength == 0 && !looks.series;
    curve.color = looks.series ? CurveColor::Category : base ? CurveColor::Base : CurveColor::Ordered;
    curve.dashed = base;
    curve.marker = base ? Marker::None : looks.series ? categoryMarkerAt(looks.position) : markerAt(looks.position);
    curve.colorPosition =
        looks.series ? static_cast<double>(looks.position) : colorPositionAt(looks.position, looks.count);
    std::vector<FigurePoint> segment;
    const auto endSegment = [&] {
        if (!segment.empty())
            curve.segments.push_back(std::move(segment));
        segment.clear();
    };
    const LineBreaks breaks(results, content.x);
    double last = 0;
    for (const CurvePoint& point : (content.change ? source.sensitivity : source.value).points) {
        if (!segment.empty() && breaks.isBetween(last, point.tokens))
            endSegment();
        last = point.tokens;
        if (std::isfinite(point.mean)) {
            segment.push_back(makePoint(results, source, point, content, curve.label));
            continue;
        }
        ++hidden;
        endSegment();
    }
    endSegment();
    return curve;
}

} // namespace crest::analysis
