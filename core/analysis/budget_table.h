// SPDX-License-Identifier: Apache-2.0
// Observations of one task and strength, ordered by budget, run and draw: what curves and inflection both start from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/analysis/curves.h"
#include "core/analysis/statistics.h"

namespace crest::analysis::detail {

/// All measurements at one token budget.
struct Budget {
    double tokens = 0;
    std::vector<std::int64_t> pretrainSeeds; ///< runs with at least one cell, ascending
    std::vector<std::vector<double>> values; ///< [run][draw], nats/token; NaN where the cell is missing or not finite;
                                             ///< columns: BudgetTable::drawSeeds
    std::vector<double> sequenceNats; ///< per sequence: mean over runs of the mean over draws; empty where not kept
    CrossedMean summary;              ///< of `values` and `sequenceNats`
    std::int64_t nonFinite = 0;
};

struct BudgetTable {
    std::string task;
    double strength = 0;
    std::vector<std::int64_t> drawSeeds; ///< ascending
    std::vector<int> sequenceTokens;     ///< scored tokens of each sequence; empty where not kept
    std::vector<Budget> budgets; ///< ascending in tokens; a budget whose values are all non-finite has summary.seeds 0
    std::int64_t nonFinite = 0;
};

/// One table per task and strength; tasks in order of first appearance, strengths ascending. Errors as in
/// buildCurves().
Result<std::vector<BudgetTable>> tabulate(std::span<const Observation> observations);

} // namespace crest::analysis::detail
