// SPDX-License-Identifier: Apache-2.0
// Fine-tuning: settings, data that cannot be used, order, packing, exact resume, divergence, distances.
#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/model/ops.h"
#include "core/train/fine_tune.h"
#include "core/train/optimizer.h"
#include "core/train/save_pace.h"
#include "tests/core/train/tuning_fixture.h"

using namespace crest;
using namespace crest::train;
namespace fs = std::filesystem;

namespace {

std::vector<float> weightsOf(FineTune& tune) {
    std::vector<float> all;
    model::WeightSource& source = tune.weights();
    for (int tensor = 0; tensor < static_cast<int>(source.reader().tensors().size()); ++tensor) {
        std::vector<float> values(static_cast<std::size_t>(source.reader().elements(tensor)));
        float* const to[] = {values.data()};
        source.make(tensor, 0, source.reader().elements(tensor), 0, to);
        all.insert(all.end(), values.begin(), values.end());
    }
    return all;
}

FineTuneSettings quick() {
    FineTuneSettings settings;
    settings.batchExamples = 6;
    settings.maxSteps = 12;
    return settings;
}

/// Steps until `end`; the loss of the last.
Result<double> run(FineTune& tune, std::int64_t end) {
    double loss = 0;
    while (tune.stepsDone() < end) {
        CREST_TRY(report, tune.step());
        loss = report.loss;
    }
    return loss;
}

double largestDifference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return largest;
}

} // namespace

