// SPDX-License-Identifier: GPL-3.0-or-later
// The session end to end, against a runner that only pretends to compute: opening, planning, running, killing,
// continuing, finding again.
#include <atomic>
#include <csignal>

#include <unistd.h>

#include <QSignalSpy>

#include "core/study/results.h"
#include "tests/ui/data/session_fixture.h"
#include "ui/data/format.h"
#include "ui/data/places.h"
#include "ui/data/probe_loading.h"
#include "ui/data/runner_supervisor.h"
#include "ui/data/sample_study.h"
#include "ui/data/recent_studies.h"

using namespace crest;
using namespace crest::ui;
using crest::test::SessionFixture;

namespace {

constexpr int kWaitMs = 30000;

/// A session with what it said.
struct Session {
    explicit Session(SaveStudy save = {})
        : session(nullptr, std::move(save)) {}
    StudySession session;
    QSignalSpy opened{&session, &StudySession::opened}, failed{&session, &StudySession::failed},
        scanned{&session, &StudySession::seriesChanged};

    bool open(const QString& folder) {
        session.open(folder);
        return QTest::qWaitFor([&] { return scanned.count() > 0 || failed.count() > 0; }, kWaitMs) &&
               scanned.count() > 0;
    }
    QString failure() {
        (void)QTest::qWaitFor([&] { return failed.count() > 0 || opened.count() > 0; }, kWaitMs);
        return failed.isEmpty() ? QString() : failed.takeFirst().at(0).toString();
    }
    std::optional<study::Plan> plan(const study::Probe& probe) {
        PlanPreview preview;
        QObject scope;
        QObject::connect(&session, &StudySession::planReady, &scope,
                         [&](const PlanPreview& ready) { preview = ready; });
        const quint64 number = session.requestPlan(probe);
        (void)QTest::qWaitFor([&] { return preview.request == number; }, kWaitMs);
        problem = preview.problem;
        return preview.plan;
    }
    study::RunState state() const {
        return session.runs().empty() ? study::RunState::Queued : session.runs().back().state;
    }
    bool reaches(study::RunState wanted) {
        return QTest::qWaitFor([&] { return !session.runs().empty() && state() == wanted; }, kWaitMs);
    }
    QString problem;
};

/// A session on the fixture's series with one task.
bool openWithTask(Session& one, const SessionFixture& fixture) {
    if (!one.open(fixture.series))
        return false;
    one.session.addTask(fixture.task("heldout"));
    return true;
}

} // namespace

