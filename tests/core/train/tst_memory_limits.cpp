// SPDX-License-Identifier: Apache-2.0
// Fine-tuning where memory is short: fewer rows at a time with the same batch, or a plain sentence; never a crash.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include <malloc.h>
#include <sys/resource.h>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/io/files.h"
#include "core/probe/fine_tuning.h"
#include "core/train/available_memory.h"
#include "core/train/fine_tune.h"
#include "core/train/training_memory.h"
#include "tests/core/train/tuning_fixture.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

/// The process may take so many bytes of address space more than it has, as long as this lives.
class Room {
public:
    explicit Room(double bytes) {
        ::getrlimit(RLIMIT_AS, &m_before);
        double pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit less = m_before;
        less.rlim_cur = static_cast<rlim_t>(pages * 4096 + bytes);
        ::setrlimit(RLIMIT_AS, &less);
    }
    ~Room() { ::setrlimit(RLIMIT_AS, &m_before); }

private:
    rlimit m_before{};
};

series::DecoderSpec middleSpec() {
    series::DecoderSpec s = test::smallSpec(997);
    s.width = 128, s.layers = 4, s.headSize = s.ropeDims = 32, s.mlpWidth = 320;
    return s;
}

/// A training and what came of it.
struct Outcome {
    std::vector<double> losses;
    std::string error, note;
    std::int64_t rows = 0, done = 0;
    bool operator==(const Outcome&) const = default;
};

} // namespace

class TestMemoryLimits : public QObject {
    Q_OBJECT
    static constexpr int kSteps = 3;
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    std::optional<model::WeightReader> m_reader;
    std::vector<data::TuningExample> m_examples = test::makeExamples(60, 997);
    double m_pass = 0; ///< bytes of a whole pass

    static FineTuneSettings settingsOf(std::int64_t rank = 0) {
        FineTuneSettings settings;
        settings.batchExamples = 32, settings.maxSteps = kSteps, settings.loraRank = rank;
        return settings;
    }
    std::unique_ptr<FineTune> make(const FineTuneSettings& settings, int threads = 1) const {
        auto made = FineTune::create(*m_reader, settings, 2e-3, 1, m_examples, threads);
        if (!made)
            qWarning("%s", made.error().text().c_str());
        return made ? std::move(*made) : nullptr;
    }
    static constexpr double kSpare = 34e6; ///< that FineTune leaves for others

