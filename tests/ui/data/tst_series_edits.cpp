// SPDX-License-Identifier: GPL-3.0-or-later
// What the user and the results say of checkpoints: corrections with undo, kept in the study; rows as they are found;
// weights that are compared in the background; scores that jump.
#include <algorithm>
#include <ctime>
#include <fstream>
#include <utility>

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QTimer>

#include "core/study/study_folder.h"
#include "tests/ui/data/session_fixture.h"
#include "ui/data/format.h"
#include "ui/data/series_model.h"
#include "ui/data/series_watch.h"

using namespace crest;
using namespace crest::ui;
using crest::test::SessionFixture;

namespace {

constexpr int kWaitMs = 30000;

bool opens(StudySession& session, const QString& folder) {
    QSignalSpy changed(&session, &StudySession::seriesChanged);
    session.open(folder);
    return QTest::qWaitFor([&] { return changed.count() > 0; }, kWaitMs);
}

QString listed(const StudySession& session) {
    QStringList out;
    for (const series::Checkpoint& one : session.series().at(0).checkpoints)
        out << toQString(one.name) + u':' + (one.tokens ? QString::number(*one.tokens) : QStringLiteral("-"));
    return out.join(u' ');
}

const series::Checkpoint& checkpoint(const StudySession& session, std::size_t i) {
    return session.series().at(0).checkpoints.at(i);
}

/// Checkpoints that only have steps.
QString makeSteps(const SessionFixture& fixture, std::initializer_list<int> steps) {
    const QString folder = fixture.dir.filePath(QStringLiteral("steps"));
    for (const int step : steps)
        test::makeCheckpoint(std::filesystem::path(folder.toStdString()) / ("step" + std::to_string(step)),
                             test::tinySpec(), static_cast<unsigned>(step));
    return folder;
}

/// Base scores on one task: 4, 3.8, 3.6 ... at 1B, 2B, 3B ... tokens.
analysis::ProbeResults fallingScores(int checkpoints) {
    analysis::ProbeResults results;
    results.plan.probe.series = "run";
    results.plan.tasks.emplace_back().name = "heldout";
    results.plan.probe.tasks = {{"heldout", study::Role::InDistribution}};
    for (int i = 0; i < checkpoints; ++i) {
        study::PlannedCheckpoint& checkpoint = results.plan.checkpoints.emplace_back();
        checkpoint.series = "run";
        checkpoint.name = "step" + std::to_string(i);
        checkpoint.tokens = std::int64_t{1'000'000'000} * (i + 1);
        study::ResultRow& row = results.rows.emplace_back();
        row.key = checkpoint.name;
        row.weights = "hash000" + std::to_string(i);
        row.task = "heldout";
        row.value = 4 - 0.2 * i;
        results.plan.cells.push_back({i, 0, 0, {row.key}, {0}});
    }
    return results;
}

} // namespace

class TestSeriesEdits : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void correctionsAreUndoneAndKept() {
        SessionFixture fixture;
        const QString folder = makeSteps(fixture, {10, 20, 30}), series = QStringLiteral("steps");
        QString study;
        {
            StudySession session;
            QVERIFY(opens(session, folder));
            study = session.folder();
            QCOMPARE(listed(session), QStringLiteral("step10:- step20:- step30:-"));
            session.setTokensPerStep(series, 1'000'000);
            QCOMPARE(listed(session), QStringLiteral("step10:10000000 step20:20000000 step30:30000000"));
            series::CheckpointCorrection correction;
            correction.tokens = 5'000'000;
            correction.name = "odd";
            session.correct(series, QStringLiteral("step30"), correction);
            QCOMPARE(listed(session), QStringLiteral("odd:5000000 step10:10000000 step20:20000000"));
            QVERIFY(session.correction(series, QStringLiteral("step30")) == correction);
            correction = {};
            correction.stage = 2;
            session.correct(series, QStringLiteral("step20"), correction);
            QCOMPARE(checkpoint(session, 2).state, series::CheckpointState::Excluded); // a later stage is off
            session.setExcluded(series, QStringLiteral("step20"), false);
            QCOMPARE(checkpoint(session, 2).state, series::CheckpointState::Ok);
            session.undoStack()->undo();
            QCOMPARE(checkpoint(session, 2).state, series::CheckpointState::Excluded);
            session.undoStack()->redo();
            session.undoStack()->undo();
            session.undoStack()->undo();
            QCOMPARE(checkpoint(session, 2).state, series::CheckpointState::Ok);
            const auto kept = [&] {
                const auto opened = study::StudyFolder::open(study.toStdString());
                return opened && !opened->study().series.empty()
                           ? opened->study().series[0].corrections.checkpoints.size()
                           : std::size_t{99};
            };
            QTRY_COMPARE(kept(), std::size_t{1});
        }
        StudySession again;
        QVERIFY(opens(again, study));
        QCOMPARE(listed(again), QStringLiteral("odd:5000000 step10:10000000 step20:20000000"));
        again.correct(series, QStringLiteral("step30"), {});
        again.setTokensPerStep(series, std::nullopt);
        QCOMPARE(listed(again), QStringLiteral("step10:- step20:- step30:-"));
    }

