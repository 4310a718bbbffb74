// SPDX-License-Identifier: Apache-2.0
// Losses of noisy weights against transformers with the same noise added to its own weights.
#include <cmath>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/io/safetensors.h"
#include "core/probe/gaussian_noise.h"
#include "core/probe/noise_fill.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/support/peers.h"

using namespace crest;

namespace {

constexpr double kGamma = 0.25;
constexpr std::int64_t kSeed = 41;
const char* const kShapes[] = {"llama-tied-half", "llama-attention-bias", "llama-mqa-bfloat16", "neox-parallel",
                               "neox-tied"};

/// A checkpoint, and what gamma multiplies in it.
struct Probed {
    test::TinyModel tiny;
    std::unique_ptr<model::WeightReader> reader;
    std::map<std::string, double> std;
};

Result<Probed> openShape(const std::filesystem::path& folder) {
    CREST_TRY(tiny, test::readTinyModel(folder));
    CREST_TRY(reader, model::WeightReader::open(tiny.path, tiny.spec));
    CREST_TRY(rms, reader.checkedRms());
    CREST_TRY(std, probe::noiseStd(reader, rms));
    return Probed{std::move(tiny), std::make_unique<model::WeightReader>(std::move(reader)), std::move(std)};
}

/// gamma std z of every tensor that gets noise, as a file that Python reads.
Result<void> writeChanges(const Probed& probed, const std::filesystem::path& file) {
    std::map<std::string, std::vector<float>> changes;
    std::vector<io::TensorToWrite> tensors;
    for (const series::TensorInfo& info : probed.reader->tensors()) {
        if (info.role == series::TensorRole::NormGain || info.role == series::TensorRole::Bias)
            continue;
        std::vector<float>& change = changes[info.name];
        change.resize(
            static_cast<std::size_t>(probed.reader->elements(probed.reader->find(info.slot, info.layer, info.isBias))));
        probe::fillNormals(probe::noiseStream(kSeed, info.name), 0, change);
        for (float& value : change)
            value *= static_cast<float>(kGamma * probed.std.at(info.name));
        tensors.push_back({info.name, io::DType::F32, info.shape, std::as_bytes(std::span(change))});
    }
    return io::writeSafetensors(file, tensors);
}

} // namespace

class NoiseOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        const auto made = test::makeTinyModels(m_folder.path());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QStringList arguments{"noise"};
        for (const char* shape : kShapes) {
            const auto probed = openShape(pathOf(shape));
            QVERIFY2(probed, probed ? "" : probed.error().text().c_str());
            const QString file = m_folder.filePath(QString(shape) + ".safetensors");
            QVERIFY(writeChanges(*probed, file.toStdString()));
            arguments << QString::fromStdString(pathOf(shape).string()) << file;
        }
        const auto output = test::askPeerOnce({"tests/oracle/model_reference.py", arguments, m_folder.path()});
        QVERIFY2(output, output ? "" : output.error().text().c_str());
        const auto expected = parseJson(*output, "reference");
        QVERIFY(expected);
        m_expected = *expected;
    }

    void lossAfterNoise_data() {
        QTest::addColumn<int>("index");
        for (int index = 0; index < static_cast<int>(std::size(kShapes)); ++index)
            QTest::newRow(kShapes[index]) << index;
    }
    void lossAfterNoise() {
        QFETCH(int, index);
        const auto probed = openShape(pathOf(kShapes[index]));
        QVERIFY(probed);
        const auto noise = probe::makeGaussianNoise(*probed->reader, probed->std);
        const std::vector<double> gammas{0.1, kGamma};
        const auto versions = noise->versions(gammas, kSeed, {});
        QVERIFY(versions);
        model::Decoder decoder(probed->tiny.spec, {});
        const auto sequences = probed->tiny.sequences();
        const auto losses = eval::sequenceLosses(decoder, **versions, sequences, {}, {});
        QVERIFY2(losses, losses ? "" : losses.error().text().c_str());
        const Json& expected = m_expected[static_cast<std::size_t>(index)];
        compare(expected["plus"], sequences, (*losses)[2].tokenNats);
        compare(expected["minus"], sequences, (*losses)[3].tokenNats);
    }

private:
    std::filesystem::path pathOf(const char* shape) const {
        return std::filesystem::path(m_folder.path().toStdString()) / shape;
    }
    static void compare(const Json& expected, const std::vector<eval::Sequence>& sequences,
                        const std::vector<float>& nats) {
        std::size_t next = 0;
        for (std::size_t s = 0; s < sequences.size(); ++s) {
            double sum = 0;
            for (std::int64_t i = 0; i < sequences[s].scored(); ++i)
                sum += static_cast<double>(nats[next++]);
            const double reference = expected[s].get<double>();
            QVERIFY2(std::abs(sum - reference) <= 1e-5 * reference + 1e-4,
                     qPrintable(QString("%1 and %2").arg(sum).arg(reference)));
        }
    }

    QTemporaryDir m_folder;
    Json m_expected;
};

QTEST_GUILESS_MAIN(NoiseOracleTest)
#include "tst_noise_oracle.moc"
