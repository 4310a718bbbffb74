// SPDX-License-Identifier: Apache-2.0
// Runners of several runs of one study at work together, as processes: what their runs share is computed once, and a
// runner that is killed leaves nothing that the others would wait for.
#include "tests/core/run/study_fixture.h"

#include <QProcess>

#include <memory>
#include <set>

using namespace crest;
using study::RunState;

namespace {

/// Prints the key of each result that it computed and stored, a line each.
std::unique_ptr<QProcess> start(const study::StudyFolder& folder, const std::string& runId, int micros,
                                int workers = 2) {
    auto process = std::make_unique<QProcess>();
    process->start(QStringLiteral(CREST_BINARY_DIR "/tests/crest-pretend-run"),
                   {QStringLiteral("work"), QString::fromStdString(folder.path().string()), QStringLiteral("--run"),
                    QString::fromStdString(runId), QStringLiteral("--micros"), QString::number(micros),
                    QStringLiteral("--workers"), QString::number(workers)});
    return process->waitForStarted() ? std::move(process) : nullptr;
}

/// How often each key was computed; adds to `times`. False where the process did not end well.
bool collect(QProcess& process, std::map<QByteArray, int>& times) {
    const bool ended = process.waitForFinished(60'000);
    for (const QByteArray& key : process.readAllStandardOutput().split('\n'))
        if (!key.isEmpty())
            ++times[key];
    return ended && process.exitStatus() == QProcess::NormalExit && process.exitCode() == 0;
}

std::size_t countTwice(const std::map<QByteArray, int>& times) {
    return static_cast<std::size_t>(std::ranges::count_if(times, [](const auto& key) { return key.second != 1; }));
}

std::vector<std::filesystem::path> claims(const study::StudyFolder& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code error; // the first runner makes the folder
    for (std::filesystem::directory_iterator entry(folder.path() / "claims", error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename() != "lock")
            files.push_back(entry->path());
    return files;
}

} // namespace

class TestTwoRuns : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sharedCellsAreComputedOnce_data() {
        QTest::addColumn<std::vector<double>>("first");
        QTest::addColumn<std::vector<double>>("second");
        QTest::addColumn<int>("seedsPerBatch");
        const std::vector<double> gammas{0.1, 0.2};
        QTest::newRow("two runs of one plan") << gammas << gammas << 2;
        QTest::newRow("gammas overlap") << gammas << std::vector<double>{0.2, 0.3} << 2;
        QTest::newRow("other batches") << gammas << std::vector<double>{0.1, 0.2, 0.4} << 3;
        QTest::newRow("one batch for all") << gammas << std::vector<double>{0.1, 0.3} << 100;
    }
    void sharedCellsAreComputedOnce() {
        QFETCH(std::vector<double>, first);
        QFETCH(std::vector<double>, second);
        QFETCH(int, seedsPerBatch);
        const pretend::Shape one{.checkpoints = 4, .strengths = first, .seeds = 8, .seedsPerBatch = 2};
        const pretend::Shape two{.checkpoints = 4, .strengths = second, .seeds = 8, .seedsPerBatch = seedsPerBatch};
        StudyFixture study(one);
        const std::string oneId = study.queue(one), twoId = study.queue(two);
        const auto a = start(study.folder, oneId, 2000), b = start(study.folder, twoId, 2000);
        QVERIFY(a && b);
        std::map<QByteArray, int> times;
        QVERIFY(collect(*a, times));
        QVERIFY(collect(*b, times));
        std::set<double> gammas(first.begin(), first.end());
        gammas.insert(second.begin(), second.end());
        QCOMPARE(times.size(), 4 * (1 + gammas.size() * 8) * 2);
        QCOMPARE(countTwice(times), std::size_t{0});
        // Each of the two says that its own cells are stored, whoever computed them.
        QCOMPARE(study.status(oneId).state, RunState::Done);
        QCOMPARE(study.status(twoId).state, RunState::Done);
        QCOMPARE(study.rows().size(), times.size());
        QVERIFY(claims(study.folder).empty());
    }

    void aKilledRunnersCellsAreDoneByAnotherRun() {
        const pretend::Shape one{.checkpoints = 3, .strengths = {0.1, 0.2}, .seeds = 6, .seedsPerBatch = 3};
        const pretend::Shape two{.checkpoints = 3, .strengths = {0.2, 0.3}, .seeds = 6, .seedsPerBatch = 2};
        StudyFixture study(one);
        const std::string oneId = study.queue(one), twoId = study.queue(two);
        const auto slow = start(study.folder, oneId, 100'000, 4);
        QVERIFY(slow);
        QTRY_VERIFY(study.status(oneId).doneCells >= 2 && !claims(study.folder).empty());
        const auto other = start(study.folder, twoId, 1'000);
        QVERIFY(other);
        QTRY_VERIFY(study.status(twoId).doneCells > 0);
        slow->kill(); // SIGKILL, with claims
        slow->waitForFinished();
        QCOMPARE(slow->exitStatus(), QProcess::CrashExit);
        QVERIFY(!claims(study.folder).empty());
        std::map<QByteArray, int> times;
        QVERIFY(!collect(*slow, times));
        QVERIFY(collect(*other, times));
        QCOMPARE(study.status(twoId).state, RunState::Done);
        QCOMPARE(study.status(oneId).state, RunState::Interrupted);
        QVERIFY(claims(study.folder).empty());
        const auto again = start(study.folder, oneId, 0);
        QVERIFY(again && collect(*again, times));
        QCOMPARE(study.status(oneId).state, RunState::Done);
        QCOMPARE(countTwice(times), std::size_t{0});
        QCOMPARE(study.rows().size(), std::size_t{3 * (1 + 3 * 6) * 2});
    }

    void waitingForAnotherRunIsSaidAndCanBeStopped() {
        const pretend::Shape shape{.checkpoints = 1, .strengths = {0.1}, .seeds = 1, .tasks = 1};
        StudyFixture study(shape);
        const std::string first = study.queue(shape), second = study.queue(shape);
        const auto slow = start(study.folder, first, 30'000'000); // half a minute for each of two results
        QVERIFY(slow);
        QTRY_COMPARE(claims(study.folder).size(), std::size_t{2});
        const auto waiting = start(study.folder, second, 0);
        QVERIFY(waiting);
        QTRY_VERIFY2(study.status(second).message.find("another run") != std::string::npos,
                     study.status(second).message.c_str());
        QCOMPARE(study.status(second).state, RunState::Running);
        QVERIFY(study::controlRun(study.folder, second, study::RunCommand::Stop));
        QVERIFY(waiting->waitForFinished(5'000));
        QCOMPARE(waiting->exitCode(), 75);
        QVERIFY(waiting->readAllStandardOutput().isEmpty());
        QCOMPARE(study.status(second).state, RunState::Stopped);
        slow->kill();
        slow->waitForFinished();
        std::map<QByteArray, int> times;
        const auto again = start(study.folder, second, 0);
        QVERIFY(again && collect(*again, times));
        QCOMPARE(times.size(), std::size_t{2});
        QCOMPARE(study.status(second).state, RunState::Done);
    }

    void cellsThatFailInOneRunAreLeftToTheOther() {
        const pretend::Shape shape{.checkpoints = 2, .strengths = {0.1}, .seeds = 4, .seedsPerBatch = 2};
        StudyFixture study(shape);
        const std::string first = study.queue(shape), second = study.queue(shape);
        run::WorkOptions options;
        options.runId = first;
        QVERIFY(study.work(options, {.failCheckpoint = "step1"}));
        QCOMPARE(study.status(first).state, RunState::Failed);
        options.runId = second;
        QVERIFY(study.work(options));
        QCOMPARE(study.status(second).state, RunState::Done);
    }
};

QTEST_GUILESS_MAIN(TestTwoRuns)
#include "tst_two_runs.moc"
