// SPDX-License-Identifier: Apache-2.0
// Continuations against transformers' generate, live, on tiny random decoders of many shapes: greedy, with repetition
// penalty, with end tokens, by beams; and what its logits processors leave of a distribution.
#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/eval/generation.h"
#include "core/eval/token_choice.h"
#include "tests/core/eval/tiny_models.h"
#include "tests/support/peers.h"

using namespace crest;
using eval::Generated;
using eval::GenerationOptions;
namespace fs = std::filesystem;

namespace {

constexpr const char* kScript = "tests/oracle/generation_reference.py";

/// Sums of float32 in another order: two tokens nearer than this may change places.
constexpr double kTie = 2e-3;
constexpr double kScore = 1e-3; ///< of a sum of a dozen log-probabilities of logits up to 50

/// One run of the reference.
struct Run {
    std::vector<std::int32_t> prompt, ids;
    GenerationOptions options;
    double score = 0;
    std::vector<double> margins; ///< without beams: how far the first token of each step leads
};

struct Shape {
    fs::path path;
    series::DecoderSpec spec;
    std::vector<Run> runs;
};

Result<Shape> readShape(const fs::path& folder) {
    const fs::path path = test::checkpointIn(folder);
    const series::Checkpoint checkpoint = series::readCheckpoint(path).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Malformed, checkpoint.reason);
    CREST_TRY(text, io::readTextFile(folder / "runs.json"));
    CREST_TRY(runs, parseJson(text, "runs.json"));
    Shape shape{path, *checkpoint.spec, {}};
    for (const Json& one : runs) {
        Run run;
        run.prompt = one["prompt"].get<std::vector<std::int32_t>>();
        run.ids = one["ids"].get<std::vector<std::int32_t>>();
        run.score = one["score"].get<double>();
        run.margins = one["margins"].get<std::vector<double>>();
        const Json& settings = one["settings"];
        run.options.maxNewTokens = 12; // NEW of generation_reference.py
        run.options.beams = settings.value("num_beams", 1);
        run.options.lengthPenalty = settings.value("length_penalty", 1.0);
        run.options.repetitionPenalty = settings.value("repetition_penalty", 1.0);
        run.options.endTokens = settings.value("eos_token_id", std::vector<std::int32_t>{});
        shape.runs.push_back(std::move(run));
    }
    return shape;
}

/// A checkpoint, open for generation.
struct Open {
    model::WeightReader reader;
    model::PristineWeights source;
    model::Decoder decoder;

    static std::unique_ptr<Open> of(const Shape& shape, model::Compute compute = model::Compute::Float32) {
        auto reader = model::WeightReader::open(shape.path, shape.spec);
        return reader ? std::make_unique<Open>(std::move(*reader), shape.spec, compute) : nullptr;
    }
    Open(model::WeightReader r, const series::DecoderSpec& spec, model::Compute compute)
        : reader(std::move(r))
        , source(reader)
        , decoder(spec, {at::kCPU, compute}) {}
    Result<std::vector<Generated>> generate(const std::vector<std::vector<std::int32_t>>& prompts,
                                            const GenerationOptions& options) {
        return eval::generate(decoder, source, prompts, options);
    }
};

std::vector<float> floats(const fs::path& file) {
    return test::readFloats(file);
}

} // namespace

class GenerationOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_folder.isValid() && m_warped.isValid());
        const auto made = test::askPeerOnce({kScript, {"make", m_folder.path()}, m_folder.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        at::set_num_threads(1);
    }

    void equalsTransformers_data() { addShapes(); }
    void equalsTransformers() { compareAll(); }

    void referenceOperationsAgree_data() { addShapes(); }
    void referenceOperationsAgree() {
        model::setReferenceOps(true);
        compareAll();
        model::setReferenceOps(false);
    }

    /// Near ties are told apart by other orders of summation: there must be hardly any.
    void tiesAreFew() {
        QVERIFY2(m_ties * 50 <= m_compared && m_compared > 500,
                 qPrintable(QString("%1 of %2 continuations end in a near tie").arg(m_ties).arg(m_compared)));
        qInfo("%d continuations, %d of them through a near tie", m_compared, m_ties);
    }

    void samplerKeepsWhatTheProcessorsKeep() {
        const auto made = test::askPeerOnce({kScript, {"warp", m_warped.path()}, m_warped.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        const fs::path folder = m_warped.path().toStdString();
        const auto logits = floats(folder / "logits.f32");
        std::ifstream stream(folder / "shares.f64", std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
        std::vector<double> shares(bytes.size() / sizeof(double));
        std::memcpy(shares.data(), bytes.data(), bytes.size());
        const Json all = Json::parse(std::ifstream(folder / "cases.json"));
        const auto vocab = all["vocab"].get<std::size_t>();
        QCOMPARE(shares.size(), all["cases"].size() * vocab);
        for (std::size_t c = 0; c < all["cases"].size(); ++c) {
            const Json& one = all["cases"][c];
            std::vector<float> row(logits.begin() + static_cast<std::ptrdiff_t>(c * vocab),
                                   logits.begin() + static_cast<std::ptrdiff_t>((c + 1) * vocab));
            auto seen = one["seen"].get<std::vector<std::int32_t>>();
            std::sort(seen.begin(), seen.end());
            seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
            eval::penalise(row, seen, one["penalty"].get<double>());
            eval::Sampler sampler(one["temperature"].get<double>(), one["top_k"].get<std::int64_t>(),
                                  one["top_p"].get<double>());
            const eval::Kept& kept = sampler.keep(row);
            std::vector<double> ours(vocab);
            for (std::size_t i = 0; i < kept.ids.size(); ++i)
                ours[static_cast<std::size_t>(kept.ids[i])] = kept.shares[i];
            for (std::size_t id = 0; id < vocab; ++id) {
                const double wanted = shares[c * vocab + id];
                QVERIFY2((ours[id] > 0) == (wanted > 0), one.dump().c_str());
                QVERIFY2(std::abs(ours[id] - wanted) <= 1e-6, one.dump().c_str());
            }
        }
    }

    void samplesFollowTheDistribution() {
        const Shape shape = *readShape(pathOf("neox-parallel"));
        const auto open = Open::of(shape);
        GenerationOptions options;
        options.maxNewTokens = 1;
        options.temperature = 1.3;
        options.topK = 20;
        options.topP = 0.9;
        options.seed = 77;
        constexpr std::size_t kDraws = 4000;
        const std::span<const std::int32_t> prompt = std::span(shape.runs[1].prompt).first(5);
        const std::vector<std::vector<std::int32_t>> prompts(kDraws, {prompt.begin(), prompt.end()});
        // What to expect comes from a whole forward pass by itself.
        const auto logits = eval::sequenceLogits(open->decoder, open->source, prompt);
        QVERIFY(logits);
        const at::Tensor last = (*logits)[4];
        eval::Sampler sampler(options.temperature, options.topK, options.topP);
        const eval::Kept wanted =
            sampler.keep({last.const_data_ptr<float>(), static_cast<std::size_t>(shape.spec.vocabSize)});
        QVERIFY(wanted.ids.size() >= 3);
        const auto drawn = open->generate(prompts, options);
        QVERIFY2(drawn, drawn ? "" : drawn.error().text().c_str());
        std::map<std::int32_t, int> counts;
        for (const Generated& one : *drawn)
            counts[one.ids.at(0)] += 1;
        double chiSquare = 0;
        for (std::size_t i = 0; i < wanted.ids.size(); ++i) {
            const double expected = static_cast<double>(kDraws) * wanted.shares[i], got = counts[wanted.ids[i]];
            chiSquare += (got - expected) * (got - expected) / expected;
        }
        std::size_t total = 0;
        for (const auto& [id, count] : counts) {
            QVERIFY(std::find(wanted.ids.begin(), wanted.ids.end(), id) != wanted.ids.end());
            total += static_cast<std::size_t>(count);
        }
        QCOMPARE(total, kDraws);
        // Five standard deviations of chi-square with n - 1 degrees of freedom; the seed is fixed.
        const auto freedom = static_cast<double>(wanted.ids.size() - 1);
        QVERIFY2(chiSquare < freedom + 5 * std::sqrt(2 * freedom) + 5, qPrintable(QString::number(chiSquare)));
    }

    /// Whatever runs beside a prompt, in whatever order: the same ids and the same bits of the score.
    void companyChangesNothing_data() {
        QTest::addColumn<QString>("shape");
        QTest::addColumn<int>("beams");
        QTest::addColumn<double>("temperature");
        for (const char* shape : {"llama-gqa-half", "neox-parallel", "opt-post-norm-projected", "long-mistral"}) {
            QTest::addRow("%s greedy", shape) << shape << 1 << 0.0;
            QTest::addRow("%s sampled", shape) << shape << 1 << 0.8;
            QTest::addRow("%s beams", shape) << shape << 3 << 0.0;
        }
    }
    void companyChangesNothing() {
        QFETCH(QString, shape);
        QFETCH(int, beams);
        QFETCH(double, temperature);
        const Shape read = *readShape(pathOf(shape.toUtf8().constData()));
        const auto open = Open::of(read);
        std::vector<std::vector<std::int32_t>> prompts;
        for (const Run& run : read.runs)
            prompts.push_back(run.prompt);
        prompts.push_back(prompts[0]); // a twin: its whole chunks come from the slot of the first
        GenerationOptions options;
        options.maxNewTokens = 14;
        options.beams = beams;
        options.temperature = temperature;
        options.topP = 0.95;
        options.seed = 3;
        options.endTokens = {7, 11};
        const auto together = open->generate(prompts, options);
        QVERIFY2(together, together ? "" : together.error().text().c_str());
        options.together = 2;
        const auto pairs = open->generate(prompts, options);
        QVERIFY(pairs);
        for (std::size_t p = 0; p < prompts.size(); ++p) {
            options.firstPrompt = p;
            const auto alone = open->generate({prompts[p]}, options);
            QVERIFY(alone);
            for (const Generated& one : {(*together)[p], (*pairs)[p]})
                QVERIFY(one.ids == (*alone)[0].ids && one.score == (*alone)[0].score);
        }
        at::set_num_threads(2);
        options.firstPrompt = 0;
        const auto threads = open->generate(prompts, options);
        at::set_num_threads(1);
        for (std::size_t p = 0; beams == 1 && p < prompts.size(); ++p)
            QVERIFY((*threads)[p].ids == (*together)[p].ids);
    }

    void seedsDiffer() {
        const Shape shape = *readShape(pathOf("llama-gqa-half"));
        const auto open = Open::of(shape);
        GenerationOptions options;
        options.temperature = 1.5;
        options.maxNewTokens = 20;
        const std::vector<std::vector<std::int32_t>> prompts(2, shape.runs[0].prompt);
        const auto first = open->generate(prompts, options), again = open->generate(prompts, options);
        options.seed = 1;
        const auto other = open->generate(prompts, options);
        QVERIFY((*first)[0].ids == (*again)[0].ids && (*first)[1].ids == (*again)[1].ids);
        QVERIFY((*first)[0].ids != (*first)[1].ids); // the same prompt twice is drawn twice
        QVERIFY((*first)[0].ids != (*other)[0].ids);
    }

    void bfloat16IsNear() {
        const Shape shape = *readShape(pathOf("llama-tiles"));
        const auto plain = Open::of(shape), rounded = Open::of(shape, model::Compute::BFloat16);
        GenerationOptions options;
        options.maxNewTokens = 1;
        double sum = 0;
        for (const Run& run : shape.runs) {
            const auto a = plain->generate({run.prompt}, options), b = rounded->generate({run.prompt}, options);
            QVERIFY(a && b);
            if ((*a)[0].ids == (*b)[0].ids)
                sum += std::abs((*a)[0].score - (*b)[0].score);
        }
        QVERIFY2(sum > 0 && sum < 0.5 * static_cast<double>(shape.runs.size()), qPrintable(QString::number(sum)));
    }

    void stopEndsAPrompt() {
        const Shape shape = *readShape(pathOf("llama-gqa-half"));
        const auto open = Open::of(shape);
        GenerationOptions options;
        options.maxNewTokens = 12;
        const std::vector<std::vector<std::int32_t>> prompts{shape.runs[0].prompt, shape.runs[1].prompt};
        const auto whole = open->generate(prompts, options);
        options.stop = [](std::size_t prompt, std::span<const std::int32_t> ids) {
            return prompt == 1 && ids.size() == 4;
        };
        std::vector<std::size_t> order;
        options.finished = [&](std::size_t prompt, const Generated& answer) {
            QVERIFY(answer.ids.size() == (prompt == 1 ? 4 : 12));
            order.push_back(prompt);
        };
        const auto stopped = open->generate(prompts, options);
        QVERIFY((*stopped)[0].ids == (*whole)[0].ids);
        QVERIFY(std::equal((*stopped)[1].ids.begin(), (*stopped)[1].ids.end(), (*whole)[1].ids.begin()));
        QVERIFY((order == std::vector<std::size_t>{1, 0}));
    }

    void wrongSettingsAreNamed() {
        const Shape shape = *readShape(pathOf("llama-mha"));
        const auto open = Open::of(shape);
        const std::vector<std::int32_t> good{1, 2, 3}, unknown{1, 331}, full(60, 1);
        const auto messageOf = [&](const std::vector<std::vector<std::int32_t>>& prompts, auto change) {
            GenerationOptions options;
            options.maxNewTokens = 5;
            change(options);
            const auto result = open->generate(prompts, options);
            return result ? std::string() : result.error().text();
        };
        const auto same = [](GenerationOptions&) {};
        const auto has = [](const std::string& message, const char* part) {
            return message.find(part) != std::string::npos;
        };
        QVERIFY(has(messageOf({good, {}}, same), "prompt 2 has no tokens"));
        QVERIFY(has(messageOf({unknown}, same), "331"));
        QVERIFY(has(messageOf({good, full}, same), "prompt 2 has 60 tokens"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.topP = 1.5; }), "top-p"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.temperature = -1; }), "temperature"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.temperature = NAN; }), "temperature"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.beams = 0; }), "beams"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.beams = 200; }), "beams"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.beams = 2, o.temperature = 1; }), "not drawn"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.repetitionPenalty = 0; }), "penalty"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.topK = -2; }), "top-k"));
        QVERIFY(has(messageOf({good}, [](GenerationOptions& o) { o.maxNewTokens = 0; }), "new tokens"));
        QVERIFY(messageOf({}, same).empty() && messageOf({good}, same).empty());
    }

    void stopsWhenAsked() {
        const Shape shape = *readShape(pathOf("llama-mha"));
        const auto open = Open::of(shape);
        std::stop_source source;
        int finished = 0;
        GenerationOptions options;
        options.maxNewTokens = 5;
        options.together = 1;
        options.finished = [&](std::size_t, const Generated&) {
            if (++finished == 2)
                source.request_stop();
        };
        const auto result = eval::generate(open->decoder, open->source,
                                           std::vector<std::vector<std::int32_t>>(9, {1, 2, 3}), options,
                                           JobContext(source.get_token()));
        QVERIFY(!result && result.error().kind == ErrorKind::Stopped);
        QCOMPARE(finished, 2);
    }

