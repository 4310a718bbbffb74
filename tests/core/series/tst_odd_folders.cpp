// SPDX-License-Identifier: Apache-2.0
// Folders that nobody planned: odd names, links in circles, thousands of other files, what may not be read, what is just
// being written. Each checkpoint is a row with its reason, everything else an issue with its own.
#include <QtTest>

#include <atomic>
#include <thread>

#include "core/series/series.h"
#include "tests/core/series/layouts.h"
#include "tests/support/as_nobody.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

const Checkpoint* rowOf(const ScanResult& scan, const std::string& name) {
    for (const Series& series : scan.series)
        for (const Checkpoint& checkpoint : series.checkpoints)
            if (checkpoint.name == name)
                return &checkpoint;
    return nullptr;
}

/// The message of the issue at this place, "" where there is none.
std::string issueAt(const ScanResult& scan, const fs::path& place) {
    for (const ScanIssue& issue : scan.issues)
        if (issue.where == place.string())
            return issue.message;
    return {};
}

std::size_t rows(const ScanResult& scan) {
    std::size_t count = 0;
    for (const Series& series : scan.series)
        count += series.checkpoints.size();
    return count;
}

bool holds(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

} // namespace

class OddFoldersTest : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void namesOfAllKinds() {
        const char* folders[] = {"with space/my run", "caf\u00e9 \u65e5\u672c\u8a9e", "\U0001F600", "quotes \"'`$(x)&;", "tab\tand\nline",
                                 "per%20cent?#[a]*{b}", "-rf", "\u202eright to left"};
        for (const char* folder : folders) {
            makeCheckpoint(root() / folder / "step 100", tinySpec(), 1);
            makeCheckpoint(root() / folder / "step 200", tinySpec(), 2);
        }
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(scan->series.size(), std::size(folders));
        for (const Series& series : scan->series) {
            QCOMPARE(series.checkpoints.size(), std::size_t{2});
            for (const Checkpoint& checkpoint : series.checkpoints)
                QVERIFY2(checkpoint.state == CheckpointState::Ok && checkpoint.step.value_or(0) % 100 == 0 && checkpoint.step.value_or(0) > 0,
                         (checkpoint.path.string() + ": " + checkpoint.reason).c_str());
            QCOMPARE(series.name, series.path.filename().string());
        }
    }

    /// Nothing that Crest writes could name it.
    void namesThatAreNoUtf8AreIssues() {
        const fs::path bad = root() / "s\xe9rie" / "step7";
        makeCheckpoint(bad);
        makeCheckpoint(root() / "good" / "step1");
        fs::create_directories(root() / "photos \xff");
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(rows(*scan), std::size_t{1});
        QVERIFY(rowOf(*scan, "step1"));
        QVERIFY2(holds(issueAt(*scan, bad), "no UTF-8"), issueAt(*scan, bad).c_str());
        QCOMPARE(scan->issues.size(), std::size_t{1}); // what holds no checkpoint is no matter
    }

    void linksInCirclesAndIntoNothing() {
        makeCheckpoint(root() / "run" / "step1");
        fs::create_directory_symlink(".", root() / "run" / "loop");
        fs::create_directory_symlink("..", root() / "run" / "step1" / "up");
        fs::create_directory_symlink("step1", root() / "run" / "step4"); // the same folder: one row
        fs::create_symlink("/gone/step2", root() / "run" / "step2");
        fs::create_symlink("step3", root() / "run" / "step3");
        fs::create_symlink("b", root() / "run" / "a");
        fs::create_symlink("a", root() / "run" / "b");
        fs::create_symlink("/gone/ckpt.pt", root() / "run" / "ckpt_20000.pt");
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        const Checkpoint* good = rowOf(*scan, "step1");
        QVERIFY(good && good->state == CheckpointState::Ok);
        const Checkpoint* link = rowOf(*scan, "ckpt_20000.pt");
        QVERIFY(link && link->state == CheckpointState::Broken && holds(link->reason, "not there"));
        QCOMPARE(rows(*scan), std::size_t{2});
        QVERIFY2(holds(issueAt(*scan, root() / "run" / "step2"), "not there"), issueAt(*scan, root() / "run" / "step2").c_str());
        QVERIFY(!issueAt(*scan, root() / "run" / "step3").empty());
        QVERIFY(issueAt(*scan, root() / "run" / "a").empty());
    }

    /// A series in a mixed folder is looked for again in its own folder: a link in it that leads up brings nothing of the others.
    void linksThatLeadAboveTheFolder() {
        makeCheckpoint(root() / "all" / "asked" / "step1", tinySpec(), 1);
        makeCheckpoint(root() / "all" / "beside" / "step2", tinySpec(), 2);
        makeCheckpoint(root() / "elsewhere" / "step3", tinySpec(), 3);
        fs::create_directory_symlink("..", root() / "all" / "asked" / "up");
        fs::create_directory_symlink("../..", root() / "all" / "asked" / "top");
        fs::create_directory_symlink("../../elsewhere", root() / "all" / "asked" / "aside");
        fs::create_directory_symlink("all/asked", root() / "link");
        for (const fs::path& folder : {root() / "all" / "asked", root() / "link"}) {
            const auto scan = scanFolder(folder);
            QVERIFY(scan);
            QCOMPARE(rows(*scan), std::size_t{2});
            QVERIFY(rowOf(*scan, "step1") && rowOf(*scan, "step3"));
            QVERIFY2(scan->issues.empty(), scan->issues.empty() ? "" : scan->issues.front().message.c_str());
        }
    }

    /// A Trainer's record above its checkpoints (save_state) is that of the last step, whichever model was kept beside it.
    void trainersFolderWithItsRecord() {
        const auto state = [](int step) {
            return "{\"global_step\":" + std::to_string(step) + ",\"num_input_tokens_seen\":" + std::to_string(step * 2048) + "}";
        };
        for (const unsigned step : {500U, 1000U, 1500U}) {
            makeCheckpoint(root() / "my run" / ("checkpoint-" + std::to_string(step)), tinySpec(), step);
            writeText(root() / "my run" / ("checkpoint-" + std::to_string(step)) / "trainer_state.json", state(static_cast<int>(step)));
        }
        makeCheckpoint(root() / "my run", tinySpec(), 1000); // the best
        writeText(root() / "my run" / "trainer_state.json", state(1500));
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(scan->series.size(), std::size_t{1});
        QCOMPARE(scan->series[0].name, std::string("my run"));
        QCOMPARE(rows(*scan), std::size_t{4});
        for (const Checkpoint& checkpoint : scan->series[0].checkpoints)
            QVERIFY2(checkpoint.state == CheckpointState::Ok, (checkpoint.name + ": " + checkpoint.reason).c_str());
        const Checkpoint* last = rowOf(*scan, "my run");
        QVERIFY(last && last->isFinal && !last->step && !last->tokens);
        // Where the last step has no checkpoint of its own, the record tells its place.
        fs::remove_all(root() / "my run" / "checkpoint-1500");
        const auto shorter = scanFolder(root());
        QVERIFY(shorter);
        last = rowOf(*shorter, "my run");
        QVERIFY(last && last->step == 1500 && last->tokens == 1500 * 2048);
        QCOMPARE(shorter->series[0].checkpoints.back().name, std::string("my run"));
        // A point of a series stays one, whatever was trained below it.
        makeCheckpoint(root() / "base" / "step10", tinySpec(), 10);
        makeCheckpoint(root() / "base" / "step20", tinySpec(), 20);
        makeCheckpoint(root() / "base" / "step20" / "tuned" / "checkpoint-5", tinySpec(), 5);
        const auto points = scanFolder(root() / "base");
        QVERIFY(points);
        for (const Series& series : points->series)
            if (series.name == "base")
                QCOMPARE(series.checkpoints.size(), std::size_t{2});
        QVERIFY(rowOf(*points, "step20") && rowOf(*points, "step20")->step == 20);
    }

    void thousandsOfOtherFiles() {
        const fs::path run = root() / "run";
        makeCheckpoint(run / "step1");
        for (int i = 0; i < 20'000; ++i)
            std::ofstream(run / ("log-" + std::to_string(i) + ".txt")) << "x";
        for (int i = 0; i < 500; ++i)
            std::ofstream(run / ("part" + std::to_string(i) + ".pt")) << std::string(1000, static_cast<char>(i));
        for (int i = 0; i < 500; ++i)
            fs::create_directories(run / ("tensorboard" + std::to_string(i)) / "events");
        Result<ScanResult> scan = fail(ErrorKind::Internal, "not tried");
        const Spent spent = spentBy([&] { scan = scanFolder(root()); });
        QVERIFY(scan);
        QCOMPARE(rows(*scan), std::size_t{1});
        QVERIFY(rowOf(*scan, "step1") && rowOf(*scan, "step1")->state == CheckpointState::Ok);
        QVERIFY2(spent.seconds < 2, qPrintable(QString::number(spent.seconds)));
    }

    void whatMayNotBeRead() {
        fs::permissions(root(), fs::perms(0755));
        const fs::path run = root() / "run";
        for (const char* name : {"step1", "step2", "step3", "step4", "step5"}) {
            makeCheckpoint(run / name, tinySpec(), static_cast<unsigned>(name[4]));
            for (const auto& file : fs::directory_iterator(run / name))
                fs::permissions(file.path(), fs::perms(0644));
        }
        makeCheckpoint(root() / "listed" / "step9");
        fs::permissions(run / "step2", fs::perms(0));
        fs::permissions(run / "step3", fs::perms(0444)); // its names can be read, its files not
        fs::permissions(run / "step4" / "model.safetensors", fs::perms(0));
        fs::permissions(run / "step5" / "tokenizer.json", fs::perms(0));
        fs::permissions(root() / "listed", fs::perms(0644));
        {
            const AsNobody nobody;
            if (!nobody.works())
                QSKIP("everything can be read here");
            const auto scan = scanFolder(root());
            QVERIFY(scan);
            const auto broken = [&](const char* name) {
                const Checkpoint* row = rowOf(*scan, name);
                return row && row->state == CheckpointState::Broken && holds(row->reason, "permission");
            };
            QVERIFY(rowOf(*scan, "step1") && rowOf(*scan, "step1")->state == CheckpointState::Ok);
            QVERIFY2(holds(issueAt(*scan, run / "step2"), "permission"), issueAt(*scan, run / "step2").c_str());
            QVERIFY2(broken("step3"), rowOf(*scan, "step3") ? rowOf(*scan, "step3")->reason.c_str() : "none");
            QVERIFY(broken("step4"));
            QVERIFY2(holds(issueAt(*scan, root() / "listed" / "step9"), "permission"), "");
        }
        for (const fs::path& folder : {run / "step2", run / "step3", root() / "listed"})
            fs::permissions(folder, fs::perms(0755));
    }

    /// A writer that makes and removes checkpoints all the time: every listing ends, with rows that say what they are.
    void checkpointsThatAreBeingWritten() {
        const fs::path run = root() / "run";
        makeCheckpoint(run / "checkpoint-1", tinySpec(), 1);
        const fs::path whole = root() / "whole";
        makeCheckpoint(whole, tinySpec(), 2);
        const std::string weights = io::readTextFile(whole / "model.safetensors").value();
        fs::rename(whole, run / "checkpoint-2");
        std::atomic<bool> stop = false;
        std::thread writer([&] {
            for (int round = 0; !stop; ++round) {
                const fs::path folder = run / ("checkpoint-" + std::to_string(3 + round % 4));
                fs::create_directories(folder);
                for (std::size_t part = 0; part < 8; ++part) // the weights first, as they grow
                    std::ofstream(folder / "model.safetensors", std::ios::binary | (part ? std::ios::app : std::ios::trunc))
                        << weights.substr(part * weights.size() / 8, (part + 1) * weights.size() / 8 - part * weights.size() / 8);
                fs::copy_file(run / "checkpoint-1/config.json", folder / "config.json", fs::copy_options::overwrite_existing);
                fs::copy_file(run / "checkpoint-1/tokenizer.json", folder / "tokenizer.json", fs::copy_options::overwrite_existing);
                std::error_code error;
                if (round % 3 == 0)
                    fs::remove_all(folder, error);
            }
        });
        int marked = 0;
        std::string wrong;
        for (int i = 0; i < 150 && wrong.empty(); ++i) {
            const auto scan = scanFolder(root());
            const Checkpoint* steady = scan ? rowOf(*scan, "checkpoint-2") : nullptr;
            if (!steady || steady->state != CheckpointState::Ok)
                wrong = scan ? steady ? steady->reason : "no row" : scan.error().text();
            for (std::size_t s = 0; scan && s < scan->series.size(); ++s)
                for (const Checkpoint& checkpoint : scan->series[s].checkpoints) {
                    marked += checkpoint.state == CheckpointState::Broken;
                    if (checkpoint.state == CheckpointState::Broken && checkpoint.reason.empty())
                        wrong = checkpoint.name + " is broken without a reason";
                }
        }
        stop = true;
        writer.join();
        QVERIFY2(wrong.empty(), wrong.c_str());
        QVERIFY(marked > 0); // it was met in the middle
    }

    void whatTheTrainerIsWriting() {
        makeCheckpoint(root() / "out" / "checkpoint-100", tinySpec(), 1);
        makeCheckpoint(root() / "out" / "tmp-checkpoint-200", tinySpec(), 2);
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(scan->series.size(), std::size_t{1});
        const Checkpoint* row = rowOf(*scan, "tmp-checkpoint-200");
        QVERIFY(row && row->step == 200 && row->state == CheckpointState::Suspect && holds(row->reason, "still writing"));
    }

    void refsIntoNothing() {
        makeSnapshot(root(), "org--part", "step2000", 1);
        const fs::path part = root() / "models--org--part", gone = root() / "models--org--gone", bare = root() / "models--org--bare";
        for (const int step : {1000, 3000, 4000, 5000})
            writeText(part / "refs" / ("step" + std::to_string(step)), commitOf(std::to_string(step)));
        writeText(gone / "refs" / "main", commitOf("gone"));
        fs::create_directories(gone / "blobs");
        writeText(bare / "refs" / "step9", commitOf("bare"));
        fs::create_directories(bare / "snapshots" / commitOf("bare")); // begun, and nothing in it
        fs::create_symlink("/gone", part / "refs" / "step6000");
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(rows(*scan), std::size_t{1});
        QVERIFY(rowOf(*scan, "step2000"));
        QVERIFY2(holds(issueAt(*scan, part), "step1000, step3000, step4000 and 1 more"), issueAt(*scan, part).c_str());
        QVERIFY2(holds(issueAt(*scan, gone), "the revision main"), issueAt(*scan, gone).c_str());
        QVERIFY2(holds(issueAt(*scan, bare), "the revision step9"), issueAt(*scan, bare).c_str());
    }

    /// Half of one download and half of another: each fits its config.
    void shardsOfTwoTypes() {
        const auto make = [&](const std::string& name, bool mixed) {
            const fs::path folder = root() / "run" / name;
            writeConfig(folder, tinySpec());
            writeText(folder / "tokenizer.json", kTinyTokenizer);
            const std::vector<NamedTensor> tensors = randomTensors(tinySpec(), 1);
            std::vector<io::TensorToWrite> parts[2];
            Json map = Json::object();
            const std::vector<std::uint16_t> half(100'000, 0x3c00);
            for (std::size_t i = 0; i < tensors.size(); ++i) {
                const std::size_t shard = i < tensors.size() / 2 ? 0 : 1;
                const bool vector = tensors[i].shape.size() == 1; // norms are often kept in float32
                map[tensors[i].name] = "model-" + std::to_string(shard + 1) + "-of-2.safetensors";
                if ((shard == 0 || !mixed) && !vector)
                    parts[shard].push_back({tensors[i].name, io::DType::F16, tensors[i].shape,
                                            std::as_bytes(std::span(half).first(tensors[i].values.size()))});
                else
                    parts[shard].push_back({tensors[i].name, io::DType::F32, tensors[i].shape, std::as_bytes(std::span(tensors[i].values))});
            }
            for (std::size_t shard = 0; shard < 2; ++shard)
                if (!io::writeSafetensors(folder / ("model-" + std::to_string(shard + 1) + "-of-2.safetensors"), std::move(parts[shard])))
                    qFatal("cannot write");
            writeText(folder / "model.safetensors.index.json", canonicalJson({{"metadata", Json::object()}, {"weight_map", map}}));
        };
        make("step1", false);
        make("step2", true);
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        const Checkpoint *plain = rowOf(*scan, "step1"), *mixed = rowOf(*scan, "step2");
        QVERIFY(plain && mixed);
        QVERIFY2(plain->state == CheckpointState::Ok, plain->reason.c_str());
        QVERIFY(mixed->state == CheckpointState::Suspect);
        QVERIFY2(holds(mixed->reason, "F16 in model-1-of-2.safetensors, F32 in model-2-of-2.safetensors"), mixed->reason.c_str());
    }
};

QTEST_APPLESS_MAIN(OddFoldersTest)
#include "tst_odd_folders.moc"
