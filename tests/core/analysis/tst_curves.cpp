// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <limits>

#include "core/analysis/curves.h"
#include "core/analysis/statistics.h"

using namespace crest;
using namespace crest::analysis;

namespace {

Observation cell(double tokens, std::int64_t seed, double strength, std::int64_t draw, double value) {
    return {tokens, seed, "text", strength, draw, value, {}, {}};
}

/// Loss of two sequences of 4 and 1 tokens; the value is their mean over tokens.
Observation measured(double tokens, std::int64_t seed, double strength, std::int64_t draw, float first, float second) {
    Observation result = cell(tokens, seed, strength, draw, static_cast<double>(first + second) / 5);
    result.perSequenceNats = {first, second};
    result.perSequenceTokens = {4, 1};
    return result;
}

bool close(double a, double b, double tolerance = 1e-12) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}
} // namespace

class TestCurves : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void seedsAndDraws() {
        // Seed means 2 and 5 as in the statistics test: se^2 = 2.25 + 6.5 / 6.
        std::vector<Observation> cells;
        const double values[2][3] = {{1, 2, 3}, {3, 4, 8}};
        for (int seed = 0; seed < 2; ++seed)
            for (int draw = 0; draw < 3; ++draw)
                cells.push_back(cell(1e6, seed, 0.1, draw + 1, values[seed][draw]));
        const auto curves = buildCurves(cells);
        QVERIFY(curves);
        QCOMPARE(curves->size(), std::size_t(1));
        const CurvePoint& point = curves->front().value.points.front();
        QVERIFY(close(point.mean, 3.5));
        QVERIFY(close(point.standardError, std::sqrt(2.25 + 6.5 / 6)));
        QVERIFY(point.band == BandKind::SeedCi95);
        QCOMPARE(point.seeds, 2);
        QCOMPARE(point.draws, 3);
        const double total = 2.25 + 6.5 / 6, df = total * total / (2.25 * 2.25 + 6.5 / 6 * 6.5 / 6 / 2);
        QVERIFY(close(point.high - point.mean, studentQuantile(0.975, df) * std::sqrt(total)));
        QVERIFY(close(point.mean - point.low, point.high - point.mean));
        QVERIFY(curves->front().sensitivity.points.empty());

