// SPDX-License-Identifier: Apache-2.0
// The time that a run has left: by what its cells cost, not by their number. What runners say is worked out by hand. And what is loaded ahead.
#include "tests/core/run/study_fixture.h"

#include <algorithm>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "core/io/files.h"
#include "core/run/runner_registration.h"
#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/run_log.h"

using namespace crest;

namespace {

/// A queued run of fine-tuning: four bases of 2 x 80 tokens, which come first, and eight trainings on 1,000 tokens, three passes each, that are
/// measured on 2 x 80.
struct TuningStudy {
    static constexpr double kBase = 160, kTuned = 3160;
    pretend::Shape shape;
    StudyFixture study{shape};
    std::string id;
    std::vector<int> bases, tuned;

    explicit TuningStudy(const pretend::Shape& other = {.strengths = {1e-3}, .seeds = 2, .seedsPerBatch = 1, .sequences = 5, .tuning = true})
        : shape(other) {
        study::Plan plan = pretend::makePlan(shape);
        plan.tuningTokens = 1000;
        std::ranges::stable_sort(plan.batches, {}, [&](const auto& batch) { return !plan.cells[batch.front()].isBase(); });
        for (int i = 0; i < plan.cellCount(); ++i)
            (plan.cells[i].isBase() ? bases : tuned).push_back(i);
        id = *study::queueRun(study.folder, plan);
    }
    double secondsLeft() const { return study.status(id).secondsLeft.value_or(-1); }
    /// What the newest runner wrote last.
    study::WriterStatus written() const {
        study::WriterStatus newest;
        for (const auto& entry : std::filesystem::directory_iterator(study.folder.runFolder(id)))
            if (entry.path().extension() == ".status")
                if (const auto text = io::readTextFile(entry.path()))
                    if (const auto status = study::parseStatus(*text, "status"); status && status->beat > newest.beat)
                        newest = *status;
        return newest;
    }
};

/// A runner that lives and says what it is told to say.
struct SayingRunner {
    run::RunnerRegistration registration;
    study::RunLog log;

