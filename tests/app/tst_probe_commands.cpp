// SPDX-License-Identifier: Apache-2.0
// crest-run probe, work, results and selfcheck as processes with the real engine, on small checkpoints made here.
#include <QProcess>
#include <QtTest>

#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/study/queueing.h"
#include "core/study/run_log.h"
#include "core/study/runs.h"
#include "tests/app/small_series.h"

using namespace crest;
using namespace crest::test;

namespace {

/// A terminal that remembers what was shown on it.
class Terminal {
public:
    Terminal()
        : m_master(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
        if (::grantpt(m_master) == 0 && ::unlockpt(m_master) == 0)
            m_name = QString::fromLocal8Bit(::ptsname(m_master));
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() { ::close(m_master); }
    const QString& name() const { return m_name; }
    const QByteArray& all() const { return m_all; }
    bool shows(const char* text) {
        return QTest::qWaitFor(
            [&] {
                char buffer[4096];
                for (ssize_t got; (got = ::read(m_master, buffer, sizeof buffer)) > 0;)
                    m_all.append(buffer, static_cast<qsizetype>(got));
                return m_all.contains(text);
            },
            60'000);
    }

private:
    int m_master;
    QString m_name;
    QByteArray m_all;
};

} // namespace

class TestProbeCommands : public QObject, SmallSeries {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { make(); }

    void planOnlyWritesNothing() {
        const fs::path study = m_folder / "planned";
        const Ended ended =
            crestRun(probe(study, QStringLiteral("0.1,0.2"), texts() + QStringList{QStringLiteral("--plan-only")}));
        QVERIFY2(ended.code == 0, ended.err.constData());
        QCOMPARE(ended.lines.size(), std::size_t{1});
        QCOMPARE(ended.lines[0].at("cells").get<int>(), 2 * (1 + 2 * 3));
        QCOMPARE(ended.lines[0].at("cached").get<int>(), 0);
        QCOMPARE(ended.lines[0].at("new").get<int>(), 14);
        // 4 windows of 32 tokens; a pair counts twice
        QCOMPARE(ended.lines[0].at("forward_tokens").get<int>(), 2 * 4 * 32 * (1 + 2 * 2 * 3));
        QVERIFY(!fs::exists(study));
    }

