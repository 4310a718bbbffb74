// SPDX-License-Identifier: Apache-2.0
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>
#include <set>

#include "core/io/safetensors.h"
#include "core/series/series.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"
#include "core/study/suite_tasks.h"

using namespace crest;
using namespace crest::study;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig =
    R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":32,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,)"
    R"("num_key_value_heads":2,"intermediate_size":16,"max_position_embeddings":32,"rms_norm_eps":1e-6,"hidden_act":"silu","tie_word_embeddings":true,)"
    R"("rope_theta":10000.0,"torch_dtype":"float32"})";

void spill(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

/// A small llama checkpoint; `flip` changes one weight's lowest bit, `shards` spreads the same tensors over so many
/// files.
void writeCheckpoint(const fs::path& folder, std::int64_t tokens, bool flip = false, int shards = 1,
                     double initStd = 0.02) {
    spill(folder / "config.json", kConfig);
    spill(folder / "tokenizer.json", R"({"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":[]}})");
    const auto spec = *series::decoderSpecFromConfig(*parseJson(kConfig, "config.json"), "config.json");
    const auto tensors = series::expectedTensors(spec);
    std::vector<std::vector<float>> values;
    Json initStds;
    for (const series::TensorInfo& tensor : tensors) {
        std::int64_t count = 1;
        for (const std::int64_t length : tensor.shape)
            count *= length;
        std::vector<float> list(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < list.size(); ++i)
            list[i] =
                0.01f * static_cast<float>((i * 37 + values.size() * 11 + static_cast<std::size_t>(tokens % 97)) % 101);
        values.push_back(std::move(list));
        initStds[tensor.name] = initStd;
    }
    if (flip)
        reinterpret_cast<std::uint32_t&>(values[1][3]) ^= 1;
    Json weightMap;
    for (int shard = 0; shard < shards; ++shard) {
        std::vector<io::TensorToWrite> part;
        const std::string name = shards == 1 ? "model.safetensors"
                                             : "model-0000" + std::to_string(shard + 1) + "-of-0000" +
                                                   std::to_string(shards) + ".safetensors";
        for (std::size_t t = static_cast<std::size_t>(shard); t < tensors.size();
             t += static_cast<std::size_t>(shards)) {
            part.push_back({tensors[t].name, io::DType::F32, tensors[t].shape, std::as_bytes(std::span(values[t]))});
            weightMap[tensors[t].name] = name;
        }
        const auto written = io::writeSafetensors(folder / name, std::move(part));
        if (!written)
            qFatal("%s", written.error().text().c_str());
    }
    if (shards > 1)
        spill(folder / "model.safetensors.index.json",
              Json{{"metadata", {{"total_size", 1}}}, {"weight_map", weightMap}}.dump());
    spill(folder / "crest.json", Json{{"format", 1},
                                      {"series", "tiny"},
                                      {"tokens", tokens},
                                      {"step", tokens / 1000},
                                      {"pretrain_seed", 1},
                                      {"annealed", true},
                                      {"init_std", initStds}}
                                     .dump());
}

struct Place {
    QTemporaryDir dir;
    fs::path root = fs::path(dir.path().toStdString());
    fs::path checkpoints = root / "tiny";
    Study study;
    Probe probe;

    Place() {
        qputenv("XDG_CACHE_HOME", (dir.path() + "/cache").toUtf8());
        writeCheckpoint(checkpoints / "t1", 1'000'000);
        writeCheckpoint(checkpoints / "t2", 2'000'000);
        spill(root / "held.txt", std::string(4000, 'a'));
        spill(root / "verse.txt", std::string(3000, 'b'));
        study.name = "tiny";
        study.series.push_back({"tiny", checkpoints.string(), {}});
        study.tasks.push_back({.name = "held",
                               .textsPath = (root / "held.txt").string(),
                               .dataHash = "",
                               .windowTokens = 16,
                               .strideTokens = 16,
                               .maxWindows = 8});
        study.tasks.push_back({.name = "verse",
                               .textsPath = (root / "verse.txt").string(),
                               .dataHash = "",
                               .windowTokens = 16,
                               .strideTokens = 16,
                               .maxWindows = 8});
        probe.name = "noise";
        probe.series = "tiny";
        probe.strengths = {0.05, 0.1};
        probe.seeds = 4;
        probe.tasks = {{"held", Role::InDistribution}, {"verse", Role::OutOfDistribution}};
    }
    void writeRows(int count) const {
        fs::create_directories(root / "data");
        std::string rows;
        for (int i = 0; i < count; ++i)
            rows += Json{{"question", "Row number " + std::to_string(i)}, {"gold", i % 2}}.dump() + "\n";
        spill(root / "data" / "rows.jsonl", rows);
    }
    /// A base evaluation of a suite's task and a text.
    void useSuite() {
        writeRows(10);
        const Json definition = {{"name", "choice"},
                                 {"kind", "multiple_choice"},
                                 {"data", {{"test", Json::array({"rows.jsonl"})}}},
                                 {"context", "{{question}}"},
                                 {"choices", Json::array({"yes", "no"})},
                                 {"gold", "{{gold}}"},
                                 {"shots", {{"count", 1}}}};
        Task task;
        task.name = "choice";
        task.kind = TaskKind::Suite;
        task.textsPath = (root / "data").string();
        task.definition = canonicalJson(definition);
        study.tasks = {task, study.tasks[1]};
        probe = baseEvaluation("base", "tiny", {{"choice", Role::InDistribution}, {"verse", Role::OutOfDistribution}});
    }
    Result<Plan> plan(const std::function<bool(const std::string&)>& stored = {}, const JobContext& job = {}) {
        const fs::path folder = root / ("study" + std::to_string(m_count++));
        CREST_TRY(opened, StudyFolder::create(folder, study));
        CREST_TRY(scan, series::scanFolder(checkpoints));
        if (scan.series.size() != 1)
            return fail(ErrorKind::Internal, "the test's series was not found");
        return planProbe(opened, probe, scan.series.front(), stored, job);
    }
    std::set<std::string> keys() {
        const auto made = plan();
        if (!made)
            qFatal("%s", made.error().text().c_str());
        std::set<std::string> all;
        for (const Cell& cell : made->cells)
            all.insert(cell.keys.begin(), cell.keys.end());
        return all;
    }

private:
    int m_count = 0;
};

std::size_t common(const std::set<std::string>& a, const std::set<std::string>& b) {
    return static_cast<std::size_t>(std::ranges::count_if(a, [&](const std::string& key) { return b.contains(key); }));
}

} // namespace

