// SPDX-License-Identifier: Apache-2.0
// Pretraining: settings, order of the data, exact resume after SIGKILL, independence of threads, and, live, a plain
// PyTorch loop with the same start and the same batches.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/train/checkpoint.h"
#include "core/train/pretrain.h"
#include "core/train/random.h"
#include "core/train/run_state.h"
#include "core/train/trainer.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

/// Pseudo-words in sentences: enough regularity to learn, the same on every machine.
void writeText(const fs::path& file, int documents, std::uint32_t seed) {
    static const char* kSyllables[] = {"ka", "to", "mi", "ren", "sol", "du", "pa", "vi", "lor", "e"};
    std::ofstream out(file);
    const auto draw = [&](std::uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 16) % below;
    };
    for (int d = 0; d < documents; ++d) {
        std::string text;
        for (int word = 0; word < 40; ++word) {
            const std::uint32_t root = draw(30);
            text += std::string(kSyllables[root % 10]) + kSyllables[root / 3 % 10] + (draw(4) ? " " : ", ");
        }
        out << Json{{"text", text}}.dump() << "\n";
    }
}

Json tinyConfig(const std::string& family = "llama") {
    return {{"series", "tiny"},
            {"family", family},
            {"shape",
             {{"width", 32},
              {"layers", 2},
              {"heads", 4},
              {"mlp_width", 64},
              {"context", 32},
              {"tied_head", family == "llama"}}},
            {"tokenizer", {{"train", "byte-level-bpe"}, {"vocab", 300}}},
            {"texts", {"train.jsonl"}},
            {"heldout", {{"heldout", "heldout.jsonl"}}},
            {"batch_sequences", 8},
            {"budgets_tokens", {256 * 40}},
            {"seeds", {1}},
            {"state_seconds", 0}};
}

struct Workshop {
    QTemporaryDir dir;
    fs::path folder{dir.path().toStdString()};

    Workshop() {
        writeText(folder / "train.jsonl", 400, 1);
        writeText(folder / "heldout.jsonl", 20, 2);
    }
    Result<PretrainConfig> config(const Json& json) const {
        std::ofstream(folder / "config.json") << json.dump();
        return readPretrainConfig(folder / "config.json");
    }
    Result<PretrainSummary> run(const Json& json, const std::string& out, int jobs = 1, int threads = 1,
                                const JobContext& job = {}) const {
        CREST_TRY(parsed, config(json));
        PretrainOptions options;
        options.outFolder = folder / out;
        options.jobs = jobs;
        options.threads = threads;
        return runPretrain(parsed, options, job);
    }
};

std::string contentOf(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string weightsOf(const fs::path& out, int seed = 1, int steps = 40) {
    for (const auto& entry : fs::directory_iterator(out / ("tiny-seed" + std::to_string(seed))))
        if (entry.path().filename().string().find(std::to_string(steps) + "-tokens") != std::string::npos)
            return contentOf(entry.path() / "model.safetensors");
    return {};
}

} // namespace

