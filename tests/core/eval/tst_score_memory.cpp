// SPDX-License-Identifier: Apache-2.0
// Memory of scoring: a block and activations, never the model. The shape of a 7B model in bfloat16, scaled down.
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/base/json.h"
#include "core/eval/loss.h"
#include "core/eval/task_scoring.h"

using namespace crest;

namespace {

/// "RssAnon" or "RssFile": memory of its own, or mapped files.
std::int64_t residentBytes(const std::string& kind) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(kind + ":"))
            return std::stoll(line.substr(kind.size() + 1)) * 1024;
    return 0;
}

/// The most resident memory of a kind seen while it lives, beyond what was there before.
class Growth {
public:
    explicit Growth(std::string kind)
        : m_kind(std::move(kind))
        , m_start(residentBytes(m_kind))
        , m_watcher([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                m_peak = std::max(m_peak.load(), residentBytes(m_kind));
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        }) {}
    std::int64_t bytes() const { return std::max<std::int64_t>(m_peak, residentBytes(m_kind)) - m_start; }

private:
    std::string m_kind;
    std::int64_t m_start;
    std::atomic<std::int64_t> m_peak{0};
    std::jthread m_watcher;
};

series::DecoderSpec scaledDown() {
    series::DecoderSpec spec;
    spec.family = "llama";
    spec.vocabSize = 4096, spec.width = 768, spec.layers = 24, spec.heads = 12, spec.kvHeads = 12, spec.headSize = 64;
    spec.mlpWidth = 2048, spec.contextLength = 512, spec.ropeDims = 64;
    return spec;
}

/// All tensors are zero and the file is a hole: every logit is 0, every loss the logarithm of the vocabulary.
bool writeZeros(const std::filesystem::path& folder, const series::DecoderSpec& spec) {
    std::filesystem::create_directories(folder);
    Json header = Json::object();
    std::int64_t end = 0;
    for (const series::TensorInfo& tensor : series::expectedTensors(spec)) {
        std::int64_t bytes = 2;
        for (const std::int64_t size : tensor.shape)
            bytes *= size;
        header[tensor.name] = {{"dtype", "BF16"}, {"shape", tensor.shape}, {"data_offsets", {end, end + bytes}}};
        end += bytes;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::ofstream file(folder / "model.safetensors", std::ios::binary);
    const std::uint64_t size = text.size();
    file.write(reinterpret_cast<const char*>(&size), 8);
    file << text;
    file.close();
    std::error_code error;
    std::filesystem::resize_file(folder / "model.safetensors", 8 + size + static_cast<std::uint64_t>(end), error);
    return file.good() && !error;
}

} // namespace

class ScoreMemoryTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        at::set_num_threads(1);
        QVERIFY(writeZeros(m_folder.path().toStdString(), scaledDown()));
    }

    void blockAndActivations_data() {
        QTest::addColumn<int>("compute");
        QTest::newRow("float32") << static_cast<int>(model::Compute::Float32);
        QTest::newRow("bfloat16") << static_cast<int>(model::Compute::BFloat16);
    }
    void blockAndActivations() {
        QFETCH(int, compute);
        const auto reader = model::WeightReader::open(m_folder.path().toStdString(), scaledDown());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        std::int64_t fileBytes = 0;
        for (std::size_t t = 0; t < reader->tensors().size(); ++t)
            fileBytes += 2 * reader->elements(static_cast<int>(t));
        QVERIFY(fileBytes > 340'000'000);
        std::vector<std::int32_t> ids(1200);
        for (std::size_t i = 0; i < ids.size(); ++i)
            ids[i] = static_cast<std::int32_t>(i * 37 % 4096);
        // bfloat16 without hardware for it is slow: a few tokens say the same of the weights.
        const std::size_t tokens = compute == static_cast<int>(model::Compute::BFloat16) ? 24 : 400;
        const std::vector<eval::Sequence> sequences{{std::span(ids).first(tokens), 1},
                                                    {std::span(ids).subspan(500, 20), 10}};
        model::PristineWeights weights(*reader);
        const Growth growth("RssAnon");
        model::Decoder decoder(scaledDown(), {at::kCPU, static_cast<model::Compute>(compute)});
        const auto losses = eval::sequenceLosses(decoder, weights, sequences, eval::taskLossOptions(decoder), {});
        QVERIFY2(losses, losses ? "" : losses.error().text().c_str());
        QCOMPARE((*losses)[0].tokenNats.size(), tokens - 1 + 10);
        for (const float nats : (*losses)[0].tokenNats)
            QVERIFY(std::abs(static_cast<double>(nats) - std::log(4096.0)) < 1e-5);
        const std::int64_t limit = decoder.blockBytes() + 64'000'000;
        QVERIFY2(growth.bytes() < limit, qPrintable(QString("%1 of %2 bytes").arg(growth.bytes()).arg(limit)));
        QVERIFY(limit < fileBytes / 3);
    }

    /// Of the mapped file a block is resident at a time where many rows go through it, and nothing afterwards.
    void mappedWeightsLeaveMemory() {
        const auto reader = model::WeightReader::open(m_folder.path().toStdString(), scaledDown());
        QVERIFY2(reader, reader ? "" : reader.error().text().c_str());
        std::vector<std::int32_t> ids(600);
        for (std::size_t i = 0; i < ids.size(); ++i)
            ids[i] = static_cast<std::int32_t>(i * 37 % 4096);
        const std::vector<eval::Sequence> few{{std::span(ids).first(20), 1}},
            many{{std::span(ids).first(300), 1}, {std::span(ids).last(300), 1}};
        model::PristineWeights weights(*reader);
        model::Decoder decoder(scaledDown(), {});
        const auto options = eval::taskLossOptions(decoder);
        const std::int64_t before = residentBytes("RssFile");
        QVERIFY(eval::sequenceLosses(decoder, weights, few, options, {}));
        const std::int64_t mapped = residentBytes("RssFile") - before;
        QVERIFY2(mapped > 300'000'000, qPrintable(QString::number(mapped))); // the file is there, and few rows leave it
        for (std::size_t t = 0; t < reader->tensors().size(); ++t)
            reader->release(static_cast<int>(t), 0, reader->elements(static_cast<int>(t)));
        QVERIFY(residentBytes("RssFile") - before < 40'000'000); // code that ran for the first time
        const Growth growth("RssFile");
        const auto losses = eval::sequenceLosses(decoder, weights, many, options, {});
        QVERIFY2(losses, losses ? "" : losses.error().text().c_str());
        for (const float nats : (*losses)[0].tokenNats)
            QVERIFY(std::abs(static_cast<double>(nats) - std::log(4096.0)) < 1e-5);
        QVERIFY2(growth.bytes() < 40'000'000, qPrintable(QString::number(growth.bytes())));
    }

private:
    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(ScoreMemoryTest)
#include "tst_score_memory.moc"
