// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters against peft, live: whole runs from the same A on the same examples, of families whose files hold their matrices in
// different ways, and what adapters begin with.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>
#include <map>

#include <ATen/Parallel.h>

#include "core/io/safetensors.h"
#include "core/train/fine_tune.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/core/train/peer_run.h"
#include "tests/core/train/tuning_fixture.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

const Json kAll = "all-linear";

Json configOf(const std::string& family) {
    Json config = {{"vocab_size", 97}, {"bos_token_id", nullptr}, {"eos_token_id", nullptr}};
    if (family == "gpt_neox")
        config.update({{"model_type", "gpt_neox"}, {"architectures", {"GPTNeoXForCausalLM"}}, {"hidden_size", 32}, {"num_hidden_layers", 2},
                       {"num_attention_heads", 4}, {"intermediate_size", 64}, {"max_position_embeddings", 64}, {"rotary_pct", 0.25},
                       {"rotary_emb_base", 10000}, {"layer_norm_eps", 1e-5}, {"use_parallel_residual", true}, {"hidden_act", "gelu"},
                       {"tie_word_embeddings", false}, {"attention_bias", true}});
    else if (family == "gpt2")
        config.update({{"model_type", "gpt2"}, {"architectures", {"GPT2LMHeadModel"}}, {"n_embd", 32}, {"n_layer", 2}, {"n_head", 4},
                       {"n_positions", 64}, {"layer_norm_epsilon", 1e-5}, {"activation_function", "gelu_new"}, {"tie_word_embeddings", true}});
    else
        config.update(series::configFromDecoderSpec(test::smallSpec()));
    return config;
}

/// Matrices N(0, 1/sqrt(width)), gains around 1, biases around 0, in the shapes of the family's files.
Result<model::WeightReader> makeStart(const fs::path& folder, const Json& config) {
    fs::create_directories(folder);
    std::ofstream(folder / "config.json") << config.dump(2);
    CREST_TRY(spec, series::decoderSpecFromConfig(config, "config.json"));
    at::manual_seed(7);
    std::vector<at::Tensor> kept;
    std::vector<io::TensorToWrite> tensors;
    for (const series::TensorInfo& info : series::expectedTensors(spec)) {
        const bool matrix = info.shape.size() == 2, gain = info.role == series::TensorRole::NormGain;
        kept.push_back(at::randn(info.shape) * (matrix ? 1 / std::sqrt(static_cast<double>(spec.width)) : 0.1) + (gain ? 1.0 : 0.0));
        tensors.push_back({info.name, io::DType::F32, info.shape,
                           {static_cast<const std::byte*>(kept.back().const_data_ptr()), kept.back().nbytes()}});
    }
    CREST_CHECK(io::writeSafetensors(folder / "model.safetensors", tensors));
    return model::WeightReader::open(folder, spec);
}

} // namespace

class TestPeftOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    static constexpr std::int64_t kSteps = 20;
    static constexpr double kRate = 3e-3;

    struct Run {
        std::optional<model::WeightReader> reader;
        std::vector<data::TuningExample> examples = test::makeExamples(60, 97);
        std::unique_ptr<FineTune> tune;
        std::vector<StepReport> reports;
        Json adapters;
    };
    std::map<std::string, Run> m_runs;

    /// Trains, and writes down what peft has to do.
    void train(const std::string& name, const std::string& family, LoraMatrices matrices, const Json& target) {
        Run& run = m_runs[name];
        auto reader = makeStart(m_folder / name / "start", configOf(family));
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        run.reader.emplace(std::move(*reader));
        FineTuneSettings settings;
        settings.maxSteps = kSteps, settings.batchExamples = 6, settings.loraRank = 4, settings.loraAlpha = 8, settings.loraMatrices = matrices;
        run.adapters = test::beginOfAdapters(*run.reader, settings);
        Json json = {{"target", target},
                     {"adapters", run.adapters},
                     {"settings", {{"rank", 4}, {"alpha", 8}, {"learning_rate", kRate}, {"warmup", settings.warmupShare}}}};
        auto tune = FineTune::create(*run.reader, settings, kRate, 1, run.examples, 1);
        QVERIFY2(tune, tune ? "" : tune.error().text().c_str());
        run.tune = std::move(*tune);
        for (std::int64_t step = 0; step < kSteps; ++step) {
            json["steps"].push_back(test::examplesAt(run.examples, run.tune->examplesOfStep(step)));
            const auto report = run.tune->step();
            QVERIFY2(report, report ? "" : report.error().text().c_str());
            run.reports.push_back(*report);
        }
        std::ofstream(m_folder / name / "run.json") << json;
    }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_dir.isValid());
        at::set_num_threads(1);
        train("llama", "llama", LoraMatrices::All, kAll);
        train("llama, attention", "llama", LoraMatrices::Attention, {"q_proj", "k_proj", "v_proj", "o_proj"});
        train("llama, mlp", "llama", LoraMatrices::Mlp, {"gate_proj", "up_proj", "down_proj"});
        train("gpt_neox, one matrix of q, k and v", "gpt_neox", LoraMatrices::All, kAll);
        train("gpt2, Conv1D", "gpt2", LoraMatrices::All, kAll);
        if (QTest::currentTestFailed())
            return;
        const auto made = test::askPeerOnce({"tests/oracle/peft_reference.py", {m_dir.path()}, m_dir.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
    }

    void runsOfPeft_data() {
        QTest::addColumn<QString>("name");
        for (const auto& [name, run] : m_runs)
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }

    void runsOfPeft() {
        QFETCH(QString, name);
        Run& run = m_runs.at(name.toStdString());
        const fs::path folder = m_folder / name.toStdString();
        const Json theirs = test::readJson(folder / "train.json");
        QCOMPARE(run.reports.size(), std::size_t{kSteps});
        test::compareSteps(theirs, run.reports);
        // Merged, both went the same way from the start, and not just a little.
        const auto trained = model::WeightReader::open(folder / "trained", run.reader->spec());
        QVERIFY2(trained, trained ? "" : trained.error().text().c_str());
        const auto written = run.tune->writeCheckpoint(folder / "start", folder / "tuned", {{"made_by", "test"}});
        QVERIFY2(written, written ? "" : written.error().text().c_str());
        const auto ours = model::WeightReader::open(folder / "tuned", run.reader->spec());
        QVERIFY2(ours, ours ? "" : ours.error().text().c_str());
        const at::Tensor start = test::allWeights(*run.reader), peer = test::allWeights(*trained);
        const double moved = (peer - start).norm().item<double>();
        const double off = (test::allWeights(*ours) - peer).norm().item<double>() / moved;
        qInfo("peft %s: moved %.3g, %.1e of it apart", theirs["peft"].get<std::string>().c_str(), moved, off);
        QVERIFY2(moved > 0.1, qPrintable(QString::number(moved)));
        QVERIFY2(off < 1e-3, qPrintable(QString::number(off)));
        QVERIFY(std::abs(run.tune->distanceFromStart().distance / moved - 1) < 1e-2);
    }

    /// Drawn as peft draws it: uniform within 1/sqrt(in).
    void beginsAsPeft() {
        const Json theirs = test::readJson(m_folder / "llama" / "train.json");
        double largest = 0, squares = 0, count = 0;
        for (const auto& [name, values] : m_runs.at("llama").adapters.items())
            for (const double value : values.get<std::vector<double>>()) {
                const double share = value * std::sqrt(static_cast<double>(values.size()) / 4); // rank 4
                largest = std::max(largest, std::abs(share)), squares += share * share, count += 1;
            }
        QVERIFY(largest <= 1 + 1e-6 && largest > 0.98);
        QVERIFY(theirs["largest"].get<double>() <= 1 + 1e-6 && theirs["largest"].get<double>() > 0.98);
        const double deviation = std::sqrt(squares / count);
        QVERIFY2(std::abs(deviation / theirs["deviation"].get<double>() - 1) < 0.06, qPrintable(QString::number(deviation)));
    }
};

QTEST_GUILESS_MAIN(TestPeftOracle)
#include "tst_peft_oracle.moc"
