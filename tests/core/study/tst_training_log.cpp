// SPDX-License-Identifier: Apache-2.0
// The curves of trainings on disk: what is read is what was written, whatever is torn, cut or full.
#include <QTemporaryDir>
#include <QtTest>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include <unistd.h>

#include "core/study/planner.h"
#include "core/study/training_log.h"

using namespace crest;
using namespace crest::study;
namespace fs = std::filesystem;

namespace {

TrainingStep stepOf(std::int64_t step) {
    const double x = static_cast<double>(step);
    return {step, 100 + step % 7, 3.0 / x + 0.1, 0.002 / x, std::sqrt(x)};
}

std::string contentOf(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

std::vector<std::int64_t> stepsOf(const TrainingLog& log) {
    std::vector<std::int64_t> steps;
    for (const TrainingStep& line : log.lines)
        steps.push_back(line.step);
    return steps;
}

} // namespace

class TestTrainingLog : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_dir;
    std::vector<Error> m_said;

    TrainingPlace place() const { return {fs::path(m_dir->path().toStdString()) / "trainings" / "one.tsv", "a \"training\"\n"}; }
    TrainingLogWriter writer(std::int64_t steps, std::int64_t done = 0, FileCalls calls = FileCalls::system()) {
        return TrainingLogWriter(place(), steps, done, [this](const Error& error) { m_said.push_back(error); }, calls);
    }
    /// Steps `first` to `last` of a training of `steps` steps.
    void write(std::int64_t steps, std::int64_t first, std::int64_t last) {
        TrainingLogWriter log = writer(steps, first - 1);
        for (std::int64_t step = first; step <= last; ++step)
            log.add(stepOf(step));
    }
    TrainingLog read() const {
        const auto log = readTrainingLog(place().file);
        return log ? *log : TrainingLog{log.error().text(), -1, {}, false};
    }

private Q_SLOTS:
    void init() {
        m_dir = std::make_unique<QTemporaryDir>();
        m_said.clear();
    }

    void comesBackAsItWasWritten() {
        QCOMPARE(readTrainingLog(place().file).error().kind, ErrorKind::NotFound);
        {
            TrainingLogWriter log = writer(40);
            QVERIFY(read().lines.empty()); // the file is there before the first step
            QCOMPARE(read().steps, 40);
            for (std::int64_t step = 1; step <= 40; ++step) {
                log.add(stepOf(step));
                QCOMPARE(read().lines.size(), static_cast<std::size_t>(step)); // at once, for whoever looks
                QCOMPARE(read().isWhole(), step == 40);
            }
        }
        const TrainingLog log = read();
        QCOMPARE(log.about, std::string("a \"training\"\n"));
        for (std::int64_t step = 1; step <= 40; ++step)
            QCOMPARE(log.lines[static_cast<std::size_t>(step - 1)], stepOf(step)); // to the last bit
        QVERIFY(!log.diverged);
        QVERIFY(m_said.empty());
        // By hand, as pandas would read it.
        QVERIFY2(contentOf(place().file).find("\nstep\ttokens\tloss\trate\tgradient_norm\n1\t101\t3.1\t0.002\t1\n2\t102\t1.6\t0.001\t") !=
                     std::string::npos,
                 contentOf(place().file).c_str());
    }

    void divergenceIsKept() {
        constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
        {
            TrainingLogWriter log = writer(9000);
            log.add(stepOf(1));
            log.add({7, 64, kNan, 0.5, kInfinity}, true); // of every fifth, but it is the last
        }
        const TrainingLog log = read();
        QVERIFY(log.diverged && log.isWhole());
        QCOMPARE(stepsOf(log), (std::vector<std::int64_t>{1, 7}));
        QVERIFY(std::isnan(log.lines[1].loss) && log.lines[1].gradientNorm == kInfinity);
        write(9000, 2, 10); // taken up before it
        QVERIFY(!read().diverged);
        QCOMPARE(stepsOf(read()), (std::vector<std::int64_t>{1, 5, 10}));
    }

