// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/pairwise_error.h"

#include <algorithm>
#include <cmath>

namespace crest::analysis::detail {

namespace {

constexpr double kFewDrawsDf = 3;

ErrorComponent runVariance(const Budget& budget) {
    std::vector<double> means;
    for (const auto& row : budget.values)
        if (const Summary draws = summarize(row); draws.n > 0)
            means.push_back(draws.mean);
    const Summary summary = summarize(means);
    if (summary.n < 2)
        return {};
    return {summary.sd * summary.sd, static_cast<double>(summary.n - 1)};
}

std::vector<double> meansOverRuns(const Budget& budget, std::size_t draws) {
    std::vector<double> means(draws, 0.0);
    double runs = 0;
    for (const auto& row : budget.values) {
        if (summarize(row).n == 0)
            continue;
        ++runs;
        for (std::size_t draw = 0; draw < draws; ++draw)
            means[draw] += row[draw];
    }
    for (double& mean : means)
        mean /= runs;
    return means;
}

/// Variances of `own` averaged with weights `weight[k] * df[k]`; a weight of 0 leaves a budget out.
ErrorComponent pool(const std::vector<ErrorComponent>& own, const std::vector<double>& weight) {
    double total = 0, sum = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
        total += weight[k] * own[k].df;
        sum += weight[k] * own[k].df * own[k].variance;
    }
    if (total == 0)
        return {};
    double spread = 0, fallbackDf = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
        if (own[k].df == 0 || weight[k] == 0)
            continue;
        const double part = weight[k] * own[k].df * own[k].variance / total;
        spread += part * part / own[k].df;
        fallbackDf += own[k].df;
    }
    const double variance = sum / total;
    return {variance, spread > 0 ? variance * variance / spread : fallbackDf};
}
} // namespace

PairwiseError::PairwiseError(const BudgetTable& table, bool betweenRuns)
    : m_table(table) {
    for (const Budget& budget : table.budgets) {
        m_runVariance.push_back(runVariance(budget));
        m_drawMeans.push_back(meansOverRuns(budget, table.drawSeeds.size()));
    }
    if (betweenRuns)
        for (std::size_t i = 0; i < table.budgets.size(); ++i)
            m_pooled.push_back(pooledRunVariance(i));
}

ErrorComponent PairwiseError::pooledRunVariance(std::size_t budget) const {
    const std::size_t count = m_runVariance.size();
    // Own variance as heavy as both neighbours together, heavier where it is known better; a missing neighbour counts
    // as own.
    std::vector<double> weight(count, 0.0);
    weight[budget] = std::max(2.0, m_runVariance[budget].df);
    weight[budget > 0 ? budget - 1 : budget] += 1;
    weight[budget + 1 < count ? budget + 1 : budget] += 1;
    ErrorComponent variance = pool(m_runVariance, weight);
    if (variance.df == 0)
        variance = pool(m_runVariance, std::vector<double>(count, 1.0));
    variance.variance /= static_cast<double>(m_table.budgets[budget].summary.seeds);
    return variance;
}

double PairwiseError::meanDifference(std::size_t a, std::size_t b) const {
    const Summary paired = summarizePaired(m_drawMeans[a], m_drawMeans[b]);
    if (paired.n > 1)
        return paired.mean;
    return m_table.budgets[a].summary.mean - m_table.budgets[b].summary.mean;
}

ErrorComponent PairwiseError::drawVariance(std::size_t a, std::size_t b) const {
    const Summary paired = summarizePaired(m_drawMeans[a], m_drawMeans[b]);
    if (paired.n > 1)
        return {paired.se * paired.se, static_cast<double>(paired.n - 1)};
    // Draws that differ from budget to budget: independent errors. With several runs their spread holds them already.
    if (!m_pooled.empty())
        return {};
    const ErrorComponent parts[] = {m_table.budgets[a].summary.draw, m_table.budgets[b].summary.draw};
    return combine(parts);
}

ErrorComponent PairwiseError::sequenceVariance(std::size_t a, std::size_t b) const {
    const std::vector<double>& first = m_table.budgets[a].sequenceNats;
    const std::vector<double>& second = m_table.budgets[b].sequenceNats;
    if (first.empty() || first.size() != second.size())
        return {};
    std::vector<double> difference(first.size());
    for (std::size_t i = 0; i < first.size(); ++i)
        difference[i] = first[i] - second[i];
    const TokenMean mean = tokenWeightedMean(difference, m_table.sequenceTokens);
    if (mean.n < 2)
        return {};
    return {mean.se * mean.se, static_cast<double>(mean.n - 1)};
}

DifferenceError PairwiseError::difference(std::size_t a, std::size_t b) const {
    const ErrorComponent draws = drawVariance(a, b);
    const bool few = draws.variance > 0 && draws.df < kFewDrawsDf;
    std::vector<ErrorComponent> parts{sequenceVariance(a, b)};
    if (!few)
        parts.push_back(draws);
    if (!m_pooled.empty()) {
        parts.push_back(m_pooled[a]);
        parts.push_back(m_pooled[b]);
    }
    const ErrorComponent total = combine(parts);
    if (!few)
        return {total.variance, total.df};
    const double variance = total.variance + draws.variance;
    return {variance, total.df, draws.variance / variance, draws.df};
}

double DifferenceError::upperTail(double difference) const {
    if (!(variance > 0))
        return difference == 0 ? 0.5 : (difference > 0 ? 0.0 : 1.0);
    const double t = difference / std::sqrt(variance);
    const double tail = fewShare < 1 ? studentUpperTail(t, df) : 0;
    return fewShare > 0 ? fewShare * studentUpperTail(t, fewDf) + (1 - fewShare) * tail : tail;
}

} // namespace crest::analysis::detail
