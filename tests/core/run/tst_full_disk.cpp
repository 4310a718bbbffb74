// SPDX-License-Identifier: Apache-2.0
// A study on a disk that is really full: a small tmpfs, filled and freed while a runner works. Needs root for the
// mount; without it the same paths are tested with failing calls (tst_executor_trouble, tst_journal).
#include <QProcess>

#include "core/study/kept_weights.h"
#include "tests/core/run/study_fixture.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include <sys/mount.h>
#include <unistd.h>

using namespace crest;

namespace {

struct SmallDisk {
    QTemporaryDir dir;
    std::string path = dir.path().toStdString();
    bool mounted = false;

    explicit SmallDisk(const char* size) {
        mounted = ::mount("tmpfs", path.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
    }
    ~SmallDisk() {
        if (mounted)
            ::umount2(path.c_str(), MNT_DETACH);
    }
    /// Takes all room but `leave` bytes.
    void fill(std::size_t leave = 0) const {
        {
            std::ofstream ballast(path + "/ballast", std::ios::binary | std::ios::app);
            const std::string block(4096, 'x');
            while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
            }
        }
        if (leave > 0)
            std::filesystem::resize_file(path + "/ballast", std::filesystem::file_size(path + "/ballast") - leave);
    }
    void free() const { std::filesystem::remove(path + "/ballast"); }
};

std::map<std::string, study::ResultRow> rowsOf(const study::StudyFolder& folder) {
    study::ResultReader reader(folder);
    std::map<std::string, study::ResultRow> byKey;
    auto rows = reader.poll();
    for (study::ResultRow& row : *rows) {
        row.run.clear();
        row.cachedAt.clear();
        byKey.emplace(row.key, row);
    }
    return byKey;
}

} // namespace

