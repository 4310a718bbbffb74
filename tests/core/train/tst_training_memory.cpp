// SPDX-License-Identifier: Apache-2.0
// What a training is planned to hold in memory, against what a process holds at most that trains: each row is a process of
// its own, since the system keeps one highest mark for each.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <cstdio>

#include <ATen/Parallel.h>

#include "core/train/fine_tune.h"
#include "core/train/training_memory.h"
#include "tests/core/train/tuning_fixture.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

/// "VmRSS:", "VmHWM:" in bytes.
double statusBytes(const char* name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == name)
            return status >> word ? 1024 * std::stod(word) : 0;
    return 0;
}

series::DecoderSpec specOf(const Json& json) {
    series::DecoderSpec s = test::smallSpec(json.at("vocab"));
    s.width = json.at("width"), s.layers = json.at("layers"), s.heads = json.at("heads"), s.mlpWidth = json.at("mlp");
    s.kvHeads = s.heads, s.headSize = s.width / s.heads, s.contextLength = json.at("context"), s.tiedHead = json.value("tied", false);
    s.ropeDims = s.headSize;
    if (json.value("family", "llama") == "gpt_neox") {
        s.family = "gpt_neox";
        s.norm = series::NormKind::LayerNorm, s.mlp = series::MlpKind::Plain, s.activation = series::Activation::GeluErf;
        s.parallelResidual = true, s.qkv = series::QkvLayout::PerHead, s.ropeDims = s.headSize / 4;
        s.qkvBias = s.attentionOutputBias = s.mlpBias = s.normBias = true;
    } else if (json.value("family", "llama") == "olmo2") {
        s.family = "olmo2";
        s.normPlacement = series::NormPlacement::AfterBranch, s.qkNorm = series::QkNorm::AllHeads;
    }
    if (json.contains("window"))
        s.windows.assign(static_cast<std::size_t>(s.layers), json.at("window"));
    return s;
}

/// One example of `longest` + 1 tokens, and short ones, `ragged` those of every length: what is held depends on the longest.
std::vector<data::TuningExample> examplesOf(std::int64_t longest, std::int64_t count, std::int64_t vocab, bool ragged) {
    std::vector<data::TuningExample> examples;
    for (std::int64_t i = 0; i < count; ++i) {
        data::TuningExample& one = examples.emplace_back();
        const std::int64_t other = ragged ? 3 + 7'919 * i % (longest - 2) : std::min<std::int64_t>(longest, 24);
        for (std::int64_t t = 0; t <= (i == 0 ? longest : other); ++t)
            one.ids.push_back(static_cast<std::int32_t>((7 * i + 13 * t) % vocab)), one.learned.push_back(t > 2);
    }
    return examples;
}

/// The child's part: how much the process held before and at most, in bytes, and what was planned.
int measure(const fs::path& folder, const Json& what) {
    const int threads = what.value("threads", 1);
    at::set_num_threads(1);
    const auto settings = fineTuneSettingsFromJson(what.at("training"), "training");
    const auto run = [&](const series::DecoderSpec& spec, std::int64_t longest, const fs::path& start) {
        const auto reader = fs::exists(start / "model.safetensors") ? model::WeightReader::open(start, spec) : test::makeStart(start, spec);
        const std::int64_t steps = what.value("ragged", 1);
        const auto examples = examplesOf(longest, steps * settings->batchExamples, spec.vocabSize, steps > 1);
        auto tune = FineTune::create(*reader, *settings, 1e-4, 1, examples, threads, {}, what.value("recompute", false));
        bool good = tune.has_value();
        for (std::int64_t step = 0; good && step < steps; ++step)
            good = (*tune)->step().has_value();
        return good;
    };
    const series::DecoderSpec spec = specOf(what);
    series::DecoderSpec tiny = spec; // once through everything: code, buffers of threads
    tiny.width = 64, tiny.headSize = tiny.width / tiny.heads, tiny.layers = 1, tiny.mlpWidth = 64, tiny.vocabSize = 97;
    tiny.ropeDims = tiny.headSize / (spec.ropeDims < spec.headSize ? 4 : 1) / 2 * 2;
    const std::string start = what.at("start");
    if (!settings || !run(tiny, 40, folder / (start + "-tiny")))
        return 1;
    const double before = statusBytes("VmRSS:");
    const std::int64_t longest = what.at("longest");
    if (!run(spec, longest, folder / start))
        return 1;
    const TrainingMemory planned = trainingMemory(spec, *settings, longest, threads, what.value("recompute", false));
    std::printf("%s\n", Json{{"before", before}, {"most", statusBytes("VmHWM:")}, {"planned", planned.peak()}}.dump().c_str());
    return 0;
}

} // namespace