    explicit SayingRunner(const TuningStudy& tuning)
        : registration(*run::RunnerRegistration::make(tuning.study.folder, "cpu", 1, 1))
        , log(*study::RunLog::create(tuning.study.folder.runFolder(tuning.id), registration.writer())) {
        log.add({study::RunEvent::Type::Started, {}, "", ""});
    }
    void stored(const std::vector<int>& cells) { log.add({study::RunEvent::Type::Cells, cells, "", ""}); }
    void says(double activeSeconds, double freshTokens, double begunTokens) {
        study::WriterStatus status;
        status.activeSeconds = activeSeconds, status.freshTokens = freshTokens, status.begunTokens = begunTokens;
        log.setStatus(status);
    }
};

/// Takes three quarters of the tokens that were planned; its first training waits half-way. Of each training, of four steps, some are found done.
class HeldRunner final : public run::BatchRunner {
public:
    HeldRunner(std::shared_future<void> gate, int foundSteps)
        : m_gate(std::move(gate))
        , m_foundSteps(foundSteps) {}
    Result<void> run(const run::BatchRequest& request, const JobContext& job,
                     const std::function<Result<void>(run::Measurement)>& emit) override {
        std::int64_t tokens = 0;
        const auto take = [&](std::int64_t more) { job.report(tokens += more, 0, "tokens"); };
        for (const run::BatchRequest::Wanted& wanted : request.wanted) {
            if (!request.plan->cells[wanted.cell].isBase()) {
                if (m_foundSteps > 0)
                    job.report(m_foundSteps, 4, run::kFoundSteps);
                take(1125);
                m_gate.wait();
                take(1125);
            }
            for (const int task : wanted.tasks) {
                take(60);
                run::Measurement measurement;
                measurement.cell = wanted.cell;
                measurement.task = task;
                CREST_CHECK(emit(std::move(measurement)));
            }
        }
        return {};
    }

private:
    std::shared_future<void> m_gate;
    int m_foundSteps;
};

/// Is stopped after the first cell of a batch.
class OneCellRunner final : public run::BatchRunner {
public:
    Result<void> run(const run::BatchRequest& request, const JobContext&, const std::function<Result<void>(run::Measurement)>& emit) override {
        for (const int task : request.wanted.front().tasks) {
            run::Measurement measurement;
            measurement.cell = request.wanted.front().cell;
            measurement.task = task;
            CREST_CHECK(emit(std::move(measurement)));
        }
        return request.wanted.size() == 1 ? Result<void>() : Result<void>(stopped());
    }
};

/// The checkpoints of batches as they come, and what was said to come after each.
struct Visits {
    std::vector<int> checkpoints, next;
};

class VisitingRunner final : public run::BatchRunner {
public:
    explicit VisitingRunner(Visits& visits)
        : m_visits(visits) {}
    void prefetch(const study::Plan&, int checkpoint) override { m_prefetched = checkpoint; }
    Result<void> run(const run::BatchRequest& request, const JobContext&, const std::function<Result<void>(run::Measurement)>& emit) override {
        m_visits.checkpoints.push_back(request.checkpoint);
        m_visits.next.push_back(std::exchange(m_prefetched, std::nullopt).value_or(request.checkpoint));
        for (const run::BatchRequest::Wanted& wanted : request.wanted)
            for (const int task : wanted.tasks) {
                run::Measurement measurement;
                measurement.cell = wanted.cell;
                measurement.task = task;
                CREST_CHECK(emit(std::move(measurement)));
            }
        return {};
    }

private:
    Visits& m_visits;
    std::optional<int> m_prefetched;
};

run::BatchRunnerFactory openHeldRunners(int foundSteps) {
    std::promise<void> open;
    open.set_value();
    return [gate = open.get_future().share(), foundSteps](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> {
        return std::make_unique<HeldRunner>(gate, foundSteps);
    };
}

} // namespace

class TestTimeLeft : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void cellsCountByWhatTheyCost() {
        const TuningStudy tuning;
        constexpr double kBases = 4 * TuningStudy::kBase, kTuned = TuningStudy::kTuned;
        SayingRunner runner(tuning);
        QCOMPARE(tuning.secondsLeft(), -1.0); // nothing is known of this machine yet
        runner.stored(tuning.bases);
        runner.says(2, kBases, 0); // a third of the cells in 2 s, a fortieth of the work
        QCOMPARE(tuning.secondsLeft(), 8 * kTuned / (640 / 2.0));
        runner.says(12, kBases, kTuned / 2); // half of a training, which took ten
        QCOMPARE(tuning.secondsLeft(), 7.5 * kTuned / (2220 / 12.0));
        runner.stored({tuning.tuned[0]});
        runner.says(22, kBases + kTuned, 0);
        QCOMPARE(tuning.secondsLeft(), 7 * kTuned / (3800 / 22.0));
        runner.log.add({study::RunEvent::Type::Failed, {tuning.tuned[1], tuning.tuned[2]}, "no memory", ""});
        QCOMPARE(tuning.secondsLeft(), 5 * kTuned / (3800 / 22.0));
        SayingRunner second(tuning); // both work on the rest
        second.says(10, 0, kTuned / 4);
        QCOMPARE(tuning.secondsLeft(), 4.75 * kTuned / (3800 / 22.0 + 790 / 10.0));
        runner.stored(tuning.tuned);
        QCOMPARE(tuning.secondsLeft(), -1.0);
    }

    void afterARestartItIsOfTheNewRunner() {
        const TuningStudy tuning;
        {
            SayingRunner gone(tuning);
            gone.stored(tuning.bases);
            gone.stored({tuning.tuned[0]});
            gone.says(38, 3800, 0);
        }
        QCOMPARE(tuning.secondsLeft(), -1.0); // nobody is at work
        SayingRunner runner(tuning);
        runner.says(1, 0, 0); // has done nothing yet: as fast as the other one, 100 tokens/s
        QCOMPARE(tuning.secondsLeft(), 7 * 3160 / 100.0);
        runner.says(5, 0, 1580); // 316 tokens/s
        QCOMPARE(tuning.secondsLeft(), 6.5 * 3160 / 316.0);
    }