class TestPlanner : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void refusesWhatWouldFailEveryCell_data() {
        QTest::addColumn<std::string>("text"); // "" for none
        QTest::addColumn<int>("window");
        QTest::addColumn<QString>("said");
        QTest::newRow("window beyond the context") << std::string(4000, 'a') << 33 << "context of 32";
        QTest::newRow("too short") << std::string("abc") << 16 << "held.txt";
        QTest::newRow("empty") << std::string("\n\n") << 16 << "held.txt";
        QTest::newRow("no UTF-8") << std::string(4000, '\xff') << 16 << "UTF-8";
        QTest::newRow("as short as can be") << std::string(15, 'a') << 16 << "";
        QTest::newRow("one line that is long") << std::string(3'000'000, 'a') << 16 << "";
        QTest::newRow("a text that begins late") << std::string(300'000, '\n') + std::string(40, 'a') << 16 << "";
    }
    void refusesWhatWouldFailEveryCell() {
        QFETCH(std::string, text);
        QFETCH(int, window);
        QFETCH(QString, said);
        Place place;
        spill(place.root / "held.txt", text);
        place.study.tasks[0].windowTokens = place.study.tasks[0].strideTokens = window;
        const auto plan = place.plan();
        QCOMPARE(plan.has_value(), said.isEmpty());
        if (!plan)
            QVERIFY2(plan.error().text().find(said.toStdString()) != std::string::npos, plan.error().text().c_str());
    }

