// SPDX-License-Identifier: Apache-2.0
// Base + sensitivity = modified.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_stages.h"
#include "core/analysis/probe_tuning_figures.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

using Place = std::pair<double, std::int64_t>; ///< tokens (or step), pretraining seed

/// Of the checkpoints that have a finite base and a finite modified value: their observations. `left` counts the others.
std::vector<Observation> paired(const std::vector<Observation>& all, const std::string& task, double strength,
                                std::int64_t& left) {
    std::set<Place> base, modified, every;
    for (const Observation& one : all)
        if (one.task == task && (one.strength == 0 || one.strength == strength)) {
            const Place place{one.tokens, one.pretrainSeed};
            every.insert(place);
            if (std::isfinite(one.value))
                (one.strength == 0 ? base : modified).insert(place);
        }
    std::vector<Observation> out;
    for (const Observation& one : all)
        if (const Place place{one.tokens, one.pretrainSeed};
            one.task == task && (one.strength == 0 || one.strength == strength) && base.contains(place) &&
            modified.contains(place))
            out.push_back(one);
    left = static_cast<std::int64_t>(std::ranges::count_if(
        every, [&](const Place& place) { return !base.contains(place) || !modified.contains(place); }));
    return out;
}

/// Sums hold for ratios, not for their exponentials.
Measure additive(Measure measure) {
    if (!measure.exponential)
        return measure;
    measure.exponential = false;
    measure.title = "log " + measure.title;
    measure.axisTitle = fmt::format("{} ({})", measure.title, measure.unit);
    measure.valueUnit = measure.unit;
    return measure;
}

void addCurves(FigurePanel& panel, const ProbeResults& results, const StrengthCurves& curves, const Measure& measure,
               XQuantity x) {
    const bool base = curves.strength == 0;
    if (!base) {
        const CurveLooks part{"sensitivity", "sensitivity (change from base)", 1, 1, true};
        panel.curves.push_back(makeFigureCurve(results, curves, {measure, x, true}, part, panel.hiddenNonFinite));
    }
    const CurveLooks looks = base ? CurveLooks{"base", "base", 0, 0, false}
                                  : CurveLooks{curveId(results, curves.strength),
                                               fmt::format("sum: {}", study::strengthLabel(kindOf(results), curves.strength)),
                                               0, 1, false};
    panel.curves.push_back(makeFigureCurve(results, curves, {measure, x, false}, looks, panel.hiddenNonFinite));
}

} // namespace

Result<Figure> decompositionFigure(const ProbeResults& results, const FigureOptions& options,
                                   const std::vector<InflectionRow>& inflections) {
    CREST_TRY(strength, wantedStrength(results, options));
    if (strength == 0)
        return fail(ErrorKind::Mismatch, "A base evaluation modifies nothing: there is nothing to decompose.",
                    results.plan.probe.name);
    const std::vector<Observation> all = observationsOf(results, options.metric, options.x);
    const ResultIndex index(results);
    Figure figure;
    figure.name = "decomposition";
    figure.title = results.plan.probe.name;
    std::vector<std::string> bands;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        const std::size_t at = indexOfTask(results.plan, task.task);
        if (!canHaveCurve(index, at))
            continue;
        const Measure measure = additive(measureOfTask(results, index, at, options.metric));
        std::int64_t left = 0;
        CREST_TRY(curves, buildCurves(paired(all, task.task, strength, left), {options.spread}));
        FigurePanel& panel = figure.panels.emplace_back();
        panel.title = fmt::format("{}: {} at {}", task.task, measure.title,
                                  study::strengthText(kindOf(results), strength));
        panel.badge = task.role == study::Role::InDistribution ? "ID" : "OOD";
        std::vector<const StrengthCurves*> sources;
        for (const bool base : {true, false})
            for (const StrengthCurves& one : curves)
                if ((one.strength == 0) == base) {
                    sources.push_back(&one);
                    addCurves(panel, results, one, measure, options.x);
                }
        setAxes(panel, results, options, measure.axisTitle);
        bands.push_back(addBandNotes(panel, sources, false, measure.item, kindOf(results)));
        panel.notes.push_back("base + sensitivity = sum at every point: over the same checkpoints, paired");
        if (left > 0)
            panel.notes.push_back(counted(left, "checkpoint") + " left out: no finite value of base or modified model");
        addCautions(panel, results, options.x);
        addStageBorders(panel, results, options.x);
        if (options.inflections)
            addInflections(panel, results, task.task, inflections, options.x, [&](double one) {
                return one == strength ? curveId(results, strength) : std::string();
            });
    }
    shareBands(figure, bands);
    figure.columns = figure.panels.size() <= 1 ? 1 : figure.panels.size() <= 4 ? 2 : 3;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

} // namespace crest::analysis
