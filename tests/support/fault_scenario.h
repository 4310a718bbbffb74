// SPDX-License-Identifier: Apache-2.0
// What crest-fault-scenario stores, for it and for the tests that look at what it left behind.
#pragma once

#include <vector>

#include "core/run/result_row.h"
#include "tests/support/pretend_outcome.h"
#include "tests/support/pretend_runner.h"

namespace crest::test {

inline pretend::Shape faultShape() {
    return {.checkpoints = 2,
            .strengths = {0.1},
            .seeds = 1,
            .seedsPerBatch = 1,
            .tasks = 1,
            .sequences = 4,
            .suiteTasks = 3,
            .items = 3};
}

/// Every result of the plan, with values by its place in it.
inline std::vector<study::ResultRow> faultRows() {
    const study::Plan plan = pretend::makePlan(faultShape());
    std::vector<study::ResultRow> rows;
    const auto add = [&](run::Measurement measurement) {
        rows.push_back(run::makeRow(plan, std::move(measurement), "cpu", 1));
        rows.back().cachedAt = "2026-01-01T00:00:00.000Z";
        rows.back().run = "";
    };
    for (int cell = 0; cell < static_cast<int>(plan.cells.size()); ++cell) {
        add({cell,
             0,
             1.0 + cell,
             0.125,
             60,
             "",
             {1.0f + static_cast<float>(cell), 2.0f, 3.0f, 4.0f},
             {15, 15, 15, 15},
             {},
             {}});
        for (int task = 1; task < static_cast<int>(plan.tasks.size()); ++task) { // one of each kind
            run::Measurement measurement{cell, task, 0, 0, 0, "", {}, {}, {}, {}};
            measurement.outcome =
                pretend::pretendOutcome({pretend::suiteKind(task - 1), plan.tasks[task].limit, 1e6,
                                         plan.cells[cell].strength, static_cast<std::uint64_t>(cell)});
            add(std::move(measurement));
        }
    }
    return rows;
}

} // namespace crest::test
