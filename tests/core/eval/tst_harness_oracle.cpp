// SPDX-License-Identifier: Apache-2.0
// Scores of tasks against lm-evaluation-harness 0.4.13, live, request by request: every type of task, six families.
#include <cmath>
#include <map>

#include <ATen/Parallel.h>
#include <QTemporaryDir>
#include <QtTest>

#include "core/eval/task_scoring.h"
#include "core/eval/text_generation.h"
#include "core/io/files.h"
#include "core/series/series.h"
#include "harness_answers.h"

using namespace crest;
using data::TaskKind;
using namespace harness;

namespace {

const std::vector<const char*> kModels{"llama", "gpt_neox", "opt", "qwen2", "gpt2", "olmo2"};
const std::vector<const char*> kTasks{"choice_0",  "choice_3", "choice_fixed", "letters", "long",
                                      "no_context", "last_word", "page",         "likely"};

/// A checkpoint, open.
struct Model {
    series::DecoderSpec spec;
    model::WeightReader reader;
    text::Tokenizer tokenizer;
    std::vector<std::int32_t> endTokens;
};

Result<Model> openModel(const std::filesystem::path& folder) {
    const series::Checkpoint checkpoint = series::readCheckpoint(folder).checkpoint;
    if (!checkpoint.spec)
        return fail(ErrorKind::Malformed, checkpoint.reason);
    CREST_TRY(reader, model::WeightReader::open(folder, *checkpoint.spec));
    CREST_TRY(tokenizer, text::Tokenizer::load(folder));
    return Model{*checkpoint.spec, std::move(reader), std::move(tokenizer), {}};
}

/// The first difference between scores and reference, "" where there is none.
QString difference(const data::ItemScores& scores, const Reference& reference) {
    std::size_t request = 0;
    for (std::size_t i = 0; i < reference.items.size(); ++i)
        for (std::size_t r = 0; r < reference.items[i].requests.size(); ++r, ++request) {
            const Json& wanted = reference.scores[i][r];
            const double nats = scores.requestNats[request], expected = -wanted[0].get<double>();
            const bool greedy = !scores.requestGreedy.empty() && scores.requestGreedy[request] != 0;
            if (!(std::abs(nats - expected) <= kLogLikelihoodShare * std::max(1.0, std::abs(expected))))
                return QString("item %1, request %2: %3 nats, not %4").arg(i).arg(r).arg(nats).arg(expected);
            if (reference.task.kind != TaskKind::Rolling && greedy != wanted[1].get<bool>())
                return QString("item %1, request %2: greedy is %3").arg(i).arg(r).arg(greedy);
        }
    return request == scores.requestNats.size() ? QString() : QString("another number of requests");
}

/// The reference's tasks as a suite file: the same rows, the same templates.
Json localSuite(const std::string& model) {
    const Json choice = {{"kind", "multiple_choice"},
                         {"context", "Question: {{question}}\nAnswer:"},
                         {"choices", "{{choices}}"},
                         {"gold", "{{answer}}"},
                         {"data", {{"test", {"choice.jsonl"}}, {"train", {"shots.jsonl"}}}},
                         {"metrics", {"acc", "acc_norm"}}};
    const auto with = [](Json base, const Json& changes) {
        base.update(changes);
        return base;
    };
    return {{"format", "crest suite 1"},
            {"name", "local"},
            {"description", "what harness_reference.py scores"},
            {"tasks",
             {with(choice, {{"name", "choice_0"}}),
              with(choice, {{"name", "choice_3"}, {"shots", {{"count", 3}, {"from", "train"}}}}),
              with(choice, {{"name", "choice_fixed"}, {"shots", {{"count", 2}, {"from", "train"}, {"order", "first"}}}}),
              with(choice, {{"name", "letters"}, {"choices", {"A", "B", "C", "D"}}}),
              {{"name", "last_word"},
               {"kind", "loglikelihood"},
               {"data", {{"test", {"last.jsonl"}}}},
               {"context", "{{text.split(' ')[:-1]|join(' ')}}"},
               {"continuation", "{{' '+text.split(' ')[-1]}}"},
               {"metrics", {"acc", "perplexity"}}},
              {{"name", "page"},
               {"kind", "rolling"},
               {"data", {{"test", {"page.jsonl"}}}},
               {"document", "{{text}}"},
               {"counted", "{{text}}"},
               {"metrics", {"word_perplexity", "byte_perplexity", "bits_per_byte"}}},
              {{"name", "solve"},
               {"kind", "generation"},
               {"data", {{"test", {"solve.jsonl"}}}},
               {"context", "Question: {{question}}\nAnswer:"},
               {"references", {"{{answer}}"}},
               {"generation", {{"until", {"\n", "the"}}, {"max_new_tokens", 12}}},
               {"metrics", {"exact_match"}}},
              {{"name", "math"},
               {"kind", "generation"},
               {"data", {{"test", {model + "/math.jsonl"}}, {"train", {"math_shots.jsonl"}}}},
               {"context", "Question: {{question}}\nAnswer:"},
               {"answer", "{{answer}}"},
               {"shots", {{"count", 2}, {"from", "train"}}},
               {"generation", {{"until", {"Question:", "</s>"}}, {"max_new_tokens", 40}}},
               {"filters",
                {{{"name", "strict-match"}, {"regex", "([A-Za-z]{2,})"}},
                 {{"name", "flexible-extract"}, {"regex", "(-?[$0-9.,]{2,})|(-?[0-9]+)"}, {"group", -1}}}},
               {"compare", {{"ignore", {",", "\\$", "(?s).*#### ", "\\.$"}}, {"ignore_case", true}}},
               {"metrics", {"exact_match"}}}}}};
}

} // namespace

class HarnessOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        const QString problem = harness::askHarness("tests/oracle/harness_reference.py", m_folder.path());
        QVERIFY2(problem.isEmpty(), qPrintable(problem));
        at::set_num_threads(1);
    }

    void requests_data() { addTasks(kTasks); }
    void requests() {
        const auto [model, reference] = read();
        const auto prepared = eval::prepareTask(reference.task, reference.items, model.tokenizer, model.spec);
        QVERIFY2(prepared, prepared ? "" : prepared.error().text().c_str());
        if (reference.task.name == "long" || reference.task.name == "letters")
            QCOMPARE(prepared->cutRequests > 0, reference.task.name == "long");
        model::PristineWeights weights(model.reader);
        model::Decoder decoder(model.spec, {});
        const auto losses = eval::sequenceLosses(decoder, weights, prepared->sequences(), {}, {});
        QVERIFY2(losses, losses ? "" : losses.error().text().c_str());
        QCOMPARE(static_cast<std::int64_t>((*losses)[0].tokenNats.size()), prepared->scoredTokens());
        const QString wrong = difference(eval::scoresOf(*prepared, (*losses)[0]), reference);
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    }

    /// Ids from the cache, and texts tokenised in pieces, give the same sequences.
    void idsAreKept_data() { addTasks({"choice_3", "no_context", "page", "likely"}); }
    void idsAreKept() {
        const auto [model, reference] = read();
        const auto plain = eval::prepareTask(reference.task, reference.items, model.tokenizer, model.spec);
        QVERIFY(plain);
        QTemporaryDir cache;
        eval::TaskScoringOptions options;
        options.cache.folder = cache.path().toStdString();
        for (const std::size_t bytes : {std::size_t{1}, std::size_t{700}, options.textBytes}) {
            options.textBytes = bytes;
            qsizetype files = 0;
            for (int turn = 0; turn < 2; ++turn) {
                const auto kept =
                    eval::prepareTask(reference.task, reference.items, model.tokenizer, model.spec, options);
                QVERIFY2(kept, kept ? "" : kept.error().text().c_str());
                QVERIFY(kept->ids == plain->ids && kept->requestStretches == plain->requestStretches);
                QVERIFY(kept->scoredTokens() == plain->scoredTokens() && kept->cutRequests == plain->cutRequests);
                const qsizetype now = QDir(cache.path()).entryList({"tokens-*.bin"}).size();
                QVERIFY(turn == 0 ? now > 0 : now == files);
                files = now;
            }
        }
    }

    void generation_data() { addTasks({"solve"}); }
    void generation() {
        auto [opened, reference] = read();
        eval::TaskScoringOptions options;
        QFETCH(QString, model);
        const auto ends = eval::endTokensOf(path(model), opened.tokenizer);
        QVERIFY(ends);
        options.endTokens = *ends;
        const auto prepared = eval::prepareTask(reference.task, reference.items, opened.tokenizer, opened.spec, options);
        QVERIFY2(prepared, prepared ? "" : prepared.error().text().c_str());
        model::PristineWeights weights(opened.reader);
        model::Decoder decoder(opened.spec, {});
        const eval::PreparedTask* task = &*prepared;
        const auto outcomes = eval::scoreTasks(decoder, weights, opened.tokenizer, {&task, 1}, 1, {});
        QVERIFY2(outcomes, outcomes ? "" : outcomes.error().text().c_str());
        const std::vector<std::string>& texts = (*outcomes)[0][0].details.texts;
        QCOMPARE(texts.size(), reference.items.size());
        for (std::size_t i = 0; i < texts.size(); ++i)
            QCOMPARE(QString::fromStdString(texts[i]), QString::fromStdString(reference.scores[i][0]));
    }

    /// From rows and templates to metrics and items, as a user calls it.
    void command_data() {
        QTest::addColumn<QString>("model");
        for (const char* model : kModels)
            QTest::newRow(model) << model;
    }
    void command() {
        QFETCH(QString, model);
        const QString suite = writeSuite(model), items = m_folder.filePath(model + ".items");
        const Ran ran = crestRun({"eval", "--model", m_folder.filePath(model), "--suite", suite, "--data",
                                  m_folder.path(), "--items", items, "--json"});
        QVERIFY2(ran.exitCode == 0, ran.errors.constData());
        std::map<std::string, Json> metrics;
        for (const Json& line : ran.lines)
            metrics[line["task"].get<std::string>() + " " + line["metric"].get<std::string>()] = line;
        const std::vector<Json> lines = readLines(items);
        std::size_t next = 0;
        const Json local = localSuite(model.toStdString()); // outlives the loop
        for (const Json& task : local["tasks"]) {
            const std::string name = task["name"];
            const auto reference = readReference(path(model) / (name + ".json"), name);
            QVERIFY(reference && !reference->items.empty());
            const QString wrongMetric = metricDifference(metrics, *reference);
            QVERIFY2(wrongMetric.isEmpty(), qPrintable(QString::fromStdString(name) + ": " + wrongMetric));
            for (std::size_t i = 0; i < reference->items.size(); ++i, ++next) {
                QVERIFY(next < lines.size() && lines[next]["task"] == name);
                const QString wrong = itemDifference(lines[next], *reference, i);
                QVERIFY2(wrong.isEmpty(),
                         qPrintable(QString("%1, item %2: %3").arg(QString::fromStdString(name)).arg(i).arg(wrong)));
            }
        }
        QCOMPARE(next, lines.size());
    }

    void commandSaysWhatIsWrong() {
        const QString suite = writeSuite("llama"), model = m_folder.filePath("llama");
        const QStringList base{"eval", "--model", model, "--suite", suite, "--data"};
        const Ran missing = crestRun(base + QStringList{m_folder.filePath("llama"), "--tasks", "letters"});
        QVERIFY(missing.exitCode == 1 && missing.errors.contains("choice.jsonl"));
        const Ran unknown = crestRun(base + QStringList{m_folder.path(), "--tasks", "no_such_task"});
        QVERIFY(unknown.exitCode == 1 && unknown.errors.contains("no_such_task"));
        const Ran few = crestRun(base + QStringList{m_folder.path(), "--tasks", "letters", "--limit", "5", "--json"});
        QCOMPARE(few.exitCode, 0);
        QVERIFY(!few.lines.empty() && few.lines[0]["n"] == 5);
    }

    /// What the harness takes over from generation_config.json, and the suite does not, is said where texts are written.
    void otherDecodingIsSaid() {
        QTemporaryDir folder;
        std::filesystem::copy(path("gpt2"), folder.path().toStdString(), std::filesystem::copy_options::recursive);
        const auto said = [&](const char* config, const char* task) {
            QFile file(folder.filePath("generation_config.json"));
            if (!file.open(QIODevice::WriteOnly) || file.write(config) < 0)
                return QByteArray("not written");
            file.close();
            return crestRun({"eval", "--model", folder.path(), "--suite", writeSuite("gpt2"), "--data", m_folder.path(), "--tasks", task,
                             "--limit", "1"})
                .errors;
        };
        const char* const kPenalty = R"({"eos_token_id": 1, "repetition_penalty": 1.05, "max_new_tokens": 2048, "num_beams": 1})";
        const QByteArray errors = said(kPenalty, "solve");
        QVERIFY2(errors.contains("repetition_penalty 1.05, max_new_tokens 2048;"), errors.constData());
        QVERIFY(!said(kPenalty, "letters").contains("generation_config"));
        QVERIFY(!said(R"({"eos_token_id": 1, "repetition_penalty": 1.0, "temperature": 0.7})", "solve").contains("generation_config"));
    }

    /// The reference itself says both, or the comparison of greedy flags would say nothing.
    void someAreGreedy() {
        int greedy = 0, other = 0;
        for (const char* model : kModels) {
            const auto reference = readReference(path(model) / "likely.json", "likely");
            QVERIFY(reference);
            for (const Json& item : reference->scores)
                (item[0][1].get<bool>() ? greedy : other) += 1;
        }
        QVERIFY(greedy >= 10 && other >= 5);
        for (const char* model : kModels) {
            const auto reference = readReference(path(model) / "math.json", "math");
            QVERIFY(reference);
            for (const char* metric : {"exact_match,strict-match", "exact_match,flexible-extract"}) {
                const double share = reference->metrics[metric];
                QVERIFY2(share > 0 && share < 1, metric);
            }
        }
    }

private:
    std::filesystem::path path(const QString& model) const {
        return std::filesystem::path(m_folder.path().toStdString()) / model.toStdString();
    }
    QString writeSuite(const QString& model) const {
        const QString name = m_folder.filePath(model + ".suite.json");
        QFile file(name);
        const std::string text = localSuite(model.toStdString()).dump();
        return file.open(QIODevice::WriteOnly) && file.write(text.c_str()) > 0 ? name : QString();
    }
    static void addTasks(const std::vector<const char*>& tasks) {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("task");
        for (const char* model : kModels)
            for (const char* task : tasks)
                QTest::newRow(qPrintable(QString("%1 %2").arg(model, task))) << model << task;
    }
    std::pair<Model, Reference> read() const {
        QFETCH(QString, model);
        QFETCH(QString, task);
        auto opened = openModel(path(model));
        if (!opened)
            qFatal("%s", opened.error().text().c_str());
        auto reference = readReference(path(model) / (task + ".json").toStdString(), task.toStdString());
        if (!reference)
            qFatal("%s", reference.error().text().c_str());
        return {std::move(*opened), std::move(*reference)};
    }

    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(HarnessOracleTest)
#include "tst_harness_oracle.moc"
