// SPDX-License-Identifier: Apache-2.0
// Ways of fine-tuning against PyTorch, live: gradients of low-rank adapters by autograd for several families, and whole
// runs with adapters, with the head first, and with pretraining text replayed.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>
#include <fstream>
#include <map>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/series/series.h"
#include "core/train/decoder_pass.h"
#include "core/train/fine_tune.h"
#include "core/train/low_rank.h"
#include "core/train/tuned_weights.h"
#include "core/train/tuning_batches.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/core/train/peer_run.h"
#include "tests/core/train/tuning_fixture.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::train;
using test::allWeights, test::beginOfAdapters, test::examplesAt, test::matricesOf, test::readJson;
namespace fs = std::filesystem;

namespace {

constexpr const char* kScript = "tests/oracle/tuning_methods_reference.py";

/// Largest difference as a share of the largest value.
double apart(const at::Tensor& ours, const at::Tensor& theirs) {
    return ((ours - theirs).abs().max() / theirs.abs().max()).item<double>();
}

} // namespace

class TestTuningMethodsOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_dir.isValid());
        at::set_num_threads(1);
        train("adapters", "adapters", false);
        train("head first", "head-first", false);
        train("head first, tied", "head-first", true);
        train("replay", "replay", false);
        if (QTest::currentTestFailed())
            return;
        const auto made = test::askPeerOnce({kScript, {m_dir.path()}, m_dir.path()}); // once: it takes long to start
        QVERIFY2(made, made ? "" : made.error().text().c_str());
    }

    void gradientsOfAdapters_data() {
        QTest::addColumn<QString>("name");
        const auto names = test::tinyModelNames(m_folder / "families");
        QCOMPARE(names.size(), std::size_t{10});
        for (const std::string& name : names)
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }

    void gradientsOfAdapters() {
        QFETCH(QString, name);
        const fs::path folder = m_folder / "families" / name.toStdString();
        const auto checkpoint = series::readCheckpoint(folder).checkpoint;
        QVERIFY2(checkpoint.spec.has_value(), checkpoint.reason.c_str());
        const auto reader = model::WeightReader::open(folder, *checkpoint.spec);
        const auto merged = model::WeightReader::open(folder / "merged", *checkpoint.spec);
        QVERIFY2(reader && merged, reader ? "" : reader.error().text().c_str());
        const Json wanted = readJson(folder / "adapters.json");
        std::vector<data::TuningExample> examples;
        for (std::size_t i = 0; i < wanted["ids"].size(); ++i)
            examples.push_back({wanted["ids"][i], wanted["learned"][i]});

        FineTuneSettings settings;
        settings.loraRank = wanted["rank"], settings.loraAlpha = wanted["alpha"];
        settings.batchExamples = static_cast<std::int64_t>(examples.size());
        const ParameterLayout layout = parameterLayout(*checkpoint.spec), part = matricesOf(layout);
        const LowRank lowRank(*reader, layout, part, settings);
        QCOMPARE(lowRank.layout().slots.size(), 2 * wanted["adapters"].size());
        at::Tensor adapters = at::zeros({lowRank.layout().total}), found = adapters.clone(), theirs = adapters.clone();
        const auto fill = [&](at::Tensor& to, const char* ofA, const char* ofB) {
            for (const ParameterSlot& slot : lowRank.layout().slots) {
                const std::string::size_type at = slot.info.name.rfind(".lora_");
                const bool isA = slot.info.name.back() == 'A';
                const std::vector<float> values = wanted["adapters"][slot.info.name.substr(0, at)][isA ? ofA : ofB];
                QCOMPARE(values.size(), static_cast<std::size_t>(slot.elements));
                std::copy(values.begin(), values.end(), to.mutable_data_ptr<float>() + slot.offset);
            }
        };
        fill(adapters, "A", "B");
        fill(theirs, "dA", "dB");

        at::Tensor flat = allWeights(*reader), gradient = at::zeros({part.total});
        lowRank.merge(adapters, flat);
        QVERIFY(apart(flat, allWeights(*merged)) < 1e-6);
        const auto batches = TuningBatches::create(examples, settings, checkpoint.spec->vocabSize,
                                                   checkpoint.spec->contextLength, 1);
        QVERIFY2(batches, batches ? "" : batches.error().text().c_str());
        const DecoderTensors weights = decoderTensors(*checkpoint.spec, layout, flat);
        DecoderTensors gradients = decoderTensors(*checkpoint.spec, part, gradient);
        const std::vector<std::int64_t> order = batches->examplesOf(0);
        const TuningRows rows = batches->rowsOf(order);
        const double scale = 1.0 / static_cast<double>(batches->learned(order));
        DecoderPass pass(*checkpoint.spec, static_cast<std::int64_t>(rows.ids.size()), batches->longest(), true);
        const double loss = scale * pass.forwardBackward(weights, gradients, at::tensor(at::ArrayRef(rows.ids)),
                                                         at::tensor(at::ArrayRef(rows.targets)), scale, rows.documents)
                                        .sum(at::kDouble).item<double>();
        QVERIFY2(std::abs(loss / wanted["loss"].get<double>() - 1) < 1e-5, qPrintable(QString::number(loss)));
        lowRank.gradient(adapters, gradient, 0, found);
        for (const ParameterSlot& slot : lowRank.layout().slots) {
            const double off = apart(parameterView(slot, found), parameterView(slot, theirs));
            QVERIFY2(off < 1e-3, qPrintable(QString("%1 is %2 off").arg(slot.info.name.c_str()).arg(off)));
        }
    }

    void runsOfPyTorch_data() {
        QTest::addColumn<QString>("name");
        for (const auto& [name, run] : m_runs)
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }

    void runsOfPyTorch() {
        QFETCH(QString, name);
        Run& run = m_runs.at(name.toStdString());
        const fs::path folder = m_folder / "runs" / name.toStdString();
        const Json theirs = readJson(folder / "train.json");
        QCOMPARE(run.reports.size(), std::size_t{kSteps});
        test::compareSteps(theirs, run.reports);
        for (std::size_t i = 0; i < kSteps; ++i)
            QVERIFY(std::abs(run.reports[i].learningRate / theirs["rates"][i].get<double>() - 1) < 1e-9);
        // Both went the same way from the start, and not just a little.
        const series::DecoderSpec& spec = run.reader->spec();
        const auto trained = model::WeightReader::open(folder / "trained", spec);
        QVERIFY2(trained, trained ? "" : trained.error().text().c_str());
        const auto written = run.tune->writeCheckpoint(folder / "start", folder / "tuned", {{"made_by", "test"}});
        QVERIFY2(written, written ? "" : written.error().text().c_str());
        const auto ours = model::WeightReader::open(folder / "tuned", spec);
        QVERIFY2(ours, ours ? "" : ours.error().text().c_str());
        const at::Tensor start = allWeights(*run.reader), peer = allWeights(*trained);
        const double moved = (peer - start).norm().item<double>();
        const double off = (allWeights(*ours) - peer).norm().item<double>() / moved;
        QVERIFY2(off < 1e-2, qPrintable(QString::number(off)));
        QVERIFY2(moved > 0.1, qPrintable(QString::number(moved)));
        QVERIFY(std::abs(run.tune->distanceFromStart().distance / moved - 1) < 1e-2);
    }

