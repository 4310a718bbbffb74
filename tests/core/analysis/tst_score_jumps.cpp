// SPDX-License-Identifier: Apache-2.0
// Jumps of base scores: damaged checkpoints are found, honest curves are left in peace.
#include <QtTest>

#include <cmath>
#include <random>
#include <set>

#include "core/analysis/score_jumps.h"

using namespace crest::analysis;

namespace {

/// A loss that falls by a power law from 10.8 to 2.5, as of a pretraining from its start, with noise.
std::vector<ScorePoint> pretraining(std::size_t count, double noise, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<ScorePoint> points;
    for (std::size_t i = 0; i < count; ++i) {
        const double step = i < 10 ? static_cast<double>(std::size_t{1} << i) : 1000.0 * static_cast<double>(i - 9);
        const double loss = 2.5 + 8.3 / std::pow(1 + step / 60, 0.6);
        points.push_back({step * 2e6, loss + noise * normal(generator), noise});
    }
    return points;
}

std::set<std::size_t> indices(const std::vector<ScorePoint>& points) {
    std::set<std::size_t> out;
    for (const ScoreJump& jump : findScoreJumps(points))
        out.insert(jump.index);
    return out;
}

using Set = std::set<std::size_t>;

} // namespace

class TestScoreJumps : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void honestCurvesHaveNone() {
        int falseAlarms = 0;
        for (unsigned seed = 0; seed < 500; ++seed)
            falseAlarms += !findScoreJumps(pretraining(5 + seed % 40, seed % 3 == 0 ? 0.0 : 0.02, seed)).empty();
        QVERIFY2(falseAlarms <= 2, qPrintable(QString::number(falseAlarms)));
    }
    void aSwappedCheckpointIsFound() {
        // The folder of one checkpoint holds the weights of a far earlier or later one.
        int missed = 0, wrong = 0;
        for (unsigned seed = 0; seed < 200; ++seed) {
            std::vector<ScorePoint> points = pretraining(30, 0.01, seed);
            const std::size_t at = 12 + seed % 15;
            points[at].value = points[seed % 2 == 0 ? 6 : 4].value;
            const Set found = indices(points);
            missed += !found.contains(at);
            wrong += !found.empty() && found != Set{at};
        }
        QCOMPARE(missed, 0);
        QCOMPARE(wrong, 0);
    }
    void twoNextToEachOtherAreBothFound() {
        std::vector<ScorePoint> points = pretraining(30, 0.01, 1);
        points[15].value = 9;
        points[17].value = 8;
        QCOMPARE(indices(points), (Set{15, 17}));
        const auto jumps = findScoreJumps(points);
        QCOMPARE(jumps[0].index, std::size_t{15});
        QCOMPARE(jumps[0].before, std::size_t{14});
        QCOMPARE(jumps[0].after, std::size_t{16});
        QVERIFY(jumps[0].distance > jumps[1].distance);
    }
    void theLastNeedsMore() {
        std::vector<ScorePoint> points = pretraining(30, 0.001, 1);
        points[29].value += 0.02; // less than 4 times an early step
        QCOMPARE(indices(points), Set{});
        std::vector<ScorePoint> late(points.begin() + 15, points.end());
        late.back().value = 9;
        QCOMPARE(indices(late), Set{14});
    }
    void whatIsNotFiniteIsAJump() {
        std::vector<ScorePoint> points = pretraining(12, 0.01, 1);
        points[0].value = std::nan("");
        points[7].value = HUGE_VAL;
        QCOMPARE(indices(points), (Set{0, 7}));
    }
    void scoresThatRiseAreJudgedAlike() {
        std::vector<ScorePoint> points;
        for (int i = 0; i < 12; ++i)
            points.push_back(
                {1e9 * (12 - i), 0.25 + 0.03 * (12 - i) + (i % 2 == 0 ? 0.004 : -0.004), 0.01}); // unordered
        QCOMPARE(indices(points), Set{});
        points[5].value = 0.26;
        QCOMPARE(indices(points), Set{5});
    }
    void fewPointsAreNotJudged() {
        std::vector<ScorePoint> points{{1, 5, 0}, {2, 90, 0}, {3, 4, 0}, {4, 3, 0}};
        QVERIFY(findScoreJumps(points).empty());
        QVERIFY(findScoreJumps({}).empty());
        points.push_back({5, 2.5, 0});
        QCOMPARE(indices(points), Set{1});
    }
    void aFlatCurveHasAScatter() {
        std::vector<ScorePoint> points(10, ScorePoint{1, 3, 0});
        for (std::size_t i = 0; i < points.size(); ++i)
            points[i].tokens = static_cast<double>(i);
        points[4].value = 3.001;
        QVERIFY(findScoreJumps(points).empty());
        points[4].value = 3.2;
        QCOMPARE(indices(points), Set{4});
    }
};

QTEST_APPLESS_MAIN(TestScoreJumps)
#include "tst_score_jumps.moc"