    void kindsThatDrawNothing() {
        Place place;
        place.probe.kind = kQuantisation;
        place.probe.strengths = {3, 4, 8};
        place.probe.seeds = 0;
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->probe.settings, Json({{"group", 128}})); // said, though nobody chose it
        QCOMPARE(plan->cells.size(), 2u * 4u);                  // of two checkpoints: the base and three strengths
        for (const Cell& cell : plan->cells)
            QCOMPARE(cell.seed, 0);
        QCOMPARE(plan->batches.size(), 4u); // all strengths of a checkpoint share a pass
        QVERIFY(plan->checkpoints[0].initStd.empty());
        const auto again = planFromJson(toJson(*plan), "plan");
        QVERIFY2(again, again ? "" : again.error().text().c_str());
        QVERIFY(*again == *plan);
        QCOMPARE(toJson(*plan).at("format").get<int>(), 3); // an older Crest says that it needs a newer one

        // Keys: bases are shared with noise, another group or another kind is another result.
        const std::set<std::string> quantised = place.keys();
        place.probe.settings = {{"group", 64}};
        QCOMPARE(common(quantised, place.keys()), 2u * 2u);
        place.probe.settings = {{"group", 128}};
        QCOMPARE(place.keys(), quantised);
        place.probe.kind = kPruning;
        place.probe.settings = {};
        place.probe.strengths = {0.5};
        QCOMPARE(common(quantised, place.keys()), 2u * 2u);
    }

    void kindsAreChecked_data() {
        QTest::addColumn<std::string>("kind");
        QTest::addColumn<double>("strength");
        QTest::addColumn<int>("seeds");
        QTest::addColumn<std::string>("settings");
        QTest::addColumn<std::string>("said");
        using S = std::string;
        QTest::newRow("nine bits") << S(kQuantisation) << 9.0 << 0 << S("null") << S("whole number from 2 to 8");
        QTest::newRow("half a bit") << S(kQuantisation) << 3.5 << 0 << S("null") << S("whole number from 2 to 8");
        QTest::newRow("seeds of bits") << S(kQuantisation) << 4.0 << 3 << S("null") << S("no seeds");
        QTest::newRow("no group") << S(kQuantisation) << 4.0 << 0 << S(R"({"group":0})") << S("group");
        QTest::newRow("unknown") << S(kQuantisation) << 4.0 << 0 << S(R"({"rows":1})") << S("no setting \"rows\"");
        QTest::newRow("all pruned") << S(kPruning) << 1.0 << 0 << S("null") << S("between 0 and 1");
        QTest::newRow("no draws") << S(kGaussianNoise) << 0.1 << 0 << S("null") << S("seeds");
        QTest::newRow("unheard of") << S("rotation") << 0.1 << 1 << S("null") << S("no probe of the kind");
    }
    void kindsAreChecked() {
        QFETCH(std::string, kind);
        QFETCH(double, strength);
        QFETCH(int, seeds);
        QFETCH(std::string, settings);
        QFETCH(std::string, said);
        Place place;
        place.probe.kind = kind;
        place.probe.strengths = {strength};
        place.probe.seeds = seeds;
        place.probe.settings = Json::parse(settings);
        const auto checked = checkProbe(place.probe, place.study);
        QVERIFY(!checked);
        QVERIFY2(checked.error().message.find(said) != std::string::npos, checked.error().message.c_str());
    }

    void namesStandInOneLine() {
        Place place;
        place.study.tasks[0].name = place.probe.tasks[0].task = "held\nout";
        const auto plan = place.plan();
        QVERIFY(!plan && plan.error().message.find("held\\nout") != std::string::npos);
        place.study.tasks[0].name = place.probe.tasks[0].task = "held/out \xc3\xa4";
        QVERIFY(place.plan());
        place.probe.name = "a\tb";
        QVERIFY(!place.plan());
    }

    void baseEvaluationHasBasesOnly() {
        Place place;
        place.useSuite();
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->cellCount(), std::int64_t{2});
        QCOMPARE(plan->batches.size(), std::size_t{2});
        for (const Cell& cell : plan->cells)
            QVERIFY(cell.isBase() && cell.seed == 0 && cell.keys.size() == 2);
        for (const PlannedCheckpoint& checkpoint : plan->checkpoints)
            QVERIFY(checkpoint.initStd.empty());
        QCOMPARE(plan->tasks[0].shots, std::int64_t{1}); // the definition's
        QVERIFY(plan->tasks[0].dataHash.size() == 64 && plan->taskTokens[0] > 3 * 10);
        QCOMPARE(plan->cachedCellCount(), std::int64_t{0});
        QVERIFY(planCost(*plan, {}, 100, 1).seconds > 0);
        const auto all = place.plan([](const std::string&) { return true; });
        QVERIFY(all && all->cachedCellCount() == 2 && all->batches.empty());
    }

    void settingsOfABaseEvaluationAreRefused() {
        Place place;
        place.useSuite();
        const auto said = [&](const char* what) {
            const auto plan = place.plan();
            return !plan && plan.error().text().find(what) != std::string::npos;
        };
        const Probe sound = place.probe;
        place.probe.strengths = {0.1};
        QVERIFY(said("no strengths"));
        place.probe = sound;
        place.probe.seeds = 3;
        QVERIFY(said("no seeds"));
        place.probe = sound;
        place.probe.tasks.clear();
        QVERIFY(said("at least one task"));
        place.probe = sound;
        place.probe.tasks[0].role = Role::OutOfDistribution; // roles are free
        QVERIFY(place.plan());
        const Task task = place.study.tasks[0];
        place.study.tasks[0].definition = "{";
        QVERIFY(said("no definition"));
        place.study.tasks[0] = task;
        place.study.tasks[0].shots = 5000;
        QVERIFY(said("shots"));
        place.study.tasks[0] = task;
        place.study.tasks[0].textsPath += "/gone";
        QVERIFY(said("\"choice\""));
        place.study.tasks[0] = task;
        fs::remove(place.root / "data" / "rows.jsonl");
        QVERIFY(said("rows.jsonl")); // the file that it wants
    }

    /// Everything that moves a suite's numbers is in the key, and nothing else.
    void keysOfSuiteTasksFollowTheirSettings() {
        Place place;
        place.useSuite();
        const std::set<std::string> before = place.keys();
        const Task task = place.study.tasks[0];
        const auto changed = [&](const char* key, const Json& value) {
            Json definition = Json::parse(task.definition);
            definition[key] = value;
            place.study.tasks[0].definition = canonicalJson(definition);
            const std::size_t same = common(before, place.keys());
            place.study.tasks[0] = task;
            return before.size() - same;
        };
        QCOMPARE(changed("name", "another"), std::size_t{0});
        QCOMPARE(changed("about", "what it is"), std::size_t{0});
        QCOMPARE(changed("chance", 0.5), std::size_t{0});
        QCOMPARE(changed("delimiter", "\n"), std::size_t{2}); // both checkpoints
        QCOMPARE(changed("metrics", Json::array({"acc", "acc_norm"})), std::size_t{2});
        place.study.tasks[0].shots = 1; // the definition's own number
        QCOMPARE(common(before, place.keys()), before.size());
        place.study.tasks[0].shots = 0;
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.study.tasks[0] = task;
        place.study.tasks[0].limit = 2;
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.study.tasks[0] = task;
        place.study.tasks[0].name = place.probe.tasks[0].task = "renamed";
        QCOMPARE(common(before, place.keys()), before.size());
        place.writeRows(11); // another row
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.writeRows(10);
        QCOMPARE(common(before, place.keys()), before.size());
    }

    void rowsThatCannotBeUsedAreSaid() {
        Place place;
        place.useSuite();
        const auto withBroken = [&](int count) {
            place.writeRows(count);
            std::ofstream(place.root / "data" / "rows.jsonl", std::ios::app) << "{broken\n";
            return place.plan();
        };
        const auto plan = withBroken(199);
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        const auto notes = notesOn(plan->tasks[0], "");
        QVERIFY(notes && notes->size() == 1);
        const std::string said = notes->front();
        QVERIFY2(said.starts_with("choice: 1 of 200 rows cannot be used and are left out; the first: ") &&
                     said.find("rows.jsonl, row 200") != std::string::npos,
                 said.c_str());
        QVERIFY(notesOn(plan->tasks[1], "").value().empty()); // a text
        const auto refused = withBroken(19); // 5 %
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("1 of 20 rows cannot be used") != std::string::npos &&
                     refused.error().message.find("at most 1 %") != std::string::npos,
                 refused.error().message.c_str());
        place.writeRows(20);
        QVERIFY(notesOn(place.plan()->tasks[0], "").value().empty());
    }

    /// What a linked folder holds is data as well: the plan sees it change.
    void linkedDataAreSeenToChange() {
        Place place;
        place.useSuite();
        fs::rename(place.root / "data", place.root / "elsewhere");
        fs::create_directories(place.root / "data");
        fs::create_directory_symlink(place.root / "elsewhere", place.root / "data" / "linked");
        const auto before = place.plan();
        QVERIFY2(before, before ? "" : before.error().text().c_str());
        spill(place.root / "elsewhere" / "rows.jsonl", Json{{"question", "other"}, {"gold", 0}}.dump() + "\n" +
                                                           Json{{"question", "one"}, {"gold", 1}}.dump() + "\n");
        const auto after = place.plan();
        QVERIFY2(after, after ? "" : after.error().text().c_str());
        QVERIFY(before->tasks[0].dataHash != after->tasks[0].dataHash);
    }

    void planHasEveryCellOnce() {
        Place place;
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->checkpoints.size(), std::size_t{2});
        QCOMPARE(plan->checkpoints[0].tokens, std::optional<std::int64_t>(1'000'000));
        QCOMPARE(plan->cellCount(), std::int64_t{2 * (1 + 2 * 4)});
        QCOMPARE(plan->cachedCellCount(), std::int64_t{0});
        std::set<std::string> keys;
        for (const Cell& cell : plan->cells)
            for (const std::string& key : cell.keys) {
                QCOMPARE(key.size(), std::size_t{64});
                keys.insert(key);
            }
        QCOMPARE(keys.size(), std::size_t{36});
        // Each cell in one batch, batches of one checkpoint, a seed's whole ladder together, bases first.
        std::multiset<int> batched;
        for (const auto& batch : plan->batches) {
            std::map<std::int64_t, int> perSeed;
            for (const int cell : batch) {
                QCOMPARE(plan->cells[cell].checkpoint, plan->cells[batch.front()].checkpoint);
                ++perSeed[plan->cells[cell].seed];
                batched.insert(cell);
            }
            for (const auto& [seed, count] : perSeed)
                QCOMPARE(count, seed == 0 ? 1 : 2);
        }
        QCOMPARE(batched.size(), plan->cells.size());
        QCOMPARE(std::set<int>(batched.begin(), batched.end()).size(), plan->cells.size());
        QVERIFY(plan->cells[plan->batches[0].front()].isBase() && plan->cells[plan->batches[1].front()].isBase());
        // SHA-256 of 4,000 times "a", by sha256sum.
        QProcess sum;
        sum.start("sha256sum", {QString::fromStdString((place.root / "held.txt").string())});
        QVERIFY(sum.waitForFinished());
        QCOMPARE(QByteArray::fromStdString(plan->tasks[0].dataHash), sum.readAllStandardOutput().left(64));
    }

    void storedCellsAreCachedAndNotBatched() {
        Place place;
        const std::set<std::string> before = place.keys();
        place.probe.strengths = {0.05, 0.1, 0.2};
        const auto plan = place.plan([&](const std::string& key) { return before.contains(key); });
        QVERIFY(plan);
        QCOMPARE(plan->cachedCellCount(), std::int64_t{18});
        std::size_t batched = 0;
        for (const auto& batch : plan->batches)
            for (const int cell : batch) {
                QCOMPARE(plan->cells[cell].strength, 0.2);
                ++batched;
            }
        QCOMPARE(batched, std::size_t{8});
        const auto spec = *series::decoderSpecFromConfig(*parseJson(kConfig, "c"), "c");
        const PlanCost cost = planCost(*plan, {spec}, 1000, 2);
        QCOMPARE(cost.cached, std::int64_t{18});
        QCOMPARE(cost.fresh, std::int64_t{8});
        QCOMPARE(cost.forwardTokens, std::int64_t{8 * 2 * 2 * 8 * 16}); // cells x tasks x pair x windows x tokens
        QCOMPARE(cost.seconds, static_cast<double>(cost.forwardTokens) / 1000);
    }

    void oneFlippedBitOfWeightsChangesThatCheckpointsKeys() {
        Place place;
        const auto before = place.keys();
        writeCheckpoint(place.checkpoints / "t2", 2'000'000, true);
        const auto after = place.keys();
        QCOMPARE(common(before, after), std::size_t{18}); // those of t1
        writeCheckpoint(place.checkpoints / "t2", 2'000'000);
        QVERIFY(place.keys() == before);
    }

    void aReshardedCopyHasTheSameKeys() {
        Place place;
        const auto before = place.keys();
        fs::remove(place.checkpoints / "t2" / "model.safetensors");
        writeCheckpoint(place.checkpoints / "t2", 2'000'000, false, 3);
        QVERIFY(place.keys() == before);
        fs::rename(place.checkpoints / "t2", place.checkpoints / "other-name"); // and its place does not matter
        QVERIFY(place.keys() == before);
    }

    void eachSettingChangesTheKeys_data() {
        QTest::addColumn<int>("setting");
        QTest::addColumn<int>("shared"); ///< keys that stay, of 36
        QTest::newRow("one byte of a text") << 0 << 18;
        QTest::newRow("window") << 1 << 18;
        QTest::newRow("stride") << 2 << 18;
        QTest::newRow("number of windows") << 3 << 18;
        QTest::newRow("noise scale: bases stay") << 4 << 4;
        QTest::newRow("compute type") << 5 << 0;
        QTest::newRow("strength: the other one and bases stay") << 6 << 20;
        QTest::newRow("seeds: three of four draws and bases stay") << 7 << 28;
        QTest::newRow("tokenizer of one checkpoint") << 8 << 18;
        QTest::newRow("initial std of one checkpoint: its base stays") << 9 << 20;
        QTest::newRow("name of a task: all stay") << 10 << 36;
        QTest::newRow("place of a text: all stay") << 11 << 36;
        QTest::newRow("role: all stay") << 12 << 36;
    }
    void eachSettingChangesTheKeys() {
        QFETCH(int, setting);
        QFETCH(int, shared);
        Place place;
        const auto before = place.keys();
        QCOMPARE(before.size(), std::size_t{36});
        Task& task = place.study.tasks[1];
        switch (setting) {
        case 0:
            spill(place.root / "verse.txt", std::string(2999, 'b') + "c");
            break;
        case 1:
            task.windowTokens = 17;
            break;
        case 2:
            task.strideTokens = 15;
            break;
        case 3:
            task.maxWindows = 7;
            break;
        case 4:
            place.probe.noiseScale = NoiseScale::TensorRms;
            break;
        case 5:
            place.probe.compute = ComputeType::BFloat16;
            break;
        case 6:
            place.probe.strengths[1] = 0.11;
            break;
        case 7:
            place.probe.firstSeed = 2;
            break;
        case 8:
            spill(place.checkpoints / "t2" / "tokenizer.json",
                  R"({"version":"1.0","model":{"type":"BPE","vocab":{"b":0},"merges":[]}})");
            break;
        case 9:
            writeCheckpoint(place.checkpoints / "t2", 2'000'000, false, 1, 0.021);
            break;
        case 10:
            task.name = place.probe.tasks[1].task = "poems";
            break;
        case 11:
            fs::rename(place.root / "verse.txt", place.root / "moved.txt");
            task.textsPath = (place.root / "moved.txt").string();
            break;
        case 12:
            place.probe.tasks[1].role = Role::InDistribution;
            break;
        default:
            QFAIL("no such setting");
        }
        const auto after = place.keys();
        QCOMPARE(after.size(), std::size_t{36});
        QCOMPARE(common(before, after), static_cast<std::size_t>(shared));
    }

    void badProbesAreRefused_data() {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("why");
        QTest::newRow("no gamma") << 0 << "at least one gamma";
        QTest::newRow("gamma 0") << 1 << "above 0";
        QTest::newRow("gamma 11") << 2 << "at most 10";
        QTest::newRow("gamma NaN") << 3 << "out of range";
        QTest::newRow("descending") << 4 << "ascend";
        QTest::newRow("bfloat16 below 0.02") << 5 << "float32";
        QTest::newRow("no seeds") << 6 << "1 to 100,000";
        QTest::newRow("too many seeds") << 7 << "1 to 100,000";
        QTest::newRow("seed 0") << 8 << "first seed";
        QTest::newRow("no task") << 9 << "at least one task";
        QTest::newRow("unknown task") << 10 << "no task \"x\"";
        QTest::newRow("no ID task") << 11 << "in-distribution";
        QTest::newRow("unknown series") << 12 << "no series";
        QTest::newRow("stride above window") << 13 << "stride";
        QTest::newRow("unknown kind") << 14 << "kind";
        QTest::newRow("twice the same text") << 15 << "same text in the same way";
        QTest::newRow("more cells than anybody means") << 16 << "These are 1200002 cells";
    }
    void badProbesAreRefused() {
        QFETCH(int, what);
        QFETCH(QString, why);
        Place place;
        Probe& probe = place.probe;
        switch (what) {
        case 0:
            probe.strengths.clear();
            break;
        case 1:
            probe.strengths = {0};
            break;
        case 2:
            probe.strengths = {11};
            break;
        case 3:
            probe.strengths = {std::numeric_limits<double>::quiet_NaN()};
            break;
        case 4:
            probe.strengths = {0.2, 0.1};
            break;
        case 5:
            probe.strengths = {0.019}, probe.compute = ComputeType::BFloat16;
            break;
        case 6:
            probe.seeds = 0;
            break;
        case 7:
            probe.seeds = 100'001;
            break;
        case 8:
            probe.firstSeed = 0;
            break;
        case 9:
            probe.tasks.clear();
            break;
        case 10:
            probe.tasks[0].task = "x";
            break;
        case 11:
            probe.tasks[0].role = Role::OutOfDistribution;
            break;
        case 12:
            probe.series = "x";
            break;
        case 13:
            place.study.tasks[0].strideTokens = 17;
            break;
        case 14:
            probe.kind = "quantise";
            break;
        case 15:
            spill(place.root / "verse.txt", std::string(4000, 'a'));
            break;
        case 16:
            probe.strengths = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3}, probe.seeds = 100'000;
            break;
        default:
            QFAIL("no such case");
        }
        const auto plan = place.plan();
        QVERIFY(!plan);
        QVERIFY2(QString::fromStdString(plan.error().text()).contains(why), plan.error().text().c_str());
    }

    /// The window plans anew with every edit: what is planned for the one before ends.
    void planningCanBeStopped() {
        Place place;
        std::stop_source source;
        const JobContext job(source.get_token(), [&](const Progress& progress) {
            if (progress.what == "checkpoints" && progress.done == progress.total)
                source.request_stop();
        });
        const auto plan = place.plan({}, job);
        QVERIFY(!plan);
        QCOMPARE(plan.error().kind, ErrorKind::Stopped);
    }

    void missingFilesAreNamed() {
        Place place;
        fs::remove(place.root / "verse.txt");
        auto plan = place.plan();
        QVERIFY(!plan && plan.error().text().find("verse.txt") != std::string::npos);
        spill(place.root / "verse.txt", "some verse, long enough for a window or two");
        spill(place.checkpoints / "t1" / "crest.json",
              R"({"format":1,"series":"tiny","tokens":1000000,"step":1000,"pretrain_seed":1})");
        plan = place.plan();
        QVERIFY(!plan && plan.error().text().find("tensor-rms") != std::string::npos);
        place.probe.noiseScale = NoiseScale::TensorRms;
        plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
    }

    void excludedCheckpointsAreLeftOut() {
        Place place;
        place.study.series[0].excluded = {"t1"};
        const auto plan = place.plan();
        QVERIFY(plan && plan->checkpoints.size() == 1 && plan->checkpoints[0].name == "t2");
    }
};

QTEST_GUILESS_MAIN(TestPlanner)
#include "tst_planner.moc"