    /// Steps until the end or an error, `room` bytes and the spare above what the process holds then.
    static Outcome run(FineTune& tune, double room) {
        Outcome outcome;
        const Room limit(room + kSpare);
        while (tune.stepsDone() < tune.stepsTotal()) {
            const auto report = tune.step();
            if (!report) {
                outcome.error = report.error().text();
                break;
            }
            outcome.losses.push_back(report->loss);
        }
        outcome.rows = tune.passRows(), outcome.done = tune.stepsDone(), outcome.note = tune.takeNote();
        return outcome;
    }
    static double furthest(const std::vector<double>& a, const std::vector<double>& b) {
        double worst = a.size() == b.size() ? 0 : INFINITY;
        for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
            worst = std::max(worst, std::abs(a[i] / b[i] - 1));
        return worst;
    }

private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        auto reader = test::makeStart(m_folder / "start", middleSpec());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        m_reader.emplace(std::move(*reader));
        const auto whole = make(settingsOf());
        m_pass = static_cast<double>(passBytes(middleSpec(), whole->passRows(), false));
        QVERIFY2(m_pass > 15e6, "too small to be told from what malloc has left");
    }

    void lessMemoryIsFewerRowsAtATime_data() {
        QTest::addColumn<int>("rank");
        QTest::addColumn<int>("lanes");
        QTest::newRow("all weights") << 0 << 1;
        QTest::newRow("adapters") << 4 << 1;
        QTest::newRow("two lanes on two threads") << 0 << 2;
    }

    /// From next to no room to enough, in twelfths of the passes of all threads.
    void lessMemoryIsFewerRowsAtATime() {
        QFETCH(int, rank);
        QFETCH(int, lanes);
        FineTuneSettings settings = settingsOf(rank);
        settings.gradientLanes = lanes;
        const Outcome enough = run(*make(settings, lanes), 1e12);
        QVERIFY2(enough.error.empty() && enough.note.empty(), enough.error.c_str());
        QCOMPARE(enough.losses.size(), std::size_t(kSteps));
        int refused = 0, halved = 0, whole = 0;
        std::int64_t before = 0;
        for (int twelfth = -2; twelfth <= 14; twelfth += 2) {
            const auto tune = make(settings, lanes);
            const Outcome found = run(*tune, m_pass * lanes * twelfth / 12);
            if (!found.error.empty()) {
                ++refused;
                QVERIFY2(found.error.find("not enough memory for step") != std::string::npos, found.error.c_str());
                const auto later = tune->step(); // it is the step that failed, nothing else
                QVERIFY2(later, later ? "" : later.error().text().c_str());
                QVERIFY(std::abs(later->loss / enough.losses[static_cast<std::size_t>(found.done)] - 1) < 1e-4);
                continue;
            }
            // The loss curve is that of the batch, however it was cut; sums have another order.
            QVERIFY2(furthest(found.losses, enough.losses) < 1e-4, qPrintable(QString::number(furthest(found.losses, enough.losses))));
            QCOMPARE(found.note.empty(), found.rows == enough.rows);
            if (found.rows == enough.rows) {
                ++whole;
                QVERIFY(found == enough);
            } else {
                ++halved;
                QVERIFY2(found.note.find(fmt::format("{} tokens at a time: from step 1 on at most {}", enough.rows, found.rows)) !=
                             std::string::npos,
                         found.note.c_str());
            }
            QVERIFY(found.rows >= before); // more room, no fewer rows
            before = found.rows;
        }
        qInfo("%d refused, %d halved, %d whole", refused, halved, whole);
        QVERIFY(refused > 0 && halved > 0 && whole > 0);
    }

    /// Killed or stopped afterwards, it goes on with as many rows, and so to the same bits; what was not said yet is said then.
    void rowsAreKeptWithTheState() {
        const auto first = make(settingsOf()), second = make(settingsOf());
        const fs::path states = m_folder / "states";
        {
            const Room little(m_pass * 0.4 + kSpare);
            for (int step = 0; step < 1; ++step)
                QVERIFY(first->step());
        }
        QVERIFY(first->saveState(states, "here"));
        const std::string note = first->takeNote();
        QVERIFY(!note.empty());
        QVERIFY(first->takeNote().empty()); // said once
        const auto loaded = second->loadState(states, "here");
        QVERIFY(loaded && *loaded);
        QCOMPARE(second->takeNote(), note);
        QVERIFY(second->takeNote().empty());
        QCOMPARE(second->passRows(), first->passRows());
        for (int step = 1; step < kSteps; ++step)
            QVERIFY(first->step() && second->step());
        QVERIFY(first->saveState(m_folder / "a", "here") && second->saveState(m_folder / "b", "here"));
        const std::string name = "step" + std::to_string(kSteps) + ".bin";
        QCOMPARE(*io::readTextFile(m_folder / "a" / name), *io::readTextFile(m_folder / "b" / name));
    }

    /// What happened is said with the results; the trainings after it are as ever.
    void aPlanGoesOn() {
        auto set = std::make_shared<data::TuningSet>();
        set->train = m_examples;
        probe::FineTuningOptions options;
        options.settings = settingsOf();
        options.keep.origin = m_folder / "start";
        const auto tuning = probe::makeFineTuning(*m_reader, set, options);
        const auto made = [&](double rate, double room) {
            const Room limit(room + kSpare);
            const auto versions = tuning->versions(std::vector<double>{rate}, 1, JobContext());
            return versions ? std::string() : versions.error().text();
        };
        const TrainingMemory all = trainingMemory(middleSpec(), options.settings, 41, 1, false);
        QCOMPARE(made(1e-3, all.peak() - all.passes + m_pass * 0.4), std::string());
        const std::string note = tuning->takeNote();
        QVERIFY2(note.starts_with("start, learning rate 0.001, seed 1: There was not enough memory for"), note.c_str());
        const std::string refused = made(2e-3, -kSpare);
        QVERIFY2(refused.empty() || refused.find("There is not enough memory") != std::string::npos, refused.c_str());
        tuning->takeNote();
        QCOMPARE(made(3e-3, 1e12), std::string());
        QCOMPARE(tuning->takeNote(), std::string());
    }

    void whatIsLeftOfMemoryIsKnown() {
        const auto left = availableMemory();
        QVERIFY(left && *left > 10'000'000);
        const fs::path root = m_folder / "system";
        QVERIFY(!availableMemory(root));
        const auto write = [&](const char* file, const char* text) {
            fs::create_directories((root / file).parent_path());
            std::ofstream(root / file) << text;
        };
        write("proc/meminfo", "MemTotal:  900 kB\nMemFree: 1 kB\nMemAvailable:     700 kB\n");
        QCOMPARE(*availableMemory(root), std::int64_t{700 * 1024});
        write("proc/self/cgroup", "12:cpu:/x\n0::/jobs/7\n"); // a group without limits, below one that has one
        write("sys/fs/cgroup/jobs/7/memory.max", "max\n");
        write("sys/fs/cgroup/jobs/7/memory.current", "5\n");
        QCOMPARE(*availableMemory(root), std::int64_t{700 * 1024});
        write("sys/fs/cgroup/jobs/memory.max", "600000\n");
        write("sys/fs/cgroup/jobs/memory.current", "500000\n");
        write("sys/fs/cgroup/jobs/memory.stat", "anon 450000\ninactive_file 40000\n");
        QCOMPARE(*availableMemory(root), std::int64_t{140'000});
        requireAvailable(140'000, root);
        QVERIFY_THROWS_EXCEPTION(std::bad_alloc, requireAvailable(140'001, root));
    }

    void noRoomForTheWeightsIsASentence() {
        series::DecoderSpec large = middleSpec();
        large.width = 512, large.headSize = large.ropeDims = 128, large.mlpWidth = 1536;
        const auto reader = test::makeStart(m_folder / "large", large);
        QVERIFY(reader);
        Result<std::unique_ptr<FineTune>> made;
        {
            const Room little(20e6);
            made = FineTune::create(*reader, settingsOf(), 1e-3, 1, m_examples, 1);
        }
        QVERIFY(!made);
        QVERIFY2(made.error().message.find("not enough memory to fine-tune this model") != std::string::npos, made.error().text().c_str());
    }
};

int main(int argc, char** argv) {
    // What is freed goes back at once, and no thread has address space of its own in reserve: so that a limit is felt.
    ::mallopt(M_MMAP_THRESHOLD, 1 << 16);
    ::mallopt(M_ARENA_MAX, 1);
    QCoreApplication application(argc, argv);
    TestMemoryLimits test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_memory_limits.moc"
