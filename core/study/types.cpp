// SPDX-License-Identifier: Apache-2.0
#include "core/study/types.h"

#include <algorithm>

namespace crest::study {

Probe baseEvaluation(std::string name, std::string series, std::vector<TaskInProbe> tasks) {
    Probe probe;
    probe.name = std::move(name);
    probe.kind = kBaseEvaluation;
    probe.series = std::move(series);
    probe.seeds = 0;
    probe.tasks = std::move(tasks);
    return probe;
}

std::int64_t Plan::cachedCellCount() const {
    return std::ranges::count_if(cells, [](const Cell& cell) {
        return !cell.cached.empty() && cell.isCached();
    });
}

} // namespace crest::study
