// SPDX-License-Identifier: Apache-2.0
// Means, spreads and intervals of measured losses. Values that are not finite are counted and left out, never averaged
// in. All functions are pure and may be called from any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace crest::analysis {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kNormal975 = 1.959963984540054; ///< 97.5 % quantile of the normal distribution

/// Mean, standard deviation (n - 1) and standard error of the finite values. With n = 0 all three are NaN, with n = 1
/// sd and se are.
struct Summary {
    double mean = 0, sd = 0, se = 0;
    std::int64_t n = 0;         ///< finite values
    std::int64_t nonFinite = 0; ///< values left out
};
Summary summarize(std::span<const double> values);

/// Summary of a[i] - b[i]; a pair with a member that is not finite counts as one non-finite. Sizes must be equal, else
/// n = 0.
Summary summarizePaired(std::span<const double> a, std::span<const double> b);

/// Quantile with linear interpolation (type 7 of Hyndman & Fan 1996: the default of R and numpy) of the finite values;
/// NaN where there are none.
double quantile(std::span<const double> values, double probability);

/// Student-t quantile; `df` may be fractional, df = infinity is the normal distribution. NaN for df <= 0 or probability
/// outside (0, 1).
double studentQuantile(double probability, double df);

/// P(T > t) of Student's t, df as above: the one-sided p value.
double studentUpperTail(double t, double df);

struct Interval {
    double low = 0, high = 0;
};
/// mean -+ t(1 - (1 - level) / 2, df) * se. NaN ends where se or df give none.
Interval studentInterval(double mean, double se, double df, double level = 0.95);

/// One level of error in the variance of a mean: its share of the variance, and the degrees of freedom it was estimated
/// with.
struct ErrorComponent {
    double variance = 0;
    double df = 0;
};
/// Sum of independent components with the degrees of freedom of Satterthwaite (1946): (sum v)^2 / sum(v^2 / df).
/// Components with variance 0 do not count; df is infinity where all are 0.
ErrorComponent combine(std::span<const ErrorComponent> components);

/// Mean per token of sequences with unequal token counts, sum(nats) / sum(tokens), with the error of sampling sequences
/// (linearised ratio: se^2 = n / (n - 1) * sum((nats_i - tokens_i * mean)^2) / (sum tokens)^2; Cochran 1977,
/// section 6.4).
struct TokenMean {
    double mean = 0, se = 0; ///< nats/token; NaN as in Summary
    std::int64_t n = 0;      ///< sequences used
    std::int64_t tokens = 0; ///< scored tokens of these
    std::int64_t nonFinite = 0;
};
/// `nats`: summed nats of each sequence; `tokens`: its scored tokens. Sequences without tokens are skipped. Unequal
/// sizes give n = 0.
TokenMean tokenWeightedMean(std::span<const double> nats, std::span<const int> tokens);

/// A mean over three crossed sources of error: pretraining runs x noise draws x sequences.
struct CrossedMean {
    double mean = 0; ///< nats/token: over seeds of the mean over draws
    ErrorComponent seed, draw,
        sequence;         ///< variance of `mean` from each level; 0 where a level has one member or was not kept
    ErrorComponent total; ///< combine() of them
    std::int64_t seeds = 0, draws = 0, sequences = 0;
    double se() const;
};
/// `valueBySeedAndDraw[s][d]`: nats/token, rows of equal length, column d the same noise draw in each row, NaN where a
/// cell is missing. The draw component comes from columns that are complete; where seeds share no draws (nested) it is
/// part of the seed component. `sequenceNats`: per sequence, averaged over seeds and draws; may be empty. The sum of
/// the three one-way variances is used: it counts interactions more than once, so it errs on the wide side (Cameron,
/// Gelbach & Miller 2011, section 2.3, without the terms that are subtracted).
CrossedMean crossedMean(const std::vector<std::vector<double>>& valueBySeedAndDraw,
                        std::span<const double> sequenceNats, std::span<const int> sequenceTokens);

} // namespace crest::analysis
