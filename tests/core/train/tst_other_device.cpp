// SPDX-License-Identifier: Apache-2.0
// Fine-tuning on a device other than the CPU, without one: on a pretended device whose memory is counted (tests/support/pretend_device.h). It goes
// the way of the CPU, holds what is planned, halves its passes where memory is short, and is given up in words where the device is lost.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/model/accelerator.h"
#include "core/train/fine_tune.h"
#include "core/train/planned_memory.h"
#include "core/train/plain_workspace.h"
#include "core/train/training_memory.h"
#include "tests/core/train/tuning_fixture.h"
#include "tests/support/pretend_device.h"

using namespace crest;
using namespace crest::train;
using test::kPretendDevice;
using test::pretendDevice;
namespace fs = std::filesystem;

namespace {

struct Outcome {
    std::vector<double> losses;
    double distance = 0;
    std::string error, note;
    std::int64_t rows = 0;
};

Outcome runToEnd(FineTune& tune) {
    Outcome outcome;
    while (outcome.error.empty() && tune.stepsDone() < tune.stepsTotal()) {
        const auto report = tune.step();
        if (report)
            outcome.losses.push_back(report->loss);
        else
            outcome.error = report.error().text();
    }
    outcome.rows = tune.passRows(), outcome.note = tune.takeNote();
    if (outcome.error.empty())
        outcome.distance = tune.distanceFromStart().distance;
    return outcome;
}

double furthest(const std::vector<double>& a, const std::vector<double>& b) {
    double worst = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        worst = std::max(worst, std::abs(a[i] / b[i] - 1));
    return worst;
}

/// Shapes whose tensors differ in what they keep: families, grouped heads, norms of heads, windows, a wide vocabulary.
series::DecoderSpec shapeOf(const std::string& name) {
    series::DecoderSpec s = test::smallSpec(2048);
    s.width = 128, s.layers = 4, s.heads = s.kvHeads = 4, s.headSize = s.ropeDims = 32, s.mlpWidth = 384, s.contextLength = 256;
    if (name == "grouped heads") {
        s.kvHeads = 1;
    } else if (name == "gpt_neox") {
        s.family = "gpt_neox";
        s.norm = series::NormKind::LayerNorm, s.mlp = series::MlpKind::Plain, s.activation = series::Activation::GeluErf;
        s.parallelResidual = true, s.qkv = series::QkvLayout::PerHead, s.ropeDims = 8, s.mlpWidth = 512;
        s.qkvBias = s.attentionOutputBias = s.mlpBias = s.normBias = true;
    } else if (name == "norms after branches") {
        s.family = "olmo2";
        s.normPlacement = series::NormPlacement::AfterBranch, s.qkNorm = series::QkNorm::AllHeads;
    } else if (name == "windows") {
        s.windows.assign(4, 32);
    } else if (name.starts_with("many heads")) { // scores are most of it
        s.layers = 1, s.heads = s.kvHeads = 16, s.headSize = s.ropeDims = 8, s.contextLength = 600;
        if (name.ends_with("grouped"))
            s.kvHeads = 2;
        if (name.ends_with("windows"))
            s.windows.assign(1, 64);
    } else if (name == "narrow mlp") { // norms are
        s.width = 256, s.layers = 1, s.headSize = s.ropeDims = 64, s.mlpWidth = 32, s.vocabSize = 97;
    } else if (name == "wide mlp") {
        s.layers = 1, s.mlpWidth = 2048, s.vocabSize = 97;
    } else if (name == "wide vocabulary") {
        s.vocabSize = 32'000, s.tiedHead = true, s.layers = 1;
    }
    return s;
}

/// One example of `longest` + 1 tokens, others short.
std::vector<data::TuningExample> examplesOf(std::int64_t longest, std::int64_t count, std::int64_t vocab) {
    std::vector<data::TuningExample> examples;
    for (std::int64_t i = 0; i < count; ++i) {
        data::TuningExample& one = examples.emplace_back();
        for (std::int64_t t = 0; t <= (i == 0 ? longest : std::min<std::int64_t>(longest, 24 + i)); ++t)
            one.ids.push_back(static_cast<std::int32_t>((7 * i + 13 * t) % vocab)), one.learned.push_back(t > 2);
    }
    return examples;
}

} // namespace

