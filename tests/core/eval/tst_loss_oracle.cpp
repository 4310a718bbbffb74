// SPDX-License-Identifier: Apache-2.0
// Logits and losses against transformers, live, on tiny random decoders of many shapes and on the sample's longest trained
// checkpoint, on windows of its held-out text.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/eval/embedding.h"
#include "core/eval/head_loss.h"
#include "core/eval/row_layout.h"
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
/// The same rows in products of other heights: other roundings of some sums.
constexpr double kSharedBFloat16 = 0.02;
constexpr double kFewerRows = 1e-6; ///< of the largest state

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

/// The checkpoint with one row of the head whose logits are no numbers: infinity times values of both signs.
class OneRowOverflows final : public model::WeightSource {
public:
    OneRowOverflows(const model::WeightReader& reader, int tensor, std::int64_t begin, std::int64_t count)
        : m_pristine(reader)
        , m_tensor(tensor)
        , m_begin(begin)
        , m_end(begin + count) {}
    const model::WeightReader& reader() const override { return m_pristine.reader(); }
    int versions() const override { return 1; }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion, std::span<float* const> out) override {
        m_pristine.make(tensor, first, count, firstVersion, out);
        if (tensor == m_tensor)
            for (std::int64_t at = std::max(first, m_begin); at < std::min(first + count, m_end); ++at)
                out[0][at - first] = std::numeric_limits<float>::infinity();
    }

private:
    model::PristineWeights m_pristine;
    int m_tensor;
    std::int64_t m_begin, m_end;
};

double largestDifference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = a.size() == b.size() && !a.empty() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return largest;
}

double largest(const std::vector<float>& values) {
    return largestDifference(values, std::vector<float>(values.size(), 0.0f));
}

/// Of the differences, which come in the same order.
double rootMeanSquare(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    return std::sqrt(sum / static_cast<double>(a.size()));
}

double natsTolerance(const test::TinyModel& tiny) {
    return std::max(kNatsTolerance, kNatsShare * largest(tiny.logits));
}

/// What a task with shots asks: questions that share a beginning, choices of several lengths that share a question, one
/// asked twice, one that is the beginning of another, and texts of their own. Ids of the shape's own rows.
std::vector<std::vector<std::int32_t>> questions(const test::TinyModel& tiny) {
    const auto part = [&](std::size_t row, std::size_t begin, std::size_t count) {
        const auto& ids = tiny.rows[row % tiny.rows.size()];
        return std::vector<std::int32_t>(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                         ids.begin() + static_cast<std::ptrdiff_t>(std::min(begin + count, ids.size())));
    };
    const std::vector<std::int32_t> shots = part(0, 0, 20);
    std::vector<std::vector<std::int32_t>> all;
    for (std::size_t question = 0; question < 3; ++question)
        for (std::size_t choice = 0; choice < 4; ++choice) {
            std::vector<std::int32_t> ids = shots;
            for (const auto& more : {part(1, 3 * question, 9), part(0, 4 + 5 * choice, choice == 2 ? 1 : 2 + choice)})
                ids.insert(ids.end(), more.begin(), more.end());
            all.push_back(ids);
        }
    all.push_back(all[1]);
    all.push_back({all[3].begin(), all[3].end() - 1});
    all.push_back(part(0, 5, 30));
    all.push_back(part(1, 0, 6));
    all.push_back(part(1, 1, 30));
    return all;
}

/// The first of the last three tokens, of a short sequence the last.
std::int32_t firstOfLast(const std::vector<std::int32_t>& ids) {
    return static_cast<std::int32_t>(ids.size()) - (ids.size() < 10 ? 1 : 3);
}

/// Their losses, the last three tokens scored (one of a short one), with the argmax.
Result<eval::VersionLoss> questionLosses(const test::TinyModel& tiny, model::Compute compute, bool share) {
    CREST_TRY(reader, model::WeightReader::open(tiny.path, tiny.spec));
    model::PristineWeights source(reader);
    Decoder decoder(tiny.spec, {at::kCPU, compute});
    const auto rows = questions(tiny);
    std::vector<eval::Sequence> sequences;
    for (const auto& ids : rows)
        sequences.push_back({ids, firstOfLast(ids), true});
    LossOptions options;
    options.share = share;
    double planned = 0, done = 0;
    options.tokensPlanned = [&](double tokens) { planned = tokens; };
    options.tokensDone = [&](double tokens) { done += tokens; };
    CREST_TRY(losses, eval::sequenceLosses(decoder, source, sequences, options, {}));
    std::int64_t inputs = 0;
    for (const eval::Sequence& sequence : sequences)
        inputs += sequence.inputs();
    if (std::abs(planned - done) > 1e-6 || (share ? planned > 0.5 * static_cast<double>(inputs)
                                                  : planned != static_cast<double>(inputs)))
        return fail(ErrorKind::Internal, "rows computed: " + std::to_string(planned));
    return losses[0];
}

