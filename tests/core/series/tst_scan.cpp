// SPDX-License-Identifier: Apache-2.0
// Finding series, putting them in order, and saying what is wrong with each checkpoint.
#include <QtTest>

#include "core/io/files.h"
#include "core/series/gaps.h"
#include "core/series/series.h"
#include "core/series/weights.h"
#include "tests/core/series/make_checkpoint.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

/// The only checkpoint below a folder.
Checkpoint only(const fs::path& folder) {
    const auto scan = scanFolder(folder);
    if (scan && scan->series.size() == 1 && scan->series.front().checkpoints.size() == 1)
        return scan->series.front().checkpoints.front();
    Checkpoint none;
    none.name = "not one checkpoint";
    return none;
}

std::string names(const Series& series) {
    std::string out;
    for (const Checkpoint& checkpoint : series.checkpoints)
        out += checkpoint.name + " ";
    return out;
}

bool mentions(const std::vector<ScanIssue>& issues, const std::string& part) {
    return std::any_of(issues.begin(), issues.end(),
                       [&](const ScanIssue& issue) { return issue.message.find(part) != std::string::npos; });
}

using Steps = std::vector<std::int64_t>;

/// 0, 1, 2, 4 .. 512, then every 1000 up to 143000: formats.md 1.1.
Steps pythia() {
    Steps steps{0};
    for (std::int64_t step = 1; step <= 512; step *= 2)
        steps.push_back(step);
    for (std::int64_t step = 1000; step <= 143000; step += 1000)
        steps.push_back(step);
    return steps;
}

Steps without(Steps steps, const Steps& missing) {
    std::erase_if(steps, [&](std::int64_t step) { return std::ranges::find(missing, step) != missing.end(); });
    return steps;
}

Steps every(std::int64_t spacing, std::int64_t first, std::int64_t last) {
    Steps steps;
    for (std::int64_t step = first; step <= last; step += spacing)
        steps.push_back(step);
    return steps;
}

Steps joined(Steps a, const Steps& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

std::string fileText(const fs::path& file) {
    return io::readTextFile(file).value();
}

} // namespace

