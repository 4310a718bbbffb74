// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <limits>

#include <boost/math/distributions/fisher_f.hpp>

#include "core/analysis/statistics.h"

using namespace crest::analysis;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool close(double a, double b, double tolerance = 1e-12) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}
} // namespace

class TestStatistics : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void summaryByHand() {
        // Mean 5; squares 9 1 1 1 0 0 4 16 = 32; 32 / 7.
        const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
        const Summary summary = summarize(values);
        QCOMPARE(summary.n, 8);
        QVERIFY(close(summary.mean, 5));
        QVERIFY(close(summary.sd, std::sqrt(32.0 / 7)));
        QVERIFY(close(summary.se, std::sqrt(32.0 / 7 / 8)));
    }
    void nonFiniteIsCountedNotAveraged() {
        const double values[] = {1, kNaN, 3, kInfinity, -kInfinity};
        const Summary summary = summarize(values);
        QCOMPARE(summary.n, 2);
        QCOMPARE(summary.nonFinite, 3);
        QVERIFY(close(summary.mean, 2));
        const double none[] = {kNaN};
        QVERIFY(std::isnan(summarize(none).mean));
        QVERIFY(std::isnan(summarize({}).mean));
        const double one[] = {4};
        QVERIFY(close(summarize(one).mean, 4));
        QVERIFY(std::isnan(summarize(one).sd));
    }
    void equalValuesHaveNoSpread() {
        const double values[] = {0.1, 0.1, 0.1};
        QVERIFY(summarize(values).sd < 1e-16);
    }
    void largeOffsetKeepsDigits() {
        // A one-pass formula loses all digits here.
        const double values[] = {1e9 + 1, 1e9 + 2, 1e9 + 3};
        QVERIFY(close(summarize(values).sd, 1));
    }
    void paired() {
        const double a[] = {3, 5, 8, kNaN}, b[] = {1, 2, 4, 1};
        const Summary summary = summarizePaired(a, b); // 2 3 4
        QCOMPARE(summary.n, 3);
        QCOMPARE(summary.nonFinite, 1);
        QVERIFY(close(summary.mean, 3));
        QVERIFY(close(summary.sd, 1));
        QCOMPARE(summarizePaired(a, std::span(b, 2)).n, 0);
    }
    void quantileType7() {
        // numpy.quantile([1, 2, 3, 4], q): position q * 3 in the sorted values.
        const double values[] = {4, kNaN, 1, 3, 2};
        QVERIFY(close(quantile(values, 0), 1));
        QVERIFY(close(quantile(values, 0.25), 1.75));
        QVERIFY(close(quantile(values, 0.5), 2.5));
        QVERIFY(close(quantile(values, 0.9), 3.7));
        QVERIFY(close(quantile(values, 1), 4));
        QVERIFY(std::isnan(quantile(values, 1.5)));
        QVERIFY(std::isnan(quantile({}, 0.5)));
    }
    void studentQuantiles() {
        // df 1 is Cauchy: tan(pi (p - 1/2)); df 2 has (2p - 1) sqrt(2 / (4 p (1 - p))); t^2 is F(1, df).
        QVERIFY(close(studentQuantile(0.975, 1), std::tan(M_PI * 0.475), 1e-10));
        QVERIFY(close(studentQuantile(0.975, 2), 0.95 * std::sqrt(2 / (4 * 0.975 * 0.025)), 1e-10));
        const double f = boost::math::quantile(boost::math::fisher_f(1, 7.5), 0.95);
        QVERIFY(close(studentQuantile(0.975, 7.5), std::sqrt(f), 1e-9));
        QVERIFY(close(studentQuantile(0.975, kInfinity), 1.959963984540054, 1e-9));
        QVERIFY(std::isnan(studentQuantile(0.975, 0)));
        QVERIFY(std::isnan(studentQuantile(1, 3)));
        QVERIFY(std::isnan(studentQuantile(0.5, kNaN)));
    }
    void upperTails() {
        // The inverse of the quantile; df 1 is 1/2 - atan(t) / pi, df 2 is (1 - t / sqrt(2 + t^2)) / 2.
        QVERIFY(close(studentUpperTail(3, 1), 0.5 - std::atan(3) / M_PI));
        QVERIFY(close(studentUpperTail(-2, 2), (1 + 2 / std::sqrt(6)) / 2));
        QVERIFY(close(studentUpperTail(studentQuantile(0.99, 4.3), 4.3), 0.01, 1e-9));
        QVERIFY(close(studentUpperTail(1.959963984540054, kInfinity), 0.025, 1e-9));
        QVERIFY(studentUpperTail(kInfinity, 3) == 0 && studentUpperTail(-kInfinity, 3) == 1);
        QVERIFY(std::isnan(studentUpperTail(1, 0)) && std::isnan(studentUpperTail(kNaN, 3)));
    }
    void interval() {
        // Table of t: 2.776 at 0.975 with 4 degrees of freedom.
        const Interval ninetyFive = studentInterval(10, 2, 4);
        QVERIFY(close(ninetyFive.high, 10 + 2 * 2.7764451, 1e-6));
        QVERIFY(close(ninetyFive.low, 10 - 2 * 2.7764451, 1e-6));
        QVERIFY(close(studentInterval(10, 0, 0).low, 10));
        QVERIFY(std::isnan(studentInterval(10, 1, 0).low));
    }
    void satterthwaite() {
        // (2 + 1)^2 / (4/2 + 1/5) = 9 / 2.2
        const ErrorComponent parts[] = {{2, 2}, {1, 5}, {0, 3}, {kNaN, 1}};
        const ErrorComponent sum = combine(parts);
        QVERIFY(close(sum.variance, 3));
        QVERIFY(close(sum.df, 9 / 2.2));
        QVERIFY(std::isinf(combine({}).df));
        QVERIFY(close(combine({}).variance, 0));
    }
    void tokenWeights() {
        // 6 nats of 4 tokens and 2 of 1: 8/5 = 1.6. Residuals 6 - 6.4 = -0.4 and 0.4: se^2 = 2 * 0.32 / 25.
        const double nats[] = {6, kNaN, 2, 9};
        const int tokens[] = {4, 3, 1, 0};
        const TokenMean mean = tokenWeightedMean(nats, tokens);
        QCOMPARE(mean.n, 2);
        QCOMPARE(mean.tokens, 5);
        QCOMPARE(mean.nonFinite, 1);
        QVERIFY(close(mean.mean, 1.6));
        QVERIFY(close(mean.se, std::sqrt(2 * 0.32 / 25)));
        QVERIFY(std::isnan(tokenWeightedMean({}, {}).mean));
        QCOMPARE(tokenWeightedMean(nats, std::span(tokens, 2)).n, 0);
    }
    void equalTokensGiveTheOrdinaryError() {
        const double nats[] = {20, 40, 40, 40, 50, 50, 70, 90};
        const int tokens[] = {10, 10, 10, 10, 10, 10, 10, 10};
        const TokenMean mean = tokenWeightedMean(nats, tokens);
        QVERIFY(close(mean.mean, 5));
        QVERIFY(close(mean.se, std::sqrt(32.0 / 7 / 8)));
    }
    void crossedByHand() {
        // Rows (seeds) 1 2 3 and 3 4 8: means 2 and 5, mean 3.5; variance of seed means 4.5, of the mean 2.25.
        // Columns (draws): 2 3 5.5: mean 3.5, squares 2.25 + 0.25 + 4 = 6.5; 6.5 / 2 / 3.
        const CrossedMean mean = crossedMean({{1, 2, 3}, {3, 4, 8}}, {}, {});
        QVERIFY(close(mean.mean, 3.5));
        QVERIFY(close(mean.seed.variance, 2.25));
        QVERIFY(close(mean.seed.df, 1));
        QVERIFY(close(mean.draw.variance, 6.5 / 6));
        QVERIFY(close(mean.draw.df, 2));
        QCOMPARE(mean.sequences, 0);
        const double total = 2.25 + 6.5 / 6;
        QVERIFY(close(mean.se(), std::sqrt(total)));
        QVERIFY(close(mean.total.df, total * total / (2.25 * 2.25 + 6.5 / 6 * 6.5 / 6 / 2)));
    }
    void crossedWithGaps() {
        // The second column is incomplete: the draws 1 and 3 remain; the all-NaN seed is not counted.
        const CrossedMean mean = crossedMean({{1, 2, 3}, {3, kNaN, 8}, {kNaN, kNaN, kNaN}}, {}, {});
        QCOMPARE(mean.seeds, 2);
        QCOMPARE(mean.draws, 2);
        QVERIFY(close(mean.mean, (2 + 5.5) / 2));
        QVERIFY(close(mean.draw.variance, (5.5 - 2) * (5.5 - 2) / 2 / 2));
        // Nested draws: no column is complete, so their error is in the seeds' spread alone.
        const CrossedMean nested = crossedMean({{1, 3, kNaN, kNaN}, {kNaN, kNaN, 5, 7}}, {}, {});
        QVERIFY(close(nested.draw.variance, 0));
        QVERIFY(close(nested.seed.variance, 4));
    }
    void crossedDegenerate() {
        const CrossedMean empty = crossedMean({}, {}, {});
        QCOMPARE(empty.seeds, 0);
        QCOMPARE(empty.draws, 0);
        QVERIFY(std::isnan(empty.mean));
        const CrossedMean one = crossedMean({{2.5}}, {}, {});
        QVERIFY(close(one.mean, 2.5));
        QVERIFY(close(one.se(), 0));
        const double nats[] = {6, 2};
        const int tokens[] = {4, 1};
        const CrossedMean sequences = crossedMean({{1.6}}, nats, tokens);
        QVERIFY(close(sequences.se(), std::sqrt(2 * 0.32 / 25)));
        QVERIFY(close(sequences.total.df, 1));
    }
};

QTEST_APPLESS_MAIN(TestStatistics)
#include "tst_statistics.moc"
