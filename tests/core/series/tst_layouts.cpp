// SPDX-License-Identifier: Apache-2.0
// Checkpoints as people have them: the hub's cache, local downloads, a Trainer's folder, stages and branches, copies.
#include <QtTest>

#include <set>

#include "core/series/known_series.h"
#include "core/series/series_rules.h"
#include "tests/core/series/layouts.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

std::string names(const Series& series) {
    std::string out;
    for (const Checkpoint& checkpoint : series.checkpoints) {
        out += checkpoint.name;
        for (const std::string& alias : checkpoint.aliases)
            out += "=" + alias;
        out += " ";
    }
    return out;
}

const Series* named(const ScanResult& scan, const std::string& name) {
    for (const Series& series : scan.series)
        if (series.name == name)
            return &series;
    return nullptr;
}

std::string allNames(const ScanResult& scan) {
    std::string out;
    for (const Series& series : scan.series)
        out += series.name + "; ";
    return out;
}

bool says(const Checkpoint& checkpoint, const char* part) {
    return checkpoint.reason.find(part) != std::string::npos;
}

} // namespace

class TestLayouts : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

    /// The only series below the root; an empty one where there is another number of them.
    Series onlySeries(std::vector<ScanIssue>* issues = nullptr) {
        const auto scan = scanFolder(root());
        if (!scan || scan->series.size() != 1) {
            qWarning("not one series but: %s", scan ? allNames(*scan).c_str() : scan.error().text().c_str());
            return {};
        }
        if (issues)
            *issues = scan->issues;
        return scan->series.front();
    }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void hubRevisionsNameTheCheckpoints() {
        const fs::path cache = root() / "hub";
        for (const int step : {3000, 1000, 2000})
            makeSnapshot(cache, "someone--tiny", "step" + std::to_string(step), static_cast<unsigned>(step));
        writeText(cache / "models--someone--tiny" / ".no_exist" / commitOf("x") / "config.json", "");
        makeSnapshot(cache / "datasets--someone--texts" / "nested", "odd", "main", 1); // not looked at
        const auto scan = scanFolder(cache);
        QVERIFY(scan && scan->series.size() == 1);
        const Series& series = scan->series.front();
        QCOMPARE(series.name, std::string("tiny"));
        QCOMPARE(series.path, cache / "models--someone--tiny");
        QCOMPARE(names(series), std::string("step1000 step2000 step3000 "));
        QCOMPARE(*series.checkpoints[1].step, 2000);
        QCOMPARE(series.checkpoints[1].commit, commitOf("someone--tinystep20002000"));
        for (const Checkpoint& checkpoint : series.checkpoints)
            QVERIFY2(checkpoint.state == CheckpointState::Ok, checkpoint.reason.c_str());
        QVERIFY(scan->issues.empty());
        // The same from any folder of it, and one snapshot alone.
        for (const char* below : {"models--someone--tiny", "models--someone--tiny/snapshots"}) {
            const auto again = scanFolder(cache / below);
            QVERIFY(again && again->series.size() == 1);
            QCOMPARE(names(again->series.front()), names(series));
            QCOMPARE(again->series.front().path, series.path);
        }
        QCOMPARE(readCheckpoint(series.checkpoints[0].path).checkpoint.name, std::string("step1000"));
    }
    void refsToOneCommitAreAliases() {
        const fs::path cache = root();
        const std::string commit = commitOf("last");
        for (const char* ref : {"main", "pr/1", "step3000", "released"})
            makeSnapshot(cache, "a--b", ref, 3, tinySpec(), commit);
        makeSnapshot(cache, "a--b", "step2000", 2);
        makeSnapshot(cache, "a--b", "runs/new/step1000", 1);
        const Series series = onlySeries();
        QCOMPARE(names(series), std::string("runs/new/step1000 step2000 step3000=released=main=pr/1 "));
        QCOMPARE(*series.checkpoints[0].step, 1000);
    }
    void equalBlobsAreOneCheckpoint() {
        // Pythia's main is another commit than step143000 with the same weights: the links lead to one blob.
        const fs::path cache = root();
        makeSnapshot(cache, "a--b", "step2000", 2);
        makeSnapshot(cache, "a--b", "step1000", 1);
        makeSnapshot(cache, "a--b", "main", 2);
        QCOMPARE(names(onlySeries()), std::string("step1000 step2000=main "));
    }
    void aSnapshotWithoutRefIsListedByItsCommit() {
        const fs::path snapshot = makeSnapshot(root(), "a--b", "", 5);
        makeSnapshot(root(), "a--b", "step1000", 1);
        std::vector<ScanIssue> issues;
        const Series series = onlySeries(&issues);
        QCOMPARE(names(series), "step1000 " + snapshot.filename().string().substr(0, 12) + " ");
        const Checkpoint& unnamed = series.checkpoints[1];
        QCOMPARE(unnamed.state, CheckpointState::Suspect);
        QVERIFY2(says(unnamed, "step is unknown: it was downloaded by its commit"), unnamed.reason.c_str());
        QCOMPARE(issues.size(), std::size_t{1});
    }
    void brokenSnapshots_data() {
        QTest::addColumn<QString>("damage");
        QTest::addColumn<QString>("part");
        QTest::newRow("copied without its targets") << "dangling"
                                                    << "leads to a file that is not there";
        QTest::newRow("weights still on their way") << "incomplete"
                                                    << "download is not complete";
        QTest::newRow("only the config") << "config only"
                                         << "There are no weights here";
        QTest::newRow("a pointer in the blob") << "pointer"
                                               << "git-lfs pointer";
        QTest::newRow("only the weights") << "no tokenizer"
                                          << "tokenizer.json: the tokenizer is missing";
    }
    void brokenSnapshots() {
        QFETCH(QString, damage);
        QFETCH(QString, part);
        const fs::path snapshot = makeSnapshot(root(), "a--b", "step1000", 1), home = root() / "models--a--b";
        if (damage == "dangling")
            fs::remove_all(home / "blobs");
        if (damage == "incomplete" || damage == "config only")
            fs::remove(snapshot / "model.safetensors");
        if (damage == "incomplete")
            writeText(home / "blobs" / (commitOf("e") + ".incomplete"), "half");
        if (damage == "pointer")
            writeText(snapshot / "model.safetensors",
                      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
        if (damage == "no tokenizer")
            fs::remove(snapshot / "tokenizer.json");
        const Series series = onlySeries();
        QCOMPARE(names(series), std::string("step1000 "));
        QCOMPARE(series.checkpoints[0].state, CheckpointState::Broken);
        QVERIFY2(says(series.checkpoints[0], qPrintable(part)), series.checkpoints[0].reason.c_str());
    }
    void hostileRefsAreLeftOut() {
        makeSnapshot(root(), "a--b", "step1000", 1);
        const fs::path refs = root() / "models--a--b" / "refs";
        writeText(refs / "empty", "");
        writeText(refs / "words", "not a commit");
        writeText(refs / "long", std::string(1'000'000, 'a'));
        writeText(refs / "elsewhere", "../../../../etc");
        fs::create_directory_symlink(refs, refs / "loop");
        fs::create_symlink("/dev/zero", refs / "zero");
        QElapsedTimer timer;
        timer.start();
        QCOMPARE(onlySeries().checkpoints.size(), std::size_t{1});
        QVERIFY(timer.elapsed() < 2000);
        QCOMPARE(onlySeries().checkpoints[0].name.substr(onlySeries().checkpoints[0].name.rfind('/') + 1),
                 std::string("step1000"));
    }
    void aRepositoryForEachCheckpoint() {
        makeSnapshot(root(), "T--Small-1B-intermediate-step-480k-1T", "main", 2);
        makeSnapshot(root(), "T--Small-1B-step-50K-105b", "main", 1);
        const Series series = onlySeries();
        QCOMPARE(series.name, std::string("Small-1B"));
        QCOMPARE(names(series), std::string("Small-1B-step-50K-105b=main Small-1B-intermediate-step-480k-1T=main "));
        QCOMPARE(*series.checkpoints[1].tokens, 1'000'000'000'000);
    }
    void amberNumbersChunksAndPlacesItsMain() {
        for (const char* ref : {"main", "ckpt_358", "ckpt_000"})
            makeSnapshot(root(), "LLM360--Amber", ref, static_cast<unsigned>(ref[5] + 1));
        const Series series = onlySeries();
        QCOMPARE(names(series), std::string("ckpt_000 ckpt_358 main "));
        // 1,259.13B tokens in 360 equal chunks: (k + 1) of them, main is the last.
        QCOMPARE(*series.checkpoints[0].tokens, std::int64_t{3'497'583'333});
        QCOMPARE(*series.checkpoints[2].tokens, std::int64_t{1'259'130'000'000});
        QCOMPARE(series.checkpoints[2].tokensSource, TokensSource::FamilyRule);
    }
    /// OLMo 2's main is no later point of the run (formats.md 1.4); where it is one of the checkpoints it is that one's name.
    void averagedFinalsStandApart() {
        DecoderSpec olmo2 = tinySpec();
        olmo2.family = "olmo2";
        olmo2.normPlacement = NormPlacement::AfterBranch, olmo2.qkNorm = QkNorm::AllHeads;
        unsigned seed = 0;
        for (const char* ref : {"main", "stage1-step1000-tokens5B", "stage1-step2000-tokens9B"})
            makeSnapshot(root(), "allenai--OLMo-2-1124-7B", ref, ++seed, olmo2);
        const Series series = onlySeries();
        QCOMPARE(names(series), std::string("stage1-step1000-tokens5B stage1-step2000-tokens9B main "));
        const Checkpoint& main = series.checkpoints[2];
        QVERIFY(!standsApart(series, series.checkpoints[1]) && standsApart(series, main));
        QVERIFY(!main.tokens && main.state == CheckpointState::Ok);
        QVERIFY2(says(main, "average of the parallel runs of stage 2"), main.reason.c_str());
        QVERIFY(says(main, "curves show it apart"));
        for (const char* ref : {"main", "step1000"}) // of an unknown series nothing is claimed
            makeSnapshot(root(), "a--b", ref, ++seed);
        const auto scan = scanFolder(root());
        const Series* unknown = named(*scan, "b");
        QVERIFY(unknown && unknown->checkpoints.size() == 2);
        // In a folder of any name the others tell, by their shape and their names' labels.
        Series anywhere{"models", "/models", std::vector<Checkpoint>(2)};
        anywhere.checkpoints[0].name = "stage1-step1000-tokens5B";
        anywhere.checkpoints[1].name = "main";
        for (Checkpoint& one : anywhere.checkpoints) {
            one.path = fs::path("/models") / one.name;
            one.family = "olmo2";
            readName(one);
            DecoderSpec& spec = one.spec.emplace();
            spec.family = "olmo2";
            spec.width = 4096, spec.layers = spec.heads = spec.kvHeads = 32, spec.mlpWidth = 11008, spec.vocabSize = 100352;
        }
        QVERIFY(standsApart(anywhere, anywhere.checkpoints[1]) && !standsApart(anywhere, anywhere.checkpoints[0]));
        anywhere.checkpoints[0].name = "stage1-step1000-tokens7B"; // not by this rule
        QVERIFY(!standsApart(anywhere, anywhere.checkpoints[1]));
        QVERIFY(!standsApart(*unknown, unknown->checkpoints[1]) && unknown->checkpoints[1].reason.empty());
    }
    void localDownloads() {
        const fs::path folder = root() / "tiny" / "step1000";
        QVERIFY(makeCheckpoint(folder));
        const std::string commit = commitOf("local");
        writeDownloadNote(folder / "model.safetensors", commit, secondsNow());
        const Checkpoint fresh = readCheckpoint(folder).checkpoint;
        QCOMPARE(fresh.commit, commit);
        QCOMPARE(fresh.contentId, sha256Hex(io::readTextFile(folder / "model.safetensors").value()));
        // Written after the note: its hash says nothing any more.
        writeDownloadNote(folder / "model.safetensors", commit, secondsNow() - 100);
        QCOMPARE(readCheckpoint(folder).checkpoint.contentId, std::string());
        writeText(folder / ".cache/huggingface/download/abc.def.incomplete", "x");
        QVERIFY(says(readCheckpoint(folder).checkpoint, "download is not complete"));
    }
    void trainersFolderWithItsLastModel() {
        for (const int step : {500, 1000, 1500})
            QVERIFY(makeCheckpoint(root() / "out" / ("checkpoint-" + std::to_string(step)), tinySpec(),
                                   static_cast<unsigned>(step)));
        QVERIFY(makeCheckpoint(root() / "out", tinySpec(), 9));
        const Series series = onlySeries();
        QCOMPARE(series.name, std::string("out"));
        QCOMPARE(names(series), std::string("checkpoint-500 checkpoint-1000 checkpoint-1500 out "));
        QVERIFY(series.checkpoints[3].isFinal);
        for (const Checkpoint& checkpoint : series.checkpoints)
            QVERIFY2(checkpoint.state == CheckpointState::Ok, checkpoint.reason.c_str());
    }
    void largeTrainerStatesAreReadAtBothEnds() {
        const fs::path folder = root() / "out" / "best";
        QVERIFY(makeCheckpoint(folder));
        std::string log;
        for (int i = 0; i < 20'000; ++i)
            log +=
                "    {\n      \"epoch\": 0.1,\n      \"global_step\": 7,\n      \"num_input_tokens_seen\": 5\n    },\n";
        const auto write = [&](const std::string& middle) {
            writeText(folder / "trainer_state.json",
                      "{\n  \"epoch\": 1.0,\n  \"global_step\": 1200,\n  \"log_history\": [\n" + middle +
                          "    {}\n  ],\n  \"num_input_tokens_seen\": 9830400,\n  \"train_batch_size\": 16\n}\n");
        };
        for (const std::string& middle : {std::string(), log}) {
            write(middle);
            const Checkpoint checkpoint = readCheckpoint(folder).checkpoint;
            QCOMPARE(checkpoint.step, std::optional<std::int64_t>(1200));
            QCOMPARE(checkpoint.tokens, std::optional<std::int64_t>(9'830'400));
            QCOMPARE(checkpoint.batchPerDevice, std::optional<std::int64_t>(16));
        }
    }
    void whatWasNotDownloadedIsNamed() {
        const fs::path cache = root() / "hub";
        const fs::path whole = makeSnapshot(cache, "a--b", "step1", 1), part = makeSnapshot(cache, "a--b", "step2", 2),
                       unlisted = makeSnapshot(cache, "a--b", "step3", 3);
        const std::string tree =
            R"({"format_version":1,"files":{"README.md":{},"config.json":{},"pytorch_model.bin":{},"tokenizer.json":{},
               "model-00001-of-00002.safetensors":{},"model-00002-of-00002.safetensors":{},"original/model.bin":{},
               "model.safetensors.index.json":{}}})";
        for (const fs::path& snapshot : {whole, part})
            writeText(cache / "models--a--b/trees" / (snapshot.filename().string() + ".json"), tree);
        for (const fs::path& snapshot : {part, unlisted})
            fs::remove(snapshot / "model.safetensors");
        writeText(part / "model-00002-of-00002.safetensors", "x");
        fs::remove(part / "tokenizer.json");
        const Series series = onlySeries();
        QCOMPARE(series.checkpoints.size(), std::size_t{3});
        // Weights in another form than the repository's are whole as well.
        QVERIFY2(series.checkpoints[0].state == CheckpointState::Ok, series.checkpoints[0].reason.c_str());
        QVERIFY2(says(series.checkpoints[1], "model-00001-of-00002.safetensors, model.safetensors.index.json, "
                                             "tokenizer.json are missing; run the same download again"),
                 series.checkpoints[1].reason.c_str());
        QVERIFY2(says(series.checkpoints[2], "no weights here"), series.checkpoints[2].reason.c_str());
        // A local download keeps its list beside its notes.
        const fs::path local = root() / "local" / "step5";
        QVERIFY(makeCheckpoint(local));
        writeDownloadNote(local / "config.json", commitOf("x"), secondsNow());
        writeText(local / ".cache/huggingface/trees" / (commitOf("x") + ".json"), tree);
        fs::remove(local / "model.safetensors");
        writeText(local / "pytorch_model.bin", "begun");
        QVERIFY(!says(readCheckpoint(local).checkpoint, "missing")); // the form that was chosen is there
        fs::remove(local / "pytorch_model.bin");
        QVERIFY2(says(readCheckpoint(local).checkpoint, "model-00001-of-00002.safetensors, "
                                                        "model-00002-of-00002.safetensors, model.safetensors.index.json "
                                                        "are missing"),
                 readCheckpoint(local).checkpoint.reason.c_str());
    }
    void adaptersAreNamed() {
        const fs::path folder = root() / "out" / "checkpoint-500";
        writeText(folder / "adapter_config.json", R"({"peft_type":"LORA","base_model_name_or_path":"org/base"})");
        writeText(folder / "adapter_model.safetensors", "x");
        writeText(folder / "trainer_state.json", R"({"global_step":500})");
        const Series series = onlySeries();
        QCOMPARE(series.checkpoints.size(), std::size_t{1});
        QCOMPARE(series.checkpoints[0].state, CheckpointState::Broken);
        QVERIFY2(says(series.checkpoints[0], "only an adapter (LoRA) to \"org/base\""),
                 series.checkpoints[0].reason.c_str());
    }
    void laterStagesAreOffAndBranchesApart() {
        for (const char* name : {"stage1-step10-tokens1B", "stage1-step20-tokens2B", "stage2-step5-tokens1B",
                                 "stage2-ingredient1-step5-tokens1B", "stage2-ingredient2-step5-tokens1B"})
            QVERIFY(makeCheckpoint(root() / "run" / name, tinySpec(), static_cast<unsigned>(name[8] + name[17])));
        const auto scan = scanFolder(root());
        QCOMPARE(allNames(*scan), std::string("run; run stage 2 ingredient 1; run stage 2 ingredient 2; "));
        const Series& run = *named(*scan, "run");
        QCOMPARE(run.checkpoints.size(), std::size_t{3});
        for (const Checkpoint& checkpoint : run.checkpoints) {
            const bool later = checkpoint.stage == 2;
            QCOMPARE(checkpoint.state, later ? CheckpointState::Excluded : CheckpointState::Ok);
            QVERIFY(!later || says(checkpoint, "off until it is included"));
        }
        QCOMPARE(named(*scan, "run stage 2 ingredient 2")->checkpoints[0].state, CheckpointState::Ok);
        QVERIFY(scan->issues.empty());
    }
    void seriesOfOneNameAreToldApart() {
        DecoderSpec wide = tinySpec(), words = tinySpec();
        wide.mlpWidth = 16;
        words.vocabSize = 20;
        QVERIFY(makeCheckpoint(root() / "all" / "step1"));
        QVERIFY(makeCheckpoint(root() / "all" / "step2", wide));
        QVERIFY(makeCheckpoint(root() / "all" / "step3", words));
        const auto scan = scanFolder(root());
        std::set<std::string> different;
        for (const Series& series : scan->series)
            different.insert(series.name);
        QCOMPARE(different, (std::set<std::string>{"all (2x8, 2 heads, MLP 12, vocabulary 12)",
                                                   "all (2x8, 2 heads, MLP 16, vocabulary 12)",
                                                   "all (2x8, 2 heads, MLP 12, vocabulary 20)"}));
    }
    void copiesAndConflictsByFingerprint() {
        Series series;
        for (const auto& [name, tokens, print] :
             std::initializer_list<std::tuple<const char*, std::int64_t, const char*>>{{"step10", 10, "aaaa"},
                                                                                       {"copy-of-step10", 10, "aaaa"},
                                                                                       {"step20", 20, "bbbb"},
                                                                                       {"other20", 20, "cccc"},
                                                                                       {"step30", 30, "dddd"},
                                                                                       {"step40", 40, "dddd"},
                                                                                       {"step50", 50, ""}}) {
            Checkpoint checkpoint;
            checkpoint.name = checkpoint.foundName = name;
            checkpoint.tokens = tokens;
            checkpoint.fingerprint = print;
            series.checkpoints.push_back(checkpoint);
        }
        std::vector<ScanIssue> issues;
        judgeSeries(series, issues);
        QCOMPARE(names(series), std::string("step10=copy-of-step10 other20 step20 step30 step40 step50 "));
        const std::vector<Checkpoint>& all = series.checkpoints;
        QVERIFY2(says(all[1], "are both at 20 tokens with different weights (cccc and bbbb)"), all[1].reason.c_str());
        QCOMPARE(all[1].reason, all[2].reason);
        QVERIFY2(says(all[3], "identical to those of step40 (dddd)"), all[3].reason.c_str());
        QVERIFY2(says(all[4], "identical to those of step30 (dddd)"), all[4].reason.c_str());
        QCOMPARE(all[5].state, CheckpointState::Ok);
        QCOMPARE(issues.size(), std::size_t{4});
    }
    /// Also before anybody has said how many tokens a step has.
    void conflictsBySteps() {
        Series series;
        for (const char* name : {"step10", "step10 (copy)", "step20"}) {
            Checkpoint checkpoint;
            checkpoint.name = checkpoint.foundName = name;
            checkpoint.step = parseCheckpointName(name).step;
            series.checkpoints.push_back(checkpoint);
        }
        std::vector<ScanIssue> issues;
        judgeSeries(series, issues);
        QVERIFY2(says(series.checkpoints[0], "step10 and step10 (copy) are both at step 10; exclude one"), series.checkpoints[0].reason.c_str());
        QCOMPARE(series.checkpoints[1].reason, series.checkpoints[0].reason);
        QCOMPARE(series.checkpoints[2].state, CheckpointState::Ok);
    }
    void replicatesAreNoConflict() {
        Series series;
        for (const std::int64_t seed : {1, 2}) {
            Checkpoint checkpoint;
            checkpoint.name = "seed" + std::to_string(seed);
            checkpoint.tokens = 10;
            checkpoint.pretrainSeed = seed;
            series.checkpoints.push_back(checkpoint);
        }
        std::vector<ScanIssue> issues;
        judgeSeries(series, issues);
        QVERIFY(issues.empty());
    }
};

QTEST_APPLESS_MAIN(TestLayouts)
#include "tst_layouts.moc"