class TestTrainingMemory : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;

private Q_SLOTS:
    void plannedIsMeasured_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<bool>("alone"); // without the process itself, which is most of a small training
        const Json small = {{"width", 64}, {"layers", 2}, {"heads", 4}, {"mlp", 128}, {"vocab", 512}, {"context", 128}};
        const Json neox = {{"family", "gpt_neox"}, {"width", 256}, {"layers", 4}, {"heads", 4}, {"mlp", 1024}, {"vocab", 4096},
                           {"context", 256}};
        const Json llama = {{"width", 384}, {"layers", 6}, {"heads", 6}, {"mlp", 1152}, {"vocab", 8192}, {"context", 512},
                            {"tied", true}};
        Json olmo = llama;
        olmo["family"] = "olmo2", olmo["layers"] = 4;
        const auto row = [](const char* name, const char* start, Json what, std::int64_t longest, const Json& training, const Json& more = {}) {
            what["start"] = start; // where the weights are kept for other rows
            what["longest"] = longest;
            what["training"] = training;
            if (more.is_object())
                what.update(more);
            what["training"]["max_steps"] = std::max(3, what.value("ragged", 1));
            QTest::newRow(name) << QString::fromStdString(what.dump()) << (what["width"] > 64);
        };
        row("0.1M", "small", small, 127, {{"batch_examples", 16}});
        row("5M, another family", "neox", neox, 255, {{"batch_examples", 16}});
        row("15M", "llama", llama, 511, {{"batch_examples", 8}});
        row("15M, short rows", "llama", llama, 64, {{"batch_examples", 8}});
        row("15M, two lanes on two threads", "llama", llama, 255, {{"batch_examples", 8}, {"gradient_lanes", 2}}, {{"threads", 2}});
        row("15M, pulled to the start", "llama", llama, 255, {{"batch_examples", 2}, {"l2_to_start", 0.1}});
        row("15M, adapters", "llama", llama, 511, {{"batch_examples", 8}, {"lora_rank", 8}});
        row("15M, recomputed", "llama", llama, 511, {{"batch_examples", 8}}, {{"recompute", true}});
        row("15M, bfloat16", "llama", llama, 255, {{"batch_examples", 8}, {"compute", "bfloat16"}});
        // Passes of some hundred different numbers of rows.
        row("0.1M, bfloat16, ragged", "small", small, 127, {{"batch_examples", 16}, {"compute", "bfloat16"}}, {{"ragged", 300}});
        row("5M, bfloat16, ragged", "neox", neox, 255, {{"batch_examples", 4}, {"compute", "bfloat16"}}, {{"ragged", 12}});
        row("norms after branches", "olmo", olmo, 255, {{"batch_examples", 8}});
        row("windows", "olmo", olmo, 511, {{"batch_examples", 8}}, {{"window", 64}});
    }

    void plannedIsMeasured() {
        QFETCH(QString, what);
        QFETCH(bool, alone);
        QProcess child;
        child.start(QCoreApplication::applicationFilePath(), {"--measure", m_dir.path(), what});
        QVERIFY(child.waitForFinished(-1) && child.exitCode() == 0);
        const Json found = Json::parse(child.readAllStandardOutput().toStdString());
        const double before = found.at("before"), most = found.at("most"), planned = found.at("planned");
        const double share = alone ? planned / (most - before) : (before + planned) / most;
        qInfo("planned %.1f MB, measured %.1f MB, process %.0f MB: %.3f", planned / 1e6, (most - before) / 1e6, before / 1e6, share);
        QVERIFY2(share > 0.85 && share < 1.15, qPrintable(QString::number(share)));
    }
};

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--measure")
        return measure(argv[2], Json::parse(argv[3]));
    QCoreApplication application(argc, argv);
    TestTrainingMemory test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_training_memory.moc"