private:
    struct Run {
        std::optional<model::WeightReader> reader;
        std::vector<data::TuningExample> examples, replay;
        std::unique_ptr<FineTune> tune;
        std::vector<StepReport> reports;
    };
    static constexpr std::int64_t kSteps = 24;
    std::map<std::string, Run> m_runs;

    /// Trains, and writes down what PyTorch has to do.
    void train(const std::string& name, const std::string& method, bool tied) {
        const fs::path folder = m_folder / "runs" / name;
        series::DecoderSpec spec = test::smallSpec();
        spec.tiedHead = tied;
        Run& run = m_runs[name];
        auto reader = test::makeStart(folder / "start", spec);
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        run.reader.emplace(std::move(*reader));
        run.examples = test::makeExamples(60, 97);
        run.replay = test::makeExamples(20, 97, 77); // all of them is learned
        for (data::TuningExample& one : run.replay)
            std::fill(one.learned.begin(), one.learned.end(), std::uint8_t{1});

        FineTuneSettings settings;
        settings.maxSteps = kSteps, settings.batchExamples = 6;
        Json s = {{"steps", kSteps}, {"learning_rate", 3e-3}, {"warmup", settings.warmupShare}};
        Json json = {{"method", method}};
        if (method == "adapters") {
            settings.loraRank = 4, settings.loraAlpha = 8;
            s["rank"] = 4, s["alpha"] = 8;
            json["adapters"] = beginOfAdapters(*run.reader, settings);
        } else if (method == "head-first") {
            settings.headShare = 0.25;
            s["head_steps"] = 6;
        } else {
            settings.replayShare = 0.3, settings.replayTokens = 32;
            s["replay_share"] = 0.3;
        }
        auto tune = FineTune::create(*run.reader, settings, 3e-3, 1, run.examples, 1, run.replay);
        QVERIFY2(tune, tune ? "" : tune.error().text().c_str());
        run.tune = std::move(*tune);
        for (std::int64_t step = 0; step < kSteps; ++step) {
            const auto replayed = run.tune->replayOfStep(step);
            QCOMPARE(replayed.size(), method == "replay" ? std::size_t{2} : std::size_t{0});
            json["steps"].push_back({{"examples", examplesAt(run.examples, run.tune->examplesOfStep(step))},
                                     {"replayed", examplesAt(run.replay, replayed)}});
            const auto report = run.tune->step();
            QVERIFY2(report, report ? "" : report.error().text().c_str());
            run.reports.push_back(*report);
        }
        json["settings"] = s;
        std::ofstream(folder / "run.json") << json;
    }
};

QTEST_GUILESS_MAIN(TestTuningMethodsOracle)
#include "tst_tuning_methods_oracle.moc"
