// SPDX-License-Identifier: Apache-2.0
// Logits and losses against transformers, live, on tiny random decoders of many shapes.
#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/core/eval/tiny_models.h"

using namespace crest;
using eval::LossOptions;
using model::Decoder;

namespace {

/// Float32 of transformers against ours: other orders of summation.
constexpr double kTolerance = 1e-4;
constexpr double kNatsTolerance = 2e-4, kNatsShare = 2e-5; ///< the share: of the largest logit
/// bfloat16 has 8 bits: half a percent of the largest logit, and sums of it.
constexpr double kBFloat16Tolerance = 0.06;

std::vector<float> lossesOf(const test::TinyModel& tiny, const LossOptions& options,
                            model::Compute compute = model::Compute::Float32) {
    const auto reader = model::WeightReader::open(tiny.path, tiny.spec);
    if (!reader)
        return {};
    model::PristineWeights source(*reader);
    Decoder decoder(tiny.spec, {at::kCPU, compute});
    const auto losses = eval::sequenceLosses(decoder, source, tiny.sequences(), options, {});
    return losses ? (*losses)[0].tokenNats : std::vector<float>();
}

double largestDifference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = a.size() == b.size() && !a.empty() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return largest;
}

double largest(const std::vector<float>& values) {
    return largestDifference(values, std::vector<float>(values.size(), 0.0f));
}

double natsTolerance(const test::TinyModel& tiny) {
    return std::max(kNatsTolerance, kNatsShare * largest(tiny.logits));
}

} // namespace

class LossOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_folder.isValid());
        const auto made = test::runReference({"make", m_folder.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        at::set_num_threads(1);
    }

    void logits_data() { addShapes(); }
    void logits() {
        const auto tiny = read();
        const auto reader = model::WeightReader::open(tiny.path, tiny.spec);
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        model::PristineWeights source(*reader);
        Decoder decoder(tiny.spec, {});
        std::vector<float> all;
        for (const auto& row : tiny.rows) {
            const auto logits = eval::sequenceLogits(decoder, source, {row.data(), row.size() - 1});
            QVERIFY2(logits, logits ? "" : logits.error().text().c_str());
            all.insert(all.end(), logits->const_data_ptr<float>(), logits->const_data_ptr<float>() + logits->numel());
        }
        const double difference = largestDifference(all, tiny.logits), scale = largest(tiny.logits);
        QVERIFY2(difference <= kTolerance * scale, qPrintable(QString("%1 of %2").arg(difference).arg(scale)));
        QVERIFY(scale > 1); // logits that say nothing would agree, too
    }

    void nats_data() { addShapes(); }
    void nats() {
        const auto tiny = read();
        const double difference = largestDifference(lossesOf(tiny, {}), tiny.nats);
        QVERIFY2(difference <= natsTolerance(tiny), qPrintable(QString::number(difference)));
    }

    void natsByRowBlocksOfTheHead() {
        const auto tiny = test::readTinyModel(pathOf("llama-mha"));
        LossOptions options;
        options.headBytes = 1;             // blocks of 64 of 331 rows
        options.memoryBytes = 64 * 64 * 4; // and of few sequences
        const double difference = largestDifference(lossesOf(*tiny, options), tiny->nats);
        QVERIFY2(difference <= kNatsTolerance, qPrintable(QString::number(difference)));
    }

    void referenceOperationsAgree_data() { addShapes(); }
    void referenceOperationsAgree() {
        const auto tiny = read();
        model::setReferenceOps(true);
        const auto reference = lossesOf(tiny, {});
        model::setReferenceOps(false);
        QVERIFY(largestDifference(reference, lossesOf(tiny, {})) <= natsTolerance(tiny));
    }

    void bfloat16IsNear_data() { addShapes(); }
    void bfloat16IsNear() {
        const auto tiny = read();
        const auto rounded = lossesOf(tiny, {}, model::Compute::BFloat16);
        double sum = 0;
        QCOMPARE(rounded.size(), tiny.nats.size());
        for (std::size_t i = 0; i < rounded.size(); ++i)
            sum += std::abs(static_cast<double>(rounded[i]) - static_cast<double>(tiny.nats[i]));
        const double mean = sum / static_cast<double>(rounded.size());
        QVERIFY2(mean > 0 && mean <= kBFloat16Tolerance * largest(tiny.logits), qPrintable(QString::number(mean)));
    }

    void threadsChangeNothing() {
        for (const auto& [name, compute] :
             {std::pair("llama-sample", model::Compute::Float32), std::pair("llama-tiles", model::Compute::BFloat16)}) {
            const auto tiny = test::readTinyModel(pathOf(name));
            const auto one = lossesOf(*tiny, {}, compute);
            at::set_num_threads(2);
            const auto two = lossesOf(*tiny, {}, compute);
            at::set_num_threads(1);
            QVERIFY(!one.empty() && one == two);
        }
    }

    void greedyIsTheArgmax() {
        const auto tiny = test::readTinyModel(pathOf("neox-parallel"));
        const auto reader = model::WeightReader::open(tiny->path, tiny->spec);
        model::PristineWeights source(*reader);
        Decoder decoder(tiny->spec, {});
        LossOptions options;
        options.greedy = true;
        options.headBytes = 1;
        const auto losses = eval::sequenceLosses(decoder, source, tiny->sequences(), options, {});
        QVERIFY(losses);
        const auto vocab = static_cast<std::size_t>(tiny->spec.vocabSize);
        for (std::size_t t = 0; t < tiny->nats.size(); ++t) {
            const float* row = tiny->logits.data() + t * vocab;
            const auto best = static_cast<std::size_t>((*losses)[0].greedy[t]);
            QVERIFY(row[best] >= *std::max_element(row, row + vocab) - 1e-3f);
        }
    }

    void wrongIdsAreNamed() {
        const auto tiny = test::readTinyModel(pathOf("llama-mha"));
        const auto reader = model::WeightReader::open(tiny->path, tiny->spec);
        model::PristineWeights source(*reader);
        Decoder decoder(tiny->spec, {});
        const std::vector<std::int32_t> outside{1, 2, 331}, tooLong(66, 1);
        const auto unknown = eval::sequenceLosses(decoder, source, std::vector<eval::Sequence>{{outside, 1}}, {}, {});
        QVERIFY(!unknown && unknown.error().message.find("331") != std::string::npos);
        const auto longer = eval::sequenceLosses(decoder, source, std::vector<eval::Sequence>{{tooLong, 1}}, {}, {});
        QVERIFY(!longer && longer.error().message.find("context") != std::string::npos);
    }

    void onlyScoredTokensCount() {
        const auto tiny = test::readTinyModel(pathOf("llama-mha"));
        const auto reader = model::WeightReader::open(tiny->path, tiny->spec);
        model::PristineWeights source(*reader);
        Decoder decoder(tiny->spec, {});
        const auto& row = tiny->rows[0];
        const auto losses = eval::sequenceLosses(decoder, source, std::vector<eval::Sequence>{{row, 20}}, {}, {});
        QVERIFY(losses);
        QCOMPARE((*losses)[0].tokenNats.size(), row.size() - 20);
        for (std::size_t i = 20; i < row.size(); ++i)
            QVERIFY(std::abs((*losses)[0].tokenNats[i - 20] - tiny->nats[i - 1]) < 2e-4f);
    }

private:
    std::filesystem::path pathOf(const char* name) const {
        return std::filesystem::path(m_folder.path().toStdString()) / name;
    }
    void addShapes() {
        QTest::addColumn<QString>("shape");
        for (const std::string& name : test::tinyModelNames(m_folder.path().toStdString()))
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }
    test::TinyModel read() const {
        QFETCH(QString, shape);
        auto tiny = test::readTinyModel(pathOf(shape.toUtf8().constData()));
        if (!tiny)
            qFatal("%s", tiny.error().text().c_str());
        return *tiny;
    }

    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(LossOracleTest)
#include "tst_loss_oracle.moc"
