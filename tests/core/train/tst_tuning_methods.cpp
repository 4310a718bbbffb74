// SPDX-License-Identifier: Apache-2.0
// Ways of fine-tuning: low-rank adapters, the head first, replay. What is trained and what is not, exact resume, settings
// and the keys of results that do not use them.
#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/train/fine_tune.h"
#include "core/train/low_rank.h"
#include "tests/core/train/tuning_fixture.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

/// Values of every tensor, by name.
std::map<std::string, std::vector<float>> weightsOf(FineTune& tune) {
    std::map<std::string, std::vector<float>> all;
    model::WeightSource& source = tune.weights();
    for (int tensor = 0; tensor < static_cast<int>(source.reader().tensors().size()); ++tensor) {
        auto& values = all[source.reader().tensors()[static_cast<std::size_t>(tensor)].name];
        values.resize(static_cast<std::size_t>(source.reader().elements(tensor)));
        float* const to[] = {values.data()};
        source.make(tensor, 0, source.reader().elements(tensor), 0, to);
    }
    return all;
}

FineTuneSettings quick() {
    FineTuneSettings settings;
    settings.batchExamples = 6;
    settings.maxSteps = 12;
    return settings;
}
FineTuneSettings adapters(std::int64_t rank = 4) {
    FineTuneSettings settings = quick();
    settings.loraRank = rank, settings.loraAlpha = 8;
    return settings;
}

bool run(FineTune& tune, std::int64_t end) {
    while (tune.stepsDone() < end)
        if (!tune.step() || tune.diverged())
            return false;
    return true;
}

} // namespace