    /// Before anything runs, of the checkpoints that the plan takes.
    void whatTheWeightsTellIsSaidWithThePlan() {
        const fs::path doubtful = m_folder / "doubtful";
        for (const int tokens : {1000, 2000, 4000, 5000})
            makeOne(doubtful / ("step" + std::to_string(tokens / 10)), "doubtful", tokens);
        if (QTest::currentTestFailed())
            return;
        fs::copy_file(doubtful / "step100/model.safetensors", doubtful / "step200/model.safetensors", fs::copy_options::overwrite_existing);
        {
            std::fstream weights(doubtful / "step400/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
            const float nan = std::numeric_limits<float>::quiet_NaN();
            weights.seekp(-static_cast<int>(sizeof nan), std::ios::end);
            weights.write(reinterpret_cast<const char*>(&nan), sizeof nan);
        }
        const fs::path notes = doubtful / "step500/.cache/huggingface/download";
        fs::create_directories(notes);
        writeText(notes / "model.safetensors.metadata",
                  std::string(40, 'c') + "\n" + sha256Hex("what the hub has") + "\n9999999999.0\n"); // commit, hash, not written since
        QStringList command = probe(m_folder / "unwritten", QStringLiteral("0.1"), texts() + QStringList{QStringLiteral("--plan-only")});
        command[command.indexOf(pathOf(m_series))] = pathOf(doubtful);
        const Ended ended = crestRun(command);
        QVERIFY2(ended.code == 0, ended.err.constData());
        QCOMPARE(ended.lines[0].at("cells").get<int>(), 3 * (1 + 3)); // what is damaged has no part
        for (const char* said : {"step200: Its weights are identical to those of step100 (", "step100: Its weights are identical to those of step200 (",
                                 " holds 1 NaN and 0 Inf.", "step500: model.safetensors is damaged: the SHA-256 of its bytes is "})
            QVERIFY2(ended.err.count(said) == 1, (QByteArray(said) + "\n" + ended.err).constData());
        // What is left out of the plan is not said.
        const Ended fewer = crestRun(command + QStringList{QStringLiteral("--exclude"), QStringLiteral("step200"), QStringLiteral("--exclude"), QStringLiteral("step400")});
        QVERIFY2(fewer.code == 0 && !fewer.err.contains("identical") && !fewer.err.contains("NaN"), fewer.err.constData());
    }

    void whatCannotWorkIsRefusedAndLeavesNothing_data() {
        QTest::addColumn<QStringList>("more");
        QTest::addColumn<QString>("said");
        const auto file = [&](const char* name, const char* role) {
            return QStringList{QStringLiteral("--texts"),
                               QStringLiteral("a=%1:%2").arg(pathOf(m_folder / name), QString::fromLatin1(role))};
        };
        const auto window = [](const char* tokens) {
            return QStringList{QStringLiteral("--window"), QString::fromLatin1(tokens)};
        };
        QTest::newRow("window beyond the context")
            << texts(QStringLiteral("id"), QStringLiteral("65")) << "context of 64";
        QTest::newRow("a folder of texts")
            << QStringList{QStringLiteral("--texts"), QStringLiteral("a=%1:id").arg(pathOf(m_folder))} + window("32")
            << "This is a folder. Name one file of texts";
        QTest::newRow("no such text") << file("absent.jsonl", "id") + window("32") << "absent.jsonl";
        QTest::newRow("no text in it") << file("broken.jsonl", "id") + window("32") << "broken.jsonl";
        QTest::newRow("too short") << file("short.md", "id") + window("32") << "short.md";
        QTest::newRow("no ID task") << texts(QStringLiteral("ood")) << "in-distribution";
        QTest::newRow("no such device") << texts() + QStringList{QStringLiteral("--device"), QStringLiteral("cuda:99")}
                                        << "cuda:99";
        QTest::newRow("no such series") << texts() + QStringList{QStringLiteral("--series-name"), QStringLiteral("big")}
                                        << "small";
        QTest::newRow("no such checkpoint")
            << texts() + QStringList{QStringLiteral("--exclude"), QStringLiteral("step7")} << "step7";
        QTest::newRow("name of two lines")
            << QStringList{QStringLiteral("--texts"), QStringLiteral("a\nb=%1:id").arg(pathOf(m_text)),
                           QStringLiteral("--window"), QStringLiteral("32")}
            << "line break";
    }
    void whatCannotWorkIsRefusedAndLeavesNothing() {
        QFETCH(QStringList, more);
        QFETCH(QString, said);
        const fs::path study = m_folder / "refused";
        for (const QStringList& only : {QStringList(), QStringList{QStringLiteral("--plan-only")}}) {
            const Ended ended = crestRun(probe(study, QStringLiteral("0.1"), more + only));
            QCOMPARE(ended.code, 1);
            QVERIFY2(ended.err.contains(said.toUtf8()), ended.err.constData());
            QVERIFY(!fs::exists(study));
        }
    }

    void fromAPlanToResultsAndNothingTwice() {
        const fs::path study = m_folder / "study";
        const Ended first = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QVERIFY2(first.code == 0, first.err.constData());
        QCOMPARE(first.lines.size(), std::size_t{2});
        QCOMPARE(first.lines[1].at("state").get<std::string>(), std::string("done"));
        QCOMPARE(first.lines[1].at("done").get<int>(), 2 * (1 + 3));
        // The same again: the same run, and nothing is computed.
        const Ended again = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QCOMPARE(again.code, 0);
        QCOMPARE(again.lines[0].at("new").get<int>(), 0);
        QCOMPARE(again.lines[1].at("run"), first.lines[1].at("run"));
        // Two names for one text are refused.
        const Ended second = crestRun(
            probe(study, QStringLiteral("0.1,0.2"),
                  texts(QStringLiteral("ood")) +
                      QStringList{QStringLiteral("--texts"), QStringLiteral("a/b=%1:id").arg(pathOf(m_other)),
                                  QStringLiteral("--texts"),
                                  QStringLiteral("a_b=%1:ood").arg(pathOf(m_folder / "series/step200/text.jsonl"))}));
        QVERIFY2(second.code == 1 && second.err.contains("same text"), second.err.constData());
        // One that overlaps computes only what is new; the same text is OOD there, beside two others.
        test::writeText(m_folder / "third.txt", "A line before. " + test::smallDocuments()[3] + "\n\n" +
                                                    test::smallDocuments()[4] + "\n\n" + test::smallDocuments()[5]);
        const QStringList three =
            texts(QStringLiteral("ood")) +
            QStringList{QStringLiteral("--texts"), QStringLiteral("a/b=%1:id").arg(pathOf(m_other)),
                        QStringLiteral("--texts"), QStringLiteral("a_b=%1:ood").arg(pathOf(m_folder / "third.txt"))};
        const Ended third = crestRun(probe(study, QStringLiteral("0.1,0.2"), three));
        QVERIFY2(third.code == 0, third.err.constData());
        QCOMPARE(third.lines[0].at("cells").get<int>(), 2 * (1 + 2 * 3));
        QVERIFY(third.lines[1].at("run") != first.lines[1].at("run"));
        const auto times = journalKeys(study);
        QCOMPARE(times.size(), std::size_t{2 * 7 * 3});
        for (const auto& [key, count] : times)
            QCOMPARE(count, 1);

        const Ended results = crestRun({QStringLiteral("results"), pathOf(study), QStringLiteral("--json")});
        QVERIFY2(results.code == 0, results.err.constData());
        QCOMPARE(results.lines.size(), times.size());
        std::map<std::string, std::string> roles;
        for (const Json& row : results.lines) {
            for (const char* field : {"series", "checkpoint", "tokens", "modification", "strength", "seed", "task",
                                      "role", "metric", "unit", "value", "stderr", "n", "cached_at", "cause"})
                QVERIFY2(row.contains(field), field);
            const std::string task = row.at("task"), role = row.at("role");
            QVERIFY(roles.try_emplace(task, role).first->second == role);
            // Near the loss of guessing among some 300 tokens, whatever the weights: ln 320 = 5.8.
            QVERIFY(row.at("value").get<double>() > 3 && row.at("value").get<double>() < 12);
            QVERIFY(row.at("cause").is_null());
        }
        const std::map<std::string, std::string> wanted{{"a/b", "id"}, {"a_b", "ood"}, {"words", "ood"}};
        QVERIFY2(roles == wanted, "a task has the role that the newest run gave it");
        const Ended table = crestRun({QStringLiteral("results"), pathOf(study)});
        QCOMPARE(table.code, 0);
        QCOMPARE(table.out.count('\n'), static_cast<qsizetype>(times.size() + 1));
        QVERIFY(fs::exists(study / "results.h5"));
    }

    void aWrongWindowDoesNotSpoilTheStudy() {
        const fs::path study = m_folder / "mended";
        QCOMPARE(crestRun(probe(study, QStringLiteral("0.1"), texts(QStringLiteral("id"), QStringLiteral("65")))).code,
                 1);
        // Planned by a window, say, and never run: the task may still be changed.
        study::Study made;
        made.tasks.push_back({.name = "words",
                              .textsPath = m_text.string(),
                              .dataHash = "",
                              .windowTokens = 64,
                              .strideTokens = 64,
                              .maxWindows = 4});
        QVERIFY(study::StudyFolder::create(study, made));
        const Ended right = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QVERIFY2(right.code == 0, right.err.constData());
        const Ended other =
            crestRun(probe(study, QStringLiteral("0.1"), texts(QStringLiteral("id"), QStringLiteral("16"))));
        QCOMPARE(other.code, 1);
        QVERIFY2(other.err.contains("another task of the name"), other.err.constData());
    }

    void twoAtOnceShareOneRun() {
        const fs::path study = m_folder / "at once";
        const QStringList arguments = probe(study, QStringLiteral("0.05,0.1,0.2,0.3"), texts());
        const auto a = start(arguments), b = start(arguments);
        const Ended one = finish(*a), two = finish(*b);
        QVERIFY2(one.code == 0, one.err.constData());
        QVERIFY2(two.code == 0, two.err.constData());
        QCOMPARE(one.lines.back().at("run"), two.lines.back().at("run"));
        const auto opened = study::StudyFolder::open(study);
        QVERIFY(opened);
        QCOMPARE(study::listRuns(*opened).size(), std::size_t{1});
        const auto times = journalKeys(study);
        QCOMPARE(times.size(), std::size_t{2 * (1 + 4 * 3)});
        for (const auto& [key, count] : times)
            QCOMPARE(count, 1);
    }

    void oneOfSeveralSeriesInOneFolder() {
        const fs::path several = m_folder / "several", study = m_folder / "of several";
        makeOne(several / "one-step100", "one", 1000);
        makeOne(several / "one-step200", "one", 2000);
        makeOne(several / "two-step100", "two", 1500);
        const auto plan = [&](const QStringList& more) {
            QStringList arguments =
                probe(study, QStringLiteral("0.1"), texts() + more + QStringList{QStringLiteral("--plan-only")});
            arguments[arguments.indexOf(QStringLiteral("--series")) + 1] = pathOf(several);
            return crestRun(arguments);
        };
        const Ended which = plan({});
        QCOMPARE(which.code, 1);
        QVERIFY2(which.err.contains("--series-name") && which.err.contains("one") && which.err.contains("two"),
                 which.err.constData());
        const Ended one = plan({QStringLiteral("--series-name"), QStringLiteral("one")});
        QVERIFY2(one.code == 0, one.err.constData());
        QCOMPARE(one.lines[0].at("cells").get<int>(), 2 * 4);
        const Ended less = plan({QStringLiteral("--series-name"), QStringLiteral("one"), QStringLiteral("--exclude"),
                                 QStringLiteral("one-step200")});
        QVERIFY2(less.code == 0, less.err.constData());
        QCOMPARE(less.lines[0].at("cells").get<int>(), 4);
        // A checkpoint that cannot be read is no series to choose from.
        fs::remove_all(several / "two-step100");
        makeOne(several / "odd-step300", "odd", 3000);
        Json config = series::configFromDecoderSpec(test::smallSpec());
        config["num_hidden_layers"] = 5;
        test::writeText(several / "odd-step300" / "config.json", config.dump());
        const Ended rest = plan({});
        QVERIFY2(rest.code == 0, rest.err.constData());
        QCOMPARE(rest.lines[0].at("cells").get<int>(), 2 * 4);
    }

    void manySeriesAreOneShortLine() {
        const fs::path many = m_folder / "many";
        for (int i = 0; i < 13; ++i) {
            const std::string name = fmt::format("series{:02}", i);
            makeOne(many / (name + "-step100"), name, 1000);
        }
        QStringList arguments = probe(m_folder / "of many", QStringLiteral("0.1"), texts());
        arguments[arguments.indexOf(QStringLiteral("--series")) + 1] = pathOf(many);
        const Ended which = crestRun(arguments);
        QCOMPARE(which.code, 1);
        QCOMPARE(which.err.count('\n'), qsizetype{1});
        QVERIFY2(!which.err.contains("\\n"), which.err.constData());
        QVERIFY2(which.err.contains("series00 (1 checkpoint in ") && which.err.contains("; series09 (1 checkpoint in "),
                 which.err.constData());
        QVERIFY2(which.err.endsWith("; and 3 more\n") && !which.err.contains("series10"), which.err.constData());
    }

    void workTakesUpWhatIsQueued() {
        const fs::path path = m_folder / "queued";
        QCOMPARE(crestRun(probe(path, QStringLiteral("0.1"), texts())).code, 0);
        const Ended nothing = crestRun({QStringLiteral("work"), pathOf(path)});
        QCOMPARE(nothing.code, 0);
        QVERIFY(nothing.out.contains("Nothing is queued"));
        const auto folder = study::StudyFolder::open(path);
        QVERIFY(folder);
        const auto plan = study::readPlan(*folder, study::listRuns(*folder).front());
        QVERIFY(plan);
        // Its results lost: queued anew, and once however often it is asked for.
        for (const char* lost : {"journal", "results.h5"})
            fs::remove_all(path / lost);
        fs::create_directories(path / "journal");
        study::ResultReader reader(*folder);
        const auto id = study::queueOnce(*folder, *plan, reader);
        QVERIFY(id && *id != study::listRuns(*folder).front());
        QCOMPARE(*study::queueOnce(*folder, *plan, reader), *id);
        const Ended worked = crestRun({QStringLiteral("work"), pathOf(path), QStringLiteral("--json")});
        QVERIFY2(worked.code == 0, worked.err.constData());
        QCOMPARE(worked.lines.size(), std::size_t{1});
        QCOMPARE(worked.lines[0].at("run").get<std::string>(), *id);
        QCOMPARE(worked.lines[0].at("state").get<std::string>(), std::string("done"));
        QCOMPARE(journalKeys(path).size(), std::size_t{8});
    }

    /// Of several runs the line of progress is about the one that this process is at, and says what it waits for.
    void theLineIsAboutTheOwnRun() {
        const fs::path path = m_folder / "two runs";
        QCOMPARE(crestRun(probe(path, QStringLiteral("0.1"), texts())).code, 0);
        const auto folder = study::StudyFolder::open(path);
        QVERIFY(folder);
        const auto plan = study::readPlan(*folder, study::listRuns(*folder).front());
        QVERIFY(plan);
        for (const char* lost : {"journal", "results.h5", "runs"})
            fs::remove_all(path / lost);
        for (const char* part : {"journal", "runs"})
            fs::create_directories(path / part);
        const auto id = study::queueRun(*folder, *plan);
        QVERIFY(id);
        // Another runner lives, and is at all of that run's cells.
        const std::string other = "other-1-abc";
        std::optional<Result<io::FileLock>> alive = io::FileLock::tryLock(folder->runnersFolder() / (other + ".lock"));
        QVERIFY(*alive && study::RunLog::create(folder->runFolder(*id), other));
        fs::create_directories(path / "claims");
        std::string keys;
        for (const study::Cell& cell : plan->cells)
            keys += cell.keys.front() + "\n";
        test::writeText(path / "claims" / (other + ".0"), keys);

        Terminal terminal;
        QProcess process;
        process.setStandardErrorFile(terminal.name());
        QStringList arguments = probe(path, QStringLiteral("0.1,0.2"), texts());
        arguments.removeAll(QStringLiteral("--json"));
        process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
        QVERIFY2(terminal.shows("Waits for cells"), terminal.all().constData());
        QVERIFY2(!terminal.all().contains("/8 cells"), terminal.all().constData()); // the other run has 8, this one 14
        alive.reset();
        QVERIFY(process.waitForFinished(60'000));
        QCOMPARE(process.exitCode(), 0);
        QCOMPARE(journalKeys(path).size(), std::size_t{14});
    }

    void wrongArgumentsEndWithOne() {
        const fs::path nothing = m_folder / "nothing";
        for (const QStringList& arguments : {QStringList{QStringLiteral("work"), pathOf(nothing)},
                                             QStringList{QStringLiteral("results"), pathOf(nothing)}}) {
            const Ended ended = crestRun(arguments);
            QCOMPARE(ended.code, 1);
            QVERIFY2(ended.err.contains("no study"), ended.err.constData());
        }
        const Ended model = crestRun({QStringLiteral("tokenize"), QStringLiteral("--model"), pathOf(nothing),
                                      QStringLiteral("--texts"), pathOf(m_text)});
        QCOMPARE(model.code, 1);
        QVERIFY2(model.err.contains("no such checkpoint folder"), model.err.constData());
        const QStringList score{QStringLiteral("score"), QStringLiteral("--model"), pathOf(m_series / "step100"),
                                QStringLiteral("--texts")};
        const Ended stride =
            crestRun(score + QStringList{pathOf(m_text), QStringLiteral("--stride"), QStringLiteral("0")});
        QCOMPARE(stride.code, 1);
        QVERIFY2(stride.err.contains("--stride 0"), stride.err.constData());
        const Ended missing = crestRun(score + QStringList{pathOf(m_folder / "broken.jsonl")});
        QCOMPARE(missing.code, 1);
        QVERIFY2(missing.err.contains("broken.jsonl, line 1") && missing.err.contains("\"text\" is missing"),
                 missing.err.constData());
    }

    void aLockThatCannotBeTakenIsNotAnotherWindow() {
        const fs::path path = m_folder / "locked";
        const auto folder = study::StudyFolder::create(path, {});
        QVERIFY(folder);
        fs::create_directories(path / "window.lock"); // no file: opening it to write fails, whoever asks
        const auto lock = study::WindowLock::tryLock(*folder);
        QVERIFY(!lock);
        QVERIFY2(lock.error().message.find("Another window") == std::string::npos, lock.error().text().c_str());
        fs::remove(path / "window.lock");
        const auto held = study::WindowLock::tryLock(*folder);
        QVERIFY(held);
        const auto second = study::WindowLock::tryLock(*folder);
        QVERIFY(!second);
        QVERIFY(second.error().message.find("Another window") != std::string::npos);
    }

    void selfcheckPasses() {
        const Ended ended = crestRun({QStringLiteral("selfcheck"), QStringLiteral("--json")});
        QVERIFY2(ended.code == 0, ended.out.constData());
        QVERIFY(ended.lines.size() >= 4);
        for (const Json& check : ended.lines)
            QVERIFY2(check.at("passed").get<bool>(), check.dump().c_str());
    }
};

QTEST_GUILESS_MAIN(TestProbeCommands)
#include "tst_probe_commands.moc"
