// SPDX-License-Identifier: Apache-2.0
// Items and metrics of every shipped task, string for string against lm-evaluation-harness run beside
// (tests/oracle/suite_reference.py), from rows in the forms people have.
#include <cmath>
#include <fstream>

#include <QTemporaryDir>
#include <QTest>

#include "core/data/rows.h"
#include "core/data/suite.h"
#include "core/data/task_metrics.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::data;

namespace {

std::string shown(const std::string& text) {
    return Json(text).dump();
}

/// "" where the item is the expected one, else the first difference.
std::string difference(const TaskItem& item, const Json& expected) {
    if (item.document != expected["document"].get<std::int64_t>())
        return "another document: " + std::to_string(item.document);
    const Json& requests = expected["requests"];
    if (item.requests.size() != requests.size())
        return std::to_string(item.requests.size()) + " requests";
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (item.requests[i].context != requests[i][0])
            return "context is " + shown(item.requests[i].context) + ", not " + requests[i][0].dump();
        if (item.requests[i].continuation != requests[i][1])
            return "continuation is " + shown(item.requests[i].continuation) + ", not " + requests[i][1].dump();
    }
    if (expected.contains("choices") && (Json(item.choices) != expected["choices"] || item.gold != expected["gold"]))
        return "choices or gold " + std::to_string(item.gold) + " are not " + expected["gold"].dump() + " of " +
               expected["choices"].dump();
    if (expected.contains("references") && Json(item.references) != expected["references"])
        return "references " + Json(item.references).dump() + ", not " + expected["references"].dump();
    return {};
}

bool near(double ours, const Json& theirs, double relative) {
    const double expected = numberFromJson(theirs).value_or(0);
    if (std::isnan(expected))
        return std::isnan(ours);
    return std::abs(ours - expected) <= relative * std::max(std::abs(expected), 1e-12);
}

} // namespace

class SuiteOracleTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    Json m_cases;

    std::filesystem::path at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }

    static Result<TaskDefinition> taskOf(const Json& one) {
        const std::string file =
            std::string(CREST_SOURCE_DIR "/resources/suites/") + one["suite"].get<std::string>() + ".json";
        CREST_TRY(suite, readSuite(file));
        for (TaskDefinition& task : suite.tasks)
            if (task.name == one["task"])
                return task;
        return fail(ErrorKind::NotFound, "no such task");
    }

    Result<TaskItems> itemsOf(const Json& one, const TaskDefinition& task, const std::string& folder) const {
        ItemOptions options;
        options.shots = one["shots"].get<int>();
        options.limit = one["limit"].get<std::int64_t>();
        options.maxBadShare = 0;
        return makeItems(task, at(folder), options);
    }

private Q_SLOTS:
    void initTestCase() {
        const auto made = test::askPeerOnce({"tests/oracle/suite_reference.py", {m_folder.path()}, m_folder.path(), {"resources/suites"}});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        std::ifstream stream(at("cases.json"));
        m_cases = Json::parse(stream);
        QVERIFY(m_cases.size() > 35);
        QVERIFY2(canReadParquet(), "crest-parquet is not there");
    }

    void items_data() {
        QTest::addColumn<int>("index");
        QTest::addColumn<QString>("folder");
        for (std::size_t i = 0; i < m_cases.size(); ++i)
            for (const Json& folder : m_cases[i]["folders"])
                QTest::addRow("%s %d shots, %s", m_cases[i]["task"].get<std::string>().c_str(),
                              m_cases[i]["shots"].get<int>(), folder.get<std::string>().c_str())
                    << static_cast<int>(i) << QString::fromStdString(folder.get<std::string>());
    }

    void items() {
        QFETCH(int, index);
        QFETCH(QString, folder);
        const Json& one = m_cases[static_cast<std::size_t>(index)];
        const auto task = taskOf(one);
        QVERIFY2(task, task ? "" : task.error().text().c_str());
        const auto made = itemsOf(one, *task, folder.toStdString());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QCOMPARE(made->badRows, std::int64_t(0));
        QCOMPARE(made->items.size(), one["items"].size());
        for (std::size_t i = 0; i < made->items.size(); ++i) {
            const std::string wrong = difference(made->items[i], one["items"][i]);
            QVERIFY2(wrong.empty(), ("item " + std::to_string(i) + ": " + wrong).c_str());
        }
        if (one["items"][0].contains("until"))
            QVERIFY(Json(task->generation.until) == one["items"][0]["until"]);
    }

    void metrics_data() {
        QTest::addColumn<int>("index");
        for (std::size_t i = 0; i < m_cases.size(); ++i)
            QTest::addRow("%s %d shots", m_cases[i]["task"].get<std::string>().c_str(), m_cases[i]["shots"].get<int>())
                << static_cast<int>(i);
    }

    void metrics() {
        QFETCH(int, index);
        const Json& one = m_cases[static_cast<std::size_t>(index)];
        const auto task = taskOf(one);
        QVERIFY(task);
        const auto made = itemsOf(one, *task, one["folders"][0].get<std::string>());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        ItemScores scores;
        scores.requestNats = one["scores"]["nats"].get<std::vector<double>>();
        scores.requestTokens.assign(scores.requestNats.size(), 3);
        scores.requestGreedy = one["scores"]["greedy"].get<std::vector<std::uint8_t>>();
        scores.texts = one["scores"]["texts"].get<std::vector<std::string>>();
        const auto outcome = scoreItems(*task, made->items, scores);
        QVERIFY2(outcome, outcome ? "" : outcome.error().text().c_str());
        for (const auto& [name, expected] : one["metrics"].items()) {
            const auto found = std::ranges::find(outcome->metrics, name, &MetricValue::metric);
            QVERIFY2(found != outcome->metrics.end(), name.c_str());
            QVERIFY2(near(found->value, expected["value"], 1e-9),
                     (name + " is " + std::to_string(found->value) + ", not " + expected["value"].dump()).c_str());
            // The harness bootstraps perplexities (here with 1000 draws of about 12 documents); the delta method is
            // their limit.
            const double tolerance = name == "perplexity" ? 0.25 : 1e-9;
            QVERIFY2(
                near(found->stderr_, expected["stderr"], tolerance),
                (name + ": error " + std::to_string(found->stderr_) + ", not " + expected["stderr"].dump()).c_str());
            if (one.contains("values") && one["values"].contains(name) && name != "perplexity")
                for (std::size_t i = 0; i < found->itemValues.size(); ++i)
                    if (!one["values"][name][i].is_null())
                        QVERIFY2(found->itemValues[i] == one["values"][name][i].get<float>(),
                                 (name + " of item " + std::to_string(i)).c_str());
        }
    }
};

QTEST_GUILESS_MAIN(SuiteOracleTest)
#include "tst_suite_oracle.moc"
