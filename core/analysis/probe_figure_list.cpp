// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figure_list.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_distance.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_task_mean.h"
#include "core/analysis/probe_tuning_figures.h"

namespace crest::analysis {
namespace {

using study::Role;
using Inflections = std::vector<InflectionRow>;

/// The OOD tasks that figure-1 takes the mean of: benchmarks, whose measure is a share.
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

bool hasIdTask(const ProbeResults& results) {
    return std::ranges::any_of(results.plan.probe.tasks, [](const auto& task) { return task.role == Role::InDistribution; });
}
bool isSweep(const ProbeResults& results) {
    return !results.plan.probe.strengths.empty();
}
bool isTuning(const ProbeResults& results) {
    return isSweep(results) && isTuned(kindOf(results)) && hasIdTask(results);
}
bool isNoise(const ProbeResults& results) {
    return isSweep(results) && results.plan.probe.kind == study::kGaussianNoise;
}
bool hasOod(const ProbeResults& results) {
    return std::ranges::any_of(results.plan.probe.tasks, [](const auto& task) { return task.role == Role::OutOfDistribution; });
}

// ---- figures 1 to 6

/// Base and tuned model side by side: the plain mean of the benchmarks.
Result<Figure> benchmarkFigure(const ProbeResults& results, const FigureOptions& wanted, const Inflections&) {
    FigureOptions options = wanted;
    options.xScale = wanted.xScale.value_or(AxisScale::Linear);
    const std::vector<std::string> tasks = benchmarksOf(results, options.metric);
    const std::vector<Observation> observations = observationsOf(results, options.metric);
    CREST_TRY(envelope, envelopeOf(results, observations, options.metric));
    const std::string name = fmt::format("mean of {}", counted(static_cast<std::int64_t>(tasks.size()), "benchmark"));
    const std::vector<Observation> mean =
        meanOverTasks(envelopeObservations(observations, envelope), tasks, name);
    CREST_TRY(curves, buildCurves(mean, {options.spread}));
    const ResultIndex index(results);
    const Measure measure = measureOfTask(results, index, indexOfTask(results.plan, tasks.front()), options.metric);
    Figure figure;
    figure.name = "figure-1";
    figure.title = results.plan.probe.name;
    figure.columns = 2;
    std::vector<std::string> bands;
    double low = 1, high = 0;
    for (const bool tuned : {false, true}) {
        FigurePanel& panel = figure.panels.emplace_back();
        panel.title = fmt::format("{}: {}", name, tuned ? "tuned, rate best in ID" : "base");
        panel.badge = "OOD";
        for (const StrengthCurves& curve : curves)
            if ((curve.strength != 0) == tuned)
                panel.curves.push_back(makeFigureCurve(
                    results, curve, {measure, options.x, false},
                    tuned ? CurveLooks{kEnvelopeCurve, "tuned, rate best in ID", 0, 1, false} : looksOf(results, 0, 0),
                    panel.hiddenNonFinite));
        setAxes(panel, results, options, fmt::format("mean {}", measure.unit));
        low = std::min(low, panel.y.low);
        high = std::max(high, panel.y.high);
        std::vector<const StrengthCurves*> sources;
        for (const StrengthCurves& curve : curves)
            if ((curve.strength != 0) == tuned)
                sources.push_back(&curve);
        bands.push_back(addBandNotes(panel, sources, false, measure.item, kindOf(results)));
        panel.notes.push_back(fmt::format("{}", fmt::join(tasks, ", ")));
        if (tuned)
            panel.notes.insert(panel.notes.end(), envelope.notes.begin(), envelope.notes.end());
        addCautions(panel, results);
    }
    for (FigurePanel& panel : figure.panels) { // one scale, so that the two can be compared
        panel.y.low = low;
        panel.y.high = high;
    }
    if (options.inflections) {
        std::vector<Observation> chosen;
        std::ranges::copy_if(mean, std::back_inserter(chosen), [](const Observation& one) { return one.strength != 0; });
        InflectionOptions how;
        how.draw = kindOf(results).draw;
        how.measure = measure;
        CREST_TRY(inflection, findInflection(chosen, how));
        addInflections(figure.panels.back(), results, name,
                       {{name, Role::OutOfDistribution, kEnvelopeStrength, inflection, measure.metric, {}}}, options.x,
                       [](double) { return std::string(kEnvelopeCurve); });
    }
    shareBands(figure, bands);
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

/// The envelope of every task, ID first, on a linear token axis.
Result<Figure> envelopeGrid(const ProbeResults& results, const FigureOptions& wanted, const Inflections& inflections) {
    FigureOptions options = wanted;
    options.xScale = wanted.xScale.value_or(AxisScale::Linear);
    CREST_TRY(figure, envelopeFigure(results, options, inflections));
    figure.name = "figure-2";
    figure.columns = std::min(3, static_cast<int>(figure.panels.size()));
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

Result<Figure> ofNoise(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    CREST_TRY(figure, curvesFigure(results, options, inflections));
    figure.name = "figure-3";
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

/// Fixed rates: the OOD tasks alone.
Result<Figure> fixedRates(const char* name, const ProbeResults& results, const FigureOptions& options,
                          const Inflections& inflections) {
    CREST_TRY(figure, curvesFigure(results, options, inflections));
    figure.name = name;
    std::erase_if(figure.panels, [](const FigurePanel& panel) { return panel.badge == "ID"; });
    figure.columns = std::min(figure.columns, static_cast<int>(figure.panels.size()));
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

/// The tuned model alone: OOD above, ID below.
Result<Figure> tunedRates(const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
    CREST_TRY(figure, envelopeFigure(results, options, inflections));
    figure.name = "figure-6";
    std::stable_partition(figure.panels.begin(), figure.panels.end(),
                          [](const FigurePanel& panel) { return panel.badge != "ID"; });
    for (FigurePanel& panel : figure.panels) {
        std::erase_if(panel.curves, [](const FigureCurve& curve) { return curve.id == "base"; });
        std::erase_if(panel.notes, [](const std::string& note) { return note.starts_with("base: "); });
        fitAxis(panel, Dimension::X);
        fitAxis(panel, Dimension::Y);
    }
    figure.columns = figure.panels.size() <= 2 ? 1 : 2;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

// ---- the table

struct Entry {
    const char *name, *label;
    FigureDefaults usual;
    bool fixedY;       ///< FigureOptions::y is not looked at
    const char* needs; ///< what the run must be of, in words
    bool (*can)(const ProbeResults&);
    Result<Figure> (*make)(const ProbeResults&, const FigureOptions&, const Inflections&);
};

using enum YQuantity;
constexpr auto kLog = AxisScale::Log, kLinear = AxisScale::Linear;

const Entry kEntries[] = {
    {"curves", "curves", {}, false, "", [](const ProbeResults&) { return true; }, &curvesFigure},
    {"envelope", "envelope: rate best in ID", {}, false, "a fine-tuning probe with an ID task", &isTuning, &envelopeFigure},
    {"chosen-rate", "chosen rate and its trend", {Value, kLog, kLog}, true, "a fine-tuning probe with an ID task", &isTuning,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return chosenRateFigure(results, options);
     }},
    {"decomposition", "base + sensitivity", {}, true, "a probe that modifies checkpoints", &isSweep, &decompositionFigure},
    {"rate-map", "map of strength and tokens", {Change, kLog, kLog}, false, "a probe that modifies checkpoints", &isSweep,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return strengthMapFigure(results, options);
     }},
    {"distance", "distance of tuned weights", {Value, kLog, kLog}, true, "a probe that trains, with results that say how far weights went",
     &hasDistances,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return distanceFigure(results, options);
     }},
    {"figure-1", "Figure 1: mean of benchmarks, base and tuned", {Value, kLinear, kLinear}, true,
     "a fine-tuning probe with an ID task, and benchmarks (accuracies of suites) out of distribution",
     [](const ProbeResults& results) { return isTuning(results) && !benchmarksOf(results, {}).empty(); }, &benchmarkFigure},
    {"figure-2", "Figure 2: every task, base and tuned", {Value, kLinear, kLinear}, false, "a fine-tuning probe with an ID task",
     &isTuning, &envelopeGrid},
    {"figure-3", "Figure 3: noise, loss and increase", {Both, kLog, kLinear}, true, "a probe of Gaussian noise", &isNoise, &ofNoise},
    {"figure-4", "Figure 4: fixed rates, increase", {Change, kLog, kLinear}, true, "a fine-tuning probe with an OOD task",
     [](const ProbeResults& results) { return isTuning(results) && hasOod(results); },
     [](const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
         return fixedRates("figure-4", results, options, inflections);
     }},
    {"figure-5", "Figure 5: fixed rates, loss", {}, true, "a fine-tuning probe with an OOD task",
     [](const ProbeResults& results) { return isTuning(results) && hasOod(results); },
     [](const ProbeResults& results, const FigureOptions& options, const Inflections& inflections) {
         return fixedRates("figure-5", results, options, inflections);
     }},
    {"figure-6", "Figure 6: tuned rate, OOD and ID", {}, true, "a fine-tuning probe with an ID task", &isTuning, &tunedRates},
};

} // namespace

std::vector<std::string> figureNames() {
    std::vector<std::string> names;
    for (const Entry& entry : kEntries)
        names.emplace_back(entry.name);
    return names;
}

std::vector<NamedFigure> figuresOf(const ProbeResults& results) {
    std::vector<NamedFigure> figures;
    for (const Entry& entry : kEntries)
        if (entry.can(results))
            figures.push_back({entry.name, entry.label});
    return figures;
}

FigureDefaults defaultsOf(const std::string& figure) {
    if (figure.starts_with("training")) // by step, of what trainings log: training_figure.h
        return {YQuantity::Value, AxisScale::Linear, AxisScale::Linear};
    const auto at = std::ranges::find_if(kEntries, [&](const Entry& entry) {
        return figure == entry.name || figure.starts_with(entry.name + std::string("-"));
    });
    return at == std::end(kEntries) ? FigureDefaults{} : at->usual;
}

Result<Figure> makeFigure(const std::string& name, const ProbeResults& results, const FigureOptions& options,
                          const std::vector<InflectionRow>& inflections) {
    const auto at = std::ranges::find(kEntries, name, [](const Entry& entry) { return std::string(entry.name); });
    if (at == std::end(kEntries))
        return fail(ErrorKind::NotFound,
                    fmt::format("There is no figure \"{}\"; there are {}.", name, fmt::join(figureNames(), ", ")));
    if (at->can(results)) {
        FigureOptions own = options;
        if (at->fixedY)
            own.y = at->usual.y;
        return at->make(results, own, inflections);
    }
    std::vector<std::string> there;
    for (const NamedFigure& figure : figuresOf(results))
        there.push_back(figure.name);
    return fail(ErrorKind::Mismatch, fmt::format("The figure \"{}\" needs {}; this run can give {}.", name, at->needs,
                                                 fmt::join(there, ", ")),
                results.plan.probe.name);
}

} // namespace crest::analysis