        const auto deviations = buildCurves(cells, {Spread::Deviation});
        QVERIFY(deviations->front().value.points.front().band == BandKind::SeedSd);
        QVERIFY(close(deviations->front().value.points.front().high, 3.5 + std::sqrt(4.5)));
    }
    void oneRunSaysDraws() {
        const std::vector<Observation> cells{cell(1e6, -1, 0.1, 1, 2), cell(1e6, -1, 0.1, 2, 3),
                                             cell(1e6, -1, 0.1, 3, 4)};
        const CurvePoint point = buildCurves(cells)->front().value.points.front();
        QVERIFY(point.band == BandKind::DrawCi95);
        QVERIFY(close(point.high, 3 + studentQuantile(0.975, 2) / std::sqrt(3.0)));
        const CurvePoint deviation = buildCurves(cells, {Spread::Deviation})->front().value.points.front();
        QVERIFY(deviation.band == BandKind::DrawSd);
        QVERIFY(close(deviation.low, 2));
    }
    void oneCellSaysSequencesOrNothing() {
        const CurvePoint kept = buildCurves(std::vector{measured(1e6, -1, 0, 0, 6, 2)})->front().value.points.front();
        QVERIFY(kept.band == BandKind::SequenceCi95);
        QCOMPARE(kept.sequences, 2);
        QVERIFY(close(kept.standardError, std::sqrt(2 * 0.32 / 25), 1e-6));
        const CurvePoint bare = buildCurves(std::vector{cell(1e6, -1, 0, 0, 1.6)})->front().value.points.front();
        QVERIFY(bare.band == BandKind::None);
        QVERIFY(bare.low == bare.mean && bare.high == bare.mean);
    }
    void sensitivityIsPaired() {
        // Sequences differ much between each other, and by the same 0.5 nats/token everywhere between modified and
        // base.
        const std::vector<Observation> cells{measured(1e6, 7, 0, 0, 4, 9), measured(2e6, 7, 0, 0, 4, 7),
                                             measured(1e6, 7, 0.1, 1, 6, 9.5F)};
        const auto curves = buildCurves(cells);
        QCOMPARE(curves->size(), std::size_t(2));
        QVERIFY((*curves)[0].strength == 0 && (*curves)[0].value.points.size() == 2);
        const Curve& sensitivity = (*curves)[1].sensitivity;
        QCOMPARE(sensitivity.points.size(), std::size_t(1)); // no modified cell at 2M
        QVERIFY(close(sensitivity.points.front().mean, 0.5, 1e-6));
        QVERIFY(sensitivity.points.front().standardError < 1e-6);
        QVERIFY((*curves)[1].value.points.front().standardError > 0.1);
    }
    void sensitivityByRun() {
        // Bases of two runs differ by 1, the modified cells too: the change does not vary between runs.
        const std::vector<Observation> cells{cell(1e6, 1, 0, 0, 2), cell(1e6, 2, 0, 0, 3), cell(1e6, 1, 0.2, 5, 2.25),
                                             cell(1e6, 2, 0.2, 5, 3.25), cell(1e6, 3, 0.2, 5, 9)};
        const auto curves = buildCurves(cells);
        const CurvePoint change = (*curves)[1].sensitivity.points.front();
        QCOMPARE(change.seeds, 2); // run 3 has no base
        QVERIFY(close(change.mean, 0.25));
        QVERIFY(close(change.high, 0.25) && change.band == BandKind::SeedCi95);
    }
    void nonFiniteIsAGap() {
        const std::vector<Observation> cells{cell(1e6, 1, 0.1, 1, kNaN), cell(2e6, 1, 0.1, 1, 2),
                                             cell(2e6, 1, 0.1, 2, std::numeric_limits<double>::infinity())};
        const Curve curve = buildCurves(cells)->front().value;
        QCOMPARE(curve.points.size(), std::size_t(2));
        QVERIFY(std::isnan(curve.points[0].mean));
        QCOMPARE(curve.points[0].nonFinite, 1);
        QVERIFY(curve.points[0].band == BandKind::None);
        QVERIFY(close(curve.points[1].mean, 2));
        QCOMPARE(curve.points[1].nonFinite, 1);
    }
    void nonFiniteBaseGivesNoChange() {
        const std::vector<Observation> cells{cell(1e6, 1, 0, 0, kNaN), cell(1e6, 1, 0.1, 1, 2)};
        const CurvePoint change = (*buildCurves(cells))[1].sensitivity.points.front();
        QVERIFY(std::isnan(change.mean));
        QCOMPARE(change.nonFinite, 1);
    }
    void orderOfTasksAndStrengths() {
        std::vector<Observation> cells{cell(2e6, 1, 0.2, 1, 2), cell(1e6, 1, 0.2, 1, 2), cell(1e6, 1, 0.1, 1, 2)};
        cells.push_back(cell(1e6, 1, 0.1, 1, 3));
        cells.back().task = "another";
        const auto curves = buildCurves(cells);
        QCOMPARE(curves->size(), std::size_t(3));
        QVERIFY((*curves)[0].strength == 0.1 && (*curves)[1].strength == 0.2);
        QCOMPARE((*curves)[2].task, std::string("another"));
        QVERIFY((*curves)[1].value.points[0].tokens == 1e6 && (*curves)[1].value.points[1].tokens == 2e6);
        QVERIFY(buildCurves({})->empty());
    }
    void contradictionsAreErrors() {
        const std::vector<Observation> twice{cell(1e6, -1, 0.1, 1, 2), cell(1e6, -1, 0.1, 1, 3)};
        QVERIFY(buildCurves(twice).error().kind == ErrorKind::Mismatch);
        Observation other = measured(1e6, 2, 0.1, 1, 6, 2);
        other.perSequenceTokens = {3, 2};
        QVERIFY(buildCurves(std::vector{measured(1e6, 1, 0.1, 1, 6, 2), other}).error().kind == ErrorKind::Mismatch);
        Observation base = measured(1e6, 1, 0, 0, 6, 2);
        base.perSequenceTokens = {3, 2};
        QVERIFY(buildCurves(std::vector{measured(1e6, 1, 0.1, 1, 6, 2), base}).error().kind == ErrorKind::Mismatch);
        Observation ragged = measured(1e6, 1, 0.1, 1, 6, 2);
        ragged.perSequenceTokens.pop_back();
        QVERIFY(buildCurves(std::vector{ragged}).error().kind == ErrorKind::Mismatch);
        QVERIFY(buildCurves(std::vector{cell(kNaN, 1, 0.1, 1, 2)}).error().kind == ErrorKind::OutOfRange);
        QVERIFY(buildCurves(std::vector{cell(1e6, 1, kNaN, 1, 2)}).error().kind == ErrorKind::OutOfRange);
    }
    void sequencesCountOnlyWhereAllCellsKeptThem() {
        const std::vector<Observation> cells{measured(1e6, 1, 0.1, 1, 6, 2), cell(2e6, 1, 0.1, 1, 2)};
        const Curve curve = buildCurves(cells)->front().value;
        QCOMPARE(curve.points[0].sequences, 0);
        QVERIFY(curve.points[0].band == BandKind::None);
    }
    void bandNamesAreDistinct() {
        QSet<QString> names, labels;
        for (const auto kind : {BandKind::None, BandKind::SeedSd, BandKind::SeedCi95, BandKind::DrawSd,
                                BandKind::DrawCi95, BandKind::SequenceCi95}) {
            names.insert(QString::fromStdString(bandKindName(kind)));
            labels.insert(QString::fromStdString(bandKindLabel(kind)));
        }
        QCOMPARE(names.size(), 6);
        QCOMPARE(labels.size(), 6);
    }
};

QTEST_APPLESS_MAIN(TestCurves)
#include "tst_curves.moc"