class TestFullDisk : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        if (!SmallDisk("64k").mounted)
            QSKIP("mounting a tmpfs needs root");
    }

    void fullFromSomeMomentOn_data() {
        QTest::addColumn<int>("leave");
        for (const int pages : {0, 1, 2, 4, 8, 16, 24})
            QTest::addRow("%d kB left", pages * 4) << pages * 4096;
    }
    void fullFromSomeMomentOn() {
        QFETCH(int, leave);
        const pretend::Shape shape{.checkpoints = 4, .seeds = 8, .seedsPerBatch = 2};
        StudyFixture alone(shape);
        alone.queue(shape);
        QVERIFY(alone.work());

        const SmallDisk disk("1m");
        auto folder = study::StudyFolder::create(disk.path + "/study", pretend::makeStudy(shape));
        QVERIFY2(folder, folder ? "" : folder.error().text().c_str());
        const auto id = study::queueRun(*folder, pretend::makePlan(shape));
        QVERIFY(id);
        run::WorkOptions options;
        options.workers = 2;
        options.threadsPerWorker = 1;
        std::atomic<int> stored{0};
        options.onStored = [&](const auto& keys) {
            if (stored.fetch_add(static_cast<int>(keys.size())) == 0)
                disk.fill(static_cast<std::size_t>(leave));
        };
        Result<run::RunSummary> summary;
        std::jthread worker(
            [&] { summary = run::workStudy(*folder, options, pretend::makeFactory({.microsPerResult = 1000})); });
        study::RunFollower follower(*folder, *id);
        study::RunStatus status;
        QVERIFY2(eventually([&] {
                     status = *follower.poll();
                     return status.state == study::RunState::Paused || status.state == study::RunState::Done;
                 }),
                 study::runStateName(status.state));
        if (status.state == study::RunState::Paused)
            QVERIFY2(status.message.find("full") != std::string::npos && status.message.find("It goes on by itself") != std::string::npos,
                     status.message.c_str());
        else
            QVERIFY2(leave >= 16 * 4096, "it finished on a full disk");
        disk.free();
        worker.join();
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        QCOMPARE(study::RunFollower(*folder, *id).poll()->state, study::RunState::Done);
        QVERIFY(rowsOf(*folder) == alone.rows());
    }

    /// They are optional: the last of a disk is for results, and where it fills up, weights go.
    void keptWeightsLeaveRoomForResults() {
        const auto write = [](std::size_t bytes) {
            return [bytes](const std::filesystem::path& folder) -> Result<void> {
                std::filesystem::create_directories(folder);
                std::ofstream(folder / "model.safetensors") << std::string(bytes, 'w');
                std::ofstream(folder / "crest.json") << "{}";
                return {};
            };
        };
        constexpr std::int64_t kMuch = 1'000'000'000;
        const SmallDisk small("3m");
        const study::KeptWeights nothing(small.path + "/tuned");
        const auto none = nothing.keep("a", 500'000, kMuch, write(500'000));
        QVERIFY(!none && none.error().kind == ErrorKind::NoSpace);
        QVERIFY2(none.error().text().find("the last 256 MB of the disk are left free for results") != std::string::npos, none.error().text().c_str());
        QVERIFY(!nothing.has("a") && nothing.size() < 1000);

        const SmallDisk disk("263m"); // MiB: 275.8 MB, of which 19.8 may be used
        const study::KeptWeights weights(disk.path + "/tuned");
        for (const char* key : {"a", "b"})
            QVERIFY(weights.keep(key, 6'000'000, kMuch, write(6'000'000)));
        std::ofstream(disk.path + "/results") << std::string(10'000'000, 'r'); // of a run that goes on
        const auto third = weights.keep("c", 6'000'000, kMuch, write(6'000'000));
        QVERIFY2(third, third ? "" : third.error().text().c_str());
        QVERIFY(weights.has("c") && !weights.has("a") && !weights.has("b"));
        QVERIFY(std::filesystem::space(disk.path).available >= study::kFreeForResults);
        std::ofstream(disk.path + "/results", std::ios::app) << std::string(9'000'000, 'r');
        QVERIFY(!weights.keep("d", 6'000'000, kMuch, write(6'000'000)));
        QVERIFY(!weights.has("c")); // its room is the results'
    }

    /// A run that begins where nothing is left: what was not used for longest goes for its results, and no more than has to.
    void keptWeightsGiveWayToARun_data() {
        QTest::addColumn<bool>("queuedBefore");
        QTest::newRow("queued on a full disk") << false;
        QTest::newRow("queued before") << true;
    }
    void keptWeightsGiveWayToARun() {
        QFETCH(bool, queuedBefore);
        const pretend::Shape shape;
        const SmallDisk disk("12m");
        auto folder = study::StudyFolder::create(disk.path + "/study", pretend::makeStudy(shape));
        QVERIFY2(folder, folder ? "" : folder.error().text().c_str());
        const study::KeptWeights kept(folder->keptFolder());
        int age = 3;
        for (const char* key : {"oldest", "middle", "newest"}) { // by an older version, which left no room
            const auto at = kept.folderOf(key);
            std::filesystem::create_directories(at);
            std::ofstream(at / "model.safetensors") << std::string(3'000'000, 'w');
            std::ofstream(at / "crest.json") << "{}";
            std::filesystem::last_write_time(at / "crest.json", std::filesystem::file_time_type::clock::now() - std::chrono::hours(age--));
        }
        std::ofstream(folder->keptFolder() / "lock") << "";
        std::string id;
        const auto queue = [&] {
            const auto queued = study::withRoom(
                kept, [&] { return study::queueRun(*folder, pretend::makePlan(shape)); }, [](std::int64_t bytes) { QVERIFY(bytes > 2'900'000); });
            QVERIFY2(queued, queued ? "" : queued.error().text().c_str());
            id = *queued;
        };
        if (queuedBefore)
            queue();
        disk.fill();
        if (!queuedBefore)
            queue();
        disk.fill();
        const bool wasThere = kept.has("middle");
        run::WorkOptions options;
        options.workers = options.threadsPerWorker = 1;
        const auto summary = run::workStudy(*folder, options, pretend::makeFactory());
        QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
        const study::RunStatus status = *study::RunFollower(*folder, id).poll();
        QCOMPARE(status.state, study::RunState::Done);
        QVERIFY(!kept.has("oldest") && wasThere);
        QCOMPARE(kept.has("middle"), queuedBefore); // filled up again after it was queued
        QVERIFY(kept.has("newest"));
        QVERIFY2(std::ranges::any_of(status.notes, [](const std::string& note) {
                     return note.find("had to go: the disk is full, and results come first.") != std::string::npos;
                 }),
                 status.notes.empty() ? "no note" : status.notes.front().c_str());
        QVERIFY(std::filesystem::space(disk.path).available > 0);
    }

    void otherWritersSayItAndLeaveTheOldFile() {
        const pretend::Shape shape;
        const SmallDisk disk("256k");
        auto folder = study::StudyFolder::create(disk.path + "/study", pretend::makeStudy(shape));
        const auto id = study::queueRun(*folder, pretend::makePlan(shape));
        QVERIFY(folder && id);
        disk.fill();
        study::Study larger = folder->study();
        larger.name = std::string(20'000, 'n');
        const auto saved = folder->save(larger);
        QVERIFY(!saved);
        QCOMPARE(saved.error().kind, ErrorKind::NoSpace);
        QVERIFY(study::StudyFolder::open(folder->path())->study() == pretend::makeStudy(shape));
        const auto queued = study::queueRun(*folder, pretend::makePlan(shape));
        QVERIFY(!queued && queued.error().kind == ErrorKind::NoSpace);
        QCOMPARE(study::listRuns(*folder).size(), std::size_t{1});
        const auto controlled = study::controlRun(*folder, *id, study::RunCommand::Pause);
        QVERIFY(!controlled && controlled.error().kind == ErrorKind::NoSpace);
        disk.free();
        QVERIFY(folder->save(larger));
    }

    void aFullDiskNeverCostsThePublishedFile() {
        const pretend::Shape shape{.checkpoints = 4, .seeds = 16, .seedsPerBatch = 8};
        const SmallDisk disk("1m");
        auto folder = study::StudyFolder::create(disk.path + "/study", pretend::makeStudy(shape));
        QVERIFY(folder && study::queueRun(*folder, pretend::makePlan(shape)));
        const std::string path = folder->path().string(),
                          program = std::string(CREST_BINARY_DIR) + "/tests/crest-pretend-run";
        QCOMPARE(QProcess::execute(QString::fromStdString(program), {"work", QString::fromStdString(path)}), 0);
        const auto before = rowsOf(*folder);
        QCOMPARE(before.size(), std::size_t{4 * 33 * 2});
        const std::string published = *io::readTextFile(folder->resultsFile());
        // In a child, as crest-run does it: HDF5 may not survive a full disk.
        for (const int pages : {0, 1, 2, 3, 4, 6, 8, 12}) {
            disk.fill(static_cast<std::size_t>(pages) * 4096);
            QProcess child;
            child.start(QString::fromStdString(program), {"publish", QString::fromStdString(path)});
            QVERIFY(child.waitForFinished(30'000));
            if (pages == 0) {
                QCOMPARE(child.exitStatus(), QProcess::NormalExit);
                QCOMPARE(child.exitCode(), 1);
            }
            disk.free();
            if (child.exitStatus() != QProcess::NormalExit || child.exitCode() != 0)
                QVERIFY(*io::readTextFile(folder->resultsFile()) == published);
            QVERIFY(rowsOf(*folder) == before);
        }
        QVERIFY(study::publishResults(*folder));
    }
};

QTEST_GUILESS_MAIN(TestFullDisk)
#include "tst_full_disk.moc"