    void aCorrectionScansNothing() {
        SessionFixture fixture;
        StudySession session;
        QVERIFY(opens(session, makeSteps(fixture, {10, 20})));
        QSignalSpy scans(&session, &StudySession::scanProgress);
        session.setTokensPerStep(QStringLiteral("steps"), 7);
        session.setExcluded(QStringLiteral("steps"), QStringLiteral("step10"), true);
        QCOMPARE(checkpoint(session, 0).state, series::CheckpointState::Excluded);
        QTest::qWait(100);
        QCOMPARE(scans.count(), 0);
    }

    void rowsAppearAsTheyComeAndTheWindowLives() {
        SessionFixture fixture;
        const std::filesystem::path many = fixture.dir.filePath(QStringLiteral("many")).toStdString();
        QVERIFY(test::makeCheckpoint(many / "step0"));
        for (int i = 1; i < 1000; ++i)
            std::filesystem::copy(many / "step0", many / ("step" + std::to_string(i)),
                                  std::filesystem::copy_options::recursive);
        StudySession session;
        SeriesModel model;
        int batches = 0, early = 0;
        connect(&session, &StudySession::checkpointsFound, &session,
                [&](const QString& series, const std::vector<series::Checkpoint>& found) {
                    model.appendFound(series, found);
                    ++batches;
                    early = model.rowCount(model.index(0, 0));
                });
        connect(&session, &StudySession::seriesChanged, &session, [&] { model.setSeries(session.series(), {}); });
        // Of this thread's processor, so that a busy machine changes nothing.
        const auto processorMs = [] {
            timespec now{};
            ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
            return static_cast<qint64>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
        };
        qint64 longest = 0, before = processorMs();
        QTimer heart;
        connect(&heart, &QTimer::timeout, &session, [&] {
            const qint64 now = processorMs();
            longest = std::max(longest, now - std::exchange(before, now));
        });
        heart.start(1);
        QElapsedTimer whole;
        whole.start();
        QVERIFY(opens(session, fixture.dir.filePath(QStringLiteral("many"))));
        qInfo("1,000 rows after %lld ms in %d batches, the window was busy for %lld ms at most",
              static_cast<long long>(whole.elapsed()), batches, static_cast<long long>(longest));
        QVERIFY(batches >= 2 && early > 0 && early <= 1000);
        QCOMPARE(model.rowCount(model.index(0, 0)), 1000);
        QVERIFY2(longest < 250, qPrintable(QString::number(longest)));
    }