class TestFineTune : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    std::optional<model::WeightReader> m_reader;
    std::vector<data::TuningExample> m_examples = test::makeExamples(40, 97);

    std::unique_ptr<FineTune> make(const FineTuneSettings& settings, double rate = 3e-3, int threads = 1,
                                   std::int64_t seed = 1) {
        auto made = FineTune::create(*m_reader, settings, rate, seed, m_examples, threads);
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
    }

    void settingsGoThroughJson() {
        FineTuneSettings s;
        s.epochs = 3, s.maxSteps = 7, s.batchExamples = 5, s.rowTokens = 33, s.schedule = Schedule::Cosine;
        s.warmupShare = 0.2, s.weightDecay = 0.3, s.beta1 = 0.8, s.beta2 = 0.9, s.epsilon = 1e-7, s.clipNorm = 2;
        s.packing = false, s.compute = ComputeType::BFloat16, s.l2ToStart = 0.5, s.divergedLoss = 9, s.gradientLanes = 2;
        const auto read = fineTuneSettingsFromJson(toJson(s), "here");
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QVERIFY(*read == s);
        QVERIFY(*fineTuneSettingsFromJson(Json::object(), "here") == FineTuneSettings());
        const auto refused = [](const Json& change, const char* expected) {
            const auto wrong = fineTuneSettingsFromJson(change, "here");
            QVERIFY2(!wrong, expected);
            QVERIFY2(wrong.error().text().find(expected) != std::string::npos, wrong.error().text().c_str());
        };
        refused({{"epoch", 1}}, "\"epoch\" is unknown");
        refused({{"epochs", 0}}, "epochs");
        refused({{"batch_examples", 0}}, "batch_examples");
        refused({{"row_tokens", 1}}, "row_tokens");
        refused({{"schedule", "step"}}, "\"linear\"");
        refused({{"betas", {0.9, 1.0}}}, "betas");
        refused({{"clip_norm", -1}}, "clip_norm");
        refused({{"gradient_lanes", 17}}, "gradient_lanes");
        refused({{"packing", 1}}, "packing");
        refused({{"warmup_share", 1.5}}, "warmup_share");
    }

    void dataThatCannotBeUsed() {
        const auto refused = [&](std::vector<data::TuningExample> examples, const char* expected,
                                 FineTuneSettings settings = {}, double rate = 1e-3) {
            const auto made = FineTune::create(*m_reader, settings, rate, 1, examples, 1);
            QVERIFY2(!made, expected);
            QVERIFY2(made.error().text().find(expected) != std::string::npos, made.error().text().c_str());
        };
        refused({}, "no example");
        refused({{{1, 2, 3}, {0, 0, 0}}}, "None of the 1 examples");
        refused({{{1}, {0}}}, "None of the 1 examples");
        refused({{{1, 2}, {0, 1}}, {{1, 97}, {0, 1}}}, "Example 2 holds the token 97");
        refused({{{1, -1}, {0, 1}}}, "Example 1 holds the token -1");
        refused({{{1, 2}, {0}}}, "Example 1 has 2 tokens");
        refused(m_examples, "context is 64", [] {
            FineTuneSettings s;
            s.rowTokens = 65;
            return s;
        }());
        refused(m_examples, "learning rate", {}, 0);
        refused(m_examples, "learning rate", {}, std::nan(""));
    }

    void longAndEmptyExamplesAreCounted() {
        std::vector<data::TuningExample> examples = {
            {{1, 2, 3, 4, 5, 6}, {0, 0, 1, 1, 1, 1}}, // cut: two learned tokens stay
            {{1, 2, 3, 4, 5, 6}, {0, 0, 0, 0, 1, 1}}, // cut: nothing to learn is left
            {{1, 2, 3}, {1, 0, 0}},                   // the first token is never predicted
            {{7, 8}, {0, 1}}};
        FineTuneSettings settings;
        settings.rowTokens = 4, settings.epochs = 2, settings.batchExamples = 3;
        const auto made = FineTune::create(*m_reader, settings, 1e-3, 1, examples, 1);
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QCOMPARE((*made)->truncatedExamples(), std::int64_t{2});
        QCOMPARE((*made)->droppedExamples(), std::int64_t{2});
        QCOMPARE((*made)->stepsTotal(), std::int64_t{2}); // 4 uses in batches of 3
        QCOMPARE((*made)->examplesOfStep(1).size(), std::size_t{1});
        const auto report = (*made)->step();
        QVERIFY(report.has_value());
        QVERIFY(report->tokens == 4 + 2 + 4 || report->tokens == 4 + 2 + 2);
        QVERIFY((*made)->step().has_value());
        QVERIFY(!(*made)->step().has_value()); // finished
    }

    void everyEpochSeesEachExampleOnce() {
        FineTuneSettings settings;
        settings.epochs = 3, settings.batchExamples = 7;
        const auto tune = make(settings), other = make(settings, 1e-3, 1, 2);
        std::map<std::int64_t, int> seen;
        std::vector<std::int64_t> order, otherOrder;
        for (std::int64_t step = 0; step < tune->stepsTotal(); ++step) {
            for (const std::int64_t i : tune->examplesOfStep(step))
                ++seen[i], order.push_back(i);
            for (const std::int64_t i : other->examplesOfStep(step))
                otherOrder.push_back(i);
        }
        QCOMPARE(seen.size(), std::size_t{40});
        for (const auto& [example, times] : seen)
            QCOMPARE(times, 3);
        QCOMPARE(std::set<std::int64_t>(order.begin(), order.begin() + 40).size(), std::size_t{40});
        QVERIFY(order != otherOrder);
    }

    void packedAndOneByOneAreTheSame() {
        FineTuneSettings settings = quick(), single = quick();
        single.packing = false;
        const auto a = make(settings), b = make(single);
        for (int step = 0; step < 12; ++step) {
            const auto packed = a->step(), one = b->step();
            QVERIFY(packed && one);
            QVERIFY(std::abs(packed->loss / one->loss - 1) < 1e-5);
            QCOMPARE(packed->tokens, one->tokens);
        }
    }

    void lossFallsAndWeightsMove() {
        FineTuneSettings settings = quick();
        settings.maxSteps = 60;
        const auto tune = make(settings);
        QCOMPARE(tune->distanceFromStart().distance, 0.0);
        const auto first = tune->step();
        const auto last = run(*tune, 60);
        QVERIFY(first && last);
        QVERIFY2(*last < 0.6 * first->loss, qPrintable(QString("%1 to %2").arg(first->loss).arg(*last)));
        const WeightDistance moved = tune->distanceFromStart();
        double squares = 0, starts = 0;
        for (const TensorDistance& tensor : moved.tensors)
            squares += tensor.distance * tensor.distance, starts += tensor.start * tensor.start;
        QCOMPARE(moved.tensors.size(), m_reader->tensors().size());
        QVERIFY(std::abs(moved.distance - std::sqrt(squares)) < 1e-9 * moved.distance);
        QVERIFY(std::abs(moved.start - std::sqrt(starts)) < 1e-9 * moved.start);
        // The same from the weights as they are handed out.
        const std::vector<float> now = weightsOf(*tune), before = weightsOf(*make(settings));
        double direct = 0;
        for (std::size_t i = 0; i < now.size(); ++i)
            direct += std::pow(static_cast<double>(now[i]) - static_cast<double>(before[i]), 2);
        QVERIFY(std::abs(std::sqrt(direct) - moved.distance) < 1e-6 * moved.distance);
        QVERIFY(moved.distance > 0.1);
    }

    void l2HoldsTheWeightsBack() {
        FineTuneSettings free = quick(), held = quick();
        free.maxSteps = held.maxSteps = 40;
        held.l2ToStart = 10;
        const auto a = make(free), b = make(held);
        QVERIFY(run(*a, 40) && run(*b, 40));
        QVERIFY2(b->distanceFromStart().distance < 0.5 * a->distanceFromStart().distance,
                 qPrintable(QString("%1, %2").arg(b->distanceFromStart().distance).arg(a->distanceFromStart().distance)));
    }

    /// AdamW makes a step of any gradient, however small: where there is none, not even a rounding may stand.
    void l2MovesNothingByItself() {
        constexpr std::int32_t kSeen = 50; // of 97 tokens
        const std::vector<data::TuningExample> examples = test::makeExamples(40, kSeen);
        FineTuneSettings settings = quick();
        settings.l2ToStart = 0.7; // not exact in a product
        auto tune = FineTune::create(*m_reader, settings, 3e-3, 1, examples, 1);
        QVERIFY2(tune, tune ? "" : tune.error().text().c_str());
        QVERIFY(run(**tune, 12));
        model::WeightSource& now = (*tune)->weights();
        const auto embedding = std::ranges::find(m_reader->tensors(), series::TensorSlot::Embedding, &series::TensorInfo::slot);
        QVERIFY(embedding != m_reader->tensors().end() && !m_reader->spec().tiedHead);
        const int tensor = static_cast<int>(embedding - m_reader->tensors().begin());
        const std::int64_t first = kSeen * m_reader->spec().width, count = m_reader->elements(tensor) - first;
        std::vector<float> before(static_cast<std::size_t>(count)), after(before.size());
        float* const to[] = {after.data()};
        m_reader->read(tensor, first, before);
        now.make(tensor, first, count, 0, to);
        QVERIFY(before == after);
    }

    void resumeIsBitExact_data() {
        QTest::addColumn<int>("lanes");
        QTest::addColumn<bool>("packing");
        QTest::addColumn<bool>("bfloat16");
        QTest::newRow("one lane") << 1 << true << false;
        QTest::newRow("two lanes") << 2 << true << false;
        QTest::newRow("several passes a step") << 2 << false << false;
        QTest::newRow("bfloat16") << 1 << true << true;
    }

    void resumeIsBitExact() {
        QFETCH(int, lanes);
        QFETCH(bool, packing);
        QFETCH(bool, bfloat16);
        FineTuneSettings settings = quick();
        settings.gradientLanes = lanes, settings.packing = packing, settings.weightDecay = 0.1;
        settings.compute = bfloat16 ? ComputeType::BFloat16 : ComputeType::Float32;
        const auto whole = make(settings);
        const auto loss = run(*whole, 12);
        QVERIFY(loss.has_value());
        const std::vector<float> wanted = weightsOf(*whole);
        const fs::path state = m_folder / QTest::currentDataTag();
        // Stopped after every single step, each time by another object, which may use other threads.
        double last = 0;
        for (std::int64_t step = 1; step <= 12; ++step) {
            const auto part = make(settings, 3e-3, static_cast<int>(1 + step % 2));
            const auto loaded = part->loadState(state, "here");
            QVERIFY2(loaded, loaded ? "" : loaded.error().text().c_str());
            QCOMPARE(*loaded, step > 1);
            QCOMPARE(part->stepsDone(), step - 1);
            last = *run(*part, step);
            QVERIFY(part->saveState(state, "here").has_value());
            if (step < 12)
                continue;
            QCOMPARE(last, *loss);
            QVERIFY(weightsOf(*part) == wanted);
        }
        const auto other = make(settings, 1e-3);
        const auto foreign = other->loadState(state, "here"), elsewhere = make(settings)->loadState(state, "there");
        QVERIFY(!foreign && foreign.error().kind == ErrorKind::Mismatch);
        QVERIFY(!elsewhere && elsewhere.error().kind == ErrorKind::Mismatch);
    }

    void savingCostsAHundredthAtMost() {
        SavePace large(30, 1.9e9), small(30, 1e6), every(0, 1e12);
        QVERIFY(!small.isDue(29) && small.isDue(30));
        QVERIFY(!large.isDue(940) && large.isDue(941)); // taken as 9.5 s, until one was timed
        large.saved(0.5);
        QVERIFY(!large.isDue(49) && large.isDue(50));
        QVERIFY(every.isDue(0));
    }

    /// Activation checkpointing.
    void recomputedIsTheSame() {
        for (const int lanes : {1, 2}) {
            FineTuneSettings settings = quick();
            settings.gradientLanes = lanes, settings.packing = lanes == 1;
            const auto kept = make(settings);
            auto recomputed = FineTune::create(*m_reader, settings, 3e-3, 1, m_examples, 1, {}, true);
            QVERIFY(recomputed && run(*kept, 12) && run(**recomputed, 12));
            QVERIFY(weightsOf(*kept) == weightsOf(**recomputed));
        }
    }

    void threadsDoNotChangeBits() {
        FineTuneSettings settings = quick();
        settings.gradientLanes = 3;
        const auto a = make(settings, 3e-3, 1), b = make(settings, 3e-3, 3);
        QVERIFY(run(*a, 12) && run(*b, 12));
        QVERIFY(weightsOf(*a) == weightsOf(*b));
        // Lanes are a setting that changes roundings, no more.
        const auto c = make(quick());
        QVERIFY(run(*c, 12));
        QVERIFY(largestDifference(weightsOf(*a), weightsOf(*c)) < 1e-3);
    }

    /// Those of LibTorch, too, among which a lane's operations are divided.
    void threadsWithinALaneDoNotChangeBits() {
        auto large = test::makeStart(m_folder / "large", test::smallSpec(4000));
        QVERIFY2(large, large ? "" : large.error().text().c_str());
        std::vector<float> wanted;
        for (const int threads : {1, 2, 3}) {
            at::set_num_threads(threads);
            FineTuneSettings settings = quick();
            settings.weightDecay = 0.1, settings.l2ToStart = 0.3;
            auto tune = FineTune::create(*large, settings, 3e-3, 1, m_examples, 1);
            const bool ran = tune && run(**tune, 12);
            at::set_num_threads(1);
            QVERIFY(ran);
            if (threads == 1)
                wanted = weightsOf(**tune);
            QVERIFY(weightsOf(**tune) == wanted);
        }
    }

    void theNormIsExact() {
        at::Tensor values = at::zeros({300'001}, at::kFloat);
        fillNormal(values, 1, "gradient", 1e-3);
        const double exact = at::linalg_vector_norm(values.to(at::kDouble)).item<double>();
        double first = 0;
        for (const int threads : {1, 2, 3}) {
            at::set_num_threads(threads);
            const double norm = clipGradients(values, 0);
            at::set_num_threads(1);
            QVERIFY2(std::abs(norm / exact - 1) < 1e-12, qPrintable(QString::number(norm / exact - 1)));
            if (threads == 1)
                first = norm;
            QVERIFY(norm == first);
        }
    }

    void bfloat16IsNearAndLabelled() {
        FineTuneSettings settings = quick();
        settings.compute = ComputeType::BFloat16;
        const auto exact = make(quick()), rounded = make(settings);
        const auto a = run(*exact, 12), b = run(*rounded, 12);
        QVERIFY(a && b && *a != *b);
        QVERIFY2(std::abs(*a - *b) < 0.02 * *a, qPrintable(QString("%1, %2").arg(*a).arg(*b)));
        QVERIFY(rounded->instructions().find("bfloat16") != std::string::npos);
        QVERIFY(exact->instructions().find("bfloat16") == std::string::npos);
    }

    void divergenceEndsARun() {
        FineTuneSettings settings = quick();
        settings.maxSteps = 50, settings.clipNorm = 0, settings.warmupShare = 0;
        const auto tune = make(settings, 10);
        std::vector<float> before;
        while (!tune->diverged() && tune->stepsDone() < 50) {
            before = weightsOf(*tune);
            QVERIFY(tune->step().has_value());
        }
        QVERIFY(tune->diverged());
        QVERIFY(tune->stepsDone() < 50);
        QVERIFY(weightsOf(*tune) == before); // the bad step changed nothing
        QVERIFY(!tune->step().has_value());
        // The bound is twice the loss of a uniform guess, or as stated.
        settings.divergedLoss = 0.1;
        const auto strict = make(settings, 1e-5);
        const auto report = strict->step();
        QVERIFY(report && report->loss > 0.1 && strict->diverged() && strict->stepsDone() == 0);
    }

    void scheduleIsTheStatedOne() {
        FineTuneSettings settings = quick();
        settings.maxSteps = 20, settings.warmupShare = 0.1; // 2 steps
        const auto tune = make(settings, 0.01);
        std::vector<double> rates;
        for (int step = 0; step < 20; ++step)
            rates.push_back(tune->step()->learningRate);
        QVERIFY(std::abs(rates[0] - 0.005) < 1e-15 && std::abs(rates[1] - 0.01) < 1e-15);
        QVERIFY(std::abs(rates[2] - 0.01) < 1e-15 && std::abs(rates[11] - 0.005) < 1e-15);
        QVERIFY(std::abs(rates[19] - 0.01 / 18) < 1e-15);
    }

    /// What runs on other devices: LibTorch's own operations, in float32 and with products in bfloat16, of all weights,
    /// adapters and the head first.
    void plainOperationsGoTheSameWay() {
        const auto losses = [&](const FineTuneSettings& settings, bool plain) {
            model::setReferenceOps(plain);
            const auto tune = make(settings);
            std::vector<double> all;
            while (tune && tune->stepsDone() < tune->stepsTotal())
                if (const auto report = tune->step())
                    all.push_back(report->loss);
                else
                    break;
            model::setReferenceOps(false);
            if (tune)
                all.push_back(tune->distanceFromStart().distance);
            return all;
        };
        FineTuneSettings adapters = quick(), headFirst = quick(), narrow = quick();
        adapters.loraRank = 4, headFirst.headShare = 0.3, narrow.compute = ComputeType::BFloat16;
        for (const FineTuneSettings& settings : {quick(), adapters, headFirst, narrow}) {
            const double tolerance = settings.compute == ComputeType::BFloat16 ? 1e-2 : 1e-4;
            const std::vector<double> fused = losses(settings, false), plain = losses(settings, true);
            QCOMPARE(fused.size(), 13u);
            QCOMPARE(plain.size(), fused.size());
            QVERIFY(plain != fused); // it did take the other path
            for (std::size_t i = 0; i < fused.size(); ++i)
                QVERIFY2(std::abs(plain[i] / fused[i] - 1) < tolerance,
                         qPrintable(QStringLiteral("%1: %2 and %3").arg(i).arg(plain[i]).arg(fused[i])));
        }
    }

    void aDeviceThatIsNotThereIsSaid() {
        const auto made = FineTune::create(*m_reader, quick(), 1e-3, 1, m_examples, 1, {}, false, "cuda:99");
        QVERIFY(!made);
        QVERIFY2(made.error().text().find("cuda:99") != std::string::npos, made.error().text().c_str());
    }
};

QTEST_GUILESS_MAIN(TestFineTune)
#include "tst_fine_tune.moc"