    void aRunnerSaysWhatItsCellsTook() {
        const TuningStudy tuning;
        std::promise<void> go;
        const std::shared_future<void> gate = go.get_future().share();
        const auto factory = [&](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> {
            return std::make_unique<HeldRunner>(gate, 0);
        };
        std::optional<Result<run::RunSummary>> summary;
        run::WorkOptions options;
        options.workers = options.threadsPerWorker = 1;
        std::jthread working([&] { summary = run::workStudy(tuning.study.folder, options, factory); });
        // 1,125 tokens are 1,500 as planned, by the bases, which took 480 of 640.
        const bool held = QTest::qWaitFor([&] { return tuning.written().freshTokens == 640 && tuning.written().begunTokens == 1500; });
        const double rate = tuning.written().tokensPerSecond;
        QTest::qWait(1000); // a long step
        const double later = tuning.written().tokensPerSecond;
        go.set_value();
        working.join();
        QVERIFY(held);
        QVERIFY(rate > 0);
        QCOMPARE(later, rate);
        QVERIFY2(*summary, summary->has_value() ? "" : summary->error().text().c_str());
        QCOMPARE(tuning.written().freshTokens, 4 * TuningStudy::kBase + 8 * TuningStudy::kTuned);
        QCOMPARE(tuning.written().begunTokens, 0.0);
    }

    void whatWasFoundDoneTookNoTimeHere() {
        const TuningStudy tuning;
        QVERIFY(run::workStudy(tuning.study.folder, {}, openHeldRunners(3)));
        QCOMPARE(tuning.written().freshTokens, 4 * TuningStudy::kBase + 8 * (TuningStudy::kTuned - 3000 * 0.75));
    }

    /// Shares of one training, of which an earlier session stored the first: the training is the next one's.
    void whatEarlierSessionsStoredTakesNoTrainingAlong() {
        const TuningStudy tuning({.strengths = {0.5, 1}, .seeds = 1, .seedsPerBatch = 1, .sequences = 5, .tuning = true, .mixedRate = 0.01});
        const auto one = [](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> { return std::make_unique<OneCellRunner>(); };
        QVERIFY(run::workStudy(tuning.study.folder, {}, one));
        QCOMPARE(tuning.study.status(tuning.id).doneCells, std::int64_t{4 + 4});
        QVERIFY(run::workStudy(tuning.study.folder, {}, openHeldRunners(0)));
        QCOMPARE(tuning.study.status(tuning.id).doneCells, std::int64_t{4 + 8});
        QCOMPARE(tuning.written().freshTokens, 4 * TuningStudy::kTuned);
    }

    /// In the order of work, in which what is kept comes before its turn, not as planned.
    void whatComesNextIsLoadedAhead() {
        const TuningStudy tuning;
        const study::Plan plan = *study::readPlan(tuning.study.folder, tuning.id);
        for (const study::Cell& cell : plan.cells)
            if (cell.checkpoint == 1 && !cell.isBase()) {
                const auto at = study::KeptWeights(tuning.study.folder.keptFolder())
                                    .folderOf(study::trainingKey(plan.checkpoints[1], plan.probe, cell.strength, cell.seed));
                std::filesystem::create_directories(at);
                std::ofstream(at / "crest.json") << "{}";
            }
        Visits visits;
        run::WorkOptions options;
        options.workers = options.threadsPerWorker = 1;
        QVERIFY(run::workStudy(tuning.study.folder, options, [&](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> {
            return std::make_unique<VisitingRunner>(visits);
        }));
        QCOMPARE(visits.checkpoints, (std::vector<int>{0, 1, 2, 3, 1, 1, 0, 0, 2, 2, 3, 3}));
        visits.checkpoints.push_back(3); // after the last one nothing
        QCOMPARE(visits.next, std::vector<int>(visits.checkpoints.begin() + 1, visits.checkpoints.end()));
    }

    /// The newest run of such work that took some time tells how fast the next will be.
    void ratesAreThoseOfSuchWork() {
        const TuningStudy tuning;
        const study::Plan plan = *study::readPlan(tuning.study.folder, tuning.id);
        const std::string work = study::workOf(plan, "cpu");
        QVERIFY(work != study::workOf(plan, "cuda:0") && work == study::workOf(plan, ""));
        study::Plan other = plan;
        other.probe.compute = study::ComputeType::BFloat16;
        QVERIFY(work != study::workOf(other, "cpu"));
        other = plan;
        other.probe.strengths = {0.5}, other.probe.seeds = 7; // more of the same
        QCOMPARE(study::workOf(other, "cpu"), work);
        other.probe.kind = study::kGaussianNoise;
        QVERIFY(work != study::workOf(other, "cpu"));
        QCOMPARE(study::measuredRate(tuning.study.folder, work), 0.0);
        SayingRunner runner(tuning);
        study::WriterStatus status;
        status.activeSeconds = 4, status.freshTokens = 1000, status.tokensPerSecond = 999, status.work = work;
        runner.log.setStatus(status);
        QCOMPARE(study::measuredRate(tuning.study.folder, work), 250.0); // tokens as planned, as costs are
        QCOMPARE(study::measuredRate(tuning.study.folder, study::workOf(other, "cpu")), 0.0);
        status.begunTokens = 500; // of a training that took some of these seconds
        runner.log.setStatus(status);
        QCOMPARE(study::measuredRate(tuning.study.folder, work), 375.0);
        status.activeSeconds = 0.1;
        runner.log.setStatus(status);
        QCOMPARE(study::measuredRate(tuning.study.folder, work), 0.0); // too short to tell
    }
};

QTEST_GUILESS_MAIN(TestTimeLeft)
#include "tst_time_left.moc"