class TestScan : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void missingAndEmptyFolders() {
        const auto missing = scanFolder(root() / "nothing");
        QVERIFY(!missing);
        QCOMPARE(missing.error().kind, ErrorKind::NotFound);
        writeText(root() / "file", "x");
        QVERIFY(!scanFolder(root() / "file"));
        fs::create_directory(root() / "empty");
        const auto empty = scanFolder(root() / "empty");
        QVERIFY(empty && empty->series.empty());
        QVERIFY(mentions(empty->issues, "empty"));
        writeText(root() / "empty" / "notes.txt", "x");
        const auto none = scanFolder(root() / "empty");
        QVERIFY(none && none->series.empty());
        QVERIFY(mentions(none->issues, "no checkpoints"));
    }
    void aConfigThatContradictsItsTensorsStaysInItsSeries() {
        for (int step = 1; step <= 6; ++step)
            QVERIFY(makeCheckpoint(root() / "run" / ("step" + std::to_string(step))));
        const fs::path config = root() / "run" / "step4" / "config.json";
        Json changed = Json::parse(fileText(config));
        changed["hidden_size"] = 2 * changed["hidden_size"].get<int>();
        writeText(config, changed.dump());
        const auto scan = scanFolder(root());
        QVERIFY(scan);
        QCOMPARE(scan->series.size(), std::size_t{1});
        QCOMPARE(scan->series.front().name, std::string("run"));
        QCOMPARE(names(scan->series.front()), std::string("step1 step2 step3 step4 step5 step6 "));
        QCOMPARE(scan->series.front().checkpoints[3].state, CheckpointState::Broken);
        QVERIFY(!mentions(scan->issues, "gap before it"));
    }
    void aFolderOfCheckpointsIsASeries() {
        for (const char* name : {"step1000", "step200", "step30"})
            QVERIFY(makeCheckpoint(root() / "run" / name));
        std::vector<std::string> seen;
        const auto scan =
            scanFolder(root(), {}, [&](const Checkpoint& checkpoint) { seen.push_back(checkpoint.name); });
        QVERIFY(scan);
        QCOMPARE(scan->series.size(), std::size_t{1});
        const Series& series = scan->series.front();
        QCOMPARE(series.name, std::string("run"));
        QCOMPARE(series.path, root() / "run");
        QCOMPARE(names(series), std::string("step30 step200 step1000 "));
        QCOMPARE(seen.size(), std::size_t{3});
        const Checkpoint& first = series.checkpoints.front();
        QVERIFY2(first.state == CheckpointState::Ok, first.reason.c_str());
        QCOMPARE(first.format, std::string("safetensors"));
        QCOMPARE(first.family, std::string("llama"));
        QCOMPARE(static_cast<std::int64_t>(first.weightBytes), 4 * parameterCount(tinySpec()));
        QVERIFY(first.spec && *first.spec == tinySpec());
        QVERIFY(!first.tokens);
        QVERIFY(scan->issues.empty());
    }
    void oneCheckpointAlone() {
        QVERIFY(makeCheckpoint(root() / "run" / "step7"));
        QCOMPARE(only(root() / "run" / "step7").step, std::optional<std::int64_t>(7));
        QCOMPARE(scanFolder(root() / "run" / "step7")->series.front().name, std::string("run"));
        QVERIFY(makeCheckpoint(root() / "other" / "my-model"));
        QCOMPARE(scanFolder(root() / "other")->series.front().name, std::string("my-model"));
    }
    void recordsJoinReplicates() {
        for (const std::int64_t seed : {2, 1})
            for (const std::int64_t tokens : {4'000'000, 1'000'000}) {
                const fs::path folder =
                    root() / ("seed" + std::to_string(seed)) / ("tokens-" + std::to_string(tokens / 1'000'000) + "M");
                QVERIFY(makeCheckpoint(folder));
                writeRecord(folder, "mini", tokens, seed);
            }
        const auto scan = scanFolder(root());
        QCOMPARE(scan->series.size(), std::size_t{1});
        const Series& series = scan->series.front();
        QCOMPARE(series.name, std::string("mini"));
        QCOMPARE(series.path, root());
        QCOMPARE(series.checkpoints.size(), std::size_t{4});
        QCOMPARE(*series.checkpoints[0].pretrainSeed, 1);
        QCOMPARE(*series.checkpoints[1].pretrainSeed, 2);
        QCOMPARE(*series.checkpoints[1].tokens, 1'000'000);
        QCOMPARE(*series.checkpoints[2].tokens, 4'000'000);
        QCOMPARE(series.checkpoints[2].tokensSource, TokensSource::Metadata);
        QCOMPARE(series.checkpoints[0].annealed, std::optional<bool>(true));
        QCOMPARE(series.checkpoints[0].initStd.at("model.embed_tokens.weight"), 0.02);
        QCOMPARE(series.checkpoints[0].initStdSource, std::string("crest.json"));
        QVERIFY2(scan->issues.empty(), scan->issues.empty() ? "" : scan->issues.front().message.c_str());
    }
    void seriesAreToldApartByNameAndConfig() {
        DecoderSpec wide = tinySpec();
        wide.mlpWidth = 16;
        QVERIFY(makeCheckpoint(root() / "all" / "a-step1"));
        QVERIFY(makeCheckpoint(root() / "all" / "a-step2"));
        QVERIFY(makeCheckpoint(root() / "all" / "b-step1"));
        QVERIFY(makeCheckpoint(root() / "all" / "a-step3", wide));
        QVERIFY(makeCheckpoint(root() / "all" / "deeper" / "step1", tinySpec("gpt_neox")));
        const auto scan = scanFolder(root());
        QCOMPARE(scan->series.size(), std::size_t{4});
        std::map<std::string, int> count;
        for (const Series& series : scan->series)
            count[series.name.substr(0, series.name.find(' '))] += static_cast<int>(series.checkpoints.size());
        QCOMPARE(count, (std::map<std::string, int>{{"a", 3}, {"b", 1}, {"deeper", 1}}));
    }
    void tokensOfKnownSeries() {
        QVERIFY(makeCheckpoint(root() / "TinyLlama-1.1B-step-50K-105b")); // another shape: only the label holds
        const Checkpoint label = only(root());
        QCOMPARE(label.tokens, std::optional<std::int64_t>(105'000'000'000));
        QCOMPARE(label.tokensSource, TokensSource::Label);
    }
    void tokensByTheRuleOfTheRepository() {
        // Without weights it cannot be computed, but its row shows tokens: 20000 x 4,194,304, not the rounded 84B.
        writeText(root() / "OLMo-1B-hf" / "step20000-tokens84B" / "config.json", R"({"model_type":"olmo"})");
        const Checkpoint olmo = only(root());
        QCOMPARE(olmo.tokens, std::optional<std::int64_t>(83'886'080'000));
        QCOMPARE(olmo.tokensSource, TokensSource::FamilyRule);
        QCOMPARE(olmo.state, CheckpointState::Broken);
        QVERIFY2(olmo.reason.find("no weights here") != std::string::npos, olmo.reason.c_str());
        fs::remove_all(root() / "OLMo-1B-hf");

        writeText(root() / "OLMo-1B-hf" / "step20000-tokens90B" / "config.json", R"({"model_type":"olmo"})");
        const auto scan = scanFolder(root());
        QCOMPARE(*scan->series.front().checkpoints.front().tokens, 90'000'000'000);
        QVERIFY(mentions(scan->issues, "the rule of OLMo-1B gives 83.9B"));
    }
    void laterStagesAddTheFirst() {
        writeText(root() / "OLMo-2-0425-1B" / "stage2-ingredient3-step23852-tokens51B" / "config.json",
                  R"({"model_type":"olmo2"})");
        const Checkpoint stage2 = only(root());
        QCOMPARE(*stage2.tokens, (std::int64_t{1'907'359} + 23'852) * 2'097'152);
        QCOMPARE(stage2.stage, std::optional<int>(2));
    }
    void theTrainersOwnCount() {
        QVERIFY(makeCheckpoint(root() / "out" / "checkpoint-500"));
        writeText(root() / "out" / "checkpoint-500" / "trainer_state.json",
                  R"({"global_step":500,"num_input_tokens_seen":123456})");
        const Checkpoint trained = only(root());
        QCOMPARE(*trained.tokens, 123456);
        QCOMPARE(trained.tokensSource, TokensSource::Metadata);
        writeText(root() / "out" / "checkpoint-500" / "trainer_state.json",
                  R"({"global_step":500,"num_input_tokens_seen":0})");
        QVERIFY(!only(root()).tokens);
    }
    void aStoredHeadIsKeptBesideATiedEmbedding() {
        DecoderSpec spec = tinySpec();
        spec.tiedHead = true;
        for (const char* name : {"equal/step5", "other/step5"}) {
            QVERIFY(makeCheckpoint(root() / name, spec));
            auto tensors = randomTensors(spec, 1);
            tensors.push_back({"lm_head.weight", tensors.front().shape, tensors.front().values});
            if (std::string(name) == "other/step5")
                tensors.back().values.back() += 1;
            QVERIFY(writeTensors(root() / name / "model.safetensors", tensors));
        }
        QVERIFY(only(root() / "equal").spec->tiedHead);
        const Checkpoint other = only(root() / "other");
        QCOMPARE(other.state, CheckpointState::Ok);
        QVERIFY2(other.reason.find("the stored head is used") != std::string::npos, other.reason.c_str());
        QVERIFY(mentions(scanFolder(root() / "other")->issues, "\"lm_head.weight\" is stored and differs"));
        const auto weights = CheckpointWeights::open(other.path, *other.spec);
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        QVERIFY(weights->tensors().contains("lm_head.weight"));
    }
    void health_data() {
        QTest::addColumn<QString>("damage");
        QTest::addColumn<QString>("part");
        for (const auto& [damage, part] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"no config", "config.json is missing"},
                 {"broken config", "not valid JSON"},
                 {"unknown family", "\"newthing\" is unknown"},
                 {"no tokenizer", "tokenizer.json: the tokenizer is missing"},
                 {"empty tokenizer", "tokenizer.json: the tokenizer is an empty file"},
                 {"lfs tokenizer", "git-lfs pointer"},
                 {"lfs weights", "git-lfs pointer"},
                 {"no weights", "There are no weights here"},
                 {"only bin", "pytorch_model.bin"},
                 {"shards without index", "The index of the shards is missing: model-00001-of-00002.safetensors and 1 more are here without "
                                          "model.safetensors.index.json"},
                 {"only a variant", "model.fp16.safetensors is there, not model.safetensors"},
                 {"zeros", "bytes are all zeros (a download that was preallocated"},
                 {"truncated", "truncated"},
                 {"oversized", "belong to no tensor"},
                 {"config of another width", "config.json asks for"},
                 {"config of more layers", "is missing from the weights"},
                 {"config of fewer layers", "has no place in the model"},
                 {"dangling link", "leads to a file that is not there"},
                 {"weights are a folder", "not a regular file"},
                 {"partial download", "download is not complete"}})
            QTest::newRow(damage) << QString(damage) << QString(part);
    }
    void health() {
        QFETCH(QString, damage);
        QFETCH(QString, part);
        const fs::path folder = root() / "run" / "step5", weights = folder / "model.safetensors";
        QVERIFY(makeCheckpoint(folder));
        QCOMPARE(only(root()).state, CheckpointState::Ok);
        const std::string whole = fileText(weights),
                          pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        const auto withLayers = [&](std::int64_t layers, std::int64_t mlpWidth) {
            DecoderSpec spec = tinySpec();
            spec.layers = layers;
            spec.mlpWidth = mlpWidth;
            writeConfig(folder, spec);
        };
        if (damage == "no config")
            fs::remove(folder / "config.json");
        if (damage == "broken config")
            writeText(folder / "config.json", "{\"model_type\":");
        if (damage == "unknown family")
            writeText(folder / "config.json", R"({"model_type":"newthing"})");
        if (damage == "no tokenizer")
            fs::remove(folder / "tokenizer.json");
        if (damage == "empty tokenizer")
            writeText(folder / "tokenizer.json", "");
        if (damage == "lfs tokenizer")
            writeText(folder / "tokenizer.json", pointer);
        if (damage == "lfs weights")
            writeText(weights, pointer);
        if (damage == "no weights")
            fs::remove(weights);
        if (damage == "only bin")
            fs::rename(weights, folder / "pytorch_model.bin");
        if (damage == "shards without index") {
            fs::rename(weights, folder / "model-00002-of-00002.safetensors");
            writeText(folder / "model-00001-of-00002.safetensors", whole);
        }
        if (damage == "only a variant")
            fs::rename(weights, folder / "model.fp16.safetensors");
        if (damage == "zeros")
            writeText(weights, std::string(whole.size(), '\0'));
        if (damage == "truncated")
            writeText(weights, whole.substr(0, whole.size() - 5));
        if (damage == "oversized")
            writeText(weights, whole + "xxxx");
        if (damage == "config of another width")
            withLayers(2, 16);
        if (damage == "config of more layers")
            withLayers(3, 12);
        if (damage == "config of fewer layers")
            withLayers(1, 12);
        if (damage == "dangling link") {
            fs::remove(weights);
            fs::create_symlink("../../blobs/abc", weights);
        }
        if (damage == "weights are a folder") {
            fs::remove(weights);
            fs::create_directory(weights);
        }
        if (damage == "partial download")
            writeText(folder / ".cache/huggingface/download/x.incomplete", "");

        const auto scan = scanFolder(root());
        QVERIFY(scan);
        const Checkpoint checkpoint = only(root());
        QCOMPARE(checkpoint.state, CheckpointState::Broken);
        QVERIFY2(QString::fromStdString(checkpoint.reason).contains(part), checkpoint.reason.c_str());
        QVERIFY2(checkpoint.reason.find(root().string()) == std::string::npos, checkpoint.reason.c_str());
        QCOMPARE(scan->issues.size(), std::size_t{1});
        QCOMPARE(scan->issues.front().where, folder.string());
    }
    void oneBadCheckpointIsOneRow() {
        for (const char* name : {"step1", "step2", "step3"})
            QVERIFY(makeCheckpoint(root() / "run" / name));
        writeText(root() / "run" / "step2" / "config.json", "nonsense");
        const auto scan = scanFolder(root());
        QCOMPARE(scan->series.size(), std::size_t{1});
        QCOMPARE(names(scan->series.front()), std::string("step1 step2 step3 "));
        QCOMPARE(scan->series.front().checkpoints[1].state, CheckpointState::Broken);
        QCOMPARE(scan->series.front().checkpoints[2].state, CheckpointState::Ok);
    }
    void aBadRecordIsSuspect_data() {
        QTest::addColumn<QByteArray>("record");
        QTest::newRow("not JSON") << QByteArray("{");
        QTest::newRow("array") << QByteArray("[]");
        QTest::newRow("newer format") << QByteArray(R"({"format":2,"tokens":5})");
        QTest::newRow("negative tokens") << QByteArray(R"({"format":1,"tokens":-5})");
        QTest::newRow("tokens as text") << QByteArray(R"({"format":1,"tokens":"5"})");
        QTest::newRow("init std negative") << QByteArray(R"({"format":1,"init_std":{"a":-1}})");
        QTest::newRow("init std no table") << QByteArray(R"({"format":1,"init_std":[1]})");
    }
    void aBadRecordIsSuspect() {
        QFETCH(QByteArray, record);
        QVERIFY(makeCheckpoint(root() / "run" / "step5"));
        writeText(root() / "run" / "step5" / "crest.json", record.toStdString());
        const Checkpoint checkpoint = only(root());
        QCOMPARE(checkpoint.state, CheckpointState::Suspect);
        QVERIFY2(checkpoint.reason.find("crest.json") == 0, checkpoint.reason.c_str());
        QVERIFY(!checkpoint.tokens && checkpoint.initStd.empty());
    }
    void gapsAndDuplicatesAreIssues() {
        for (const char* name : {"step100", "step200", "step300", "step400", "step700", "step800"})
            QVERIFY(makeCheckpoint(root() / "run" / name));
        QVERIFY(mentions(scanFolder(root())->issues, "no checkpoint between step 400 and step 700"));
        QCOMPARE(scanFolder(root())->issues.size(), std::size_t{1});
        const auto rows = scanFolder(root())->series.front().checkpoints; // the row after the gap says so, and stays in order
        QVERIFY(rows[4].state == CheckpointState::Ok && rows[4].reason.find("between step 400 and step 700") != std::string::npos);
        QVERIFY(rows[3].reason.empty() && rows[5].reason.empty());
        // Doublings are no gaps.
        fs::remove_all(root() / "run");
        for (const char* name : {"step1", "step2", "step4", "step8", "step16", "step32"})
            QVERIFY(makeCheckpoint(root() / "run" / name));
        QVERIFY(scanFolder(root())->issues.empty());
        fs::remove_all(root() / "run");
        for (const char* name : {"x", "y"}) {
            QVERIFY(makeCheckpoint(root() / "run" / name));
            writeRecord(root() / "run" / name, "mini", 1'000'000, 7);
        }
        QVERIFY(mentions(scanFolder(root())->issues, "x and y are both at 1M tokens"));
    }
    void gapsBySchedule_data() {
        QTest::addColumn<Steps>("steps");
        QTest::addColumn<QString>("gaps"); ///< "4-8 16-64": missing between these
        const auto row = [](const char* name, const Steps& steps, const char* gaps) { QTest::newRow(name) << steps << QString(gaps); };
        row("nothing", {}, "");
        row("one", {7}, "");
        row("Pythia, all", pythia(), "");
        row("Pythia, doublings only", [] { Steps all = pythia(); all.resize(11); return all; }(), "");
        row("Pythia, the first half of the doublings", {0, 1, 2, 4, 8}, "");
        row("Pythia, begun", {0, 1, 2, 4}, "");
        row("Pythia without 256", without(pythia(), {256}), "128-512");
        row("Pythia without 512", without(pythia(), {512}), "256-1000");
        row("Pythia without 1000", without(pythia(), {1000}), "512-2000");
        row("Pythia without 2", without(pythia(), {2}), "1-4");
        row("Pythia without 2 and 4", without(pythia(), {2, 4}), "1-8");
        row("Pythia without 2000", without(pythia(), {2000}), "1000-3000");
        row("Pythia without 71000 and 72000", without(pythia(), {71000, 72000}), "70000-73000");
        row("Pythia without 4, 32, 142000", without(pythia(), {4, 32, 142000}), "2-8 16-64 141000-143000");
        row("Pythia, every power of two that users take", {1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 143000}, "");
        row("a doubling less", {1, 2, 4, 16, 32, 64}, "4-16");
        row("threefold and a bit", {1, 3, 10, 30, 100, 300, 1000}, "");
        row("one, two, five, ten", {1, 2, 5, 10, 20, 50, 100}, "");
        row("equal, then none", {100, 200, 300, 400, 700}, "400-700");
        row("equal, and again", {100, 200, 300, 400, 700, 800}, "400-700");
        row("few, but again", {100, 200, 400, 500}, "200-400");
        row("too few to tell", {100, 200, 300, 500}, "");
        row("each second one of some", without(every(100, 100, 1200), {500, 700}), "400-600 600-800");
        row("a denser beginning", joined(every(100, 100, 1000), every(1000, 2000, 10000)), "");
        row("a denser beginning, with a leap", joined(every(10, 10, 100), every(1000, 1000, 10000)), "");
        row("a denser beginning, one of each missing", without(joined(every(100, 100, 1000), every(1000, 2000, 10000)), {400, 6000}),
            "300-500 5000-7000");
        // OLMo-1B (formats.md): about every 1000, none between 117850 and 330000, odd ones among them.
        row("OLMo-1B", joined(joined(every(1000, 1000, 117000), {117850}), joined(every(1000, 330000, 337000), joined({337700}, every(1000, 338000, 738000)))),
            "117850-330000");
        // Sun & Dredze's choice: no two spacings alike.
        row("chosen by hand", {1000, 18000, 342000, 424000, 505000, 592000, 738000}, "");
        row("a last one off the schedule", joined(every(500, 500, 5000), {5234}), "");
    }
    void gapsBySchedule() {
        QFETCH(Steps, steps);
        QFETCH(QString, gaps);
        QStringList found;
        for (const StepGap& gap : gapsOfSteps(steps))
            found << QString("%1-%2").arg(steps[gap.after - 1]).arg(steps[gap.after]);
        QCOMPARE(found.join(' '), gaps);
    }
    void gapsSayTheSchedule() {
        QCOMPARE(gapsOfSteps(without(pythia(), {256})).at(0).usual, std::string("each 2 times the step before"));
        QCOMPARE(gapsOfSteps(without(pythia(), {2000})).at(0).usual, std::string("every 1000 steps"));
        QCOMPARE(gapsOfSteps(Steps{1, 2, 3, 4, 9, 10}).at(0).usual, std::string("every step"));
    }
    void mixedSourcesThatContradictFallBackToSteps() {
        QVERIFY(makeCheckpoint(root() / "run" / "step10-tokens5B"));
        QVERIFY(makeCheckpoint(root() / "run" / "step20"));
        writeText(root() / "run" / "step20" / "trainer_state.json",
                  R"({"global_step":20,"num_input_tokens_seen":1000})");
        const auto scan = scanFolder(root());
        QVERIFY(mentions(scan->issues, "ordered by steps"));
        QCOMPARE(names(scan->series.front()), std::string("step10-tokens5B step20 "));
        QVERIFY(!scan->series.front().checkpoints[0].tokens && !scan->series.front().checkpoints[1].tokens);
    }
    void linksDoNotLoop() {
        QVERIFY(makeCheckpoint(root() / "run" / "step1"));
        fs::create_directory_symlink(root(), root() / "run" / "back");
        fs::create_directory_symlink(root() / "run", root() / "again");
        const auto scan = scanFolder(root());
        std::size_t count = 0;
        for (const Series& series : scan->series)
            count += series.checkpoints.size();
        QCOMPARE(count, std::size_t{1});
    }
    void stopsWhenAsked() {
        for (int i = 0; i < 20; ++i)
            QVERIFY(makeCheckpoint(root() / "run" / ("step" + std::to_string(i))));
        std::stop_source stop;
        int found = 0;
        const auto scan = scanFolder(root(), JobContext(stop.get_token()), [&](const Checkpoint&) {
            if (++found == 3)
                stop.request_stop();
        });
        QVERIFY(!scan);
        QCOMPARE(scan.error().kind, ErrorKind::Stopped);
        QCOMPARE(found, 3);
    }
    void aThousandCheckpointsAreListedAtOnce() {
        QVERIFY(makeCheckpoint(root() / "first"));
        fs::create_directory(root() / "run");
        for (int i = 0; i < 1000; ++i)
            fs::copy(root() / "first", root() / "run" / ("step" + std::to_string(1000 * i)),
                     fs::copy_options::recursive);
        fs::remove_all(root() / "first");
        QVERIFY(scanFolder(root()));
        qint64 best = 1'000'000;
        for (int repeat = 0; repeat < 3; ++repeat) {
            QElapsedTimer timer;
            timer.start();
            const auto scan = scanFolder(root());
            best = std::min(best, timer.elapsed());
            QCOMPARE(scan->series.front().checkpoints.size(), std::size_t{1000});
        }
        qInfo("1,000 checkpoints in %lld ms", static_cast<long long>(best));
        QVERIFY(best < 2000);
    }
};

QTEST_APPLESS_MAIN(TestScan)
#include "tst_scan.moc"