    void weightsAreComparedInTheBackground() {
        SessionFixture fixture;
        const QString folder = makeSteps(fixture, {10, 20, 30, 40});
        const std::filesystem::path root = folder.toStdString();
        // step30 holds the weights of step10; step40 was copied as "final".
        std::filesystem::copy_file(root / "step10/model.safetensors", root / "step30/model.safetensors",
                                   std::filesystem::copy_options::overwrite_existing);
        std::filesystem::copy(root / "step40", root / "final", std::filesystem::copy_options::recursive);
        StudySession session;
        QSignalSpy progress(&session, &StudySession::fingerprintProgress);
        QVERIFY(opens(session, folder));
        QTRY_VERIFY(session.series()[0].checkpoints.size() == 4);
        QTRY_COMPARE(checkpoint(session, 0).state, series::CheckpointState::Suspect);
        QCOMPARE(checkpoint(session, 3).aliases, std::vector<std::string>{"final"});
        QVERIFY2(checkpoint(session, 0).reason.find("identical to those of step30") != std::string::npos,
                 checkpoint(session, 0).reason.c_str());
        QCOMPARE(checkpoint(session, 1).state, series::CheckpointState::Ok);
        QCOMPARE(checkpoint(session, 1).fingerprint.size(), 64u);
        QVERIFY(std::ranges::any_of(session.issues(), [](const Issue& issue) {
            return issue.message.contains(QStringLiteral("identical to those of step10"));
        }));
        QTRY_VERIFY(!progress.isEmpty() && progress.last().at(0).toInt() == progress.last().at(1).toInt());
        QCOMPARE(progress.last().at(1).toInt(), 5);
    }