/// Those questions as rows, of which all are scored, or the last ones of each.
eval::RowLayout questionLayout(const test::TinyModel& tiny, bool all) {
    const auto rows = questions(tiny);
    std::vector<eval::Sequence> sequences;
    for (const auto& ids : rows)
        sequences.push_back({ids, all ? 1 : firstOfLast(ids)});
    std::size_t next = 0;
    const auto order = eval::layoutOrder(sequences, true);
    return eval::layOut(sequences, order, 0, 1'000'000, true, eval::firstTokens(sequences), next);
}

/// True for the rows that the last block finishes.
at::Tensor finishedRows(const eval::RowLayout& layout, std::int64_t chunkRows, std::int64_t longestPiece) {
    at::Tensor finished = at::zeros({layout.rows()}, at::kBool);
    std::int64_t row = 0;
    for (const eval::RowChunk& chunk : eval::lastChunks(layout, eval::chunksOf(layout, chunkRows, longestPiece)))
        for (const model::RowPiece& piece : chunk.pieces) {
            finished.narrow(0, row + piece.unread, piece.count - piece.unread).fill_(true);
            row += piece.count;
        }
    return finished;
}

/// All rows before and after the last block.
struct LastStates {
    at::Tensor before, after;
};

/// Blocks take the rows in chunks of `chunkRows`, pieces cut at `longestPiece`; the last one finishes what is scored.
LastStates lastStates(const test::TinyModel& tiny, const eval::RowLayout& layout, std::int64_t chunkRows,
                      std::int64_t longestPiece, model::Compute compute = model::Compute::Float32) {
    const auto reader = model::WeightReader::open(tiny.path, tiny.spec);
    model::PristineWeights source(*reader);
    Decoder decoder(tiny.spec, {at::kCPU, compute});
    const std::vector<eval::RowChunk> chunks = eval::chunksOf(layout, chunkRows, longestPiece),
                                      last = eval::lastChunks(layout, chunks);
    std::vector<at::Tensor> x{at::empty({layout.rows(), tiny.spec.width}, at::kFloat)};
    eval::embed(decoder, source, layout.inputs, layout.positions, 0, x);
    at::Tensor before;
    for (int layer = 0; layer < tiny.spec.layers; ++layer) {
        before = x[0].clone();
        decoder.loadBlock(source, layer, 0, 1, layout.rows());
        for (const eval::RowChunk& chunk : layer + 1 == tiny.spec.layers ? last : chunks) {
            at::Tensor part = x[0].narrow(0, chunk.begin, chunk.count);
            decoder.forwardBlock(0, part, chunk.pieces);
        }
    }
    return {before, x[0]};
}

} // namespace

class LossOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_folder.isValid());
        const auto made = test::makeTinyModels(m_folder.path());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        addTheSample();
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

    void natsOfLastTokens_data() { addShapes(); }
    void natsOfLastTokens() {
        const auto tiny = read();
        const auto reader = model::WeightReader::open(tiny.path, tiny.spec);
        model::PristineWeights source(*reader);
        Decoder decoder(tiny.spec, {});
        std::vector<eval::Sequence> sequences;
        std::vector<float> wanted;
        std::size_t end = 0; // of a row's losses in `nats`
        for (const auto& row : tiny.rows) {
            end += row.size() - 1;
            sequences.push_back({row, firstOfLast(row)});
            for (std::int64_t left = sequences.back().scored(); left > 0; --left)
                wanted.push_back(tiny.nats[end - static_cast<std::size_t>(left)]);
        }
        const auto losses = eval::sequenceLosses(decoder, source, sequences, {}, {});
        QVERIFY(losses);
        const double difference = largestDifference((*losses)[0].tokenNats, wanted);
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

    void logitsThatAreNoNumbersAreSeenInEveryBlockOfTheHead() {
        const auto tiny = test::readTinyModel(pathOf("llama-mha"));
        const auto reader = model::WeightReader::open(tiny->path, tiny->spec);
        for (const std::int64_t row : {3, 200, 330}) { // of 331, in blocks of 64
            OneRowOverflows source(*reader, eval::headTensor(*reader), row * tiny->spec.width, tiny->spec.width);
            Decoder decoder(tiny->spec, {});
            LossOptions options;
            options.headBytes = 1;
            const auto losses = eval::sequenceLosses(decoder, source, tiny->sequences(), options, {});
            QVERIFY(losses);
            for (const float nats : (*losses)[0].tokenNats)
                QVERIFY2(!std::isfinite(nats), qPrintable(QStringLiteral("row %1: %2").arg(row).arg(nats)));
        }
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

    void sharingChangesNothing_data() { addShapesAndPaths(); }
    void sharingChangesNothing() {
        QFETCH(QString, path);
        const auto tiny = read();
        const auto compute = path == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
        model::setReferenceOps(path == "reference");
        const auto alone = questionLosses(tiny, compute, false), shared = questionLosses(tiny, compute, true);
        model::setReferenceOps(false);
        QVERIFY2(alone && shared, shared ? "" : shared.error().text().c_str());
        QCOMPARE(std::count(shared->greedy.begin(), shared->greedy.end(), -1), 0);
        if (compute == model::Compute::BFloat16) { // which may turn two near logits, so that argmax may differ
            // The bfloat16 kernels round the probabilities of whole sequences, not those of shared ones.
            const auto exact = questionLosses(tiny, model::Compute::Float32, false);
            QVERIFY(exact);
            const double moved = rootMeanSquare(alone->tokenNats, shared->tokenNats),
                         rounding = rootMeanSquare(alone->tokenNats, exact->tokenNats);
            QVERIFY2(moved < rounding, qPrintable(QString("%1; rounding alone moves %2").arg(moved).arg(rounding)));
            return;
        }
        const double difference = largestDifference(alone->tokenNats, shared->tokenNats);
        QVERIFY2(difference <= natsTolerance(tiny), qPrintable(QString("%1 of %2").arg(difference).arg(natsTolerance(tiny))));
        QVERIFY(alone->greedy == shared->greedy);
    }

    void blocksTakeSequencesInAnyCut_data() { addShapes(); }
    void blocksTakeSequencesInAnyCut() {
        const auto tiny = read();
        const eval::RowLayout layout = questionLayout(tiny, true);
        const at::Tensor whole = lastStates(tiny, layout, 1'000'000, 1'000'000).after;
        const double scale = whole.abs().max().item<double>();
        for (const auto& [chunk, longest] : {std::pair(16, 5), std::pair(20, 20), std::pair(64, 64)}) {
            const at::Tensor cut = lastStates(tiny, layout, chunk, longest).after;
            QVERIFY((whole - cut).abs().max().item<double>() <= 1e-5 * scale);
        }
    }

    void theLastBlockFinishesScoredRowsOnly_data() { addShapesAndPaths(); }
    void theLastBlockFinishesScoredRowsOnly() {
        QFETCH(QString, path);
        const auto tiny = read();
        const auto compute = path == "bfloat16" ? model::Compute::BFloat16 : model::Compute::Float32;
        const eval::RowLayout every = questionLayout(tiny, true), some = questionLayout(tiny, false);
        QVERIFY(every.inputs == some.inputs);
        const at::Tensor scored = at::tensor(some.head.rows, at::kLong);
        for (const auto& [chunk, longest] : {std::pair(1'000, 1'000), std::pair(16, 5)}) { // 5: parts without a scored row
            const at::Tensor finished = finishedRows(some, chunk, longest);
            QVERIFY(finished.index_select(0, scored).all().item<bool>());
            QVERIFY(finished.sum().item<std::int64_t>() < some.rows() * 3 / 4);
            model::setReferenceOps(path == "reference");
            const at::Tensor whole = lastStates(tiny, every, chunk, longest, compute).after;
            const auto [before, after] = lastStates(tiny, some, chunk, longest, compute);
            model::setReferenceOps(false);
            const double scale = whole.abs().max().item<double>(),
                         largest = (whole - after).index_select(0, scored).abs().max().item<double>(),
                         tolerance = path == "bfloat16" ? kSharedBFloat16 : kFewerRows;
            QVERIFY2(largest <= tolerance * scale, qPrintable(QString("%1 of %2").arg(largest).arg(scale)));
            const at::Tensor left = finished.logical_not();
            QVERIFY(at::equal(after.index({left}), before.index({left})));
        }
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
    /// One shape more: the checkpoint as it is shipped, in half precision.
    void addTheSample() {
        std::filesystem::copy(CREST_SOURCE_DIR "/resources/sample/series/sample-seed1/step015625-tokens64M", pathOf("sample"));
        const QString folder = m_folder.filePath("sample"), texts = "resources/sample/texts/dictionary.jsonl";
        const auto asked = test::askPeerOnce({"tests/oracle/model_reference.py",
                                              {"windows", folder, QStringLiteral(CREST_SOURCE_DIR "/") + texts, "8"}, folder, {texts}});
        QVERIFY2(asked, asked ? "" : asked.error().text().c_str());
    }
    std::filesystem::path pathOf(const char* name) const {
        return std::filesystem::path(m_folder.path().toStdString()) / name;
    }
    void addShapes() {
        QTest::addColumn<QString>("shape");
        for (const std::string& name : test::tinyModelNames(m_folder.path().toStdString()))
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }
    void addShapesAndPaths() {
        QTest::addColumn<QString>("shape");
        QTest::addColumn<QString>("path");
        for (const std::string& name : test::tinyModelNames(m_folder.path().toStdString()))
            for (const char* path : {"float32", "reference", "bfloat16"})
                QTest::newRow((name + ' ' + path).c_str()) << QString::fromStdString(name) << path;
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
