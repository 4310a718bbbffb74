// SPDX-License-Identifier: Apache-2.0
// Kills a runner at random moments: no acknowledged result may be lost, everything must open, and in the end the
// results equal those of a run that was left alone. 200 kills; 10,000 with CREST_FULL=1.
#include "tests/core/run/study_fixture.h"

#include <csignal>
#include <random>
#include <set>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

using namespace crest;

namespace {

struct Child {
    pid_t pid = 0;
    int output = -1;
};

Child start(const std::string& study, int micros) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const std::string program = std::string(CREST_BINARY_DIR) + "/tests/crest-pretend-run",
                      slow = std::to_string(micros);
    const char* arguments[] = {program.c_str(), "work", study.c_str(), "--micros", slow.c_str(), nullptr};
    Child child{0, ends[0]};
    if (::posix_spawn(&child.pid, program.c_str(), &actions, nullptr, const_cast<char**>(arguments), environ) != 0)
        child.pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    return child;
}

/// What it printed until its end; only whole lines count as said.
void collect(const Child& child, std::set<std::string>& keys) {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(child.output, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    ::close(child.output);
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        keys.insert(text.substr(begin, end - begin));
}

} // namespace

class TestKillLoop : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void killedAtRandomMoments_data() {
        QTest::addColumn<bool>("base");
        QTest::addColumn<int>("kills");
        const bool full = qEnvironmentVariableIsSet("CREST_FULL");
        QTest::newRow("noise on texts") << false << (full ? 10'000 : 200);
        QTest::newRow("a suite on the base") << true << (full ? 2'000 : 40);
    }
    void killedAtRandomMoments() {
        QFETCH(bool, base);
        QFETCH(int, kills);
        const std::uint32_t seed = 20261122;
        std::mt19937 random(seed);
        int killed = 0, studies = 0, unfinished = 0;
        std::size_t acknowledgedInAll = 0;
        const pretend::Shape shape =
            base ? pretend::Shape{.checkpoints = 40, .suiteTasks = 6, .items = 50, .baseOnly = true}
                 : pretend::Shape{.checkpoints = 5, .seeds = 10, .seedsPerBatch = 2};
        StudyFixture alone(shape);
        alone.queue(shape);
        QVERIFY(alone.work());
        const auto expected = alone.rows();
        QCOMPARE(expected.size(), std::size_t(base ? 40 * 8 : 5 * 21 * 2));

        while (killed < kills) {
            ++studies;
            StudyFixture study(shape);
            const std::string id = study.queue(shape);
            std::set<std::string> acknowledged;
            for (;;) {
                const Child child = start(study.folder.path().string(), 300);
                QVERIFY(child.pid > 0);
                ::usleep(std::uniform_int_distribution<useconds_t>(1'000, 200'000)(random));
                ::kill(child.pid, SIGKILL);
                int status = 0;
                ::waitpid(child.pid, &status, 0);
                collect(child, acknowledged);
                killed += WIFSIGNALED(status) ? 1 : 0;
                // Everything opens, and all that was said to be stored is there.
                const auto opened = study::StudyFolder::open(study.folder.path());
                QVERIFY2(opened, opened ? "" : opened.error().text().c_str());
                const auto rows = study.rows();
                for (const std::string& key : acknowledged)
                    QVERIFY2(rows.contains(key), "an acknowledged result is lost");
                study::RunFollower follower(study.folder, id);
                const auto state = follower.poll();
                QVERIFY2(state, state ? "" : state.error().text().c_str());
                unfinished += state->state == study::RunState::Interrupted;
                if (state->state == study::RunState::Done || killed >= kills)
                    break;
            }
            acknowledgedInAll += acknowledged.size();
            // Left alone, it completes, with the same numbers.
            QVERIFY(study.work());
            QCOMPARE(study.status(id).state, study::RunState::Done);
            const auto rows = study.rows();
            QCOMPARE(rows.size(), expected.size());
            for (const auto& [key, row] : expected) {
                QVERIFY(rows.contains(key));
                QVERIFY(rows.at(key) == row);
            }
            // The published file alone, rebuilt from the journals, says the same.
            std::filesystem::remove(study.folder.resultsFile());
            QVERIFY(study::publishResults(study.folder));
            QVERIFY(study.rows() == rows);
        }
        qInfo("%d kills in %d studies, %d of them left a run interrupted, %zu results acknowledged, none lost", killed,
              studies, unfinished, acknowledgedInAll);
        QVERIFY2(unfinished > kills / 4, "most kills came too late to test anything");
    }
};

QTEST_GUILESS_MAIN(TestKillLoop)
#include "tst_kill_loop.moc"
