// SPDX-License-Identifier: Apache-2.0
// Scores of tasks against lm-evaluation-harness 0.4.13, live, request by request: every type of task, five families.
#include <cmath>

#include <ATen/Parallel.h>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "core/eval/task_scoring.h"
#include "core/eval/text_generation.h"
#include "core/io/files.h"
#include "core/series/series.h"

using namespace crest;
using data::TaskKind;

namespace {

constexpr double kLogLikelihoodShare = 1e-4, kMetricShare = 1e-4;

const std::vector<const char*> kModels{"llama", "gpt_neox", "opt", "qwen2", "olmo2"};
const std::vector<const char*> kTasks{"choice_0",  "choice_3", "choice_fixed", "letters", "long",
                                      "no_context", "last_word", "page",         "likely"};

/// What the reference wrote of one task.
struct Reference {
    data::TaskDefinition task;
    std::vector<data::TaskItem> items;
    Json scores, metrics, spreads;
};

TaskKind kindOf(const std::string& name) {
    if (name == "multiple_choice")
        return TaskKind::MultipleChoice;
    if (name == "loglikelihood_rolling")
        return TaskKind::Rolling;
    return name == "generate_until" ? TaskKind::Generation : TaskKind::Loglikelihood;
}

data::TaskItem itemOf(const Json& json, TaskKind kind) {
    data::TaskItem item;
    item.document = json["document"];
    for (const Json& request : json["requests"])
        item.requests.push_back(kind == TaskKind::Rolling ? data::ItemRequest{"", request[1]}
                                                          : data::ItemRequest{request[0], request[1]});
    item.choices = json.value("choices", std::vector<std::string>());
    item.gold = json.value("gold", -1);
    item.original = json.value("original", "");
    item.references = json.value("references", std::vector<std::string>());
    return item;
}

Result<Reference> readReference(const std::filesystem::path& file, const std::string& name) {
    CREST_TRY(text, io::readTextFile(file));
    CREST_TRY(json, parseJson(text, file.string()));
    Reference reference;
    reference.task.name = name;
    reference.task.kind = kindOf(json["kind"]);
    for (const auto& [metric, value] : json["metrics"].items())
        reference.task.metrics.push_back(metric);
    for (const Json& item : json["items"]) {
        reference.items.push_back(itemOf(item, reference.task.kind));
        if (item.contains("until")) {
            reference.task.generation.until = item["until"].get<std::vector<std::string>>();
            reference.task.generation.maxNewTokens = item["max_new"];
        }
    }
    reference.scores = json["scores"];
    reference.metrics = json["metrics"];
    reference.spreads = json["stderr"];
    return reference;
}

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

} // namespace

class HarnessOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        const QString python = qEnvironmentVariable("CREST_PYTHON");
        QVERIFY2(!python.isEmpty(), "CREST_PYTHON names no Python with lm-eval; run packaging/setup");
        QProcess process;
        process.start(python, {QStringLiteral(CREST_SOURCE_DIR "/tests/oracle/harness_reference.py"), m_folder.path()});
        QVERIFY2(process.waitForFinished(600'000) && process.exitCode() == 0,
                 process.readAllStandardError().right(4000).constData());
        at::set_num_threads(1);
    }

    void requests_data() { addTasks(kTasks); }
    void requests() {
        const auto [model, reference] = read();
        const auto prepared = eval::prepareTask(reference.task, reference.items, model.tokenizer, model.spec);
        QVERIFY2(prepared, prepared ? "" : prepared.error().text().c_str());
        QCOMPARE(prepared->cutRequests > 0, reference.task.name == "long" || reference.task.name == "choice_3");
        model::PristineWeights weights(model.reader);
        model::Decoder decoder(model.spec, {});
        const auto losses = eval::sequenceLosses(decoder, weights, prepared->sequences(), {}, {});
        QVERIFY2(losses, losses ? "" : losses.error().text().c_str());
        QCOMPARE(static_cast<std::int64_t>((*losses)[0].tokenNats.size()), prepared->scoredTokens());
        const QString wrong = difference(eval::scoresOf(*prepared, (*losses)[0]), reference);
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
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
    }

private:
    std::filesystem::path path(const QString& model) const {
        return std::filesystem::path(m_folder.path().toStdString()) / model.toStdString();
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
