// SPDX-License-Identifier: Apache-2.0
// What runs meet: disks that are full or fail, devices that are lost, files in the study's folder that are not what they should be.
#include "tests/core/run/study_fixture.h"

#include <atomic>
#include <cerrno>
#include <thread>

#include <unistd.h>

#include "core/io/files.h"
#include "core/run/runner_registration.h"
#include "core/study/run_log.h"

using namespace crest;
using study::RunCommand;
using study::RunState;

class TestExecutorTrouble : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() { pretend::resetCounts(); }

    void fullDiskPausesAndGoesOn() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        std::atomic<bool> full{true};
        run::WorkOptions options;
        options.journalCalls.write = [&](int file, const void* data, std::size_t size) -> ssize_t {
            if (!full)
                return ::write(file, data, size);
            errno = ENOSPC; // a piece still fits
            return size > 100 ? ::write(file, data, 100) : -1;
        };
        Result<run::RunSummary> summary;
        std::jthread worker([&] { summary = study.work(options); });
        QVERIFY(eventually([&] { return study.status(id).state == RunState::Paused; }));
        const std::string message = study.status(id).message;
        QVERIFY2(study.status(id).doneCells == 0, "a result counted that is not on the disk");
        QVERIFY(study.rows().empty());
        full = false;
        worker.join();
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        std::vector<std::string> problems;
        QCOMPARE(study.rows(&problems).size(), std::size_t{72});
        QVERIFY2(problems.empty(), problems.empty() ? "" : problems.front().c_str());
        QCOMPARE(study.status(id).state, RunState::Done);
        QCOMPARE(pretend::computedTwice(), 0);
        QVERIFY2(message.find("full") != std::string::npos && message.find("goes on by itself") != std::string::npos,
                 message.c_str());
        const auto advice = message.find("free some space");
        QVERIFY2(advice != std::string::npos && message.find("ree some space", advice + 2) == std::string::npos &&
                     message.find("Free some space") == std::string::npos,
                 message.c_str()); // once
    }

    void stopOnAFullDiskLosesOnlyWhatNeverCounted() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        run::WorkOptions options;
        options.journalCalls.write = [](int, const void*, std::size_t) -> ssize_t {
            errno = ENOSPC;
            return -1;
        };
        Result<run::RunSummary> summary;
        std::jthread worker([&] { summary = study.work(options); });
        QVERIFY(eventually([&] { return study.status(id).state == RunState::Paused; }));
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Stop));
        worker.join();
        QVERIFY2(summary && summary->stopped, summary ? "" : summary.error().text().c_str());
        QCOMPARE(study.status(id).state, RunState::Stopped);
        QVERIFY(study::controlRun(study.folder, id, RunCommand::Run));
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    void aFailingDiskEndsTheRunAndSaysSo() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        run::WorkOptions options;
        options.journalCalls.sync = [](int) {
            errno = EIO;
            return -1;
        };
        const auto summary = study.work(options);
        QVERIFY(!summary);
        QCOMPARE(summary.error().kind, ErrorKind::Io);
        const auto status = study.status(id);
        QCOMPARE(status.state, RunState::Interrupted);
        QVERIFY(!status.message.empty());
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    /// A GPU, say. The batch at work fails, none is begun after it, and the run says why; started again elsewhere it computes the rest.
    void aLostDeviceEndsTheRunAndSaysSo() {
        class LostRunner final : public run::BatchRunner {
        public:
            LostRunner(std::unique_ptr<run::BatchRunner> first, std::atomic<int>& batches)
                : m_first(std::move(first))
                , m_batches(batches) {}
            Result<void> run(const run::BatchRequest& request, const JobContext& job,
                             const std::function<Result<void>(run::Measurement)>& emit) override {
                if (++m_batches < 4)
                    return m_first->run(request, job, emit);
                m_why = Error{ErrorKind::Io, "cuda:0 computes no longer.", ""};
                return fail(*m_why);
            }
            std::optional<Error> unusable() const override { return m_why; }

        private:
            std::unique_ptr<run::BatchRunner> m_first;
            std::atomic<int>& m_batches;
            std::optional<Error> m_why;
        };
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        std::atomic<int> batches{0};
        run::WorkOptions options;
        options.workers = options.threadsPerWorker = 1;
        const auto summary = run::workStudy(study.folder, options, [&](const run::RunnerOptions& of) -> Result<std::unique_ptr<run::BatchRunner>> {
            CREST_TRY(first, pretend::makeFactory()(of));
            return std::make_unique<LostRunner>(std::move(first), batches);
        });
        QVERIFY(!summary);
        QCOMPARE(QString::fromStdString(summary.error().message), QStringLiteral("cuda:0 computes no longer."));
        QCOMPARE(batches.load(), 4);
        const auto status = study.status(id);
        QVERIFY(status.state != RunState::Done && status.doneCells > 0);
        QVERIFY2(status.message.find("cuda:0 computes no longer.") != std::string::npos, status.message.c_str());
        QVERIFY(!status.failed.empty() && status.doneCells + static_cast<std::int64_t>(status.failed.size()) < status.totalCells);
        QCOMPARE(status.failed.front().message, std::string("cuda:0 computes no longer."));
        run::WorkOptions again;
        again.runId = id;
        QVERIFY(study.work(again));
        QCOMPARE(study.status(id).state, RunState::Done);
        QCOMPARE(study.rows().size(), std::size_t{72});
        QCOMPARE(pretend::computedTwice(), 0);
    }

    /// Marks and events are not synced: after a power cut any of them may be there without what it speaks of.
    void marksAndEventsAreNotTrusted() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        QVERIFY(study.work());
        const auto rows = study.rows();
        const auto run = study.folder.runFolder(id);
        for (const auto& entry : std::filesystem::directory_iterator(run)) // the events are lost, the marks are not
            if (entry.path().string().ends_with(".events.jsonl"))
                std::filesystem::resize_file(entry.path(), 0);
        QCOMPARE(study.status(id).state, RunState::Interrupted);
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
        QVERIFY(study.rows() == rows);
        // Marks without results.
        StudyFixture other(shape);
        const std::string marked = other.queue(shape);
        for (int batch = 0; batch < 3; ++batch)
            QVERIFY(io::writeFileAtomic(
                other.folder.runFolder(marked) / "claims" / ("00000" + std::to_string(batch) + ".done"), ""));
        QVERIFY(other.work());
        QCOMPARE(other.status(marked).state, RunState::Done);
        QVERIFY(other.rows() == rows);
    }

    /// A runner whose lock nobody here may open could be at work: it counts as alive, and none starts beside it.
    void besideARunnerThatCannotBeLookedAt() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        const std::string id = study.queue(shape);
        auto other = study::RunLog::create(study.folder.runFolder(id), "other");
        QVERIFY(other);
        other->add({study::RunEvent::Type::Started, {}, "", ""});
        QCOMPARE(study.status(id).state, RunState::Interrupted); // without a lock it is gone
        const auto lock = run::runnerLockFile(study.folder, "other");
        std::filesystem::create_symlink(lock, lock); // a circle: nobody can open it, and root is no exception
        QCOMPARE(study.status(id).state, RunState::Running);
        QVERIFY(run::runnerLives(study.folder, "other"));
        const auto refused = study.work();
        QVERIFY(!refused);
        QCOMPARE(refused.error().where, lock.string());
        QVERIFY2(refused.error().message.find("still at work") != std::string::npos, refused.error().text().c_str());
        QCOMPARE(study.rows().size(), std::size_t{0});
        std::filesystem::remove(lock); // as the sentence says
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, RunState::Done);
    }

    void aStudyThatCannotBeWrittenIsRefused() {
        StudyFixture study;
        study.folder.makeReadOnly();
        const auto summary = study.work();
        QVERIFY(!summary);
        QVERIFY(summary.error().text().find("cannot be written") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestExecutorTrouble)
#include "tst_executor_trouble.moc"
