// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figures.h"

#include <algorithm>

#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_panels.h"
#include "core/study/finer_rates.h"

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
    options.x = shownX(results.plan, wanted.x);
    const std::vector<double> ladder = study::gridOf(results.plan.probe);
    if (ladder.empty())
        options.y = YQuantity::Value; // a base evaluation has nothing that changed
    const auto looks = [&](double strength) {
        const auto at = std::find(ladder.begin(), ladder.end(), strength) - ladder.begin();
        return looksOf(results, strength, static_cast<std::size_t>(at));
    };
    // A rate of a few checkpoints is no curve over pretraining.
    std::vector<Observation> observations = observationsOf(results, options.metric, options.x);
    std::erase_if(observations, [&](const Observation& one) {
        return one.strength != 0 && std::find(ladder.begin(), ladder.end(), one.strength) == ladder.end();
    });
    CREST_TRY(figure, taskFigure({results, "curves", options, observations, looks, inflections}));
    addFinerRates(figure, results);
    return figure;
}

} // namespace crest::analysis