private:
    fs::path pathOf(const char* name) const { return fs::path(m_folder.path().toStdString()) / name; }
    void addShapes() {
        QTest::addColumn<QString>("shape");
        for (const std::string& name : test::tinyModelNames(m_folder.path().toStdString()))
            QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }

    void compareAll() {
        QFETCH(QString, shape);
        const auto read = readShape(pathOf(shape.toUtf8().constData()));
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        const auto open = Open::of(*read);
        QVERIFY(open);
        for (const Run& run : read->runs) {
            const auto answer = open->generate({run.prompt}, run.options);
            QVERIFY2(answer, answer ? "" : answer.error().text().c_str());
            const QString told = compare(run, (*answer)[0]);
            QVERIFY2(told.isEmpty(), qPrintable(told));
        }
    }

    /// "" where the answer is the reference's, or differs only by a near tie, which is counted.
    QString compare(const Run& run, const Generated& answer) {
        ++m_compared;
        const QString what = QString("%1 beams, penalty %2, length %3, %4 ends: ")
                                 .arg(run.options.beams)
                                 .arg(run.options.repetitionPenalty)
                                 .arg(run.options.lengthPenalty)
                                 .arg(run.options.endTokens.size());
        const double gap = std::abs(answer.score - run.score), most = kScore * std::max(1.0, std::abs(run.score));
        if (answer.ids == run.ids)
            return gap <= most ? QString() : what + QString("score %1, not %2").arg(answer.score).arg(run.score);
        const auto differs =
            static_cast<std::size_t>(std::mismatch(answer.ids.begin(), answer.ids.end(), run.ids.begin(), run.ids.end()).first -
                                     answer.ids.begin());
        const bool tie = run.options.beams > 1 ? gap <= most
                                               : differs < run.margins.size() && run.margins[differs] < kTie;
        m_ties += tie ? 1 : 0;
        return tie ? QString()
                   : what + QString("differs at token %1; score %2, not %3").arg(differs).arg(answer.score).arg(run.score);
    }

    QTemporaryDir m_folder, m_warped;
    int m_compared = 0, m_ties = 0;
};

QTEST_GUILESS_MAIN(GenerationOracleTest)
#include "tst_generation_oracle.moc"
