// SPDX-License-Identifier: Apache-2.0
// Runners that die at a cell, every time: it is found, failed with a plain sentence, and everything else is computed.
#include <QProcess>

#include "tests/core/run/study_fixture.h"

#include <csignal>

#include "core/io/files.h"
#include "core/run/claims.h"
#include "core/run/deaths.h"
#include "core/run/runner_registration.h"

using namespace crest;

namespace {

const pretend::Shape kShape{.checkpoints = 3, .seeds = 4, .seedsPerBatch = 2};
constexpr int kCellsOfAll = 3 * 9; // a base and 2 gammas x 4 seeds each

struct Ended {
    int code = 0; ///< -signal where it died of one
    std::string said;
};

Ended runProgram(const char* command, const study::StudyFolder& folder, const QStringList& options) {
    QProcess process;
    QStringList arguments{QString::fromLatin1(command), QString::fromStdString(folder.path().string())};
    arguments += options;
    process.start(QStringLiteral(CREST_BINARY_DIR "/tests/crest-pretend-run"), arguments);
    if (!process.waitForFinished(60'000))
        return {-1, "it did not end"};
    const int code = process.exitStatus() == QProcess::CrashExit ? -process.exitCode() : process.exitCode();
    return {code, process.readAllStandardError().toStdString()};
}

QStringList dieAt(int cell, int signal) {
    return {QStringLiteral("--die-cell"), QString::number(cell), QStringLiteral("--die-signal"),
            QString::number(signal)};
}

/// A runner that has died, as the folder tells it.
std::string deadRunner(const study::StudyFolder& folder, const std::function<void(Json&)>& change) {
    std::string writer;
    {
        const auto registration = run::RunnerRegistration::make(folder, "cpu", 1, 1);
        writer = registration->writer();
    }
    const auto file = folder.runnersFolder() / (writer + ".json");
    Json description = *parseJson(*io::readTextFile(file), file.string());
    change(description);
    (void)io::writeFileAtomic(file, canonicalJson(description) + "\n");
    return writer;
}

} // namespace

class TestDeaths : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void aCellThatCrashesIsFoundAndTheOthersAreComputed_data() {
        QTest::addColumn<int>("cell");
        QTest::addColumn<int>("signal");
        QTest::addColumn<QString>("sentence");
        QTest::newRow("the first base") << 0 << SIGSEGV << "signal 11 (Segmentation fault)";
        QTest::newRow("within a batch") << 12 << SIGSEGV << "signal 11 (Segmentation fault)";
        QTest::newRow("the last cell") << kCellsOfAll - 1 << SIGABRT << "signal 6 (Aborted)";
        QTest::newRow("a file that shrank under its map") << 5 << SIGBUS << "signal 7 (Bus error)";
    }
    void aCellThatCrashesIsFoundAndTheOthersAreComputed() {
        QFETCH(int, cell);
        QFETCH(int, signal);
        QFETCH(QString, sentence);
        StudyFixture study(kShape);
        const std::string id = study.queue(kShape);
        const QStringList named{QStringLiteral("--run"),
                                QString::fromStdString(id)}; // as the window and probe start it
        const Ended ended = runProgram("supervised", study.folder, dieAt(cell, signal) + named);
        QVERIFY2(ended.code == 1, ended.said.c_str());
        QVERIFY2(ended.said.find("It is started again.") != std::string::npos, ended.said.c_str());
        const auto status = study.status(id);
        QCOMPARE(status.state, study::RunState::Failed);
        QCOMPARE(status.doneCells, std::int64_t{kCellsOfAll - 1});
        QCOMPARE(status.failed.size(), std::size_t{1});
        QCOMPARE(status.failed.front().cell, cell);
        const std::string message = status.failed.front().message;
        QVERIFY2(message.find("died 2 times while computing this") != std::string::npos, message.c_str());
        QVERIFY2(message.find(sentence.toStdString()) != std::string::npos, message.c_str());
        // "Re-run failed" forgets it.
        run::WorkOptions again;
        again.runId = id;
        QVERIFY(study.work(again));
        QCOMPARE(study.status(id).state, study::RunState::Done);
        QCOMPARE(study.rows().size(), static_cast<std::size_t>(kCellsOfAll * 2));
    }

    void shardsCountDeathsToo() {
        StudyFixture study(kShape);
        const std::string id = study.queue(kShape);
        const QStringList shards{QStringLiteral("--shards"), QStringLiteral("1"), QStringLiteral("--shard"),
                                 QStringLiteral("0")};
        const Ended ended = runProgram("supervised", study.folder, dieAt(3, SIGSEGV) + shards);
        QVERIFY2(ended.code == 1, ended.said.c_str());
        QCOMPARE(study.status(id).failed.size(), std::size_t{1});
    }

    void aRunnerKilledByHandStaysDeadAndItsBatchIsNotBlamed() {
        StudyFixture study(kShape);
        const std::string id = study.queue(kShape);
        for (int i = 0; i < 5; ++i) {
            const Ended ended = runProgram("supervised", study.folder, dieAt(4, SIGKILL));
            QCOMPARE(ended.code, 128 + SIGKILL);
            QVERIFY2(ended.said.find("started again") == std::string::npos, ended.said.c_str());
        }
        QCOMPARE(study.status(id).state, study::RunState::Interrupted);
        QVERIFY(study.work());
        QCOMPARE(study.status(id).state, study::RunState::Done);
    }

    void aCellThatIsKilledAgainAndAgainIsGivenUp() {
        StudyFixture study(kShape);
        const std::string id = study.queue(kShape);
        int lives = 0;
        while (study.status(id).state != study::RunState::Failed && lives < 20) {
            (void)runProgram("work", study.folder, dieAt(4, SIGKILL));
            ++lives;
        }
        const auto status = study.status(id);
        QCOMPARE(status.failed.size(), std::size_t{1});
        QVERIFY2(status.failed.front().message.find("died 6 times") != std::string::npos,
                 status.failed.front().message.c_str());
        QVERIFY2(status.failed.front().message.find("killed from outside") != std::string::npos,
                 status.failed.front().message.c_str());
        QCOMPARE(lives, 13); // six times among others, six times alone, and once more to say so
    }

    void theFolderTellsHowARunnerDied() {
        StudyFixture study(kShape);
        const auto none = [](Json&) {};
        const std::string killed = deadRunner(study.folder, none);
        QCOMPARE(run::deathOf(study.folder, killed).cause, run::DeathCause::Killed);
        const std::string rebooted = deadRunner(study.folder, [](Json& it) { it["boot_id"] = "another"; });
        QCOMPARE(run::deathOf(study.folder, rebooted).cause, run::DeathCause::Restarted);
        const std::string elsewhere =
            deadRunner(study.folder, [](Json& it) { it["host"] = "another", it["boot_id"] = "another"; });
        QCOMPARE(run::deathOf(study.folder, elsewhere).cause, run::DeathCause::Killed);
        QCOMPARE(run::deathOf(study.folder, "nobody").cause, run::DeathCause::Killed);
        const std::string scribbled = deadRunner(study.folder, [](Json& it) { it["host"] = 5; });
        QCOMPARE(run::deathOf(study.folder, scribbled).cause, run::DeathCause::Killed);
        const std::string halfScribbled = deadRunner(study.folder, [](Json& it) { it["memory_kills"] = "many"; });
        QCOMPARE(run::deathOf(study.folder, halfScribbled).cause, run::DeathCause::Killed);
        if (run::memoryKills() > 0) { // it counts no less than one kill fewer then
            const std::string starved =
                deadRunner(study.folder, [](Json& it) { it["memory_kills"] = run::memoryKills() - 1; });
            QCOMPARE(run::deathOf(study.folder, starved).cause, run::DeathCause::Memory);
        }
    }

    void deathsAreCountedOnceAndSurviveTornLines() {
        StudyFixture study(kShape);
        const std::string id = study.queue(kShape);
        const auto file = study.folder.runFolder(id) / "claims" / "000002.deaths";
        const run::Death one{"a", -1, run::DeathCause::Signal, 11}, same = one,
                                                                    two{"b", -1, run::DeathCause::Memory, 0};
        std::string text = run::formatDeath(one) + run::formatDeath(same);
        run::Claims claims(study.folder, id, "c", true);
        QVERIFY(io::writeFileAtomic(file, text + run::formatDeath(two).substr(0, 20)));
        QCOMPARE(*claims.claim(2), run::ClaimOutcome::Mine);
        claims.release(2);
        QVERIFY(io::writeFileAtomic(file, text + run::formatDeath(two)));
        QCOMPARE(*claims.claim(2), run::ClaimOutcome::Suspect);
        QCOMPARE(*claims.claim(2, true), run::ClaimOutcome::Mine);
        QVERIFY(run::parseDeath(run::formatDeath(two).substr(0, run::formatDeath(two).size() - 1), "") == two);
    }

    void restartsOfTheMachineBlameNobody() {
        const run::Death restarted{"a", -1, run::DeathCause::Restarted, 0};
        const std::vector<run::Death> many(100, restarted);
        QVERIFY(!run::isEnough(many));
    }
};

QTEST_GUILESS_MAIN(TestDeaths)
#include "tst_deaths.moc"
