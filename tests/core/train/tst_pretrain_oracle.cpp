// SPDX-License-Identifier: Apache-2.0
// The same start and the same batches through a plain PyTorch loop over transformers' model: the loss of every step
// must agree, and a finished checkpoint must give the same held-out loss there.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/train/checkpoint.h"
#include "core/train/trainer.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::train;

class TestPretrainOracle : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { at::set_num_threads(1); }

    void lossesOfThirtySteps_data() {
        QTest::addColumn<QString>("family");
        QTest::addColumn<bool>("tied");
        QTest::addColumn<int>("kvHeads");
        QTest::newRow("llama, tied") << "llama" << true << 4;
        QTest::newRow("llama, grouped heads") << "llama" << false << 2;
        QTest::newRow("gpt_neox") << "gpt_neox" << false << 4;
    }

    void lossesOfThirtySteps() {
        QFETCH(QString, family);
        QFETCH(bool, tied);
        QFETCH(int, kvHeads);
        QTemporaryDir dir;
        const std::filesystem::path folder(dir.path().toStdString());
        std::ofstream(folder / "text.txt") << "any\n";
        Json json = {{"series", "oracle"},
                     {"family", family.toStdString()},
                     {"shape",
                      {{"width", 48},
                       {"layers", 2},
                       {"heads", 4},
                       {"kv_heads", kvHeads},
                       {"mlp_width", 96},
                       {"context", 64},
                       {"tied_head", tied}}},
                     {"tokenizer", {{"train", "byte-level-bpe"}, {"vocab", 300}}},
                     {"texts", {"text.txt"}},
                     {"batch_sequences", 8},
                     {"learning_rate", 6e-3},
                     {"budgets_tokens", {512 * 30}},
                     {"seeds", {1}}};
        if (family == "gpt_neox")
            json["shape"]["rotary_share"] = 0.5; // 6 of 12 dimensions
        auto config = parsePretrainConfig(json, folder / "config.json");
        QVERIFY2(config, config ? "" : config.error().text().c_str());
        config->spec.vocabSize = 300;
        Trainer trainer(*config, 30, 1);
        CheckpointFacts facts;
        const auto write = [&](const char* name) {
            const auto written =
                writeCheckpoint(folder / name, *config, trainer.layout(), trainer.parameters(), facts, folder);
            QVERIFY2(written, written ? "" : written.error().text().c_str());
        };
        write("start");
        // Markov-like ids, so that there is something to learn.
        at::manual_seed(3);
        at::Tensor ids = at::randint(300, {30, 8, 65}, at::kLong);
        ids.slice(2, 1, 65, 2).copy_((ids.slice(2, 0, 64, 2) * 7 + 3) % 300);
        Json batches = Json::array(), losses = Json::array(), norms = Json::array();
        for (std::int64_t step = 0; step < 30; ++step) {
            const at::Tensor batch = ids[step].contiguous();
            const std::span<const std::int64_t> row(batch.const_data_ptr<std::int64_t>(), 8 * 65);
            batches.push_back(std::vector<std::int64_t>(row.begin(), row.end()));
            const StepReport report = trainer.step(row, 1);
            losses.push_back(report.loss);
            norms.push_back(report.gradientNorm);
        }
        write("end");
        const at::Tensor last = ids[0].contiguous(), in = last.slice(1, 0, 64).contiguous(),
                         out = last.slice(1, 1, 65).contiguous();
        const double heldout =
            trainer.evaluate({in.const_data_ptr<std::int64_t>(), 512}, {out.const_data_ptr<std::int64_t>(), 512});
        std::ofstream(folder / "run.json")
            << Json{{"batches", batches}, {"losses", losses}, {"norms", norms}, {"heldout", heldout}}.dump();
        const auto said = test::askPeerOnce({"tests/core/train/pretrain_oracle.py", {dir.path()}, dir.path()});
        QVERIFY2(said, said ? "" : said.error().text().c_str());
        qInfo("%s", QByteArray::fromStdString(*said).trimmed().split('\n').last().constData());
    }
};

QTEST_GUILESS_MAIN(TestPretrainOracle)
#include "tst_pretrain_oracle.moc"