    void weightsThatAreNoNumbersAreSuspect() {
        SessionFixture fixture;
        const QString folder = makeSteps(fixture, {10, 20});
        {
            std::fstream file(folder.toStdString() + "/step20/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(-4, std::ios::end);
            file.write("\0\0\xC0\x7F", 4); // NaN
        }
        StudySession session;
        QVERIFY(opens(session, folder));
        QTRY_COMPARE(checkpoint(session, 1).state, series::CheckpointState::Suspect);
        QVERIFY2(checkpoint(session, 1).reason.find("holds 1 NaN and 0 Inf") != std::string::npos, checkpoint(session, 1).reason.c_str());
        QVERIFY(std::ranges::any_of(session.issues(),
                                    [](const Issue& issue) { return issue.message.contains(QStringLiteral("1 NaN")); }));
        QCOMPARE(checkpoint(session, 0).state, series::CheckpointState::Ok);
    }

    void scoresThatJumpAreNamed() {
        analysis::ProbeResults results = fallingScores(8);
        std::vector<study::ResultRow>& rows = results.rows;
        QVERIFY(suspectScores(results).empty());
        rows[5].value = rows[1].value;
        rows[5].weights = rows[1].weights;
        study::ResultRow noisy = rows[3];
        noisy.key = "noisy"; // only bases are compared
        noisy.strength = 0.1;
        noisy.value = 90;
        rows.push_back(noisy);
        results.plan.cells.push_back({3, 0.1, 1, {noisy.key}, {0}});
        const auto suspects = suspectScores(results);
        QCOMPARE(suspects.size(), 1u);
        QCOMPARE(suspects.begin()->first, std::string("run/step5"));
        QCOMPARE(suspects.begin()->second,
                 std::string(
                     "Suspect weights: its base loss on heldout is 3.8, far off its neighbours step4 (3.2) and step6 "
                     "(2.8). Fingerprints: hash0001 here, the same as those of step1, hash0004 and hash0006 there."));
    }

    /// Stored rows keep the tokens that were known when they were planned.
    void scoresAreJudgedWhereCheckpointsStandNow() {
        analysis::ProbeResults results = fallingScores(12);
        std::vector<study::PlannedCheckpoint>& checkpoints = results.plan.checkpoints;
        for (std::size_t i = 0; i < 12; ++i)
            results.rows[i].tokens = checkpoints[i].tokens;
        std::swap(checkpoints[1].tokens, checkpoints[10].tokens); // two names were mixed up
        QCOMPARE(suspectScores(results).size(), 2u);
        std::swap(results.rows[1].value, results.rows[10].value); // no: the weights are those of the names
        QVERIFY(suspectScores(results).empty());
        for (study::PlannedCheckpoint& one : checkpoints) { // by steps, where only these are known
            one.step = *one.tokens / 1000;
            one.tokens.reset();
        }
        QVERIFY(suspectScores(results).empty());
        results.rows[4].value = 4;
        QCOMPARE(suspectScores(results).size(), 1u);
        QCOMPARE(suspectScores(results).begin()->first, std::string("run/step4"));
    }

    void typedCounts() {
        QCOMPARE(tokensFromText(QStringLiteral("2,097,152")), std::optional<std::int64_t>(2'097'152));
        QCOMPARE(tokensFromText(QStringLiteral(" 4M ")), std::optional<std::int64_t>(4'000'000));
        QCOMPARE(tokensFromText(QStringLiteral("1.5 b")), std::optional<std::int64_t>(1'500'000'000));
        QCOMPARE(tokensFromText(QStringLiteral("9007199254740993")),
                 std::optional<std::int64_t>(9'007'199'254'740'993));
        for (const char* wrong : {"", "-4", "1.5", "4X", "1e9", "99999999T", "4M5", ".5M"})
            QVERIFY2(!tokensFromText(QString::fromLatin1(wrong)), wrong);
    }

    void cellsThatAreTypedOver() {
        SeriesModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        series::Series one;
        one.name = "run";
        one.checkpoints.resize(1);
        one.checkpoints[0].name = "shown";
        one.checkpoints[0].foundName = "found";
        one.checkpoints[0].tokens = 2'000'001;
        one.checkpoints[0].aliases = {"main"};
        model.setSeries({one}, {});
        QSignalSpy edited(&model, &SeriesModel::edited), refused(&model, &SeriesModel::refused);
        const QModelIndex parent = model.index(0, 0);
        const auto cell = [&](int column) { return model.index(0, column, parent); };
        QVERIFY(!model.setData(cell(SeriesModel::Tokens), QStringLiteral("5"), Qt::EditRole)); // only to be looked at
        model.setEditable(true);
        QVERIFY(model.flags(cell(SeriesModel::Name)) & Qt::ItemIsEditable);
        QVERIFY(!(model.flags(cell(SeriesModel::Size)) & Qt::ItemIsEditable));
        QVERIFY(!(model.flags(parent) & Qt::ItemIsEditable));
        QCOMPARE(cell(SeriesModel::Tokens).data(Qt::EditRole).toString(), QStringLiteral("2000001"));
        QCOMPARE(cell(SeriesModel::Name).data().toString(), QStringLiteral("shown = main"));
        QCOMPARE(cell(SeriesModel::Name).data(SeriesModel::CheckpointNameRole).toString(), QStringLiteral("found"));
        QVERIFY(!model.setData(cell(SeriesModel::Tokens), QStringLiteral("2000001"), Qt::EditRole)); // as it was
        QVERIFY(!model.setData(cell(SeriesModel::Tokens), QStringLiteral("many"), Qt::EditRole));
        QVERIFY(!model.setData(cell(SeriesModel::Stage), QStringLiteral("-1"), Qt::EditRole));
        QCOMPARE(refused.count(), 2);
        QCOMPARE(edited.count(), 0);
        QVERIFY(model.setData(cell(SeriesModel::Tokens), QStringLiteral("4M"), Qt::EditRole));
        QCOMPARE(edited.takeFirst(), (QVariantList{QStringLiteral("run"), QStringLiteral("found"),
                                                   static_cast<int>(SeriesModel::Tokens), QStringLiteral("4M")}));
    }
};

QTEST_GUILESS_MAIN(TestSeriesEdits)
#include "tst_series_edits.moc"