class TestOtherDevice : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    std::optional<model::WeightReader> m_reader;
    std::vector<data::TuningExample> m_examples = test::makeExamples(40, 97);

    static FineTuneSettings settingsOf(std::int64_t batch, std::int64_t steps) {
        FineTuneSettings settings;
        settings.batchExamples = batch, settings.maxSteps = steps;
        return settings;
    }
    std::unique_ptr<FineTune> make(const FineTuneSettings& settings, const char* device = kPretendDevice, bool recompute = false) const {
        const std::span<const data::TuningExample> replay = settings.replayShare > 0 ? m_examples : std::span<const data::TuningExample>();
        auto made = FineTune::create(*m_reader, settings, 3e-3, 1, m_examples, 1, replay, recompute, device);
        if (!made)
            qWarning("%s", made.error().text().c_str());
        return made ? std::move(*made) : nullptr;
    }

private Q_SLOTS:
    void initTestCase() {
        pretendDevice();
        at::set_num_threads(1);
        auto reader = test::makeStart(m_folder / "start", test::smallSpec());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        m_reader.emplace(std::move(*reader));
    }
    void init() { pretendDevice().room = std::numeric_limits<std::int64_t>::max(), pretendDevice().free = -1, pretendDevice().lost = false; }

    void goesTheWayOfTheCpu_data() {
        QTest::addColumn<QString>("json");
        QTest::addColumn<bool>("recompute");
        QTest::newRow("all weights") << "{}" << false;
        QTest::newRow("several lanes are one") << R"({"gradient_lanes": 3})" << false;
        QTest::newRow("adapters") << R"({"lora_rank": 4, "l2_to_start": 0.1})" << false;
        QTest::newRow("head first") << R"({"head_share": 0.5})" << false;
        QTest::newRow("pulled, decayed") << R"({"l2_to_start": 0.5, "weight_decay": 0.1})" << false;
        QTest::newRow("replay, recomputed") << R"({"replay_share": 0.3, "replay_tokens": 32})" << true;
        QTest::newRow("bfloat16") << R"({"compute": "bfloat16"})" << false;
    }

    void goesTheWayOfTheCpu() {
        QFETCH(QString, json);
        QFETCH(bool, recompute);
        auto settings = fineTuneSettingsFromJson(Json::parse(json.toStdString()), "row");
        QVERIFY(settings);
        settings->batchExamples = 6, settings->maxSteps = 6;
        const auto here = make(*settings, "cpu", recompute), there = make(*settings, kPretendDevice, recompute);
        QVERIFY(here && there);
        QVERIFY2(there->instructions().starts_with("pretend"), there->instructions().c_str());
        const Outcome cpu = runToEnd(*here), other = runToEnd(*there);
        QVERIFY2(other.error.empty(), other.error.c_str());
        const double tolerance = settings->compute == ComputeType::BFloat16 ? 1e-2 : 1e-4;
        QVERIFY2(furthest(other.losses, cpu.losses) < tolerance, qPrintable(QString::number(furthest(other.losses, cpu.losses))));
        QVERIFY(cpu.distance > 0 && std::abs(other.distance / cpu.distance - 1) < 10 * tolerance);
    }

    /// Stopped after every step and taken up by another object.
    void goesOnFromItsState() {
        for (const std::int64_t rank : {0, 4}) {
            FineTuneSettings settings = settingsOf(6, 4);
            settings.loraRank = rank;
            const Outcome whole = runToEnd(*make(settings));
            const fs::path states = m_folder / fmt::format("states-{}", rank);
            std::vector<double> losses;
            for (std::int64_t step = 0; step < 4; ++step) {
                const auto part = make(settings);
                const auto loaded = part->loadState(states, "here");
                QVERIFY2(loaded && *loaded == (step > 0) && part->stepsDone() == step, loaded ? "" : loaded.error().text().c_str());
                const auto report = part->step();
                QVERIFY2(report, report ? "" : report.error().text().c_str());
                losses.push_back(report->loss);
                QVERIFY(part->saveState(states, "here"));
                if (step == 3)
                    QVERIFY(std::abs(part->distanceFromStart().distance / whole.distance - 1) < 1e-6);
            }
            QVERIFY2(furthest(losses, whole.losses) < 1e-6, qPrintable(QString::number(furthest(losses, whole.losses))));
        }
    }

    void memoryIsAsPlanned_data() {
        QTest::addColumn<QString>("shape");
        QTest::addColumn<int>("longest");
        QTest::addColumn<QString>("json");
        QTest::addColumn<bool>("recompute");
        const auto row = [](const char* name, const char* shape, int longest, const char* json = "{}", bool recompute = false) {
            QTest::newRow(name) << shape << longest << json << recompute;
        };
        row("llama", "llama", 255);
        row("llama, short rows", "llama", 40);
        row("grouped heads", "grouped heads", 200);
        row("gpt_neox", "gpt_neox", 255);
        row("gpt_neox, short rows", "gpt_neox", 30);
        row("norms after branches", "norms after branches", 200);
        row("windows", "windows", 255);
        row("wide vocabulary", "wide vocabulary", 100);
        row("many heads", "many heads", 511);
        row("many heads, grouped", "many heads, grouped", 511);
        row("many heads, windows", "many heads, windows", 511);
        row("narrow mlp", "narrow mlp", 100);
        row("wide mlp", "wide mlp", 100);
        row("wide mlp, bfloat16", "wide mlp", 100, R"({"compute": "bfloat16"})");
        row("adapters", "llama", 255, R"({"lora_rank": 8})");
        row("pulled", "llama", 120, R"({"l2_to_start": 0.1})");
        row("bfloat16", "llama", 255, R"({"compute": "bfloat16"})");
        row("recomputed", "gpt_neox", 255, "{}", true);
    }

    /// Most bytes of tensors on the device against the plan, without what libraries keep there, which there are none of here.
    void memoryIsAsPlanned() {
        QFETCH(QString, shape);
        QFETCH(int, longest);
        QFETCH(QString, json);
        QFETCH(bool, recompute);
        auto settings = fineTuneSettingsFromJson(Json::parse(json.toStdString()), "row");
        QVERIFY(settings);
        settings->batchExamples = 16, settings->maxSteps = 1;
        const series::DecoderSpec spec = shapeOf(shape.toStdString());
        const fs::path folder = m_folder / shape.toStdString();
        const auto reader = fs::exists(folder / "model.safetensors") ? model::WeightReader::open(folder, spec) : test::makeStart(folder, spec);
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        const auto examples = examplesOf(longest, settings->batchExamples, spec.vocabSize);
        const std::int64_t before = pretendDevice().now;
        pretendDevice().most = before;
        auto tune = FineTune::create(*reader, *settings, 1e-4, 1, examples, 2, {}, recompute, kPretendDevice);
        QVERIFY2(tune, tune ? "" : tune.error().text().c_str());
        const auto report = (*tune)->step();
        QVERIFY2(report, report ? "" : report.error().text().c_str());
        const TrainingMemory plan = trainingMemory(spec, *settings, longest, 2, recompute, Operations::Plain);
        const double planned = plan.peak() - static_cast<double>(kProductLibraryBytes);
        const auto measured = static_cast<double>(pretendDevice().most - before);
        qInfo("planned %.1f MB (%.1f of them for a while), measured %.1f MB: %.3f", planned / 1e6,
              (plan.workspaces - static_cast<double>(kProductLibraryBytes)) / 1e6, measured / 1e6, planned / measured);
        QVERIFY2(planned / measured > 0.85 && planned / measured < 1.15, qPrintable(QString::number(planned / measured)));
        // What stays for measuring.
        const auto stays = static_cast<double>(pretendDevice().now - before);
        QVERIFY2(std::abs(plan.tuned() / stays - 1) < 0.15, qPrintable(QString("%1 and %2").arg(plan.tuned()).arg(stays)));
        QCOMPARE(plan.host, 4.0 * static_cast<double>(series::parameterCount(spec)));
        tune->reset();
        QCOMPARE(pretendDevice().now, before);
    }

    /// The plan's cost is of the device that is asked for.
    void costIsOfTheDevice() {
        study::Plan plan;
        plan.tuningTokens = 1000;
        plan.probe.settings = {{"training", {{"max_steps", 3}}}};
        const series::DecoderSpec spec = shapeOf("llama");
        const double onCpu = plannedTrainingBytes(plan, "cpu", spec, 1).peak, onGpu = plannedTrainingBytes(plan, "cuda:0", spec, 1).peak;
        FineTuneSettings settings;
        settings.maxSteps = 3;
        QCOMPARE(onGpu, trainingMemory(spec, settings, 255, 1, false, Operations::Plain).peak());
        QVERIFY(onGpu != onCpu);
        // One worker computes there, and the runner itself lies elsewhere.
        plan.probe.kind = study::kFineTuning;
        plan.tasks.emplace_back(), plan.checkpoints.emplace_back();
        plan.taskTokens = {10};
        plan.cells.assign(6, {0, 1e-3, 1, {"key"}, {0}});
        for (std::size_t i = 0; i < plan.cells.size(); ++i)
            plan.cells[i].seed = static_cast<std::int64_t>(i);
        const auto costOn = [&](const char* device) {
            return study::planCost(plan, device, {spec}, 0, study::workersFor(plan.checkpoints, device, 4), {}, [&](const series::DecoderSpec& of, int threads) {
                return plannedTrainingBytes(plan, device, of, threads);
            });
        };
        QCOMPARE(costOn("cuda:0").trainings, std::int64_t{6});
        QCOMPARE(costOn("cuda:0").memoryBytes, onGpu);
        QVERIFY(costOn("cpu").memoryBytes > 4 * onCpu);
    }

    /// By the device's own error, from next to no room to enough.
    void outOfMemoryHalvesThePasses() {
        const auto examples = examplesOf(40, 32, 97);
        FineTuneSettings settings = settingsOf(32, 2);
        const auto madeWith = [&] { return std::move(*FineTune::create(*m_reader, settings, 3e-3, 1, examples, 1, {}, false, kPretendDevice)); };
        pretendDevice().most = pretendDevice().now;
        auto enough = madeWith();
        const std::int64_t state = pretendDevice().now;
        const Outcome wanted = runToEnd(*enough);
        QVERIFY2(wanted.error.empty() && wanted.note.empty() && wanted.rows > 80, wanted.note.c_str());
        const std::int64_t steps = pretendDevice().most - state;
        enough.reset();
        int refused = 0, halved = 0, whole = 0;
        for (int tenth = 0; tenth <= 10; tenth += 2) {
            init();
            auto tune = madeWith();
            pretendDevice().room = pretendDevice().now + steps * tenth / 10;
            const Outcome found = runToEnd(*tune);
            if (!found.error.empty()) {
                ++refused;
                QVERIFY2(found.error.find("There is not enough memory for step 1, not even with one example") != std::string::npos, found.error.c_str());
                init();
                QVERIFY(tune->step().has_value()); // it is the step that failed, nothing else
                continue;
            }
            ++(found.note.empty() ? whole : halved);
            QCOMPARE(found.note.empty(), found.rows == wanted.rows);
            QVERIFY2(furthest(found.losses, wanted.losses) < 1e-4, qPrintable(QString::number(furthest(found.losses, wanted.losses))));
        }
        qInfo("%d refused, %d halved, %d whole", refused, halved, whole);
        QVERIFY(refused > 0 && halved > 0 && whole > 0);
    }

    /// What the device says it has free, whatever the machine has: nothing has to fail first.
    void freeMemoryIsTheDevices() {
        const at::Device device(kPretendDevice);
        QVERIFY(!model::freeDeviceMemory(device) && !model::freeDeviceMemory(at::kCPU));
        const auto tune = make(settingsOf(32, 2));
        const std::int64_t rows = tune->passRows(), pass = passBytes(test::smallSpec(), rows, false);
        pretendDevice().free = pass / 3;
        QCOMPARE(*model::freeDeviceMemory(device), pass / 3);
        const Outcome found = runToEnd(*tune);
        QVERIFY2(found.error.empty() && found.rows < rows && !found.note.empty(), found.error.c_str());
        pretendDevice().free = 2 * (pass + plainWorkspace(test::smallSpec(), settingsOf(32, 2), rows, 41));
        const Outcome enough = runToEnd(*make(settingsOf(32, 2)));
        QVERIFY2(enough.rows == rows && enough.note.empty(), enough.note.c_str());
    }

    void noRoomForTheWeightsIsASentence() {
        pretendDevice().room = pretendDevice().now + 1000;
        const auto made = FineTune::create(*m_reader, settingsOf(6, 2), 3e-3, 1, m_examples, 1, {}, false, kPretendDevice);
        QVERIFY(!made);
        QVERIFY2(made.error().message.find("not enough memory to fine-tune this model") != std::string::npos, made.error().text().c_str());
        QVERIFY(!model::deviceFailure(at::Device(kPretendDevice))); // a full device is not a lost one
    }

    void aLostDeviceIsSaid() {
        const at::Device device(kPretendDevice);
        QVERIFY(!model::deviceFailure(device) && !model::deviceFailure(at::kCPU));
        const auto tune = make(settingsOf(6, 4));
        QVERIFY(tune->step() && tune->step());
        pretendDevice().lost = true;
        const auto report = tune->step();
        QVERIFY(!report);
        QVERIFY2(report.error().text().starts_with("Step 3 failed: CUDA error: unspecified launch failure"), report.error().text().c_str());
        QVERIFY2(report.error().text().find("frame #") == std::string::npos, report.error().text().c_str());
        QCOMPARE(tune->passRows(), make(settingsOf(6, 4), "cpu")->passRows()); // no lack of memory
        QCOMPARE(QString::fromStdString(model::deviceFailure(device).value_or("")), QStringLiteral("CUDA error: unspecified launch failure"));
    }
};

QTEST_GUILESS_MAIN(TestOtherDevice)
#include "tst_other_device.moc"