class TestStudySession : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void opensAFolderOfCheckpoints() {
        SessionFixture fixture;
        fixture.breakLargest();
        Session one;
        QVERIFY(one.open(fixture.series));
        QVERIFY(one.session.isOpen() && one.session.untitled() && one.session.writable());
        QVERIFY(one.session.folder().startsWith(dataFolder()));
        QCOMPARE(one.session.name(), QStringLiteral("series"));
        QCOMPARE(one.session.series().size(), 1u);
        const auto& checkpoints = one.session.series()[0].checkpoints;
        QCOMPARE(checkpoints.size(), 4u);
        QCOMPARE(*checkpoints[0].tokens, 1'000'000);
        QVERIFY(checkpoints[3].state == series::CheckpointState::Broken);
        QCOMPARE(one.session.issues().size(), 1u); // said once
        QVERIFY(one.session.issues()[0].where.contains(QStringLiteral("tokens-8M")));
        QCOMPARE(recentStudies().size(), 1u);
        // The same folder finds the same study again.
        const QString folder = one.session.folder();
        Session again;
        QVERIFY(again.open(fixture.series + u'/'));
        QCOMPARE(again.session.folder(), folder);
        QCOMPARE(again.session.name(), QStringLiteral("series"));
    }

    void saysWhatCannotBeOpened() {
        SessionFixture fixture;
        QDir(fixture.dir.path()).mkpath(QStringLiteral("empty"));
        QDir(fixture.dir.path()).mkpath(QStringLiteral("other/notes"));
        QDir(fixture.dir.path()).mkpath(QStringLiteral("newer"));
        test::writeFile(fixture.dir.filePath(QStringLiteral("newer/study.json")), "{\"format\": 99, \"name\": \"x\"}");
        const auto says = [&](const char* folder, const char* what) {
            Session one;
            one.session.open(fixture.dir.filePath(QString::fromLatin1(folder)));
            const QString message = one.failure();
            const bool right = message.contains(QString::fromLatin1(what)) &&
                               message.contains(QString::fromLatin1(folder)) && !one.session.isOpen();
            if (!right)
                qWarning().noquote() << folder << "said:" << message;
            return right;
        };
        QVERIFY(says("not-there", "no such file or folder"));
        QVERIFY(says("empty", "No checkpoint was found"));
        QVERIFY(says("other", "No checkpoint was found"));
        QVERIFY(says("newer", "newer"));
        QVERIFY(!QFileInfo::exists(dataFolder() + QStringLiteral("/studies")) ||
                QDir(dataFolder() + QStringLiteral("/studies")).isEmpty());
    }

    void aProbeOfALongNameHasAName() {
        std::string series;
        for (int i = 0; i < 200; ++i)
            series += "\u4e2d"; // three bytes each: 600, of which 150 end within none of them
        for (const char* kind : {study::kGaussianNoise, study::kBaseEvaluation, study::kQuantisation, study::kFineTuning}) {
            const std::string name = defaultProbe(QString::fromLatin1(kind), series, {}).name;
            QVERIFY2(name.size() <= 200 && name.size() > 150, name.c_str());
            QVERIFY(!QString::fromStdString(name).contains(QChar(QChar::ReplacementCharacter)));
        }
    }
    void editsAreSavedAndUndone() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.setProbe(fixture.probe(one.session));
        const auto onDisk = [&] { return study::StudyFolder::open(one.session.folder().toStdString())->study(); };
        QTRY_COMPARE(onDisk().probes.size(), 1u);
        QVERIFY(onDisk() == one.session.study());
        one.session.undoStack()->undo();
        QVERIFY(one.session.study().probes.empty());
        QTRY_VERIFY(onDisk().probes.empty());
        one.session.undoStack()->redo();
        QTRY_COMPARE(onDisk().probes.size(), 1u);
        study::Probe changed = fixture.probe(one.session);
        changed.seeds = 7;
        one.session.setProbe(changed);
        QTRY_COMPARE(onDisk().probes[0].seeds, 7);
        QCOMPARE(onDisk().probes.size(), 1u);
        one.session.setExcluded(QStringLiteral("series"), QStringLiteral("tokens-1M"), true);
        QTRY_VERIFY(one.session.series()[0].checkpoints[0].state == series::CheckpointState::Excluded);
        one.session.undoStack()->undo();
        QTRY_VERIFY(one.session.series()[0].checkpoints[0].state == series::CheckpointState::Ok);
    }

    void aSlowDiskHoldsNoEditUpAndLosesNone() {
        SessionFixture fixture;
        std::atomic<int> saves = 0;
        const SaveStudy slow = [&](study::StudyFolder& folder, const study::Study& study) {
            QThread::msleep(400);
            ++saves;
            return folder.save(study);
        };
        QString folder;
        {
            Session one(slow);
            QVERIFY(one.open(fixture.series));
            folder = one.session.folder();
            QElapsedTimer clock;
            clock.start();
            one.session.addTask(fixture.task("heldout"));
            study::Probe probe = fixture.probe(one.session);
            for (probe.seeds = 1; probe.seeds <= 20; ++probe.seeds)
                one.session.setProbe(probe);
            QVERIFY2(clock.elapsed() < 50, qPrintable(QString::number(clock.elapsed())));
            one.session.setExcluded(QStringLiteral("series"), QStringLiteral("tokens-2M"), true);
            clock.restart();
            one.session.close(); // with edits on their way
            QVERIFY2(clock.elapsed() < 50, qPrintable(QString::number(clock.elapsed())));
            // Opened again at once it shows the last edit, and is this window's.
            one.scanned.clear();
            QVERIFY(one.open(folder));
            QVERIFY(one.session.writable());
            QCOMPARE(one.session.study().probes.at(0).seeds, 20);
            QCOMPARE(one.session.study().series.at(0).excluded, std::vector<std::string>{"tokens-2M"});
            QVERIFY2(saves < 6, "edits in a row are one write");
            probe.seeds = 33;
            one.session.setProbe(probe);
        } // the window goes with an edit on its way
        QCOMPARE(study::StudyFolder::open(folder.toStdString())->study().probes.at(0).seeds, 33);
    }

    void anEditThatCannotBeSavedIsKeptAndTriedAgain() {
        SessionFixture fixture;
        std::atomic<bool> full = true;
        Session one([&](study::StudyFolder& folder, const study::Study& study) -> Result<void> {
            if (full)
                return fail(ErrorKind::NoSpace, "No space left on the disk.", folder.path().string());
            return folder.save(study);
        });
        QVERIFY(one.open(fixture.series));
        one.session.addTask(fixture.task("heldout"));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY(one.failed[0][0].toString().contains(QStringLiteral("No space left")) &&
                one.failed[0][0].toString().contains(QStringLiteral("is kept")));
        QCOMPARE(one.session.study().tasks.size(), 1u);
        full = false;
        const auto onDisk = [&] { return study::StudyFolder::open(one.session.folder().toStdString())->study(); };
        QTRY_COMPARE_WITH_TIMEOUT(onDisk().tasks.size(), 1u, kWaitMs); // without another edit
        QCOMPARE(one.failed.count(), 1);
    }

    void aMovedSeriesIsLocatedByItsContent() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QVERIFY(one.reaches(study::RunState::Done));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-1M")) > 0);
        const int before = one.session.measuredResults(QStringLiteral("series/tokens-1M"));
        const QString moved = fixture.dir.filePath(QStringLiteral("elsewhere/moved"));
        QDir().mkpath(fixture.dir.filePath(QStringLiteral("elsewhere")));
        QVERIFY(QDir().rename(fixture.series, moved));
        one.session.rescan();
        QTRY_VERIFY(one.session.series().at(0).checkpoints.empty()); // its row stays
        QCOMPARE(one.session.issues().size(), 1u);
        QVERIFY(one.session.issues()[0].message.contains(QStringLiteral("Locate")));

        // Another series under the same names is refused: its weights are others.
        const auto other = std::filesystem::path(fixture.dir.filePath(QStringLiteral("other")).toStdString());
        for (int i = 0; i < 4; ++i)
            test::makeCheckpoint(other / ("tokens-" + std::to_string(1 << i) + "M"), test::tinySpec(),
                                 static_cast<unsigned>(50 + i));
        one.session.locate(QStringLiteral("series"), toQString(other));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY2(one.failed[0][0].toString().contains(QStringLiteral("other weights")),
                 qPrintable(one.failed[0][0].toString()));
        QTemporaryDir empty;
        one.session.locate(QStringLiteral("series"), empty.path());
        QTRY_COMPARE(one.failed.count(), 2);
        QVERIFY(one.session.series().at(0).checkpoints.empty());

        QSignalSpy located(&one.session, &StudySession::located);
        one.session.locate(QStringLiteral("series"), moved);
        QTRY_COMPARE(located.count(), 1);
        QVERIFY(located[0][0].toString().contains(QStringLiteral("4 measured checkpoints")));
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 4u);
        QTRY_VERIFY(one.session.issues().empty());
        QCOMPARE(one.session.measuredResults(QStringLiteral("series/tokens-1M")), before);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->cachedCellCount(), plan->cellCount()); // nothing is computed again
        one.session.undoStack()->undo();
        QTRY_VERIFY(one.session.series().at(0).checkpoints.empty());
    }

    void aSingleCheckpointIsLocatedByItsContent() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QVERIFY(one.reaches(study::RunState::Done));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-2M")) > 0);
        // Moved and renamed, beside a stranger of the old name.
        const QString archive = fixture.dir.filePath(QStringLiteral("archive"));
        QDir().mkpath(archive);
        QVERIFY(QDir().rename(fixture.series + QStringLiteral("/tokens-2M"), archive + QStringLiteral("/kept")));
        QVERIFY(test::makeCheckpoint(std::filesystem::path(archive.toStdString()) / "tokens-2M", test::tinySpec(), 99));
        one.session.rescan();
        const auto missing = [&] {
            return std::ranges::count_if(one.session.issues(), [](const Issue& issue) {
                return issue.message.startsWith(QStringLiteral("Measured, but not there any more: tokens-2M."));
            });
        };
        const auto found = [&] { // none while it is looked for
            return one.session.series().empty() ? std::size_t(0) : one.session.series().front().checkpoints.size();
        };
        QTRY_COMPARE(missing(), 1);
        QTemporaryDir empty;
        one.session.locate(QStringLiteral("series"), empty.path());
        QTRY_COMPARE(one.failed.count(), 1);
        QSignalSpy located(&one.session, &StudySession::located);
        one.session.locate(QStringLiteral("series"), archive);
        QTRY_COMPARE(located.count(), 1);
        QCOMPARE(located[0][0].toString(), QStringLiteral("tokens-2M was found again by its weights. Its results stay."));
        QTRY_COMPARE(found(), 4u);
        const series::Checkpoint& back = one.session.series().at(0).checkpoints.at(1);
        QCOMPARE(back.name, std::string("tokens-2M"));
        QCOMPARE(back.path.filename().string(), std::string("kept"));
        QCOMPARE(*back.tokens, 2'000'000);
        QTRY_COMPARE(missing(), 0);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->checkpoints.size(), 4u);
        QCOMPARE(plan->cachedCellCount(), plan->cellCount()); // nothing is computed again
        one.session.undoStack()->undo();
        QTRY_COMPARE(found(), 3u);
        one.session.undoStack()->redo();
        QTRY_COMPARE(found(), 4u);
        // The next window finds it by itself.
        const QString folder = one.session.folder();
        one.session.close();
        QVERIFY(one.open(folder));
        QTRY_COMPARE(found(), 4u);
    }

    void aCheckpointThatIsGoneIsSaidAndALinkBringsItBack() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QVERIFY(one.reaches(study::RunState::Done));
        QTRY_VERIFY(one.session.measuredResults(QStringLiteral("series/tokens-2M")) > 0);
        const auto said = [&] {
            return std::ranges::count_if(one.session.issues(), [](const Issue& issue) {
                return issue.message.startsWith(QStringLiteral("Measured, but not there any more: tokens-2M."));
            });
        };
        QCOMPARE(said(), 0);
        const QString place = fixture.series + QStringLiteral("/tokens-2M"),
                      moved = fixture.dir.filePath(QStringLiteral("archived"));
        QVERIFY(QDir().rename(place, moved));
        one.session.rescan();
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 3u);
        QTRY_COMPARE(said(), 1);
        QVERIFY(QFile::link(moved, place)); // as the issue says
        one.session.rescan();
        QTRY_COMPARE(one.session.series().at(0).checkpoints.size(), 4u);
        QTRY_COMPARE(said(), 0);
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        QCOMPARE(plan->cachedCellCount(), plan->cellCount());
    }

    void failedCellsAreListedAndTriedAgain() {
        SessionFixture fixture;
        fixture.useRunner(0, QStringLiteral("tokens-2M"));
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QVERIFY(one.reaches(study::RunState::Failed));
        // Of base + 2 gammas x 4 draws in 3 batches, the pretending runner still finishes the first cell of each.
        QCOMPARE(one.session.runs()[0].failed.size(), std::size_t{6});
        const auto listed = [&] {
            return std::count_if(one.session.issues().begin(), one.session.issues().end(), [](const Issue& issue) {
                return issue.where.contains(QStringLiteral("tokens-2M")) &&
                       issue.message.contains(QStringLiteral("Re-run failed"));
            });
        };
        QTRY_COMPARE(listed(), 1); // of one checkpoint and one reason
        QVERIFY(std::any_of(one.session.issues().begin(), one.session.issues().end(), [](const Issue& issue) {
            return issue.where == QStringLiteral("series/tokens-2M, 6 cells") &&
                   issue.details.contains(QStringLiteral("series/tokens-2M, gamma 0.1, noise draw 4"));
        }));
        fixture.useRunner(0);
        one.session.resume(toQString(one.session.runs()[0].id));
        QVERIFY(one.reaches(study::RunState::Done));
        QTRY_COMPARE(listed(), 0);
    }

    void aRunWaitsForItsDevice() {
        SessionFixture fixture;
        fixture.useDevices(R"({"devices":[{"name":"cpu","description":"2 cores","cores":2,"free_bytes":6e9,)"
                           R"("total_bytes":8e9},{"name":"cuda:0","description":"NVIDIA H200","cores":0,)"
                           R"("free_bytes":139e9,"total_bytes":141e9}],"reason":""})");
        Session one;
        QSignalSpy devices(&one.session, &StudySession::devicesChanged);
        QCOMPARE(one.session.devices().size(), 1u); // the CPU is there from the start
        one.session.findDevices();
        QVERIFY(devices.wait(kWaitMs));
        QCOMPARE(one.session.devices().size(), 2u);
        QCOMPARE(one.session.devices()[0].label, QStringLiteral("CPU (2 cores)"));
        QCOMPARE(one.session.devices()[1].label, QStringLiteral("NVIDIA H200 (139 GB free)"));
        QCOMPARE(one.session.device(), QStringLiteral("cpu"));
        one.session.chooseDevice(QStringLiteral("cuda:0"));
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QVERIFY(one.reaches(study::RunState::Done));
        QCOMPARE(one.session.runs()[0].device, std::string("cuda:0"));
        QVERIFY(fixture.runnerArguments().contains(QStringLiteral("--device cuda:0")));
        Session again; // the choice is remembered
        QSignalSpy found(&again.session, &StudySession::devicesChanged);
        again.session.findDevices();
        QVERIFY(found.wait(kWaitMs));
        QCOMPARE(again.session.device(), QStringLiteral("cuda:0"));
    }

    void withoutAnswerTheCpuIsThere_data() {
        QTest::addColumn<QByteArray>("answer");
        QTest::newRow("nothing") << QByteArray();
        QTest::newRow("no JSON") << QByteArray("Segmentation fault");
        QTest::newRow("other JSON") << QByteArray(R"({"devices":[3,{"name":7}]})");
    }
    void withoutAnswerTheCpuIsThere() {
        QFETCH(QByteArray, answer);
        const auto devices = devicesFromJson(answer);
        QCOMPARE(devices.size(), 1u);
        QCOMPARE(devices[0].name, QStringLiteral("cpu"));
        QVERIFY(devices[0].label.startsWith(QStringLiteral("CPU (")));
    }
    void theReasonForNoGpuIsSaid() {
        const auto devices = devicesFromJson(
            R"({"devices":[{"name":"cpu","cores":1,"free_bytes":0,"total_bytes":0}],"reason":"No driver."})");
        QCOMPARE(devices[0].label, QStringLiteral("CPU (1 core)"));
        QCOMPARE(devices[0].detail, QStringLiteral("No driver."));
    }

    void planSaysWhatItCosts() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY2(plan.has_value(), qPrintable(one.problem));
        QCOMPARE(plan->cellCount(), 4 * (1 + 2 * 4));
        QCOMPARE(plan->cachedCellCount(), 0);
        study::Probe wrong = fixture.probe(one.session);
        wrong.strengths = {11};
        QVERIFY(!one.plan(wrong));
        QVERIFY(one.problem.contains(QStringLiteral("out of range")));
        wrong = fixture.probe(one.session);
        wrong.tasks.clear();
        QVERIFY(!one.plan(wrong));
        QVERIFY(one.problem.contains(QStringLiteral("at least one task")));
    }

    void theLatestPlanWins() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        std::vector<quint64> answers;
        connect(&one.session, &StudySession::planReady, this,
                [&](const PlanPreview& preview) { answers.push_back(preview.request); });
        one.session.requestPlan(fixture.probe(one.session));
        one.session.requestPlan(fixture.probe(one.session));
        const quint64 last = one.session.requestPlan(fixture.probe(one.session));
        QTRY_VERIFY(!answers.empty());
        QTest::qWait(50);
        QCOMPARE(answers, std::vector<quint64>{last});
        one.session.disconnect(this);
    }

    void runsAndShowsTheNumbers() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const auto plan = one.plan(fixture.probe(one.session));
        QVERIFY(plan.has_value());
        one.session.run(*plan);
        QVERIFY2(one.reaches(study::RunState::Done),
                 one.failed.isEmpty() ? "" : qPrintable(one.failed[0][0].toString()));
        QCOMPARE(one.session.runs().back().doneCells, plan->cellCount());
        QCOMPARE(one.session.shownRun(), QString::fromStdString(one.session.runs().back().id));
        QTRY_COMPARE(one.session.probeView().results ? one.session.probeView().results->rows.size() : 0u,
                     plan->cells.size());
        QCOMPARE(one.session.measuredResults(QStringLiteral("series/tokens-1M")), 9);
        QCOMPARE(one.session.probeView().inflections.size(), 2u);
        // What the window shows is what is stored.
        const auto folder = study::StudyFolder::open(one.session.folder().toStdString());
        const auto stored = loadProbeResults(*folder, "");
        QVERIFY(stored.has_value());
        auto shown = analysis::observationsOf(*one.session.probeView().results);
        const auto kept = analysis::observationsOf(*stored);
        QCOMPARE(shown.size(), kept.size());
        for (std::size_t i = 0; i < shown.size(); ++i)
            QVERIFY(shown[i].value == kept[i].value && shown[i].tokens == kept[i].tokens &&
                    shown[i].strength == kept[i].strength);
        // The same probe again: all of it is there. Another gamma more: just that is new.
        QCOMPARE(one.plan(fixture.probe(one.session))->cachedCellCount(), plan->cellCount());
        study::Probe more = fixture.probe(one.session);
        more.strengths.push_back(0.2);
        const auto wider = one.plan(more);
        QCOMPARE(wider->cellCount() - wider->cachedCellCount(), 4 * 4);
    }

    void aKilledRunIsInterruptedAndContinues() {
        SessionFixture fixture;
        fixture.useRunner(40'000);
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const auto plan = one.plan(fixture.probe(one.session));
        one.session.run(*plan);
        QVERIFY(QTest::qWaitFor([&] { return !one.session.runs().empty() && one.session.runs().back().doneCells > 2; },
                                kWaitMs));
        QVERIFY(one.state() == study::RunState::Running);
        QCOMPARE(::kill(static_cast<pid_t>(fixture.runnerPid()), SIGKILL), 0);
        QVERIFY(one.reaches(study::RunState::Interrupted));
        const auto kept = one.session.runs().back().doneCells;
        QVERIFY(kept < plan->cellCount());
        fixture.useRunner(0);
        one.session.resume(QString::fromStdString(one.session.runs().back().id));
        QVERIFY(one.reaches(study::RunState::Done));
        QTRY_COMPARE(one.session.probeView().results->rows.size(), plan->cells.size());
        QVERIFY(one.failed.isEmpty());
    }

    void aPlanHasOneRun() {
        SessionFixture fixture;
        fixture.useRunner(250'000); // some five seconds: control is looked at once a second
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const auto plan = one.plan(fixture.probe(one.session));
        one.session.run(*plan);
        one.session.run(*plan); // a double click
        QVERIFY(QTest::qWaitFor([&] { return !one.session.runs().empty() && one.session.runs()[0].doneCells > 2; },
                                kWaitMs));
        one.session.run(*plan); // while it runs
        const std::string id = one.session.runs()[0].id;
        one.session.control(toQString(id), study::RunCommand::Stop);
        QVERIFY(one.reaches(study::RunState::Stopped));
        QVERIFY(one.session.runs()[0].doneCells < plan->cellCount());
        fixture.useRunner(0);
        one.session.run(*one.plan(fixture.probe(one.session))); // set up again after the stop: goes on
        QVERIFY(one.reaches(study::RunState::Done));
        QCOMPARE(one.session.runs().size(), std::size_t{1});
        QCOMPARE(one.session.runs()[0].id, id);
        QVERIFY(one.failed.isEmpty());
    }

    void closingLeavesTheRunAndOpeningFindsIt() {
        SessionFixture fixture;
        fixture.useRunner(250'000); // some five seconds
        QString folder;
        {
            Session one;
            QVERIFY(openWithTask(one, fixture));
            folder = one.session.folder();
            one.session.run(*one.plan(fixture.probe(one.session)));
            QVERIFY(one.reaches(study::RunState::Running));
        }
        Session again;
        QVERIFY(again.open(folder));
        QVERIFY(again.reaches(study::RunState::Running));
        again.session.control(QString::fromStdString(again.session.runs().back().id), study::RunCommand::Pause);
        QVERIFY(again.reaches(study::RunState::Paused));
        again.session.resume(QString::fromStdString(again.session.runs().back().id));
        QVERIFY(again.reaches(study::RunState::Done));
    }

    void aRunnerThatDoesNotStartIsReported() {
        SessionFixture fixture;
        fixture.useScript(
            QStringLiteral("echo x >> '%1'\necho 'libtorch_cpu.so: cannot open shared object file' >&2\nexit 127\n")
                .arg(fixture.dir.filePath(QStringLiteral("starts"))));
        Session one;
        QVERIFY(openWithTask(one, fixture));
        one.session.run(*one.plan(fixture.probe(one.session)));
        QTRY_VERIFY_WITH_TIMEOUT(one.failed.count() == 1, kWaitMs);
        const QString message = one.failed[0][0].toString();
        QVERIFY2(message.contains(QStringLiteral("libtorch_cpu.so: cannot open")) &&
                     message.contains(QStringLiteral("log.txt")),
                 qPrintable(message));
        QFile starts(fixture.dir.filePath(QStringLiteral("starts")));
        QVERIFY(starts.open(QIODevice::ReadOnly));
        QCOMPARE(starts.readAll(), QByteArray("x\nx\nx\n"));
        QVERIFY(one.state() == study::RunState::Queued); // the plan is kept; a later start takes it up
        qputenv("CREST_RUN", "/nowhere/crest-run");
        one.session.run(*one.plan(fixture.probe(one.session)));
        QTRY_COMPARE(one.failed.count(), 2);
        QVERIFY(one.failed[1][0].toString().contains(QStringLiteral("CREST_RUN")));
    }

    void aSecondWindowLooksOnly() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        QTRY_COMPARE(study::StudyFolder::open(one.session.folder().toStdString())->study().tasks.size(), 1u);
        Session other;
        QVERIFY(other.open(one.session.folder()));
        QVERIFY(one.session.writable() && !other.session.writable());
        QVERIFY(other.session.readOnlyReason().contains(QStringLiteral("another window")));
        const auto plan = other.plan(fixture.probe(other.session));
        QVERIFY(plan.has_value());
        other.session.run(*plan);
        QTRY_COMPARE(other.failed.count(), 1);
        QVERIFY(other.failed[0][0].toString().contains(QStringLiteral("only be looked at")));
        one.session.close();
        Session third;
        QVERIFY(third.open(other.session.folder()));
        QVERIFY(third.session.writable());
    }

    void aReadOnlyFolderCanBeLookedAt() {
        if (::geteuid() == 0)
            QSKIP("root may write into every folder; aSecondWindowLooksOnly covers what follows");
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const QString folder = one.session.folder();
        one.session.close();
        QFile::setPermissions(folder, QFile::ReadOwner | QFile::ExeOwner);
        Session other;
        QVERIFY(other.open(folder));
        QVERIFY(!other.session.writable());
        QVERIFY(other.session.readOnlyReason().contains(QStringLiteral("cannot be written")));
        QFile::setPermissions(folder, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
    }

    void savingMovesTheStudy() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const QString from = one.session.folder(), full = fixture.dir.filePath(QStringLiteral("full")),
                      to = fixture.dir.filePath(QStringLiteral("my study"));
        QDir().mkpath(full + QStringLiteral("/something"));
        one.session.saveAs(full);
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY(one.failed[0][0].toString().contains(QStringLiteral("not empty")));
        QTRY_VERIFY(one.session.isOpen());
        QCOMPARE(one.session.folder(), from); // still there, and open
        one.session.saveAs(to);
        QTRY_COMPARE(one.session.folder(), to);
        QCOMPARE(one.session.name(), QStringLiteral("my study"));
        QVERIFY(!one.session.untitled() && !QFileInfo::exists(from));
        QCOMPARE(one.session.study().tasks.size(), 1u);
        QTRY_COMPARE(one.session.series().size(), 1u);
    }

    void aFolderOfSeveralSeriesGivesThemAll() {
        SessionFixture fixture;
        SessionFixture::makeSeries(fixture.dir.filePath(QStringLiteral("both/a")), "alpha", 2);
        SessionFixture::makeSeries(fixture.dir.filePath(QStringLiteral("both/b")), "beta", 3);
        Session one;
        QVERIFY(one.open(fixture.dir.filePath(QStringLiteral("both"))));
        QCOMPARE(one.session.series().size(), 2u);
        QCOMPARE(one.session.study().series.size(), 2u);
        QCOMPARE(one.session.series()[1].name, one.session.study().series[1].name);
        one.session.addTask(fixture.task("heldout"));
        study::Probe probe = fixture.probe(one.session);
        probe.series = one.session.series()[1].name;
        const auto plan = one.plan(probe);
        QVERIFY2(plan.has_value(), qPrintable(one.problem));
        QCOMPARE(plan->checkpoints.size(), one.session.series()[1].checkpoints.size());
        one.session.addSeries(fixture.series);
        QTRY_COMPARE(one.session.series().size(), 3u);
        one.session.undoStack()->undo();
        QTRY_COMPARE(one.session.series().size(), 2u);
    }

    void theSampleOpensReadyToRun() {
        SessionFixture fixture;
        const QString resources = fixture.dir.filePath(QStringLiteral("resources"));
        SessionFixture::makeSeries(resources + QStringLiteral("/sample/series"), "sample", 4);
        QDir().mkpath(resources + QStringLiteral("/sample/texts"));
        for (const char* text : {"dictionary", "glosses", "bible"}) {
            QFile source(fixture.text);
            QVERIFY(source.open(QIODevice::ReadOnly));
            test::writeFile(resources + QStringLiteral("/sample/texts/%1.jsonl").arg(QString::fromLatin1(text)),
                            source.readAll() + "\n{\"text\": \"" + text + "\"}\n");
        }
        qputenv("CREST_RESOURCES", resources.toUtf8());
        {
            Session one;
            one.session.openSample();
            QTRY_VERIFY_WITH_TIMEOUT(one.scanned.count() > 0, kWaitMs);
            QCOMPARE(one.session.study().probes.size(), 1u);
            const study::Probe& probe = one.session.study().probes[0];
            QCOMPARE(probe.tasks.size(), 3u);
            QVERIFY(probe.tasks[0].task == "dictionary" && probe.tasks[0].role == study::Role::InDistribution);
            QVERIFY(probe.tasks[1].role == study::Role::OutOfDistribution &&
                    probe.tasks[2].role == study::Role::OutOfDistribution);
            const auto plan = one.plan(probe);
            QVERIFY2(plan.has_value(), qPrintable(one.problem));
            QCOMPARE(plan->cellCount(), 4 * (1 + 5 * 16));
        }
        // Another installation: the study stays, its paths follow.
        const QString moved = fixture.dir.filePath(QStringLiteral("elsewhere"));
        QVERIFY(QDir().rename(resources, moved));
        qputenv("CREST_RESOURCES", moved.toUtf8());
        Session again;
        again.session.openSample();
        QTRY_VERIFY_WITH_TIMEOUT(again.scanned.count() > 0, kWaitMs);
        QVERIFY(QString::fromStdString(again.session.study().series[0].path).startsWith(moved));
        QVERIFY(QString::fromStdString(again.session.study().tasks[0].textsPath).startsWith(moved));
        QCOMPARE(again.session.series().size(), 1u);
        qunsetenv("CREST_RESOURCES");
    }

    void endsInTheMiddleOfEverything() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        for (int i = 0; i < 5; ++i) {
            one.session.rescan();
            one.session.requestPlan(fixture.probe(one.session));
            one.session.open(fixture.series);
        }
        QElapsedTimer clock;
        clock.start();
        one.session.close();
        QVERIFY2(clock.elapsed() < 500, "closing waits for work in the background");
    }
};

QTEST_GUILESS_MAIN(TestStudySession)
#include "tst_study_session.moc"
