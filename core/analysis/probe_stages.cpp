// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_stages.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"
#include "core/base/units.h"
#include "core/series/series.h"

namespace crest::analysis {
namespace {

int stageOf(const ProbeResults& results, const study::PlannedCheckpoint& checkpoint) {
    const auto known = results.stages.find(checkpoint.series + "/" + checkpoint.name);
    if (known != results.stages.end())
        return known->second;
    return series::parseCheckpointName(checkpoint.name).stage.value_or(1);
}

/// In the middle of both, as a logarithmic axis sees it: the scale may be switched without the figure being made anew.
double middle(double a, double b) {
    return a > 0 ? std::sqrt(a) * std::sqrt(b) : (a + b) / 2;
}

} // namespace

Stages stagesOf(const ProbeResults& results) {
    struct Extent {
        double first, last;
    };
    std::map<int, Extent> extents;
    const std::vector<char> counted = chooseCheckpoints(results.plan).counted;
    for (std::size_t i = 0; i < counted.size(); ++i) {
        const study::PlannedCheckpoint& one = results.plan.checkpoints[i];
        if (!counted[i] || !one.tokens)
            continue;
        const auto tokens = static_cast<double>(*one.tokens);
        const auto [at, isNew] = extents.try_emplace(stageOf(results, one), Extent{tokens, tokens});
        if (!isNew)
            at->second = {std::min(at->second.first, tokens), std::max(at->second.last, tokens)};
    }
    Stages out;
    for (auto at = extents.begin(); at != extents.end(); ++at) {
        if (at == extents.begin())
            continue;
        double before = 0; // the last budget of all earlier stages
        for (auto earlier = extents.begin(); earlier != at; ++earlier)
            before = std::max(before, earlier->second.last);
        if (before < at->second.first)
            out.borders.push_back({before, at->second.first, at->first});
        else
            out.mixed.push_back(at->first);
    }
    return out;
}

void addStageBorders(FigurePanel& panel, const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::Steps)
        return; // which a later stage counts anew
    const Stages stages = stagesOf(results);
    for (const StageBorder& one : stages.borders)
        panel.borders.push_back({middle(xOf(one.before, results, x), xOf(one.after, results, x)),
                                 fmt::format("stage {}", one.stage),
                                 fmt::format("stage {} begins between {} and {} tokens", one.stage,
                                             formatTokens(one.before), formatTokens(one.after))});
    for (const int stage : stages.mixed)
        panel.notes.push_back(
            fmt::format("the budgets of stage {} lie among those of an earlier one: no stage border is drawn", stage));
}

} // namespace crest::analysis