class TestTuningMethods : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    std::optional<model::WeightReader> m_reader, m_tied;
    std::vector<data::TuningExample> m_examples = test::makeExamples(40, 97), m_replay = test::makeExamples(15, 97, 9);

    std::unique_ptr<FineTune> make(const FineTuneSettings& settings, double rate = 3e-3, int threads = 1,
                                   std::int64_t seed = 1, bool tied = false) {
        auto made = FineTune::create(tied ? *m_tied : *m_reader, settings, rate, seed, m_examples, threads, m_replay);
        if (!made)
            qWarning("%s", made.error().text().c_str());
        return made ? std::move(*made) : nullptr;
    }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_dir.isValid());
        at::set_num_threads(1);
        auto reader = test::makeStart(m_folder / "start", test::smallSpec());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        m_reader.emplace(std::move(*reader));
        series::DecoderSpec spec = test::smallSpec();
        spec.tiedHead = true;
        auto tied = test::makeStart(m_folder / "tied", spec);
        QVERIFY2(tied, tied ? "" : tied.error().text().c_str());
        m_tied.emplace(std::move(*tied));
    }

    /// The text decides keys of results that exist: it must not change where nothing of this is used.
    void settingsThatAreNotUsedAreNotWritten() {
        QCOMPARE(canonicalJson(toJson(FineTuneSettings())),
                 std::string(R"({"batch_examples":16,"betas":[0.9,0.999],"clip_norm":1.0,"compute":"float32","diverged_loss":0.0,)"
                             R"("epochs":1,"epsilon":1e-08,"gradient_lanes":1,"l2_to_start":0.0,"max_steps":0,"packing":true,)"
                             R"("row_tokens":0,"schedule":"linear","warmup_share":0.1,"weight_decay":0.0})"));
        FineTuneSettings s = adapters();
        s.loraMatrices = LoraMatrices::Mlp, s.replayShare = 0.2, s.replayTokens = 40;
        const auto read = fineTuneSettingsFromJson(toJson(s), "here");
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QVERIFY(*read == s);
        FineTuneSettings head = quick();
        head.headShare = 0.3;
        QVERIFY(*fineTuneSettingsFromJson(toJson(head), "here") == head);
        const auto refused = [](const Json& change, const char* expected) {
            const auto wrong = fineTuneSettingsFromJson(change, "here");
            QVERIFY2(!wrong, expected);
            QVERIFY2(wrong.error().text().find(expected) != std::string::npos, wrong.error().text().c_str());
        };
        refused({{"lora_rank", -1}}, "lora_rank");
        refused({{"lora_rank", 4}, {"lora_alpha", 0}}, "lora_alpha");
        refused({{"lora_rank", 4}, {"lora_matrices", "qkv"}}, "\"attention\"");
        refused({{"lora_rank", 4}, {"head_share", 0.5}}, "choose one");
        refused({{"head_share", 1}}, "head_share");
        refused({{"replay_share", 1}}, "replay_share");
        refused({{"replay_tokens", 1}}, "replay_tokens");
    }

    /// As peft: A uniform within 1/sqrt(in) (kaiming_uniform with a = sqrt 5), B zero: the start is the checkpoint.
    void adaptersBeginAsPeftsDo() {
        const ParameterLayout layout = parameterLayout(test::smallSpec());
        const ParameterLayout part =
            partOf(layout, [](const auto& info) { return info.layer >= 0 && info.shape.size() == 2; });
        const LowRank lowRank(*m_reader, layout, part, adapters(64));
        at::Tensor one = at::zeros({lowRank.layout().total}), other = one.clone(), again = one.clone();
        lowRank.begin(one, 1);
        lowRank.begin(other, 2);
        lowRank.begin(again, 1);
        QVERIFY(one.equal(again) && !one.equal(other));
        QCOMPARE(lowRank.layout().slots.size(), std::size_t{2 * 7 * 2});
        for (const ParameterSlot& slot : lowRank.layout().slots) {
            const at::Tensor values = parameterView(slot, one);
            if (slot.info.name.back() == 'B') {
                QCOMPARE(values.abs().max().item<double>(), 0.0);
                continue;
            }
            const double bound = 1 / std::sqrt(static_cast<double>(values.size(1)));
            QCOMPARE(values.size(0), std::int64_t{64});
            QVERIFY(values.abs().max().item<double>() <= bound && values.abs().max().item<double>() > 0.99 * bound);
            QVERIFY(std::abs(values.mean().item<double>()) < 0.05 * bound);
            // The variance of a uniform number within +-b is b^2 / 3.
            QVERIFY(std::abs(values.square().mean().item<double>() / (bound * bound / 3) - 1) < 0.06);
        }
        const auto tune = make(adapters());
        QCOMPARE(tune->distanceFromStart().distance, 0.0);
    }

    void adaptersMoveTheChosenMatricesOnly_data() {
        QTest::addColumn<int>("which");
        QTest::newRow("all") << static_cast<int>(LoraMatrices::All);
        QTest::newRow("attention") << static_cast<int>(LoraMatrices::Attention);
        QTest::newRow("mlp") << static_cast<int>(LoraMatrices::Mlp);
    }

    void adaptersMoveTheChosenMatricesOnly() {
        QFETCH(int, which);
        FineTuneSettings settings = adapters();
        settings.loraMatrices = static_cast<LoraMatrices>(which);
        const auto tune = make(settings);
        QVERIFY(run(*tune, 12));
        for (const TensorDistance& tensor : tune->distanceFromStart().tensors) {
            const bool attention = tensor.tensor.find("self_attn") != std::string::npos;
            const bool mlp = tensor.tensor.find("mlp.") != std::string::npos;
            const bool moves = (attention && settings.loraMatrices != LoraMatrices::Mlp) ||
                               (mlp && settings.loraMatrices != LoraMatrices::Attention);
            QVERIFY2((tensor.distance > 0) == moves, tensor.tensor.c_str());
        }
        // What moved has the rank of its adapter.
        const auto now = weightsOf(*tune), before = weightsOf(*make(settings));
        const std::string name = which == static_cast<int>(LoraMatrices::Mlp) ? "model.layers.1.mlp.down_proj.weight"
                                                                             : "model.layers.1.self_attn.o_proj.weight";
        at::Tensor moved = at::tensor(at::ArrayRef(now.at(name))) - at::tensor(at::ArrayRef(before.at(name)));
        const at::Tensor values = std::get<1>(at::linalg_svd(moved.view({32, -1}).to(at::kDouble)));
        QVERIFY(values[3].item<double>() > 1e-3 * values[0].item<double>());
        QVERIFY(values[4].item<double>() < 1e-5 * values[0].item<double>());
    }

    void resumeIsBitExact_data() {
        QTest::addColumn<QString>("method");
        QTest::addColumn<int>("lanes");
        QTest::addColumn<bool>("bfloat16");
        QTest::newRow("adapters") << "adapters" << 1 << false;
        QTest::newRow("adapters, two lanes, bfloat16") << "adapters" << 2 << true;
        QTest::newRow("head first") << "head" << 1 << false;
        QTest::newRow("replay, two lanes") << "replay" << 2 << false;
    }

    void resumeIsBitExact() {
        QFETCH(QString, method);
        QFETCH(int, lanes);
        QFETCH(bool, bfloat16);
        FineTuneSettings settings = method == "adapters" ? adapters() : quick();
        settings.gradientLanes = lanes, settings.weightDecay = 0.1, settings.l2ToStart = 0.1;
        settings.compute = bfloat16 ? ComputeType::BFloat16 : ComputeType::Float32;
        settings.headShare = method == "head" ? 0.4 : 0;
        settings.replayShare = method == "replay" ? 0.4 : 0;
        const auto whole = make(settings);
        QVERIFY(run(*whole, 12));
        const auto wanted = weightsOf(*whole);
        const fs::path state = m_folder / QTest::currentDataTag();
        // Stopped after every single step, each time by another object, which may use other threads.
        for (std::int64_t step = 1; step <= 12; ++step) {
            const auto part = make(settings, 3e-3, static_cast<int>(1 + step % 2));
            const auto loaded = part->loadState(state, "here");
            QVERIFY2(loaded, loaded ? "" : loaded.error().text().c_str());
            QCOMPARE(part->stepsDone(), step - 1);
            QVERIFY(run(*part, step));
            QVERIFY(part->saveState(state, "here").has_value());
        }
        const auto last = make(settings);
        QVERIFY(last->loadState(state, "here").has_value());
        QVERIFY(weightsOf(*last) == wanted); // without another step
        const auto full = make(quick())->loadState(state, "here");
        QVERIFY(!full && full.error().kind == ErrorKind::Mismatch);
    }

    void theHeadComesFirst_data() {
        QTest::addColumn<bool>("tied");
        QTest::newRow("untied") << false;
        QTest::newRow("tied") << true;
    }

    void theHeadComesFirst() {
        QFETCH(bool, tied);
        FineTuneSettings settings = quick();
        settings.headShare = 0.5;
        const auto tune = make(settings, 3e-3, 1, 1, tied);
        QVERIFY(run(*tune, 6));
        for (const TensorDistance& tensor : tune->distanceFromStart().tensors) {
            const bool isHead = tensor.tensor == (tied ? "model.embed_tokens.weight" : "lm_head.weight");
            QVERIFY2((tensor.distance > 0) == isHead, tensor.tensor.c_str());
        }
        QVERIFY(run(*tune, 12));
        for (const TensorDistance& tensor : tune->distanceFromStart().tensors)
            QVERIFY2(tensor.distance > 0, tensor.tensor.c_str());
    }

    void l2HoldsAdaptersBack() {
        FineTuneSettings held = adapters();
        held.maxSteps = 40, held.l2ToStart = 10;
        FineTuneSettings free = adapters();
        free.maxSteps = 40;
        const auto a = make(free), b = make(held);
        QVERIFY(run(*a, 40) && run(*b, 40));
        QVERIFY(b->distanceFromStart().distance < 0.5 * a->distanceFromStart().distance);
    }

    void replayNeedsText() {
        FineTuneSettings settings = quick();
        settings.replayShare = 0.5;
        const auto made = FineTune::create(*m_reader, settings, 3e-3, 1, m_examples, 1);
        QVERIFY(!made);
        QVERIFY2(made.error().text().find("replay") != std::string::npos, made.error().text().c_str());
        QCOMPARE(make(settings)->replayOfStep(0).size(), std::size_t{3}); // half of 6 examples
        QVERIFY(make(quick())->replayOfStep(0).empty());                  // text that is not asked for
    }

    /// A window as long as the context has one token more than is read, which is learned as in any other.
    void replayLearnsAllOfAWindow() {
        for (const std::size_t window : {std::size_t{40}, std::size_t{64}}) { // 64: the context
            std::vector<data::TuningExample> text(5);
            for (data::TuningExample& one : text) {
                one.ids.assign(window + 1, 3);
                one.learned.assign(window + 1, 1);
                one.learned.front() = 0;
            }
            FineTuneSettings settings = quick();
            settings.replayShare = 0.5;
            auto tune = FineTune::create(*m_reader, settings, 3e-3, 1, m_examples, 1, text);
            QVERIFY2(tune, tune ? "" : tune.error().text().c_str());
            const auto report = (*tune)->step();
            QVERIFY2(report, report ? "" : report.error().text().c_str());
            std::int64_t ofExamples = 0;
            for (const std::int64_t i : (*tune)->examplesOfStep(0))
                ofExamples += std::ranges::count(m_examples[static_cast<std::size_t>(i)].learned, 1);
            QCOMPARE(report->learned - ofExamples, static_cast<std::int64_t>(3 * window)); // half of 6 examples
        }
    }

    void theStateOfAdaptersIsSmall() {
        const auto small = make(adapters(1)), full = make(quick());
        QVERIFY(small->saveState(m_folder / "small", "x") && full->saveState(m_folder / "full", "x"));
        const auto bytes = [&](const char* name) { return fs::file_size(m_folder / name / "step0.bin"); };
        // A and B of rank 1: in + out numbers for each matrix, three rows of floats.
        std::uintmax_t numbers = 0;
        for (const series::TensorInfo& info : m_reader->tensors())
            if (info.layer >= 0 && info.shape.size() == 2)
                numbers += static_cast<std::uintmax_t>(info.shape[0] + info.shape[1]);
        QCOMPARE(bytes("small"), 12 * numbers);
        QVERIFY(20 * bytes("small") < bytes("full"));
    }
};

QTEST_GUILESS_MAIN(TestTuningMethods)
#include "tst_tuning_methods.moc"
