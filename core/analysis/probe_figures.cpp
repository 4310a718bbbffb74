// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figures.h"

#include <algorithm>

#include "core/analysis/probe_panels.h"

namespace crest::analysis {

using study::Role;

std::vector<study::TaskInProbe> orderedTasks(const study::Probe& probe) {
    std::vector<study::TaskInProbe> tasks = probe.tasks;
    std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) {
        return a.role == Role::InDistribution && b.role != Role::InDistribution;
    });
    return tasks;
}

Result<Figure> curvesFigure(const ProbeResults& results, const FigureOptions& wanted,
                            const std::vector<InflectionRow>& inflections) {
    FigureOptions options = wanted;
    const std::vector<double>& ladder = results.plan.probe.strengths;
    if (ladder.empty())
        options.y = YQuantity::Value; // a base evaluation has nothing that changed
    const auto looks = [&](double strength) {
        const auto at = std::find(ladder.begin(), ladder.end(), strength) - ladder.begin();
        return looksOf(results, strength, static_cast<std::size_t>(at));
    };
    return taskFigure({results, "curves", options, observationsOf(results, options.metric), looks, inflections});
}

} // namespace crest::analysis
