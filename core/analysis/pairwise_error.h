// SPDX-License-Identifier: Apache-2.0
// The standard error of the difference between two budgets of one curve, with its degrees of freedom.
#pragma once

#include <cstddef>
#include <vector>

#include "core/analysis/budget_table.h"

namespace crest::analysis::detail {

/// How the error of a difference is made up (README.md, "Inflection").
class PairwiseError {
public:
    /// `table` must outlive the object; its budgets all have at least one finite value. With `betweenRuns` the spread
    /// of pretraining runs is counted in, pooled over neighbouring budgets.
    PairwiseError(const BudgetTable& table, bool betweenRuns);

    /// mean(a) - mean(b) over the draws that both have, so that it and its error speak of the same cells; over all
    /// draws where fewer than two are common.
    double meanDifference(std::size_t a, std::size_t b) const;
    /// Variance of meanDifference(a, b), and its degrees of freedom (Satterthwaite); variance 0 where no level of error
    /// is known.
    ErrorComponent difference(std::size_t a, std::size_t b) const;

private:
    ErrorComponent pooledRunVariance(std::size_t budget) const;
    ErrorComponent drawVariance(std::size_t a, std::size_t b) const;
    ErrorComponent sequenceVariance(std::size_t a, std::size_t b) const;

    const BudgetTable& m_table;
    std::vector<ErrorComponent> m_runVariance;    ///< per budget: variance of one run, own
    std::vector<ErrorComponent> m_pooled;         ///< per budget: of the mean over its runs, pooled; empty without runs
    std::vector<std::vector<double>> m_drawMeans; ///< [budget][draw]: mean over runs, NaN where a run lacks it
};

} // namespace crest::analysis::detail
