// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace crest::analysis {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Sum of squares about the mean, two passes.
double squaresAbout(std::span<const double> values, double mean) {
    double sum = 0;
    for (const double value : values)
        sum += (value - mean) * (value - mean);
    return sum;
}

ErrorComponent meanOf(const std::vector<double>& values) {
    const Summary summary = summarize(values);
    if (summary.n < 2)
        return {};
    return {summary.se * summary.se, static_cast<double>(summary.n - 1)};
}
} // namespace

Summary summarize(std::span<const double> values) {
    std::vector<double> finite;
    finite.reserve(values.size());
    std::ranges::copy_if(values, std::back_inserter(finite), [](double value) { return std::isfinite(value); });
    Summary result;
    result.n = static_cast<std::int64_t>(finite.size());
    result.nonFinite = static_cast<std::int64_t>(values.size() - finite.size());
    result.mean = result.sd = result.se = kNaN;
    if (finite.empty())
        return result;
    const double n = static_cast<double>(finite.size());
    double sum = 0;
    for (const double value : finite)
        sum += value;
    result.mean = sum / n;
    if (result.n > 1) {
        result.sd = std::sqrt(squaresAbout(finite, result.mean) / (n - 1));
        result.se = result.sd / std::sqrt(n);
    }
    return result;
}

Summary summarizePaired(std::span<const double> a, std::span<const double> b) {
    std::vector<double> differences;
    if (a.size() == b.size())
        for (std::size_t i = 0; i < a.size(); ++i)
            differences.push_back(a[i] - b[i]);
    return summarize(differences);
}

double quantile(std::span<const double> values, double probability) {
    std::vector<double> sorted;
    std::ranges::copy_if(values, std::back_inserter(sorted), [](double value) { return std::isfinite(value); });
    if (sorted.empty() || !(probability >= 0 && probability <= 1))
        return kNaN;
    std::ranges::sort(sorted);
    const double position = probability * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

double studentQuantile(double probability, double df) {
    if (!(df > 0) || !(probability > 0 && probability < 1))
        return kNaN;
    // Beyond a million degrees of freedom the two differ by less than 1e-6.
    if (df > 1e6)
        return boost::math::quantile(boost::math::normal(), probability);
    return boost::math::quantile(boost::math::students_t(df), probability);
}

double studentUpperTail(double t, double df) {
    if (!(df > 0) || std::isnan(t))
        return kNaN;
    if (std::isinf(t))
        return t > 0 ? 0.0 : 1.0;
    if (df > 1e6)
        return boost::math::cdf(boost::math::complement(boost::math::normal(), t));
    return boost::math::cdf(boost::math::complement(boost::math::students_t(df), t));
}

Interval studentInterval(double mean, double se, double df, double level) {
    const double half = se == 0 ? 0 : studentQuantile(1 - (1 - level) / 2, df) * se;
    return {mean - half, mean + half};
}

ErrorComponent combine(std::span<const ErrorComponent> components) {
    double variance = 0, weight = 0;
    for (const ErrorComponent& part : components) {
        if (!(part.variance > 0) || !(part.df > 0))
            continue;
        variance += part.variance;
        weight += part.variance * part.variance / part.df;
    }
    return {variance, weight > 0 ? variance * variance / weight : kInfinity};
}

TokenMean tokenWeightedMean(std::span<const double> nats, std::span<const int> tokens) {
    TokenMean result;
    result.mean = result.se = kNaN;
    if (nats.size() != tokens.size())
        return result;
    double sum = 0;
    for (std::size_t i = 0; i < nats.size(); ++i) {
        if (tokens[i] <= 0)
            continue;
        if (!std::isfinite(nats[i])) {
            ++result.nonFinite;
            continue;
        }
        sum += nats[i];
        result.tokens += tokens[i];
        ++result.n;
    }
    if (result.n == 0)
        return result;
    const double total = static_cast<double>(result.tokens);
    result.mean = sum / total;
    if (result.n < 2)
        return result;
    double squares = 0;
    for (std::size_t i = 0; i < nats.size(); ++i) {
        if (tokens[i] <= 0 || !std::isfinite(nats[i]))
            continue;
        const double residual = nats[i] - tokens[i] * result.mean;
        squares += residual * residual;
    }
    const double n = static_cast<double>(result.n);
    result.se = std::sqrt(n / (n - 1) * squares) / total;
    return result;
}

double CrossedMean::se() const {
    return std::sqrt(total.variance);
}

CrossedMean crossedMean(const std::vector<std::vector<double>>& valueBySeedAndDraw,
                        std::span<const double> sequenceNats, std::span<const int> sequenceTokens) {
    CrossedMean result;
    std::vector<double> seedMeans;
    std::vector<const std::vector<double>*> rows;
    result.draws = std::numeric_limits<std::int64_t>::max();
    for (const std::vector<double>& row : valueBySeedAndDraw) {
        const Summary summary = summarize(row);
        if (summary.n == 0)
            continue;
        seedMeans.push_back(summary.mean);
        rows.push_back(&row);
        result.draws = std::min(result.draws, summary.n);
    }
    result.seeds = static_cast<std::int64_t>(rows.size());
    result.mean = summarize(seedMeans).mean;
    if (rows.empty()) {
        result.draws = 0;
        return result;
    }
    result.seed = meanOf(seedMeans);
    std::vector<double> drawMeans;
    for (std::size_t draw = 0; draw < rows.front()->size(); ++draw) {
        double sum = 0;
        for (const auto* row : rows)
            sum += draw < row->size() ? (*row)[draw] : kNaN;
        if (std::isfinite(sum))
            drawMeans.push_back(sum / static_cast<double>(rows.size()));
    }
    result.draw = meanOf(drawMeans);
    const TokenMean sequences = tokenWeightedMean(sequenceNats, sequenceTokens);
    result.sequences = sequences.n;
    if (sequences.n > 1)
        result.sequence = {sequences.se * sequences.se, static_cast<double>(sequences.n - 1)};
    const ErrorComponent parts[] = {result.seed, result.draw, result.sequence};
    result.total = combine(parts);
    return result;
}

} // namespace crest::analysis
