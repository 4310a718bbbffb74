// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_overlays.h"

#include <fmt/format.h>

#include "core/analysis/overlay.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

constexpr Marker kOverlayMarkers[] = {Marker::Cross, Marker::Plus, Marker::Star, Marker::Pentagon};
/// Okabe-Ito from vermilion on: blue is the first series of a base evaluation.
constexpr int kFirstColor = 1;

std::string detailOf(const study::Overlay& overlay, const study::OverlayCurve& curve, const study::OverlayPoint& point,
                     const Measure& measure) {
    std::string text = fmt::format("{}, {} tokens\n{} {}", curve.label, formatTokens(point.tokens), measure.title,
                                   formatNumber(point.value, 6));
    if (!measure.valueUnit.empty())
        text += " " + measure.valueUnit;
    if (point.low && point.high)
        text += fmt::format("\nband: {} to {}", formatNumber(*point.low, 5), formatNumber(*point.high, 5));
    if (point.n > 0)
        text += fmt::format("\nN: {} items", point.n);
    return text + "\nmeasured by others: " + overlay.name;
}

std::string recipeOf(const study::Overlay& overlay, const study::OverlayCurve& curve, double tokens) {
    return fmt::format("{}\n{}\ntask {}, {:.0f} tokens\nsource: {}\nfile {}\nsha256 {}", overlay.name, curve.label,
                       curve.task, tokens, overlay.source.empty() ? "not said" : overlay.source, overlay.file,
                       overlay.sha256.substr(0, 16));
}

} // namespace

bool belongsTo(const study::OverlayCurve& curve, const std::string& task, const Measure& measure) {
    return comparableTaskName(curve.task) == comparableTaskName(task) &&
           (curve.metric.empty() || curve.metric == measure.metric) &&
           (curve.unit.empty() || curve.unit == measure.unit || measureOf(curve.metric, curve.unit).unit == measure.unit);
}

void addOverlays(FigurePanel& panel, const ProbeResults& results, const std::string& task, const Measure& measure) {
    // Labels in order of the study: one label keeps its looks in all panels.
    std::vector<std::string> ids;
    for (const study::Overlay& overlay : results.overlays)
        for (const study::OverlayCurve& source : overlay.curves) {
            const std::string id = fmt::format("overlay={}: {}", overlay.name, source.label);
            std::size_t number = 0;
            while (number < ids.size() && ids[number] != id)
                ++number;
            if (number == ids.size())
                ids.push_back(id);
            if (!belongsTo(source, task, measure))
                continue;
            FigureCurve curve;
            curve.id = id;
            curve.label = source.label;
            curve.color = CurveColor::Category;
            curve.colorPosition = static_cast<double>(kFirstColor + static_cast<int>(number));
            curve.dotted = true;
            curve.marker = kOverlayMarkers[number % std::size(kOverlayMarkers)];
            curve.segments.emplace_back();
            for (const study::OverlayPoint& point : source.points)
                curve.segments.front().push_back({point.tokens, point.value, point.low, point.high, point.n,
                                                  detailOf(overlay, source, point, measure),
                                                  recipeOf(overlay, source, point.tokens)});
            panel.curves.push_back(std::move(curve));
        }
}

} // namespace crest::analysis
