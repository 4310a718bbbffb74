// SPDX-License-Identifier: Apache-2.0
#include "tests/core/run/study_fixture.h"

#include <cmath>
#include <fstream>
#include <thread>

#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/queueing.h"
#include "core/study/run_log.h"

using namespace crest;
using study::RunCommand;
using study::RunState;

class TestExecutor : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() { pretend::resetCounts(); }

    void computesEachCellOnce() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        QCOMPARE(study.status(id).state, RunState::Queued);
        const auto summary = study.work();
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        // 4 checkpoints x (base + 2 gammas x 4 seeds)
        QCOMPARE(summary->freshCells, std::int64_t{36});
        QCOMPARE(summary->failedCells, std::int64_t{0});
        const auto status = study.status(id);
        QCOMPARE(status.state, RunState::Done);
        QCOMPARE(status.doneCells, std::int64_t{36});
        std::vector<std::string> problems;
        const auto rows = study.rows(&problems);
        QVERIFY(problems.empty());
        QCOMPARE(rows.size(), std::size_t{72});
        QCOMPARE(pretend::computedTwice(), 0);
        // The whole way of a number: formula -> journal -> results.h5 -> row. Base of 2 M tokens: 2 + 3 * 2^-0.3 + up
        // to 0.1.
        for (const auto& [key, row] : rows)
            if (row.modification == "none" && row.tokens == 2'000'000 && row.task == "task 0") {
                QVERIFY(row.value > 2 + 3 * std::pow(2, -0.3) && row.value < 2.1 + 3 * std::pow(2, -0.3));
                QCOMPARE(row.sequenceNats.size(), std::size_t{8});
                QCOMPARE(row.sequenceTokens, std::vector<std::int32_t>(8, 15));
                QCOMPARE(row.scoredTokens, std::int64_t{120});
            }
        const auto again = study.work();
        QVERIFY(again);
        QCOMPARE(again->runs, 0);
    }

    void aBaseEvaluationSharesItsCellsWithProbes() {
        const pretend::Shape shape{.suiteTasks = 3, .baseOnly = true};
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        QVERIFY(id.find("-evaluation-") != std::string::npos);
        const auto summary = study.work();
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        QCOMPARE(summary->freshCells, std::int64_t{4});
        QCOMPARE(study.status(id).state, study::RunState::Done);
        const auto rows = study.rows();
        QCOMPARE(rows.size(), std::size_t{4 * 5});
        for (const auto& [key, row] : rows) {
            QCOMPARE(row.modification, std::string("none"));
            QVERIFY(row.strength == 0 && row.seed == 0 && row.noiseScale.empty());
            QCOMPARE(row.hasOutcome(), row.task.starts_with("suite"));
            if (row.task == "suite 0") {
                QCOMPARE(row.metric, std::string("acc"));
                QCOMPARE(row.value, row.outcome.metrics[0].value);
                QCOMPARE(row.n, std::int64_t{8});
                QCOMPARE(row.outcome.metrics.size(), std::size_t{2});
            }
            if (row.task == "suite 2") {
                QCOMPARE(row.metric, std::string("tokens"));
                QCOMPARE(row.outcome.details.texts.size(), std::size_t{8});
            }
        }
        pretend::Shape noise = shape; // a noise probe on the same tasks finds its bases stored
        noise.baseOnly = false;
        study.queue(noise);
        QVERIFY(study.work());
        QCOMPARE(study.rows().size(), std::size_t{(4 + 4 * 2 * 4) * 5});
        QCOMPARE(pretend::computedTwice(), 0);
    }

    void theLastWordIsSaidUntilAnotherBegins() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        const auto run = study.folder.runFolder(id);
        auto first = study::RunLog::create(run, "host-2");
        QVERIFY(first);
        first->add({study::RunEvent::Type::Started, {}, "", ""});
        first->add({study::RunEvent::Type::Ended, {}, "The disk is full.", ""});
        QCOMPARE(study.status(id).message, std::string("The disk is full."));
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // times have milliseconds
        auto second = study::RunLog::create(run, "host-1");
        second->add({study::RunEvent::Type::Started, {}, "", ""}); // and is gone without a word: no lock is held
        QCOMPARE(study.status(id).state, RunState::Interrupted);
        QCOMPARE(study.status(id).message, std::string());
    }

    void notesOfRunnersStayEachOnce() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        for (const char* writer : {"host-1", "host-2"}) {
            auto log = study::RunLog::create(study.folder.runFolder(id), writer);
            QVERIFY(log);
            log->add({study::RunEvent::Type::Message, {}, "Goes on.", ""}); // no note
            log->add({study::RunEvent::Type::Note, {}, "The passes were halved.", ""});
            log->add({study::RunEvent::Type::Note, {}, "The passes were halved.", ""});
        }
        QCOMPARE(study.status(id).notes, std::vector<std::string>{"The passes were halved."});
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
        QCOMPARE(study.status(id).notes, std::vector<std::string>{"The passes were halved."});
        auto many = study::RunLog::create(study.folder.runFolder(id), "host-3");
        for (int i = 0; i < 30; ++i)
            many->add({study::RunEvent::Type::Note, {}, "Note " + std::to_string(i), ""});
        const std::vector<std::string> notes = study.status(id).notes;
        QCOMPARE(notes.size(), study::kMostNotes + 1);
        QVERIFY(notes.back().find("more notes") != std::string::npos);
    }

    void runForAnotherDeviceWaits() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study::Plan plan = pretend::makePlan(shape, [](const std::string&) { return false; });
        plan.device = "cuda:0";
        const auto id = study::queueRun(study.folder, plan);
        QVERIFY(id);
        QCOMPARE(study::readPlan(study.folder, *id)->device, std::string("cuda:0"));
        run::WorkOptions options;
        options.device = "cpu";
        auto summary = study.work(options);
        QVERIFY(summary);
        QCOMPARE(summary->runs, 0);
        QCOMPARE(study.status(*id).state, RunState::Queued);
        options.runId = *id; // asked for by name it is taken up all the same
        summary = study.work(options);
        QVERIFY(summary);
        QCOMPARE(study.status(*id).state, RunState::Done);
    }

    /// Its numbers would be filed under the names of another version's.
    void aRunOfAnotherVersionIsReadOnly() {
        const pretend::Shape shape, later{.seeds = 3};
        StudyFixture study(shape);
        study::Plan old = pretend::makePlan(shape);
        for (study::Cell& cell : old.cells)
            for (std::string& key : cell.keys)
                std::ranges::reverse(key);
        const auto id = study::queueRun(study.folder, old);
        QVERIFY(id);
        run::WorkOptions options;
        options.runId = *id;
        QVERIFY(study::controlRun(study.folder, *id, study::RunCommand::Stop));
        const auto named = study.work(options);
        QVERIFY(!named);
        QVERIFY(study::readControl(study.folder, *id) == study::RunCommand::Stop);
        QVERIFY(study::controlRun(study.folder, *id, study::RunCommand::Run));
        QVERIFY2(named.error().message.find("planned by another version of Crest") != std::string::npos, named.error().text().c_str());
        const std::string own = study.queue(later);
        const auto all = study.work();
        QVERIFY(all);
        QCOMPARE(all->runs, 1);
        QVERIFY(all->message.find(*id) != std::string::npos);
        QCOMPARE(study.status(own).state, RunState::Done);
        QVERIFY(std::ranges::none_of(old.cells, [rows = study.rows()](const study::Cell& cell) { return rows.contains(cell.keys.front()); }));
        // What else a session cannot do is an error, not a run of another version.
        StudyFixture other(shape);
        other.queue(shape);
        const auto none = run::workStudy(other.folder, run::WorkOptions(),
                                         [](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> {
                                             return fail(ErrorKind::Unsupported, "There is no such device.");
                                         });
        QVERIFY(!none);
        // The same probe is queued anew, not taken for that run.
        study::ResultReader reader(study.folder);
        const auto again = study::queueOnce(study.folder, pretend::makePlan(shape), reader);
        QVERIFY(again);
        QVERIFY(*again != *id);
    }

    /// Weights of new trainings would take the room of those that are there.
    void whatIsKeptIsMeasuredFirst() {
        const pretend::Shape shape{.strengths = {1e-3}, .seeds = 3, .seedsPerBatch = 1, .tasks = 1, .tuning = true};
        StudyFixture study(shape);
        const study::Plan plan = pretend::makePlan(shape);
        const auto isKept = [](const study::Cell& cell) { return cell.checkpoint == 2 && cell.seed >= 2; };
        std::map<std::string, int> turns; // by key: base or kept, to be trained
        for (const study::Cell& cell : plan.cells) {
            turns[cell.keys.front()] = cell.isBase() || isKept(cell) ? 0 : 1;
            if (isKept(cell)) {
                const auto at = study::KeptWeights(study.folder.keptFolder())
                                    .folderOf(study::trainingKey(plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)], plan.probe, cell.strength, cell.seed));
                std::filesystem::create_directories(at);
                std::ofstream(at / "crest.json") << "{}";
            }
        }
        study.queue(shape);
        std::vector<int> found;
        run::WorkOptions options;
        options.workers = 1;
        options.onStored = [&](const std::vector<std::string>& keys) {
            for (const std::string& key : keys)
                found.push_back(turns.at(key));
        };
        QVERIFY(study.work(options));
        QCOMPARE(found.size(), plan.cells.size());
        QVERIFY(std::ranges::is_sorted(found));
        QCOMPARE(std::ranges::count(found, 0), 4 + 2);
    }

    void overlappingProbeComputesOnlyWhatIsNew() {
        const pretend::Shape first;
        StudyFixture study(first);
        study.queue(first);
        QVERIFY(study.work());
        pretend::resetCounts();
        pretend::Shape second = first;
        second.strengths = {0.05, 0.1, 0.2};
        second.seeds = 6;
        const std::string id = study.queue(second);
        const auto before = study.status(id);
        QCOMPARE(before.cachedCells, std::int64_t{36});
        const auto summary = study.work();
        QVERIFY(summary);
        // new: 4 checkpoints x (0.2 x 6 seeds + 2 gammas x 2 seeds)
        QCOMPARE(summary->freshCells, std::int64_t{40});
        QCOMPARE(pretend::computedCount(), std::int64_t{80});
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    void queuedTwiceComputesOnce() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study.queue(shape);
        const std::string second = study.queue(shape); // planned before the first has run: nothing is cached yet
        QVERIFY(study.work());
        QCOMPARE(pretend::computedTwice(), 0);
        QCOMPARE(study.status(second).state, RunState::Done);
        QCOMPARE(study.status(second).cachedCells, std::int64_t{0});
    }

    void twoRunnersShareARun() {
        const pretend::Shape shape{.checkpoints = 6, .seeds = 8, .seedsPerBatch = 1};
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        Result<run::RunSummary> one, two;
        const pretend::Behaviour slow{.microsPerResult = 500};
        {
            std::jthread a([&] { one = study.work({}, slow); });
            std::jthread b([&] { two = study.work({}, slow); });
        }
        QVERIFY(one && two);
        QCOMPARE(pretend::computedTwice(), 0);
        QCOMPARE(one->freshCells + two->freshCells, std::int64_t{6 * 17});
        QVERIFY2(one->freshCells > 0 && two->freshCells > 0, "one runner did everything");
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    void shardsNeedNoClaims() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        for (int k = 0; k < 3; ++k) {
            run::WorkOptions options;
            options.shard = k;
            options.shards = 3;
            QVERIFY(study.work(options));
        }
        QCOMPARE(pretend::computedTwice(), 0);
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    void failedCellsAreRecordedAndTheOthersGoOn_data() {
        QTest::addColumn<bool>("throws");
        QTest::newRow("error") << false;
        QTest::newRow("exception") << true;
    }
    void failedCellsAreRecordedAndTheOthersGoOn() {
        QFETCH(bool, throws);
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        const auto summary = study.work({}, {.failCheckpoint = "step1", .throws = throws});
        QVERIFY(summary);
        const auto status = study.status(id);
        QCOMPARE(status.state, RunState::Failed);
        QCOMPARE(status.doneCells + static_cast<std::int64_t>(status.failed.size()), status.totalCells);
        QVERIFY(!status.failed.empty());
        QVERIFY(status.failed.front().message.find(throws ? "pretended exception" : "step1: pretended failure") !=
                std::string::npos);
        QCOMPARE(study.work()->runs, 0); // not tried again by itself
        run::WorkOptions again;
        again.runId = id;
        const auto repaired = study.work(again);
        QVERIFY(repaired);
        QCOMPARE(study.status(id).state, RunState::Done);
        QCOMPARE(study.rows().size(), std::size_t{72});
    }

    void notFiniteIsStoredAsSuch() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study.queue(shape);
        QVERIFY(study.work({}, {.notFiniteStrength = 0.1}));
        int gaps = 0;
        for (const auto& [key, row] : study.rows())
            if (row.strength == 0.1) {
                QVERIFY(std::isnan(row.value));
                QCOMPARE(row.cause, std::string("pretended overflow"));
                ++gaps;
            }
        QCOMPARE(gaps, 4 * 4 * 2);
    }

    void pauseStopAndGoOn() {
        const pretend::Shape shape{.checkpoints = 6, .seeds = 10, .seedsPerBatch = 1};
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        Result<run::RunSummary> summary;
        std::jthread worker([&] { summary = study.work({}, {.microsPerResult = 15'000}); });
        QVERIFY(
            eventually([&] { return study.status(id).state == RunState::Running && study.status(id).doneCells > 2; }));
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Pause));
        QVERIFY(eventually([&] { return study.status(id).state == RunState::Paused; }));
        std::this_thread::sleep_for(std::chrono::milliseconds(400)); // results on their way are stored
        const auto paused = study.status(id).doneCells;
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        QCOMPARE(study.status(id).doneCells, paused);
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Run));
        QVERIFY(eventually([&] { return study.status(id).state == RunState::Running; }));
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Stop));
        worker.join();
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        QVERIFY(summary->stopped);
        const auto stopped = study.status(id);
        QCOMPARE(stopped.state, RunState::Stopped);
        QCOMPARE(stopped.message, std::string()); // it was asked for: no reason, no issue
        QVERIFY(stopped.doneCells >= paused && stopped.doneCells < stopped.totalCells);
        QCOMPARE(study.work()->runs, 0); // a stopped run waits for the user
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Run));
        QCOMPARE(study.status(id).state, RunState::Interrupted);
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
        QCOMPARE(pretend::computedTwice(), 0);
    }

    void aSignalStopsAndKeeps() {
        const pretend::Shape shape{.checkpoints = 6, .seeds = 10, .seedsPerBatch = 5};
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        std::stop_source stop;
        Result<run::RunSummary> summary;
        std::jthread worker(
            [&] { summary = study.work({}, {.microsPerResult = 5'000}, JobContext(stop.get_token())); });
        QVERIFY(eventually([&] { return study.status(id).doneCells > 2; }));
        stop.request_stop();
        worker.join();
        QVERIFY(summary && summary->stopped);
        QCOMPARE(study.status(id).state, RunState::Interrupted);
        QVERIFY(study.work());
        QCOMPARE(pretend::computedTwice(), 0);
        QCOMPARE(study.status(id).state, RunState::Done);
    }
};

QTEST_GUILESS_MAIN(TestExecutor)
#include "tst_executor.moc"
