// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_paper_figures.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_data_sets.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_task_mean.h"
#include "core/analysis/probe_tuning_figures.h"
#include "core/base/units.h"
#include "core/study/planner.h"

namespace crest::analysis {
namespace {

using study::Role;
using Inflections = std::vector<InflectionRow>;

// ---- figure 1

/// Of the mean over the benchmarks at the rate best in ID.
Result<void> addMeanInflection(FigurePanel& panel, const ProbeResults& results, const std::vector<Observation>& mean,
                               const std::string& name, const Measure& measure, XQuantity x) {
    std::vector<Observation> chosen;
    std::ranges::copy_if(mean, std::back_inserter(chosen), [](const Observation& one) { return one.strength != 0; });
    InflectionOptions how;
    how.draw = kindOf(results).draw;
    how.measure = measure;
    how.overSteps = x == XQuantity::Steps;
    CREST_TRY(inflection, findInflection(chosen, how));
    addInflections(panel, results, name, {{name, Role::OutOfDistribution, kEnvelopeStrength, inflection, measure.metric, {}}}, x,
                   [](double) { return std::string(kEnvelopeCurve); });
    return {};
}

/// What guessing reaches in the mean over the benchmarks, where it is known of each.
void addMeanChance(FigurePanel& panel, const ProbeResults& results, const ResultIndex& index, const std::vector<std::string>& tasks,
                   const Measure& measure) {
    double chance = 0;
    for (const std::string& task : tasks)
        chance += chanceOf(index, indexOfTask(results.plan, task), measure) / static_cast<double>(tasks.size());
    if (std::isfinite(chance))
        panel.lines.push_back({chance, "chance " + formatNumber(chance, 3)});
}

/// One scale for all, so that they can be compared; also where budgets of some are still to come.
void shareRanges(std::vector<FigurePanel>& panels) {
    const auto share = [&](Axis FigurePanel::*axis) {
        double low = (panels.front().*axis).low, high = (panels.front().*axis).high;
        for (const FigurePanel& panel : panels) {
            low = std::min(low, (panel.*axis).low);
            high = std::max(high, (panel.*axis).high);
        }
        for (FigurePanel& panel : panels) {
            (panel.*axis).low = low;
            (panel.*axis).high = high;
        }
    };
    share(&FigurePanel::x);
    share(&FigurePanel::y);
}

/// Two panels: base and tuned.
Result<Figure> benchmarkFigure(const ProbeResults& results, const FigureOptions& options) {
    const std::vector<std::string> tasks = benchmarksOf(results, options.metric);
    const std::vector<Observation> observations = observationsOf(results, options.metric, options.x);
    CREST_TRY(envelope, envelopeOf(results, observations, options.metric, options.x));
    const std::string name = fmt::format("mean of {}", counted(static_cast<std::int64_t>(tasks.size()), "benchmark"));
    const std::vector<Observation> mean = meanOverTasks(envelopeObservations(observations, envelope), tasks, name);
    CREST_TRY(curves, buildCurves(mean, {options.spread}));
    const ResultIndex index(results);
    const Measure measure = measureOfTask(results, index, indexOfTask(results.plan, tasks.front()), options.metric);
    Figure figure;
    std::vector<std::string> bands;
    for (const bool tuned : {false, true}) {
        FigurePanel& panel = figure.panels.emplace_back();
        panel.title = fmt::format("{}: {}", name, tuned ? "tuned, rate best in ID" : "base");
        panel.badge = "OOD";
        const CurveLooks looks = tuned ? CurveLooks{kEnvelopeCurve, "tuned, rate best in ID", 0, 1, false} : looksOf(results, 0, 0);
        std::vector<const StrengthCurves*> sources;
        for (const StrengthCurves& curve : curves)
            if ((curve.strength != 0) == tuned) {
                sources.push_back(&curve);
                panel.curves.push_back(makeFigureCurve(results, curve, {measure, options.x, false}, looks, panel.hiddenNonFinite));
            }
        addMeanChance(panel, results, index, tasks, measure);
        setAxes(panel, results, options, fmt::format("mean {}", measure.unit));
        bands.push_back(addBandNotes(panel, sources, false, measure.item, kindOf(results)));
        panel.notes.push_back(fmt::format("{}", fmt::join(tasks, ", ")));
        if (tuned)
            panel.notes.insert(panel.notes.end(), envelope.notes.begin(), envelope.notes.end());
        addCautions(panel, results, options.x);
    }
    if (options.inflections)
        CREST_CHECK(addMeanInflection(figure.panels.back(), results, mean, name, measure, options.x));
    shareBands(figure, bands);
    return figure;
}

/// What the benchmarks measure, whatever they are called.
std::vector<std::string> benchmarkHashes(const ProbeResults& results, const std::string& metric) {
    std::vector<std::string> hashes;
    for (const std::string& task : benchmarksOf(results, metric))
        hashes.push_back(study::taskHash(results.plan.tasks[indexOfTask(results.plan, task)]));
    std::ranges::sort(hashes);
    return hashes;
}

// ---- figures 2 to 6 of one run

Result<Figure> named(Result<Figure> figure, const char* name, const ProbeResults& results, const FigureOptions& options) {
    if (figure) {
        figure->name = name;
        figure->provenance = figureProvenance(results, name, options);
    }
    return figure;
}

Result<Figure> fixedRates(const char* name, const ProbeResults& results, const FigureOptions& options,
                          const Inflections& inflections) {
    CREST_TRY(figure, named(curvesFigure(results, options, inflections), name, results, options));
    std::erase_if(figure.panels, [](const FigurePanel& panel) { return panel.badge == "ID"; });
    figure.columns = std::min(figure.columns, static_cast<int>(figure.panels.size()));
    return figure;
}

Result<Figure> tunedRates(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    CREST_TRY(figure, named(envelopeFigure(results, options, inflections), "figure-6", results, options));
    std::stable_partition(figure.panels.begin(), figure.panels.end(),
                          [](const FigurePanel& panel) { return panel.badge != "ID"; });
    for (FigurePanel& panel : figure.panels) {
        std::erase_if(panel.curves, [](const FigureCurve& curve) { return curve.id == "base"; });
        std::erase_if(panel.notes, [](const std::string& note) { return note.starts_with("base: "); });
        fitAxis(panel, Dimension::X);
        fitAxis(panel, Dimension::Y);
    }
    figure.columns = figure.panels.size() <= 2 ? 1 : 2;
    return figure;
}

/// A column for each set; strengths that sets share look alike.
Result<Figure> fixedRatesOfSets(const char* name, const ProbeResults& results, const FigureOptions& options,
                                const Inflections& inflections) {
    CREST_TRY(figure, sideBySide(results, options, inflections, [&](const ProbeResults& run, const Inflections& own) {
                  return fixedRates(name, run, options, own);
              }));
    shareLadder(figure, dataSetsOf(results).runs);
    return figure;
}

} // namespace

std::vector<std::string> benchmarksOf(const ProbeResults& results, const std::string& metric) {
    const ResultIndex index(results);
    std::vector<std::string> names;
    for (const study::TaskInProbe& task : results.plan.probe.tasks) {
        const std::size_t at = indexOfTask(results.plan, task.task);
        if (task.role == Role::OutOfDistribution && at < results.plan.tasks.size() &&
            results.plan.tasks[at].kind == study::TaskKind::Suite && canHaveCurve(index, at) &&
            measureOfTask(results, index, at, metric).isShare)
            names.push_back(task.task);
    }
    return names;
}

Result<Figure> figureOne(const ProbeResults& results, const FigureOptions& wanted, const Inflections&) {
    FigureOptions options = wanted;
    options.xScale = wanted.xScale.value_or(AxisScale::Linear);
    const std::vector<std::string> benchmarks = benchmarkHashes(results, options.metric);
    DataSets sets = dataSetsOf(results);
    std::vector<Figure> parts;
    std::vector<const ProbeResults*> siblings;
    Figure figure;
    for (const ProbeResults* run : sets.runs) {
        if (benchmarkHashes(*run, options.metric) != benchmarks) {
            sets.leftOut.push_back(fmt::format("not beside these: {}, which was measured on other benchmarks", trainedOn(*run)));
            continue;
        }
        CREST_TRY(part, benchmarkFigure(*run, options));
        if (run == &results)
            figure.panels.insert(figure.panels.begin(), part.panels.front());
        else
            siblings.push_back(run);
        if (sets.runs.size() > 1)
            part.panels.back().title += ", on " + trainedOn(*run);
        figure.panels.push_back(part.panels.back());
        parts.push_back(std::move(part));
    }
    shareKeys(figure, parts);
    shareRanges(figure.panels);
    for (const std::string& note : sets.leftOut)
        figure.panels.front().notes.push_back(note);
    figure.name = "figure-1";
    figure.title = results.plan.probe.name;
    figure.columns = figure.panels.size() <= 4 ? static_cast<int>(figure.panels.size()) : 3;
    figure.provenance = provenanceWith(results, figure.name, options, siblings);
    return figure;
}

Result<Figure> figureTwo(const ProbeResults& results, const FigureOptions& wanted, const Inflections& inflections) {
    FigureOptions options = wanted;
    options.xScale = wanted.xScale.value_or(AxisScale::Linear);
    return sideBySide(results, options, inflections, [&](const ProbeResults& run, const Inflections& own) -> Result<Figure> {
        CREST_TRY(figure, named(envelopeFigure(run, options, own), "figure-2", run, options));
        figure.columns = std::min(3, static_cast<int>(figure.panels.size()));
        return figure;
    });
}

Result<Figure> figureThree(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    return named(curvesFigure(results, options, inflections), "figure-3", results, options);
}

Result<Figure> figureFour(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    return fixedRatesOfSets("figure-4", results, options, inflections);
}

Result<Figure> figureFive(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    return fixedRatesOfSets("figure-5", results, options, inflections);
}

Result<Figure> figureSix(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    return sideBySide(results, options, inflections,
                      [&](const ProbeResults& run, const Inflections& own) { return tunedRates(run, options, own); });
}

} // namespace crest::analysis
