// SPDX-License-Identifier: Apache-2.0
// Tasks asked by chat templates against lm-evaluation-harness 0.4.13, live, as a user calls it: six models with
// templates of six kinds, zero- and few-shot, with shots as turns and in one message, with and without a system
// instruction, and an instruction without a template.
#include <set>

#include <QTemporaryDir>
#include <QtTest>

#include "core/analysis/overlay.h"
#include "harness_answers.h"

using namespace crest;
using namespace harness;

namespace {

constexpr int kRows = 3; ///< of each task (chat_reference.py)

struct Way {
    const char* name;
    QStringList options;
};

const QString kSystem = "You know rivers.";

QList<Way> ways() {
    return {{"turns", {"--apply-chat-template"}},
            {"turns_system", {"--apply_chat_template", "--system_instruction", kSystem}},
            {"one", {"--apply-chat-template", "--fewshot-as-multiturn", "false"}},
            {"one_system", {"--apply-chat-template", "--fewshot_as_multiturn", "false", "--system-instruction", kSystem + "\n"}},
            {"plain_system", {"--system-instruction", kSystem}},
            {"named", {"--apply-chat-template", "terse", "--system-instruction", kSystem}}};
}

} // namespace

class ChatOracleTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        const QString problem = harness::askHarness("tests/oracle/chat_reference.py", m_folder.path());
        QVERIFY2(problem.isEmpty(), qPrintable(problem));
    }

    void likeTheHarness_data() {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("way");
        QTest::addColumn<QStringList>("options");
        int rows = 0;
        for (const char* model : {"chatml", "llama3", "zephyr", "mistral", "olmo2", "tulu"})
            for (const Way& way : ways())
                if (QDir(m_folder.filePath(QString("%1/%2").arg(model, way.name))).exists()) {
                    QTest::newRow(qPrintable(QString("%1 %2").arg(model, way.name))) << model << way.name << way.options;
                    ++rows;
                }
        QCOMPARE(rows, 21);
    }
    void likeTheHarness() {
        QFETCH(QString, model);
        QFETCH(QString, way);
        QFETCH(QStringList, options);
        const QString items = m_folder.filePath("items");
        const Ran ran = crestRun(command(model) + QStringList{"--limit", QString::number(kRows), "--items", items, "--json"} + options);
        const bool refuses = model == "mistral" && way.startsWith("turns"); // the task with a shot that has no answer
        QVERIFY2(ran.exitCode == (refuses ? 1 : 0), ran.errors.constData());
        QCOMPARE(ran.errors.contains("Conversation roles must alternate"), refuses);
        QCOMPARE(ran.errors.contains("asked without it"), model == "mistral"); // descriptions are the system's message
        std::map<std::string, Json> metrics;
        for (const Json& line : ran.lines)
            metrics[line["task"].get<std::string>() + " " + line["metric"].get<std::string>()] = line;
        const std::vector<Json> lines = readLines(items);
        std::size_t next = 0;
        for (const char* task : {"choice_0", "choice_3", "pick_2", "last_2", "page", "solve_0", "solve_2"}) {
            if (refuses && qstrcmp(task, "solve_2") == 0)
                continue;
            const auto reference = readReference(
                m_folder.filePath(QString("%1/%2/%3.json").arg(model, way, task)).toStdString(), task);
            QVERIFY2(reference && reference->items.size() == kRows, task);
            const QString wrongMetric = metricDifference(metrics, *reference);
            QVERIFY2(wrongMetric.isEmpty(), qPrintable(QString("%1: %2").arg(task, wrongMetric)));
            for (std::size_t i = 0; i < reference->items.size(); ++i, ++next) {
                QVERIFY(next < lines.size() && lines[next]["task"] == task);
                const QString wrong = itemDifference(lines[next], *reference, i);
                QVERIFY2(wrong.isEmpty(), qPrintable(QString("%1, item %2: %3").arg(task).arg(i).arg(wrong)));
            }
        }
        QCOMPARE(next, lines.size());
    }

    /// Each way gives other numbers than the plain question, or nothing would have been compared.
    void waysDiffer() {
        std::set<double> values;
        for (const char* way : {"turns", "turns_system", "one", "one_system", "plain_system"})
            values.insert(firstScore(QString("llama3/%1/choice_3.json").arg(way)));
        QCOMPARE(values.size(), std::size_t{5});
        QVERIFY(firstScore("tulu/named/choice_0.json") != firstScore("tulu/turns_system/choice_0.json"));
    }

    /// The same numbers by a probe; how it was asked is part of the name and of the key.
    void asAProbe() {
        const auto reference = readReference(m_folder.filePath("chatml/turns/choice_3.json").toStdString(), "choice_3");
        QVERIFY(reference);
        const QString study = m_folder.filePath("study");
        const QStringList plain{"probe", "base", "--series", m_folder.filePath("chatml"), "--study", study, "--suite",
                                m_folder.filePath("local.json"), "--data", m_folder.path(), "--tasks", "choice_3,page", "--id", "choice_3",
                                "--limit", QString::number(kRows), "--workers", "1", "--json"};
        const QStringList chat = plain + QStringList{"--apply-chat-template"};
        const auto planned = [&](const QStringList& arguments) {
            const Ran ran = crestRun(arguments + QStringList{"--plan-only"});
            return ran.lines.empty() ? std::string(ran.errors) : ran.lines[0]["new"].dump();
        };
        const Ran ran = crestRun(chat);
        QVERIFY2(ran.exitCode == 0, ran.errors.constData());
        std::map<std::string, Json> metrics;
        for (const Json& line : crestRun({"results", study, "--json"}).lines)
            metrics[line["task"].get<std::string>() + " " + line["metric"].get<std::string>()] = line;
        const auto found = metrics.find("choice_3 (chat template) acc_norm");
        QVERIFY(found != metrics.end() && metrics.contains("page byte_perplexity"));
        QVERIFY(std::abs(found->second["value"].get<double>() - reference->metrics["acc_norm"].get<double>()) < 1e-6);
        QCOMPARE(QString::fromStdString(found->second["role"].get<std::string>()), "id");
        QCOMPARE(planned(chat), "0");
        QCOMPARE(planned(plain), "1");
        QCOMPARE(planned(chat + QStringList{"--fewshot-as-multiturn", "false"}), "1");
        QFile config(m_folder.filePath("chatml/tokenizer_config.json"));
        QVERIFY(config.open(QIODevice::ReadWrite));
        Json json = Json::parse(config.readAll().toStdString());
        json["chat_template"] = json["chat_template"].get<std::string>() + " ";
        config.seek(0);
        config.resize(0);
        config.write(json.dump().c_str());
        config.close();
        QCOMPARE(planned(chat), "1");
    }

    /// The harness's own result files of four ways to ask lie over the tasks that Crest asked in the same way, and over no other.
    void resultFilesLieOverTheirCurves() {
        const QString study = m_folder.filePath("overlaid");
        const QStringList probe{"probe", "base", "--series", m_folder.filePath("series"), "--study", study, "--suite", m_folder.filePath("local.json"),
                                "--data", m_folder.path(), "--tasks", "choice_0,choice_3,page", "--limit", QString::number(kRows), "--workers", "1"};
        std::map<std::string, double> values;
        for (const QStringList& options : {QStringList(), ways()[0].options, ways()[3].options, ways()[4].options})
            QVERIFY(crestRun(probe + options).exitCode == 0);
        for (const Json& line : crestRun({"results", study, "--json"}).lines)
            values[line["task"].get<std::string>() + ": " + line["metric"].get<std::string>()] = line["value"];
        const auto import = analysis::readOverlay({m_folder.filePath("results").toStdString()});
        QVERIFY2(import, import ? "" : import.error().text().c_str());
        std::set<std::string> met;
        for (const study::OverlayCurve& curve : import->overlay.curves) {
            const auto own = values.find(curve.task + ": " + curve.metric);
            QVERIFY2(own != values.end(), (curve.task + ": " + curve.metric).c_str());
            QCOMPARE(curve.points.size(), std::size_t{1});
            QCOMPARE(curve.points[0].tokens, 1e6);
            QVERIFY2(std::abs(curve.points[0].value - own->second) <= 1e-4 * own->second, own->first.c_str());
            met.insert(own->first);
        }
        // Shots in one message are no other question where there are no shots; whole documents are asked in one way.
        for (const char* task : {"choice_0", "choice_3", "choice_0 (chat template)", "choice_3 (chat template)", "choice_0 (chat template, system instruction)",
                                 "choice_3 (chat template, shots in one message, system instruction)", "choice_0 (system instruction)", "choice_3 (system instruction)"})
            QVERIFY2(met.contains(std::string(task) + ": acc_norm"), task);
        QVERIFY(met.contains("page: byte_perplexity"));
        QCOMPARE(met.size(), std::size_t{17});
    }

    void saysWhatIsWrong() {
        const auto refused = [&](const QString& model, const QStringList& options, const char* says) {
            const Ran ran = crestRun(command(model) + QStringList{"--limit", "1", "--tasks", "choice_0"} + options);
            QVERIFY2(ran.exitCode != 0 && ran.errors.contains(says), ran.errors.constData());
        };
        refused("chatml", {"--fewshot-as-multiturn", "true"}, "needs --apply-chat-template");
        refused("tulu", {"--apply-chat-template", "rag"}, "has no chat template \"rag\"; it has default, terse");
        QFile config(m_folder.filePath("chatml/tokenizer_config.json"));
        QVERIFY(config.open(QIODevice::ReadWrite));
        Json json = Json::parse(config.readAll().toStdString());
        json["chat_template"] = "{{ messages | shuffle }}";
        const auto store = [&] {
            config.seek(0);
            config.resize(0);
            config.write(json.dump().c_str());
            config.flush();
        };
        store();
        refused("chatml", {"--apply-chat-template"}, "the filter \"shuffle\" is not known");
        const QStringList plan{"probe", "base", "--study", m_folder.filePath("planned"), "--suite", m_folder.filePath("local.json"), "--data", m_folder.path(),
                               "--tasks", "choice_3", "--limit", "3", "--apply-chat-template", "--plan-only"};
        const Ran never = crestRun(plan + QStringList{"--series", m_folder.filePath("chatml")}); // nothing is begun that the template cannot ask
        QVERIFY2(never.exitCode == 1 && never.errors.contains("shuffle"), never.errors.constData());
        const Ran without = crestRun(plan + QStringList{"--series", m_folder.filePath("mistral")}); // a description is the system's message
        QVERIFY2(without.exitCode == 0 && without.errors.contains("choice_3 (chat template): the chat template refuses a system message; 3 items are asked without it"),
                 without.errors.constData());
        json.erase("chat_template");
        store();
        refused("chatml", {"--apply-chat-template"}, "has no chat template");
    }

private:
    QStringList command(const QString& model) const {
        return {"eval", "--model", m_folder.filePath(model), "--suite", m_folder.filePath("local.json"), "--data", m_folder.path()};
    }
    double firstScore(const QString& file) const {
        const auto reference = readReference(m_folder.filePath(file).toStdString(), "x");
        return reference ? reference->scores[0][0][0].get<double>() : 0;
    }

    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(ChatOracleTest)
#include "tst_chat_oracle.moc"
