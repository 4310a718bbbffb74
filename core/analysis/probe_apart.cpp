// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_apart.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/probe_measures.h"

namespace crest::analysis {
namespace {

/// Of the last place: seen as a distance on a linear axis as on a logarithmic one.
constexpr double kBeyondLast = 1.25;

} // namespace

Result<ApartFinals> ApartFinals::of(const ProbeResults& results, const FigureOptions& options) {
    ApartFinals out(results);
    const std::vector<study::PlannedCheckpoint>& checkpoints = results.plan.checkpoints;
    double last = 0;
    for (const study::PlannedCheckpoint& one : checkpoints)
        if (const auto place = placeOf(one, options.x))
            last = std::max(last, static_cast<double>(*place));
    for (std::size_t i = 0; i < checkpoints.size() && last > 0; ++i) {
        const auto apart = results.apart.find(checkpoints[i].series + "/" + checkpoints[i].name);
        if (apart == results.apart.end())
            continue;
        Final& one = out.m_finals.emplace_back();
        one.name = checkpoints[i].name;
        one.what = apart->second.what;
        if (apart->second.tokens && options.x != XQuantity::Steps) {
            one.place = static_cast<double>(*apart->second.tokens);
        } else {
            one.place = last * kBeyondLast;
            one.border = last * std::sqrt(kBeyondLast);
            last = one.place;
        }
        std::vector<std::optional<double>> places(checkpoints.size());
        places[i] = one.place;
        CREST_TRY(curves, buildCurves(observationsAt(results, options.metric, places), {options.spread}));
        one.curves = std::move(curves);
    }
    return out;
}

/// False where none was measured.
bool ApartFinals::addPoints(FigurePanel& panel, const Final& final, const std::string& task, const CurveContent& content,
                            const std::vector<DrawnCurve>& drawn) const {
    bool any = false;
    for (const DrawnCurve& line : drawn) {
        const auto own = std::ranges::find_if(final.curves, [&](const StrengthCurves& one) {
            return one.task == task && one.strength == line.source->strength;
        });
        const auto at = std::ranges::find(panel.curves, line.looks.id, &FigureCurve::id);
        if (own == final.curves.end() || at == panel.curves.end())
            continue;
        FigureCurve made = makeFigureCurve(m_results, *own, content, line.looks, panel.hiddenNonFinite);
        for (std::vector<FigurePoint>& segment : made.segments) {
            if (final.border == 0 && !any)
                segment.front().label = final.name;
            at->segments.push_back(std::move(segment));
            any = true;
        }
    }
    return any;
}

void ApartFinals::addTo(FigurePanel& panel, const std::string& task, const CurveContent& content,
                        const std::vector<DrawnCurve>& drawn) const {
    const bool steps = content.x == XQuantity::Steps;
    for (const Final& one : m_finals) {
        CurveContent own = content;
        own.place = one.border == 0 ? fmt::format("{}, {}", one.name, budgetText(one.place, steps))
                                    : fmt::format("{}, no {} known", one.name, steps ? "step" : "token count");
        if (!addPoints(panel, one, task, own, drawn))
            continue;
        const std::string apart = fmt::format("{} stands apart: {}", one.name, one.what);
        if (one.border > 0)
            panel.borders.push_back({xOf(one.border, m_results, content.x), one.name,
                                     fmt::format("{}; no {} is known, so places right of here are none", apart, steps ? "step" : "token count")});
        panel.notes.push_back(apart);
    }
}

} // namespace crest::analysis