class TestPretrain : public QObject {
    Q_OBJECT
    Workshop m_shop;

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_shop.dir.isValid());
        at::set_num_threads(1);
    }

    void settingsThatAreRefused() {
        const auto broken = [&](const char* pointer, const Json& value, const char* expected) {
            Json json = tinyConfig();
            json[Json::json_pointer(pointer)] = value;
            const auto config = m_shop.config(json);
            QVERIFY2(!config, pointer);
            QVERIFY2(config.error().text().find(expected) != std::string::npos, config.error().text().c_str());
        };
        broken("/lerning_rate", 1, "\"lerning_rate\" is unknown");
        broken("/shape/depth", 1, "\"depth\" is unknown");
        broken("/learning_rate", -1, "learning_rate");
        broken("/family", "gpt9", "family");
        broken("/shape/kv_heads", 3, "multiple");
        broken("/shape/width", 0, "width");
        broken("/shape/width", "48", "width");
        broken("/texts", {"missing.jsonl"}, "missing.jsonl");
        broken("/budgets_tokens", {100}, "less than one step");
        broken("/budgets_tokens", {10240, 10240}, "twice");
        broken("/seeds", Json::array(), "seeds");
        broken("/series", "../x", "series");
        broken("/schedule", "cosinus", "\"cosine\"");
        broken("/betas", {0.9, 1.0}, "betas");
        broken("/gradient_lanes", 3, "gradient_lanes");
        broken("/tokenizer", Json::object(), "tokenizer");
        broken("/init", {{"linear_std", "2/fan_in"}}, "linear_std");
        broken("/sequence_length", 64, "sequence_length");
    }

    void learningRateHasThePublishedShape() {
        OptimizerConfig o;
        o.learningRate = 1, o.warmupShare = 0.1;
        QCOMPARE(learningRateAt(o, 0, 100), 0.1);
        QCOMPARE(learningRateAt(o, 9, 100), 1.0);
        QCOMPARE(learningRateAt(o, 10, 100), 1.0);
        QVERIFY(std::abs(learningRateAt(o, 55, 100) - 0.5) < 1e-12); // half way through the cosine
        QVERIFY(std::abs(learningRateAt(o, 100, 100)) < 1e-12);
        o.schedule = Schedule::Linear, o.finalShare = 0.2;
        QVERIFY(std::abs(learningRateAt(o, 100, 100) - 0.2) < 1e-12);
        o.schedule = Schedule::Constant;
        QCOMPARE(learningRateAt(o, 77, 100), 1.0);
    }

    void orderIsAPermutationThatChangesWithSeedAndEpoch() {
        for (const std::int64_t size : {1, 2, 7, 64, 1000}) {
            std::set<std::int64_t> seen;
            const KeyedPermutation order(size, 3, 0);
            for (std::int64_t i = 0; i < size; ++i)
                seen.insert(order(i));
            QCOMPARE(static_cast<std::int64_t>(seen.size()), size);
            QVERIFY(*seen.begin() == 0 && *seen.rbegin() == size - 1);
        }
        const KeyedPermutation a(1000, 3, 0), b(1000, 4, 0), c(1000, 3, 1);
        int same = 0;
        for (std::int64_t i = 0; i < 1000; ++i)
            same += (a(i) == i) + (a(i) == b(i)) + (a(i) == c(i));
        QVERIFY2(same < 20, qPrintable(QString::number(same))); // three on average
    }

    void startHasTheStatedSpread() {
        at::Tensor values = at::zeros({200'000}), again = at::zeros({100}), other = at::zeros({100});
        fillNormal(values, 5, "x", 0.02);
        QVERIFY(std::abs(values.std().item<double>() / 0.02 - 1) < 0.01); // 6 standard errors
        QVERIFY(std::abs(values.mean().item<double>()) < 0.02 * 0.014);
        const double fourth = (values / 0.02).pow(4).mean().item<double>();
        QVERIFY2(std::abs(fourth - 3) < 0.15, qPrintable(QString::number(fourth)));
        fillNormal(again, 5, "x", 0.02);
        QVERIFY(again.equal(values.narrow(0, 0, 100)));
        fillNormal(other, 5, "y", 0.02);
        QVERIFY(!other.equal(again));
    }

    void threadsAndJobsDoNotChangeBits() {
        Json json = tinyConfig();
        json["seeds"] = {1, 2};
        QVERIFY(m_shop.run(json, "one").has_value());
        QVERIFY(m_shop.run(json, "two", 2, 2).has_value());
        QVERIFY(!weightsOf(m_shop.folder / "one").empty());
        for (const int seed : {1, 2})
            QVERIFY(weightsOf(m_shop.folder / "one", seed) == weightsOf(m_shop.folder / "two", seed));
        QVERIFY(weightsOf(m_shop.folder / "one", 1) != weightsOf(m_shop.folder / "one", 2));
        const auto again = m_shop.run(json, "one");
        QVERIFY(again && again->skipped == 2 && again->finished == 0);
        json["learning_rate"] = 1e-3;
        const auto other = m_shop.run(json, "one");
        QVERIFY(!other && other.error().kind == ErrorKind::Mismatch);
    }

    void lossFalls() {
        Json json = tinyConfig();
        json["budgets_tokens"] = {256 * 20, 256 * 160};
        QVERIFY(m_shop.run(json, "falls").has_value());
        std::map<int, double> heldout;
        for (const auto& entry : fs::directory_iterator(m_shop.folder / "falls" / "tiny-seed1")) {
            const Json facts = Json::parse(contentOf(entry.path() / "crest.json"));
            heldout[facts["step"]] = facts["heldout"]["heldout"];
            QCOMPARE(facts["init_std"].size(), std::size_t{15}); // every matrix, no norm
        }
        QVERIFY(heldout[20] < std::log(300.0));
        QVERIFY(heldout[160] < heldout[20] - 0.3);
    }

    void bfloat16TrainsNearlyTheSame() {
        std::map<std::string, double> heldout;
        for (const std::string compute : {"float32", "bfloat16"}) {
            Json json = tinyConfig();
            json["compute"] = compute;
            const auto summary = m_shop.run(json, compute);
            QVERIFY2(summary && summary->failed == 0,
                     summary ? summary->firstError.c_str() : summary.error().text().c_str());
            for (const auto& entry : fs::directory_iterator(m_shop.folder / compute / "tiny-seed1"))
                heldout[compute] = Json::parse(contentOf(entry.path() / "crest.json"))["heldout"]["heldout"];
        }
        // Products keep 8 bits: after 40 steps the losses agree to a hundredth, and are not the same.
        QVERIFY(std::abs(heldout["float32"] - heldout["bfloat16"]) < 0.02);
        QVERIFY(heldout["float32"] != heldout["bfloat16"]);
    }

    void stopAndGoOnGivesTheSameBits() {
        Json json = tinyConfig();
        json["budgets_tokens"] = {256 * 200};
        QVERIFY(m_shop.run(json, "whole").has_value());
        int stops = 0;
        for (int part = 0; part < 30; ++part) {
            std::stop_source source;
            std::jthread later;
            const JobContext job(source.get_token(), [&](const Progress& progress) {
                // Reported when the run starts or goes on: some steps later it is asked to stop.
                if (progress.what == "pretraining tokens" && !later.joinable() && stops < 2)
                    later = std::jthread([source]() mutable {
                        std::this_thread::sleep_for(std::chrono::milliseconds(60));
                        source.request_stop();
                    });
            });
            const auto summary = m_shop.run(json, "parts", 1, 1, job);
            QVERIFY2(summary, summary ? "" : summary.error().text().c_str());
            stops += summary->stopped;
            if (!summary->stopped)
                break;
        }
        QVERIFY(stops >= 1);
        QVERIFY(!weightsOf(m_shop.folder / "parts", 1, 200).empty());
        QVERIFY(weightsOf(m_shop.folder / "parts", 1, 200) == weightsOf(m_shop.folder / "whole", 1, 200));
    }

    void killedRunsGoOnBitExactly() {
        Json json = tinyConfig();
        json["budgets_tokens"] = {256 * 600};
        QVERIFY(m_shop.run(json, "calm").has_value());
        const fs::path out = m_shop.folder / "killed", state = out / ".pretrain" / "tiny-seed1";
        int kills = 0;
        for (int attempt = 0; attempt < 40; ++attempt) {
            QProcess child;
            child.start(QCoreApplication::applicationFilePath(),
                        {"--pretrain", QString::fromStdString((m_shop.folder / "config.json").string()),
                         QString::fromStdString(out.string())});
            QVERIFY(child.waitForStarted());
            if (kills < 6 && !child.waitForFinished(150 + 70 * attempt)) {
                child.kill();
                ++kills;
            }
            QVERIFY(child.waitForFinished(60'000));
            if (child.exitStatus() == QProcess::NormalExit) {
                QCOMPARE(child.exitCode(), 0);
                break;
            }
        }
        QVERIFY2(kills >= 3, qPrintable(QString::number(kills)));
        QVERIFY(weightsOf(out, 1, 600) == weightsOf(m_shop.folder / "calm", 1, 600));
        QVERIFY(!weightsOf(out, 1, 600).empty());
        QVERIFY(!fs::exists(state) || fs::is_empty(state));
    }

    void damagedStatesAreNoticed() {
        const fs::path folder = m_shop.folder / "state";
        at::Tensor state = at::randn({3, 50}), read = at::zeros({3, 50});
        QVERIFY(!loadRunState(folder, "a", read)->has_value());
        for (const std::int64_t step : {1, 2, 3}) {
            state.fill_(static_cast<double>(step));
            QVERIFY(saveRunState(folder, "a", step, state).has_value());
        }
        QVERIFY(!fs::exists(folder / "step1.bin")); // the newest two are kept
        QCOMPARE(**loadRunState(folder, "a", read), std::int64_t{3});
        QVERIFY(read.equal(state));
        std::ofstream(folder / "step3.bin", std::ios::binary | std::ios::in).write("x", 1);
        QCOMPARE(**loadRunState(folder, "a", read), std::int64_t{2});
        QCOMPARE(read[0][0].item<float>(), 2.0f);
        QCOMPARE(loadRunState(folder, "b", read).error().kind, ErrorKind::Mismatch);
        fs::resize_file(folder / "step2.bin", 10);
        QCOMPARE(loadRunState(folder, "a", read).error().kind, ErrorKind::Malformed);
    }

    void nonFiniteLossEndsOneRunOnly() {
        Json json = tinyConfig();
        json["learning_rate"] = 10;
        json["clip_norm"] = 0;
        json["init"] = {{"embedding_std", 10}, {"linear_std", 10}};
        json["budgets_tokens"] = {256 * 300};
        json["weight_decay"] = 10; // weights grow by 1 - 10 * 10 at each step
        const auto summary = m_shop.run(json, "diverged");
        QVERIFY(summary.has_value());
        QCOMPARE(summary->failed, 1);
        QVERIFY2(summary->firstError.find("not finite") != std::string::npos, summary->firstError.c_str());
        QVERIFY(summary->firstError.find("tiny-seed1") != std::string::npos);
    }
};

namespace {

/// The child of killedRunsGoOnBitExactly: one thread, state saved after every step.
int pretrainChild(const char* config, const char* out) {
    auto parsed = readPretrainConfig(config);
    if (!parsed)
        return 2;
    PretrainOptions options;
    options.outFolder = out;
    const auto summary = runPretrain(*parsed, options, {});
    return summary && summary->finished + summary->skipped == 1 ? 0 : 3;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--pretrain")
        return pretrainChild(argv[2], argv[3]);
    QCoreApplication app(argc, argv);
    TestPretrain test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_pretrain.moc"
