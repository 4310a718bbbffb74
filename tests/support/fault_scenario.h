// SPDX-License-Identifier: Apache-2.0
// What crest-fault-scenario stores, for it and for the tests that look at what it left behind.
#pragma once

#include <vector>

#include "core/run/result_row.h"
#include "tests/support/pretend_runner.h"

namespace crest::test {

inline pretend::Shape faultShape() {
    return {.checkpoints = 2, .strengths = {0.1}, .seeds = 2, .seedsPerBatch = 2, .tasks = 1, .sequences = 4};
}

/// Every result of the plan, with values by its place in it.
inline std::vector<study::ResultRow> faultRows() {
    const study::Plan plan = pretend::makePlan(faultShape());
    std::vector<study::ResultRow> rows;
    for (int cell = 0; cell < static_cast<int>(plan.cells.size()); ++cell) {
        run::Measurement measurement{cell, 0, 1.0 + cell, 0.125, 60, "", {}, {}};
        measurement.sequenceNats = {1.0f + static_cast<float>(cell), 2.0f, 3.0f, 4.0f};
        measurement.sequenceTokens = {15, 15, 15, 15};
        rows.push_back(run::makeRow(plan, std::move(measurement), "cpu", 1));
        rows.back().cachedAt = "2026-01-01T00:00:00.000Z";
        rows.back().run = "";
    }
    return rows;
}

} // namespace crest::test
