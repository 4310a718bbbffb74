// SPDX-License-Identifier: Apache-2.0
// The standard error of the difference between two budgets of one curve, with its degrees of freedom.
#pragma once

#include <cstddef>
#include <vector>

#include "core/analysis/budget_table.h"

namespace crest::analysis::detail {

/// Error of a difference of two means. A variance that two or three draws gave may be far too small by chance, and
/// Satterthwaite's rule would then give it no weight: it is kept apart.
struct DifferenceError {
    double variance = 0; ///< of the difference, all levels together; 0 where none is known
    double df = 0;       ///< of all levels but few draws (Satterthwaite)
    double fewShare = 0; ///< part of the variance that comes from two or three draws; 0 where there are more
    double fewDf = 0;    ///< their degrees of freedom

    /// Probability of a difference of at least `difference` where the true one is 0: the tails of t with either degrees
    /// of freedom, weighted by their parts of the variance. Close to Cochran & Cox (Experimental Designs, 1950), who weight
    /// the critical values and err on the wide side whatever the true parts are.
    double upperTail(double difference) const;
};

/// How the error of a difference is made up (README.md, "Inflection").
class PairwiseError {
public:
    /// `table` must outlive the object; its budgets all have at least one finite value. With `betweenRuns` the spread
    /// of pretraining runs is counted in, pooled over neighbouring budgets.
    PairwiseError(const BudgetTable& table, bool betweenRuns);

    /// mean(a) - mean(b) over the draws that both have, so that it and its error speak of the same cells; over all
    /// draws where fewer than two are common.
    double meanDifference(std::size_t a, std::size_t b) const;
    /// The error of meanDifference(a, b).
    DifferenceError difference(std::size_t a, std::size_t b) const;

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
