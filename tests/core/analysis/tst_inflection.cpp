// SPDX-License-Identifier: Apache-2.0
// Verdicts, scope and words on small hand-made curves; tst_inflection_simulation.cpp has the coverage.
#include <QtTest>

#include <cmath>
#include <limits>

#include "core/analysis/inflection.h"
#include "core/analysis/pairwise_error.h"

using namespace crest;
using namespace crest::analysis;

namespace {

Observation cell(double tokens, std::int64_t seed, std::int64_t draw, double value) {
    return {tokens, seed, "text", 0, draw, value, {}, {}};
}

/// Runs at mean -spread, mean, mean +spread (three) or draws likewise (one run).
std::vector<Observation> curve(const std::vector<double>& means, double spread, bool ofRuns = true) {
    std::vector<Observation> cells;
    double tokens = 1e6;
    for (const double mean : means) {
        for (int i = 0; i < 3; ++i)
            cells.push_back(cell(tokens, ofRuns ? i : -1, ofRuns ? 1 : i + 1, mean + (i - 1) * spread));
        tokens *= 2;
    }
    return cells;
}

/// As `curve`, but the deviation of each cell alternates between budgets, so that it does not cancel in paired
/// differences.
std::vector<Observation> unpairedDraws(const std::vector<double>& means, double spread) {
    std::vector<Observation> cells;
    for (std::size_t budget = 0; budget < means.size(); ++budget)
        for (int i = 0; i < 3; ++i)
            cells.push_back(cell(std::ldexp(1e6, static_cast<int>(budget)), -1, i + 1,
                                 means[budget] + ((budget % 2 == 0 ? i : 2 - i) - 1) * spread));
    return cells;
}

bool close(double a, double b, double tolerance = 1e-9) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}
} // namespace