    void tornAndSenselessLinesAreLeftOut() {
        write(20, 1, 5);
        const std::string whole = contentOf(place().file);
        for (std::size_t cut = 0; cut <= whole.size(); ++cut) { // a power cut may leave any front of it
            std::ofstream(place().file, std::ios::binary) << whole.substr(0, cut);
            const TrainingLog log = read();
            QVERIFY2(log.steps >= 0, log.about.c_str());
            for (std::size_t i = 0; i < log.lines.size(); ++i)
                QCOMPARE(log.lines[i], stepOf(static_cast<std::int64_t>(i) + 1));
        }
        const std::string zeros(64, '\0');
        for (const std::string& bad : {zeros + "\n", std::string("6\t1\t2\n"), std::string("6\t1\t2\t3\tx\n"), std::string("-6\t1\t2\t3\t4\n"),
                                       std::string("3\t1\t2\t3\t4\n"), std::string("6\t1\t2\t3\t4\t5\n"), std::string("99999999999999999999\t1\t2\t3\t4\n"),
                                       std::string("\n"), std::string("# {\n"), std::string("\xff\xfe\n")}) {
            std::ofstream(place().file, std::ios::binary) << whole << bad << "7\t107\t1\t1\t1\n";
            QCOMPARE(stepsOf(read()), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 7}));
            QCOMPARE(read().steps, 20);
        }
        std::ofstream(place().file, std::ios::binary) << "# {\"crest_training\":2,\"steps\":20}\n";
        QCOMPARE(readTrainingLog(place().file).error().kind, ErrorKind::Unsupported);
    }

    void goesOnAtASavedStep() {
        write(30, 1, 30);
        const std::string whole = contentOf(place().file);
        write(30, 1, 17); // killed at 17, in the middle of a line ...
        std::ofstream(place().file, std::ios::binary | std::ios::app) << "18\t10";
        write(30, 11, 30); // ... and taken up where it was saved
        QCOMPARE(contentOf(place().file), whole);
        write(30, 31, 30); // finished: only measured
        QCOMPARE(contentOf(place().file), whole);
        write(30, 1, 3); // trained anew
        QCOMPARE(stepsOf(read()), (std::vector<std::int64_t>{1, 2, 3}));
        std::ofstream(place().file, std::ios::binary) << "lost";
        write(30, 11, 12); // what was lost stays lost
        QCOMPARE(stepsOf(read()), (std::vector<std::int64_t>{11, 12}));
        QCOMPARE(read().steps, 30);
    }

    void isBounded_data() {
        QTest::addColumn<qint64>("steps");
        QTest::addColumn<qint64>("every");
        QTest::newRow("one") << qint64(1) << qint64(1);
        QTest::newRow("just all") << qint64(2000) << qint64(1);
        QTest::newRow("just not all") << qint64(2001) << qint64(2);
        QTest::newRow("many") << qint64(123457) << qint64(62);
    }
    void isBounded() {
        QFETCH(const qint64, steps);
        QFETCH(const qint64, every);
        QCOMPARE(loggedEvery(steps), every);
        write(steps, 1, steps);
        const std::vector<std::int64_t> logged = stepsOf(read());
        QVERIFY(static_cast<std::int64_t>(logged.size()) <= kTrainingLogLines + 2);
        QCOMPARE(logged.front(), 1);
        QCOMPARE(logged.back(), steps);
        for (std::size_t i = 1; i + 1 < logged.size(); ++i)
            QCOMPARE(logged[i] % every, 0);
        QVERIFY(fs::file_size(place().file) < 200'000);
    }

    void whatCannotBeWrittenIsSaidOnce() {
        write(20, 1, 20);
        int writes = 0;
        FileCalls full = FileCalls::system();
        full.write = [&](int file, const void* data, std::size_t size) -> ssize_t {
            if (++writes == 3) { // half a line, then no room
                return ::write(file, data, size / 2);
            }
            return writes < 3 ? ::write(file, data, size) : (errno = ENOSPC, -1);
        };
        {
            TrainingLogWriter log = writer(20, 0, full);
            for (std::int64_t step = 1; step <= 20; ++step)
                log.add(stepOf(step));
        }
        QCOMPARE(m_said.size(), std::size_t(1));
        QCOMPARE(m_said.front().kind, ErrorKind::NoSpace);
        QCOMPARE(stepsOf(read()), (std::vector<std::int64_t>{1}));
        QVERIFY(contentOf(place().file).ends_with("\n")); // no piece of a line is left

        write(20, 1, 20);
        FileCalls never = FileCalls::system();
        never.write = [](int, const void*, std::size_t) -> ssize_t { return errno = ENOSPC, -1; };
        m_said.clear();
        { TrainingLogWriter(place(), 20, 5, [this](const Error& error) { m_said.push_back(error); }, never).add(stepOf(6)); }
        QCOMPARE(m_said.size(), std::size_t(1));
        QCOMPARE(stepsOf(read()).size(), std::size_t(20)); // what was there stays

        std::ofstream(m_dir->filePath(QStringLiteral("file")).toStdString()) << "no folder";
        m_said.clear();
        const TrainingPlace blocked{fs::path(m_dir->path().toStdString()) / "file" / "one.tsv", ""};
        TrainingLogWriter log(blocked, 20, 0, [this](const Error& error) { m_said.push_back(error); });
        log.add(stepOf(1));
        QCOMPARE(m_said.size(), std::size_t(1));
        TrainingLogWriter(TrainingPlace{}, 20, 0, {}).add(stepOf(1)); // nowhere: nothing to say
    }

    void isFoundFromThePlanAlone() {
        PlannedCheckpoint checkpoint;
        checkpoint.series = "sample", checkpoint.name = "step512", checkpoint.weights = "w", checkpoint.tokenizer = "t";
        Probe probe;
        probe.kind = kFineTuning;
        probe.settings = {{"data_task", "mine"}, {"data_hash", "d"}, {"training", {{"epochs", 2}}}};
        const TrainingPlace one = trainingPlace("folder", checkpoint, probe, 0.002, 1);
        QCOMPARE(one.file.parent_path(), fs::path("folder"));
        QCOMPARE(one.about, std::string("sample/step512, learning rate 0.002, seed 1"));
        Probe renamed = probe; // what moves no weight moves no curve
        renamed.name = "another", renamed.settings["data_task"] = "yours", renamed.strengths = {1, 2}, renamed.tasks = {{"x", {}}};
        PlannedCheckpoint moved = checkpoint;
        moved.path = "elsewhere", moved.name = "another";
        QCOMPARE(trainingPlace("folder", moved, renamed, 0.002, 1).file, one.file);
        QVERIFY(one.file.filename().string() == trainingKey(checkpoint, probe, 0.002, 1).substr(0, 16) + ".tsv");
        Probe between = probe; // of tuned weights on the way: their training is the same, whatever the share
        between.kind = kInterpolation, between.settings["learning_rate"] = 0.002;
        QCOMPARE(trainingPlace("folder", checkpoint, between, 0.5, 1).file, one.file);
        QCOMPARE(trainingPlace("folder", checkpoint, between, 0.5, 1).about, one.about);
        std::set<fs::path> files{one.file};
        files.insert(trainingPlace("folder", checkpoint, probe, 0.004, 1).file);
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 2).file);
        probe.settings["training"]["epochs"] = 3;
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 1).file);
        probe.settings["data_hash"] = "e";
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 1).file);
        checkpoint.weights = "v";
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 1).file);
        checkpoint.tokenizer = "u";
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 1).file);
        files.insert(trainingPlace("folder", checkpoint, probe, 0.002, 1, kNumericsVersion - 1).file);
        QCOMPARE(files.size(), std::size_t(8));
    }
};

QTEST_APPLESS_MAIN(TestTrainingLog)
#include "tst_training_log.moc"
