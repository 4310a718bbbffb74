// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figure_list.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_distance.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_paper_figures.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_tuning_figures.h"

namespace crest::analysis {
namespace {

using study::Role;
using Inflections = std::vector<InflectionRow>;

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

// ---- the table

struct Entry {
    const char *name, *label;
    FigureDefaults usual;
    bool fixedY;       ///< FigureOptions::y is not looked at
    const char* needs; ///< what the run must be of, in words
    bool (*can)(const ProbeResults&);
    Result<Figure> (*make)(const ProbeResults&, const FigureOptions&, const Inflections&);
    bool inflections = true; ///< FigureOptions::inflections is looked at
};

using enum YQuantity;
constexpr auto kLog = AxisScale::Log, kLinear = AxisScale::Linear;

const Entry kEntries[] = {
    {"curves", "curves", {}, false, "", [](const ProbeResults&) { return true; }, &curvesFigure},
    {"envelope", "envelope: rate best in ID", {}, false, "a fine-tuning probe with an ID task", &isTuning, &envelopeFigure},
    {"chosen-rate", "chosen rate and its trend", {Value, kLog, kLog}, true, "a fine-tuning probe with an ID task", &isTuning,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return chosenRateFigure(results, options);
     },
     false},
    {"decomposition", "base + sensitivity", {}, true, "a probe that modifies checkpoints", &isSweep, &decompositionFigure},
    {"rate-map", "map of strength and pretraining", {Change, kLog, kLog}, false, "a probe that modifies checkpoints", &isSweep,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return strengthMapFigure(results, options);
     },
     false},
    {"distance", "distance of tuned weights", {Value, kLog, kLog}, true, "a probe that trains, with results that say how far weights went",
     &hasDistances,
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return distanceFigure(results, options);
     },
     false},
    {"trade-off", "trade-off of mitigations", {Value, kLinear, kLinear}, false,
     "a fine-tuning or interpolation probe with ID and OOD tasks, and a second setting of the same training, at the same learning rate or with several",
     [](const ProbeResults& results) { return tradeOffChoices(results).any(); },
     [](const ProbeResults& results, const FigureOptions& options, const Inflections&) {
         return tradeOffFigure(results, options);
     },
     false},
    {"figure-1", "Figure 1: mean of benchmarks, base and tuned", {Value, kLinear, kLinear}, true,
     "a fine-tuning probe with an ID task, and benchmarks (accuracies of suites) out of distribution",
     [](const ProbeResults& results) { return isTuning(results) && !benchmarksOf(results, {}).empty(); }, &figureOne},
    {"figure-2", "Figure 2: every task, base and tuned", {Value, kLinear, kLinear}, false, "a fine-tuning probe with an ID task",
     &isTuning, &figureTwo},
    {"figure-3", "Figure 3: noise, loss and increase", {Both, kLog, kLinear}, true, "a probe of Gaussian noise", &isNoise, &figureThree},
    {"figure-4", "Figure 4: fixed rates, increase", {Change, kLog, kLinear}, true, "a fine-tuning probe with an OOD task",
     [](const ProbeResults& results) { return isTuning(results) && hasOod(results); },
     &figureFour},
    {"figure-5", "Figure 5: fixed rates, loss", {}, true, "a fine-tuning probe with an OOD task",
     [](const ProbeResults& results) { return isTuning(results) && hasOod(results); },
     &figureFive},
    {"figure-6", "Figure 6: tuned rate, OOD and ID", {}, true, "a fine-tuning probe with an ID task", &isTuning, &figureSix},
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

namespace {

/// Of a name with a panel's number, too; null where there is none.
const Entry* entryOf(const std::string& figure) {
    const auto at = std::ranges::find_if(kEntries, [&](const Entry& entry) {
        return figure == entry.name || figure.starts_with(entry.name + std::string("-"));
    });
    return at == std::end(kEntries) ? nullptr : at;
}

} // namespace

FigureDefaults defaultsOf(const std::string& figure) {
    if (figure.starts_with("training")) // by step, of what trainings log: training_figure.h
        return {YQuantity::Value, AxisScale::Linear, AxisScale::Linear};
    const Entry* entry = entryOf(figure);
    return entry ? entry->usual : FigureDefaults{};
}

bool showsInflections(const std::string& figure) {
    const Entry* entry = entryOf(figure);
    return !entry || entry->inflections;
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
        own.x = shownX(results.plan, own.x);
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