class TestInflection : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void clearTurn() {
        const auto found = findInflection(curve({5, 4, 3, 4, 5}, 0.05));
        QVERIFY(found && found->supported);
        QVERIFY(found->verdict == InflectionVerdict::Supported && found->scope == Scope::Budgets);
        QVERIFY(found->tokens == 4e6 && found->low == 4e6 && found->high == 4e6);
        QVERIFY(found->bracketLow == 2e6 && found->bracketHigh == 8e6);
        QCOMPARE(found->seeds, (CountRange{3, 3}));
        QVERIFY(close(found->riseNats, 2));
        // Every budget has variance 0.05^2, its mean a third of that.
        QVERIFY(close(found->riseError, std::sqrt(2 * 0.0025 / 3)));
        QCOMPARE(inflectionLabel(*found), std::string("4M"));
        QVERIFY(found->evidence.find("lowest at 4M: 3 nats/token") != std::string::npos);
        QVERIFY(found->evidence.find("3 pretraining runs") != std::string::npos);
        QVERIFY(found->method.find("pretraining runs") != std::string::npos);
    }
    void doubtWidensTheInterval() {
        const auto found = findInflection(curve({5, 4, 3.001, 3, 4, 5}, 0.05));
        QVERIFY(found->supported);
        QVERIFY(found->tokens == 8e6 && found->low == 4e6 && found->high == 8e6);
        QCOMPARE(inflectionLabel(*found), std::string("8M (4M to 8M)"));
    }
    void verdicts_data() {
        QTest::addColumn<QList<double>>("means");
        QTest::addColumn<int>("verdict");
        QTest::newRow("falls") << QList<double>{5, 4, 3, 2} << int(InflectionVerdict::FallsToLast);
        QTest::newRow("rise within the error") << QList<double>{5, 4, 3, 3.01} << int(InflectionVerdict::RiseNotClear);
        QTest::newRow("rises") << QList<double>{2, 3, 4, 5} << int(InflectionVerdict::RisesFromStart);
        QTest::newRow("fall within the error")
            << QList<double>{3.01, 3, 4, 5} << int(InflectionVerdict::RisesFromStart);
        QTest::newRow("flat") << QList<double>{3, 3, 3, 3} << int(InflectionVerdict::RiseNotClear);
        QTest::newRow("three budgets") << QList<double>{5, 3, 5} << int(InflectionVerdict::TooFewBudgets);
        QTest::newRow("one budget") << QList<double>{5} << int(InflectionVerdict::TooFewBudgets);
        QTest::newRow("nothing") << QList<double>{} << int(InflectionVerdict::TooFewBudgets);
        QTest::newRow("turn") << QList<double>{5, 3, 4, 5} << int(InflectionVerdict::Supported);
    }
    void verdicts() {
        QFETCH(QList<double>, means);
        QFETCH(int, verdict);
        const auto found = findInflection(curve({means.begin(), means.end()}, 0.05));
        QVERIFY(found);
        QCOMPARE(int(found->verdict), verdict);
        QCOMPARE(found->supported, verdict == int(InflectionVerdict::Supported));
        QVERIFY(!found->evidence.empty());
        QVERIFY(found->low <= found->tokens && found->tokens <= found->high);
        QCOMPARE(inflectionLabel(*found).starts_with("none"),
                 !found->supported && verdict != int(InflectionVerdict::RisesFromStart));
    }
    void oneRunSpeaksOfTheseCheckpoints() {
        const auto found = findInflection(unpairedDraws({5, 4, 3, 4, 5}, 0.02));
        QVERIFY(found->supported);
        QVERIFY(found->scope == Scope::TheseCheckpoints);
        QCOMPARE(found->draws, (CountRange{3, 3}));
        QVERIFY(found->method.find("pretraining runs") == std::string::npos);
        QCOMPARE(scopeLabel(found->scope), std::string("for these checkpoints"));
    }
    void withoutSpreadNothingIsTested() {
        std::vector<Observation> cells;
        for (const auto& [tokens, value] : {std::pair{1e6, 5.}, {2e6, 3.}, {4e6, 4.}, {8e6, 5.}})
            cells.push_back(cell(tokens, -1, 1, value));
        const auto found = findInflection(cells);
        QVERIFY(found->verdict == InflectionVerdict::NoError && !found->supported);
        QVERIFY(found->tokens == 2e6 && found->low == 1e6 && found->high == 8e6);
        // Copies of one run are no spread either.
        const auto copies = findInflection(curve({5, 3, 4, 5}, 0));
        QVERIFY(copies->verdict == InflectionVerdict::NoError);
    }
    void oneNoiseDrawIsNoSpread() {
        auto cells = curve({5, 4, 3, 4, 5}, 0.05);
        for (Observation& one : cells)
            one.strength = 0.1;
        const auto found = findInflection(cells);
        QVERIFY(found->verdict == InflectionVerdict::NoError && !found->supported);
        QVERIFY(found->evidence.find("one noise draw") != std::string::npos);
    }
    void unfinishedDrawsAreComparedAsPairs() {
        // Draw 3 is far off at both budgets; the second has only draws 1 and 2 so far. Over what both have they differ
        // by exactly 0.5 and 0.7.
        const Observation cells[] = {cell(1e6, -1, 1, 4.0), cell(1e6, -1, 2, 4.2), cell(1e6, -1, 3, 9.0),
                                     cell(2e6, -1, 1, 3.5), cell(2e6, -1, 2, 3.5)};
        const auto tables = detail::tabulate(cells);
        const detail::PairwiseError error(tables->front(), false);
        QVERIFY(close(error.meanDifference(0, 1), 0.6));
        QVERIFY(close(error.difference(0, 1).variance, 0.1 * 0.1));
    }
    void sequencesAloneAreAnError() {
        std::vector<Observation> cells;
        const double means[] = {5, 3, 4, 5};
        for (int budget = 0; budget < 4; ++budget) {
            Observation one = cell(std::ldexp(1e6, budget), -1, 1, means[budget]);
            for (int i = 0; i < 16; ++i) {
                const double deviation = ((i + budget) % 2 == 0 ? 0.1 : -0.1);
                one.perSequenceNats.push_back(static_cast<float>(100 * (means[budget] + deviation)));
                one.perSequenceTokens.push_back(100);
            }
            cells.push_back(one);
        }
        const auto found = findInflection(cells);
        QVERIFY(found->supported);
        QCOMPARE(found->sequences, (CountRange{16, 16}));
        // Neighbours differ by 1 (or 2) -+ 0.2; budgets two apart move together. Last and lowest are two apart: no
        // error in the pair.
        QVERIFY(close(found->riseError, 0, 1e-6));
    }
    void nonFiniteIsLeftOutAndCounted() {
        auto cells = curve({5, 4, 3, 4, 5}, 0.05);
        cells.push_back(cell(64e6, 0, 1, kNaN));
        cells.push_back(cell(4e6, 3, 1, std::numeric_limits<double>::infinity()));
        const auto found = findInflection(cells);
        QVERIFY(found->supported && found->high == 4e6);
        QCOMPARE(found->budgets, 5);
        QCOMPARE(found->nonFinite, 2);
        QVERIFY(found->evidence.find("2 non-finite values left out") != std::string::npos);
    }
    void fewDrawsKeepTheirOwnTail() {
        // Three draws differ by 0.1, 0.3, 0.5: mean 0.3, variance of the mean 0.04 / 3, two degrees of freedom, whose tail has a closed form.
        std::vector<Observation> cells;
        for (int draw = 1; draw <= 3; ++draw) {
            cells.push_back(cell(1e6, -1, draw, 3.1 + 0.2 * (draw - 1)));
            cells.push_back(cell(2e6, -1, draw, 3.0));
        }
        const auto tables = detail::tabulate(cells);
        const detail::DifferenceError alone = detail::PairwiseError(tables->front(), false).difference(0, 1);
        QVERIFY(close(alone.variance, 0.04 / 3) && close(alone.fewShare, 1) && close(alone.fewDf, 2));
        const double t = 0.3 / std::sqrt(0.04 / 3), tail = 0.5 - t / (2 * std::sqrt(2 + t * t));
        QVERIFY(close(alone.upperTail(0.3), tail));
        // Beside three quarters of the variance that are known exactly: a quarter of that tail, three of the normal one.
        const detail::DifferenceError mixed{1, std::numeric_limits<double>::infinity(), 0.25, 2};
        QVERIFY(close(mixed.upperTail(3), 0.25 * (0.5 - 3 / (2 * std::sqrt(11.0))) + 0.75 * 0.5 * std::erfc(3 / std::sqrt(2.0))));
    }
    void pooledVarianceByHand() {
        // Variances of runs 0.01, 0.04, 0.09 with df 2. Middle: (0.01 + 2 * 0.04 + 0.09) / 4 = 0.045.
        // First: (3 * 0.01 + 0.04) / 4 = 0.0175.
        std::vector<Observation> cells;
        const double spreads[] = {0.1, 0.2, 0.3};
        for (int budget = 0; budget < 3; ++budget)
            for (int run = 0; run < 3; ++run)
                cells.push_back(cell(std::ldexp(1e6, budget), run, 1, 3 + (run - 1) * spreads[budget]));
        const auto tables = detail::tabulate(cells);
        const detail::PairwiseError error(tables->front(), true);
        const detail::DifferenceError first = error.difference(0, 1);
        QVERIFY(close(first.variance, (0.0175 + 0.045) / 3));
        // Satterthwaite, twice: the shares of each budget's variance with df 2, then the two budgets.
        const double dfFirst = 0.0175 * 0.0175 / ((0.0075 * 0.0075 + 0.01 * 0.01) / 2);
        const double dfMiddle = 0.045 * 0.045 / ((0.0025 * 0.0025 + 0.02 * 0.02 + 0.0225 * 0.0225) / 2);
        const double df = 0.0625 * 0.0625 / (0.0175 * 0.0175 / dfFirst + 0.045 * 0.045 / dfMiddle);
        QVERIFY(close(first.df, df));
    }
    void budgetWithOneRunBorrows() {
        auto cells = curve({5, 4, 3, 4, 5}, 0.05);
        std::erase_if(cells, [](const Observation& one) { return one.tokens == 4e6 && one.pretrainSeed != 1; });
        const auto found = findInflection(cells);
        QVERIFY(found->scope == Scope::Budgets);
        QCOMPARE(found->seeds, (CountRange{1, 3}));
        // Lowest budget: variance 0.0025 of one run; last: a third of it.
        QVERIFY(close(found->riseError, std::sqrt(0.0025 + 0.0025 / 3)));
    }
    void mixedInputIsAnError() {
        auto cells = curve({5, 4, 3, 4, 5}, 0.05);
        cells.back().strength = 0.2;
        QVERIFY(findInflection(cells).error().kind == ErrorKind::Mismatch);
        QVERIFY(findInflection({}, {1.5, 4}).error().kind == ErrorKind::OutOfRange);
    }
    void higherLevelIsNeverNarrower() {
        const auto cells = curve({5, 3.2, 3.05, 3, 3.05, 3.2, 5}, 0.05);
        double width = 0;
        for (const double level : {0.5, 0.8, 0.95, 0.99, 0.9999}) {
            const auto found = findInflection(cells, {level, 4});
            QVERIFY(std::log2(found->high / found->low) >= width);
            width = std::log2(found->high / found->low);
        }
        QVERIFY(width > 0);
    }
};

QTEST_APPLESS_MAIN(TestInflection)
#include "tst_inflection.moc"
