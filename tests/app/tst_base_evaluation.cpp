// SPDX-License-Identifier: Apache-2.0
// crest-run probe base on the shipped sample series, with a small suite and prompts: killed, taken up again, and the
// same numbers as crest-run eval and crest-run generate give for one checkpoint.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "core/base/json.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

const QString kSuite = QStringLiteral(CREST_SOURCE_DIR "/tests/data/small_suite/suite.json");
const QString kData = QStringLiteral(CREST_SOURCE_DIR "/tests/data/small_suite");
const QString kPrompts = QStringLiteral(CREST_SOURCE_DIR "/tests/data/small_suite/prompts.jsonl");
const QString kSeries = QStringLiteral(CREST_SOURCE_DIR "/resources/sample/series/sample-seed1");
const QString kNewTokens = QStringLiteral("48"); ///< long enough to be killed in the middle
constexpr std::size_t kCheckpoints = 8, kTasks = 3;

std::unique_ptr<QProcess> start(const QStringList& arguments) {
    auto process = std::make_unique<QProcess>();
    process->start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    process->waitForStarted();
    return process;
}

struct Ended {
    int code = -1;
    QByteArray out, err;
    std::vector<Json> lines;
};

Ended crestRun(const QStringList& arguments) {
    const auto process = start(arguments);
    if (!process->waitForFinished(120'000) || process->exitStatus() != QProcess::NormalExit)
        return {};
    Ended ended{process->exitCode(), process->readAllStandardOutput(), process->readAllStandardError(), {}};
    for (const QByteArray& line : ended.out.split('\n'))
        if (!line.isEmpty())
            ended.lines.push_back(Json::parse(line.toStdString(), nullptr, false));
    return ended;
}

/// How often each key stands in the journals.
std::map<std::string, int> journalKeys(const fs::path& study) {
    std::map<std::string, int> times;
    std::error_code ignored;
    for (fs::directory_iterator entry(study / "journal", ignored), end; !ignored && entry != end; ++entry) {
        if (entry->path().extension() != ".jsonl")
            continue;
        std::ifstream in(entry->path());
        for (std::string line; std::getline(in, line);)
            if (const Json json = line.size() > 9 ? Json::parse(line.substr(9), nullptr, false) : Json();
                json.is_object() && json.value("type", "") == "result")
                ++times[json.at("result").at("key").get<std::string>()];
    }
    return times;
}

/// Ends a supervisor and the runner that it started, as a machine that loses power does.
void killAll(QProcess& process) {
    QProcess children;
    children.start(QStringLiteral("pgrep"), {QStringLiteral("-P"), QString::number(process.processId())});
    children.waitForFinished();
    process.kill();
    for (const QByteArray& pid : children.readAllStandardOutput().split('\n'))
        if (!pid.isEmpty())
            ::kill(pid.toInt(), SIGKILL);
    process.waitForFinished();
}

} // namespace

class TestBaseEvaluation : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    QString m_study = m_dir.path() + "/study";

    QStringList probe(const QStringList& more = {}) const {
        return QStringList{"probe",     "base",     "--series", kSeries, "--study", m_study,     "--suite",
                           kSuite,      "--data",   kData,      "--id",  "endings", "--samples", "told=" + kPrompts,
                           "--max-new", kNewTokens, "--json"} +
               more;
    }
    std::vector<Json> rowsOf(const std::string& checkpoint, const QStringList& how) const {
        std::vector<Json> rows;
        for (const Json& row : crestRun(QStringList{"results", m_study} + how).lines)
            if (row.at("checkpoint") == checkpoint)
                rows.push_back(row);
        return rows;
    }

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_CACHE_HOME", (m_dir.path() + "/cache").toUtf8()); }

    void refusesBeforeAnythingIsWritten() {
        const Ended noData = crestRun(
            {"probe", "base", "--series", kSeries, "--study", m_study, "--suite", kSuite, "--data", m_dir.path()});
        QCOMPARE(noData.code, 1);
        QVERIFY2(noData.err.contains("endings"), noData.err.constData());
        QVERIFY2(noData.err.contains("endings.jsonl"), noData.err.constData()); // the file that it wants
        const Ended noTask = crestRun(probe({"--tasks", "hologram"}));
        QCOMPARE(noTask.code, 1);
        QVERIFY2(noTask.err.contains("hologram") && noTask.err.contains("passages"), noTask.err.constData());
        QVERIFY(!fs::exists(m_study.toStdString()));
    }

    void killedAndTakenUpAgain() {
        const Ended planned = crestRun(probe({"--plan-only"}));
        QVERIFY2(planned.code == 0, planned.err.constData());
        QCOMPARE(planned.lines.at(0).at("new").get<std::size_t>(), kCheckpoints);
        QVERIFY(planned.lines.at(0).at("forward_tokens").get<std::int64_t>() > 0);
        int unfinished = 0;
        for (const std::size_t wanted : {std::size_t{2}, std::size_t{9}}) {
            const auto process = start(probe({"--workers", "1"}));
            QTRY_VERIFY_WITH_TIMEOUT(process->state() == QProcess::NotRunning ||
                                         journalKeys(m_study.toStdString()).size() >= wanted,
                                     60'000);
            killAll(*process);
            unfinished += journalKeys(m_study.toStdString()).size() < kCheckpoints * kTasks;
        }
        QVERIFY2(unfinished > 0, "it was always done before it could be killed");
        const Ended done = crestRun(probe());
        QVERIFY2(done.code == 0, done.err.constData());
        const auto times = journalKeys(m_study.toStdString());
        QCOMPARE(times.size(), kCheckpoints * kTasks);
        for (const auto& [key, count] : times)
            QCOMPARE(count, 1);
        const Ended again = crestRun(probe({"--plan-only"}));
        QCOMPARE(again.lines.at(0).at("new").get<int>(), 0);
    }

    void sameNumbersAsEval() {
        const std::string checkpoint = "step003906-tokens16M";
        const QString model = kSeries + "/" + QString::fromStdString(checkpoint);
        const QString itemsFile = m_dir.path() + "/items.jsonl";
        const Ended direct =
            crestRun({"eval", "--model", model, "--suite", kSuite, "--data", kData, "--items", itemsFile, "--json"});
        QVERIFY2(direct.code == 0, direct.err.constData());
        std::map<std::pair<std::string, std::string>, Json> stored; // by task and metric
        for (const Json& row : rowsOf(checkpoint, {"--json"}))
            stored[{row.at("task"), row.at("metric")}] = row;
        QCOMPARE(stored.size(), std::size_t{2 + 3 + 1}); // and the tokens of the samples
        QCOMPARE(direct.lines.size(), std::size_t{5});
        for (const Json& metric : direct.lines) {
            const auto at = stored.find({metric.at("task"), metric.at("metric")});
            QVERIFY2(at != stored.end(), metric.dump().c_str());
            for (const char* field : {"value", "stderr", "n", "unit"})
                QVERIFY2(at->second.at(field) == metric.at(field), (at->second.dump() + metric.dump()).c_str());
            QCOMPARE(at->second.at("modification").get<std::string>(), std::string("none"));
            QCOMPARE(at->second.at("role").get<std::string>(),
                     std::string(metric.at("task") == "endings" ? "id" : "ood"));
        }
        std::map<std::pair<std::string, int>, Json> items;
        for (const Json& item : rowsOf(checkpoint, {"--items"}))
            items[{item.at("task"), item.at("document").get<int>()}] = item;
        std::ifstream in(itemsFile.toStdString());
        int compared = 0;
        for (std::string line; std::getline(in, line); ++compared) {
            const Json item = Json::parse(line);
            const Json& same = items.at({item.at("task"), item.at("document").get<int>()});
            for (std::size_t r = 0; r < item.at("loglikelihoods").size(); ++r)
                QCOMPARE(same.at("requests").at(r).at("loglikelihood").get<double>(),
                         item.at("loglikelihoods").at(r).get<double>());
            for (const auto& [metric, value] : item.at("values").items())
                QCOMPARE(same.at("metrics").at(metric).at("value").get<double>(), value.get<double>());
        }
        QCOMPARE(compared, 20 + 4);
    }

    void samplesAreWhatGenerateWrites() {
        const std::string checkpoint = "step003906-tokens16M";
        const Ended direct = crestRun({"generate", "--model", kSeries + "/" + QString::fromStdString(checkpoint),
                                       "--prompts", kPrompts, "--max-new", kNewTokens, "--json"});
        QVERIFY2(direct.code == 0, direct.err.constData());
        QCOMPARE(direct.lines.size(), std::size_t{3});
        std::map<int, std::string> kept;
        for (const Json& item : rowsOf(checkpoint, {"--items"}))
            if (item.at("task") == "told")
                kept[item.at("document").get<int>()] = item.at("text").get<std::string>();
        for (int prompt = 0; prompt < 3; ++prompt) {
            QVERIFY(!kept.at(prompt).empty());
            QCOMPARE(kept.at(prompt), direct.lines[static_cast<std::size_t>(prompt)].at("text").get<std::string>());
        }
    }

    /// Checkpoints of two series often have equal names.
    void theTableOfSeveralSeriesNamesThem() {
        const fs::path folder = m_dir.path().toStdString() + "/tables";
        QByteArray table;
        for (const std::string seed : {"seed1", "seed2"}) {
            const fs::path checkpoint = folder / seed / "step000122-tokens0.5M";
            fs::create_directories(checkpoint);
            fs::copy(fs::path(kSeries.toStdString()).parent_path() / ("sample-" + seed) / checkpoint.filename(), checkpoint);
            fs::remove(checkpoint / "crest.json"); // which names its series
            const QString study = QString::fromStdString((folder / "study").string());
            const Ended run = crestRun({"probe", "base", "--series", QString::fromStdString(checkpoint.parent_path().string()), "--study", study,
                                        "--suite", kSuite, "--data", kData, "--tasks", "endings", "--limit", "4"});
            QVERIFY2(run.code == 0, run.err.constData());
            table = crestRun({"results", study}).out;
            QVERIFY2(table.startsWith(seed == "seed1" ? "checkpoint " : "series  checkpoint "), table.constData());
        }
        for (const char* row : {"\nseed1   step000122-tokens0.5M ", "\nseed2   step000122-tokens0.5M "})
            QVERIFY2(table.contains(row), table.constData());
    }

    /// Data that change between two calls give other keys, and what was measured before stays.
    void otherDataAreMeasuredAnew() {
        const fs::path folder = m_dir.path().toStdString() + "/data";
        fs::copy(kData.toStdString(), folder);
        QStringList arguments = probe();
        arguments[arguments.indexOf("--data") + 1] = QString::fromStdString(folder.string());
        arguments[arguments.indexOf("--study") + 1] = m_dir.path() + "/second";
        QVERIFY(crestRun(arguments + QStringList{"--tasks", "endings"}).code == 0);
        std::ofstream(folder / "endings.jsonl", std::ios::app)
            << R"({"question":"Snow is","choices":["white","hot","loud","late"],"gold":0})"
            << "\n";
        const Ended planned = crestRun(arguments + QStringList{"--tasks", "endings", "--plan-only"});
        QVERIFY2(planned.code == 0, planned.err.constData());
        QCOMPARE(planned.lines.at(0).at("new").get<std::size_t>(), kCheckpoints);
    }
};

QTEST_GUILESS_MAIN(TestBaseEvaluation)
#include "tst_base_evaluation.moc"
