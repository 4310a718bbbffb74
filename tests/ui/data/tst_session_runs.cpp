// SPDX-License-Identifier: GPL-3.0-or-later
// Runs of a session, against a runner that only pretends to compute: planned, started, killed, continued, found again.
#include <csignal>

#include <unistd.h>

#include "tests/ui/data/open_session.h"
#include "ui/data/format.h"
#include "ui/data/probe_loading.h"
#include "ui/data/runner_supervisor.h"

using namespace crest;
using namespace crest::ui;
using namespace crest::test;

class TestSessionRuns : public QObject {
    Q_OBJECT
private Q_SLOTS:
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

    /// Another user's runner, whose lock may not be opened (here nobody can, root neither), could be at work.
    void besideARunnerThatCannotBeLookedAtNothingStarts() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        const QString folder = one.session.folder();
        const auto lock = std::filesystem::path(folder.toStdString()) / "runners" / "other.lock";
        std::filesystem::create_symlink(lock, lock);
        one.session.run(*one.plan(fixture.probe(one.session)));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY2(one.failed[0][0].toString().contains(toQString(lock)), qPrintable(one.failed[0][0].toString()));
        QTRY_VERIFY(std::any_of(one.session.issues().begin(), one.session.issues().end(), [&](const Issue& issue) {
            return issue.where == toQString(lock) && issue.message.contains(QStringLiteral("still at work"));
        }));
        one.session.saveAs(fixture.dir.filePath(QStringLiteral("elsewhere")));
        QCOMPARE(one.failed.count(), 2);
        QVERIFY(one.session.isOpen() && one.session.folder() == folder);
        QVERIFY(one.reaches(study::RunState::Queued));
        QCOMPARE(fixture.runnerPid(), qint64{0});
        std::filesystem::remove(lock);
        one.session.resume(toQString(one.session.runs()[0].id));
        QVERIFY(one.reaches(study::RunState::Done));
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
        QVERIFY(openAndMeasure(one, fixture));
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
            R"({"devices":[{"name":"cpu","cores":1,"free_bytes":0,"total_bytes":0,"float32_flops":2e11}],"reason":"No driver."})");
        QVERIFY(devices[0].float32Flops == 2e11 && devices[0].bfloat16Flops == 0);
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

    /// What others put into the folder after a run; only what the user excludes leaves its curves.
    void laterFoldersTakeNothingAway() {
        series::Series now;
        now.name = "s";
        now.checkpoints.resize(3);
        for (std::size_t i = 0; i < 3; ++i)
            now.checkpoints[i].name = "step" + std::to_string(i);
        now.checkpoints[0].tokens.reset(); // no longer known
        now.checkpoints[1].state = series::CheckpointState::Excluded;
        now.checkpoints[1].offByDefault = true; // a first stage has come beside it
        now.checkpoints[2].state = series::CheckpointState::Excluded;
        analysis::ProbeResults results;
        for (int i = 2; i >= 0; --i) {
            study::PlannedCheckpoint planned;
            planned.series = "s";
            planned.name = "step" + std::to_string(i);
            planned.tokens = 1000 * (i + 1);
            results.plan.checkpoints.push_back(planned);
            results.plan.cells.push_back({2 - i, 0, 0, {}, {}});
            results.plan.batches.push_back({2 - i});
        }
        addFacts(results, seriesFacts({now}));
        QCOMPARE(results.excluded, decltype(results.excluded)(1));
        QCOMPARE(results.plan.checkpoints.size(), std::size_t(2));
        QCOMPARE(results.plan.checkpoints[1].name, std::string("step0"));
        QCOMPARE(results.plan.checkpoints[1].tokens, std::optional<std::int64_t>(1000));
        QCOMPARE(results.plan.cells.size(), std::size_t(2));
        QCOMPARE(results.plan.cells[1].checkpoint, 1);
        QCOMPARE(results.plan.batches, (std::vector<std::vector<int>>{{}, {0}, {1}}));
    }

    /// Where a series lacks checkpoints its curves are broken; one that the user excludes is there.
    void holesOfTheSeriesReachTheFigures() {
        series::Series now;
        now.name = "s";
        for (const int step : {100, 200, 300, 600, 700, 800}) {
            series::Checkpoint& one = now.checkpoints.emplace_back();
            one.name = "step" + std::to_string(step);
            one.step = step;
            one.tokens = 1000 * step;
        }
        now.checkpoints[1].state = series::CheckpointState::Excluded;
        now.checkpoints[4].state = series::CheckpointState::Broken;
        analysis::ProbeResults results;
        results.plan.probe.series = "s";
        addFacts(results, seriesFacts({now}));
        using Holes = std::vector<analysis::SeriesHole>;
        QVERIFY(results.holes == (Holes{{300'000, 600'000, 300, 600}, {700'000, 700'000, 700, 700}}));
        results.plan.probe.series = "another";
        addFacts(results, seriesFacts({now}));
        QVERIFY(results.holes.empty());
    }

    /// Steps of a later stage are others than those of the first; what broke before its tokens were known stands between its neighbours.
    void holesWhereTokensOrStepsAreNone() {
        series::Series now;
        now.name = "s";
        const auto add = [&](int stage, std::int64_t step, std::optional<std::int64_t> tokens, series::CheckpointState state = series::CheckpointState::Ok) {
            series::Checkpoint& one = now.checkpoints.emplace_back();
            one.name = "stage" + std::to_string(stage) + "-step" + std::to_string(step);
            one.stage = stage;
            one.step = step;
            one.tokens = tokens;
            one.state = state;
        };
        add(1, 1000, 1'000'000);
        add(1, 2000, 2'000'000);
        add(1, 4000, 4'000'000);
        add(2, 500, 4'500'000);
        add(2, 1000, 5'000'000, series::CheckpointState::Broken);
        add(1, 3000, {}, series::CheckpointState::Broken); // judgeSeries: unknown tokens last
        add(1, 5000, {}, series::CheckpointState::Broken); // after the last: no line to break
        analysis::ProbeResults results;
        results.plan.probe.series = "s";
        addFacts(results, seriesFacts({now}));
        using Holes = std::vector<analysis::SeriesHole>;
        QVERIFY(results.holes == (Holes{{5'000'000, 5'000'000, {}, {}}, {2'000'000, 4'000'000, 3000, 3000}, {4'000'000, {}, 5000, 5000}}));
    }

    /// OLMo 2's main is measured, but has no place among the others, whatever was typed.
    void finalsThatStandApartHaveNoPlace() {
        series::Series now;
        now.name = "OLMo-2-1124-7B";
        for (const char* name : {"stage1-step1000-tokens5B", "main"}) {
            series::Checkpoint& one = now.checkpoints.emplace_back();
            one.name = name;
            one.family = "olmo2";
            one.path = std::string("/hub/models--allenai--OLMo-2-1124-7B/snapshots/") + name;
            series::readName(one);
        }
        now.checkpoints[0].tokens = 4'194'304'000;
        now.checkpoints[1].tokens = 9; // typed
        analysis::ProbeResults results;
        for (const series::Checkpoint& one : now.checkpoints) {
            study::PlannedCheckpoint& planned = results.plan.checkpoints.emplace_back();
            planned.series = now.name;
            planned.name = one.name;
            planned.tokens = 7;
        }
        addFacts(results, seriesFacts({now}));
        QCOMPARE(results.plan.checkpoints[0].tokens, std::optional<std::int64_t>(4'194'304'000));
        QVERIFY(!results.plan.checkpoints[1].tokens);
        QCOMPARE(results.apart.size(), 1u);
        const analysis::ApartCheckpoint& main = results.apart.at("OLMo-2-1124-7B/main");
        QCOMPARE(main.what, std::string("the average of the parallel runs of stage 2"));
        QCOMPARE(main.tokens, std::optional<std::int64_t>(9));
    }

    /// What is corrected after a run is seen at once, after a restart, and in what is exported.
    void correctionsReachWhatWasMeasured() {
        using Places = std::vector<double>;
        SessionFixture fixture;
        const auto placesOf = [](const analysis::ProbeResults& results) {
            Places places;
            if (const auto figure = analysis::makeFigure("curves", results, {}, {}))
                for (const auto& segment : figure->panels.at(0).curves.at(0).segments)
                    for (const analysis::FigurePoint& point : segment)
                        places.push_back(point.x);
            return places;
        };
        const auto places = [&](const Session& session) {
            const auto& results = session.session.probeView().results;
            return results && results->rows.size() >= 9 ? placesOf(*results) : Places();
        };
        QString path;
        {
            Session one;
            QVERIFY(openAndMeasure(one, fixture));
            QTRY_COMPARE(places(one), (Places{1e6, 2e6, 4e6, 8e6}));
            const QString series = toQString(one.session.study().series.at(0).name);
            series::CheckpointCorrection correction;
            correction.tokens = 3'000'000;
            one.session.correct(series, QStringLiteral("tokens-2M"), correction);
            QTRY_COMPARE(places(one), (Places{1e6, 3e6, 4e6, 8e6}));
            one.session.setExcluded(series, QStringLiteral("tokens-8M"), true);
            QTRY_COMPARE(places(one), (Places{1e6, 3e6, 4e6}));
            const auto figure = analysis::makeFigure("curves", *one.session.probeView().results, {}, {});
            QVERIFY(figure && std::ranges::count(figure->panels.at(0).notes, std::string("1 excluded checkpoint left out")) == 1);
            const auto folder = study::StudyFolder::open(one.session.folder().toStdString());
            auto exported = loadProbeResults(*folder, "");
            QVERIFY(exported.has_value());
            addModelFacts(*exported, one.session.series());
            QCOMPARE(placesOf(*exported), (Places{1e6, 3e6, 4e6}));
            one.session.undoStack()->undo();
            one.session.undoStack()->undo();
            QTRY_COMPARE(places(one), (Places{1e6, 2e6, 4e6, 8e6}));
            one.session.undoStack()->redo();
            path = one.session.folder();
        } // which waits until the last edit is written
        Session again;
        QVERIFY(again.open(path));
        QTRY_COMPARE(places(again), (Places{1e6, 3e6, 4e6, 8e6}));
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

    /// No runner would take it up.
    void aRunOfAnotherVersionIsRefusedAtOnce() {
        SessionFixture fixture;
        Session one;
        QVERIFY(openWithTask(one, fixture));
        study::Plan old = *one.plan(fixture.probe(one.session));
        for (study::Cell& cell : old.cells)
            for (std::string& key : cell.keys)
                std::ranges::reverse(key);
        const auto folder = study::StudyFolder::open(one.session.folder().toStdString());
        const auto id = study::queueRun(*folder, old);
        QVERIFY(id.has_value());
        QVERIFY(study::controlRun(*folder, *id, study::RunCommand::Stop).has_value());
        QVERIFY(one.reaches(study::RunState::Stopped));
        one.session.resume(toQString(*id));
        QTRY_COMPARE(one.failed.count(), 1);
        QVERIFY2(one.failed[0][0].toString().contains(QStringLiteral("was planned by another version of Crest")), qPrintable(one.failed[0][0].toString()));
        QCOMPARE(fixture.runnerPid(), qint64{0});
        QVERIFY(study::readControl(*folder, *id) == study::RunCommand::Stop);
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
};

QTEST_GUILESS_MAIN(TestSessionRuns)
#include "tst_session_runs.moc"
