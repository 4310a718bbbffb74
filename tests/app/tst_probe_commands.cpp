// SPDX-License-Identifier: Apache-2.0
// crest-run probe, work, results and selfcheck as processes with the real engine, on small checkpoints made here.
#include <QDir>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "core/study/queueing.h"
#include "core/study/runs.h"
#include "tests/core/probe/small_checkpoint.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

struct Ended {
    int code = -1;
    QByteArray out, err;
    std::vector<Json> lines; ///< of `out`, where all are JSON
};

std::unique_ptr<QProcess> start(const QStringList& arguments) {
    auto process = std::make_unique<QProcess>();
    process->start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    return process;
}

Ended finish(QProcess& process) {
    if (!process.waitForFinished(120'000) || process.exitStatus() != QProcess::NormalExit)
        return {};
    Ended ended{process.exitCode(), process.readAllStandardOutput(), process.readAllStandardError(), {}};
    for (const QByteArray& line : ended.out.split('\n'))
        if (!line.isEmpty())
            ended.lines.push_back(Json::parse(line.toStdString(), nullptr, false));
    return ended;
}

Ended crestRun(const QStringList& arguments) {
    return finish(*start(arguments));
}

QString pathOf(const fs::path& path) {
    return QString::fromStdString(path.string());
}

/// One small checkpoint of `series` at so many tokens, unlike any other.
void makeOne(const fs::path& folder, const std::string& series, std::int64_t tokens) {
    fs::create_directories(folder);
    auto made = test::makeSmallCheckpoint(folder);
    QVERIFY2(made, made ? "" : made.error().text().c_str());
    for (auto& [name, values] : made->weights)
        values[0] += static_cast<float>(tokens) * 1e-5f;
    QVERIFY(test::writeSmallWeights(*made));
    Json stds = Json::object();
    for (const auto& [name, std] : made->initStd)
        stds[name] = std;
    test::writeText(
        folder / "crest.json",
        Json{{"format", 1}, {"series", series}, {"tokens", tokens}, {"step", tokens / 10}, {"init_std", stds}}.dump());
}

/// How often each key stands in the journals of a study.
std::map<std::string, int> journalKeys(const fs::path& study) {
    std::map<std::string, int> times;
    for (const auto& entry : fs::directory_iterator(study / "journal")) {
        if (entry.path().extension() != ".jsonl")
            continue;
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);)
            if (const Json json = Json::parse(line.substr(9), nullptr, false); json.value("type", "") == "result")
                ++times[json.at("result").at("key").get<std::string>()];
    }
    return times;
}

QByteArray journalText(const fs::path& study) {
    QByteArray all;
    for (const auto& entry : fs::directory_iterator(study / "journal"))
        if (QFile file(pathOf(entry.path())); file.open(QIODevice::ReadOnly))
            all += file.readAll();
    return all;
}

} // namespace

class TestProbeCommands : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    fs::path m_series = m_folder / "series", m_text, m_other = m_folder / "other.txt";

    QStringList probe(const fs::path& study, const QString& gammas = QStringLiteral("0.1"),
                      const QStringList& more = {}) const {
        return QStringList{QStringLiteral("probe"),         QStringLiteral("noise"),
                           QStringLiteral("--series"),      pathOf(m_series),
                           QStringLiteral("--study"),       pathOf(study),
                           QStringLiteral("--gammas"),      gammas,
                           QStringLiteral("--seeds"),       QStringLiteral("3"),
                           QStringLiteral("--max-windows"), QStringLiteral("4"),
                           QStringLiteral("--json")} +
               more;
    }
    QStringList texts(const QString& role = QStringLiteral("id"), const QString& window = QStringLiteral("32")) const {
        return {QStringLiteral("--texts"), QStringLiteral("words=%1:%2").arg(pathOf(m_text), role),
                QStringLiteral("--window"), window};
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_CACHE_HOME", (m_dir.path() + "/cache").toUtf8());
        for (const std::int64_t tokens : {1000, 2000}) {
            makeOne(m_series / ("step" + std::to_string(tokens / 10)), "small", tokens);
            if (QTest::currentTestFailed())
                return;
        }
        m_text = m_series / "step100" / "text.jsonl";
        std::string other;
        for (const std::string& document : test::smallDocuments())
            other += "Once " + document + "\n\n";
        test::writeText(m_other, other);
        test::writeText(m_folder / "broken.jsonl", "{\"txt\": 1}\n[]\n");
        test::writeText(m_folder / "short.md", "One line.\n");
    }

    /// Trained at every rate and seed, measured in and out of distribution, never trained twice.
    void fineTuning() {
        const fs::path study = m_folder / "tuned", rows = m_folder / "rows.jsonl";
        const std::vector<std::string> documents = test::smallDocuments();
        std::string text;
        for (const std::string& document : documents)
            text += Json{{"prompt", "It is written that"}, {"completion", document.substr(18, 60)}}.dump() + "\n";
        test::writeText(rows, text);
        const QStringList command = QStringList{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study),
                                                "--tune", "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10",
                                                "--epochs", "4", "--batch", "10", "--rates", "0.003,1", "--seeds", "2",
                                                "--max-windows", "4", "--json"} +
                                    texts(QStringLiteral("ood"));
        const Ended first = crestRun(command);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.front().at("cells").get<int>(), 2 * (1 + 2 * 2));
        const Ended again = crestRun(command);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.front().at("new").get<int>(), 0);

        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<double, std::int64_t>, double> heldOut; // of the first checkpoint, by rate and seed
        int rowsOfText = 0;
        for (const Json& row : results.lines) {
            rowsOfText += row.at("task") == "words" ? 1 : 0;
            if (row.at("tokens") == 1000 && row.at("task") == "rows" && row.at("value").is_number())
                heldOut[{row.at("strength").get<double>(), row.at("seed").get<std::int64_t>()}] =
                    row.at("value").get<double>();
        }
        QCOMPARE(rowsOfText, 10);
        QVERIFY(heldOut.at({0.003, 1}) < heldOut.at({0, 0}));
        QVERIFY(heldOut.at({0.003, 1}) != heldOut.at({0.003, 2}));
        QVERIFY(!heldOut.contains({1, 1})); // diverged: stored, with why
        QVERIFY(journalText(study).contains("the training diverged at step"));
        QVERIFY(!fs::exists(study / "artifacts" / "unfinished") || fs::is_empty(study / "artifacts" / "unfinished"));
        const Ended refused = crestRun(QStringList{"probe", "finetune", "--tune", "rows=" + pathOf(m_folder / "none.jsonl")} +
                                       command.mid(2, 4) + texts());
        QVERIFY(refused.code != 0 && refused.err.contains("none.jsonl"));
    }

    /// A grid, then finer rates around each checkpoint's best, by one command; given again it goes one level further.
    void finerRates() {
        const fs::path study = m_folder / "refined", rows = m_folder / "rows.jsonl";
        const QStringList command = QStringList{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study),
                                                "--tune", "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10",
                                                "--epochs", "2", "--batch", "10", "--rates", "0.001,0.004,0.016", "--seeds", "1",
                                                "--max-windows", "4", "--json", "--refine", "1"} +
                                    texts(QStringLiteral("ood"));
        const Ended planned = crestRun(command + QStringList{"--plan-only"});
        QVERIFY2(planned.code == 0 && planned.err.contains("planned once they are there"), planned.err);
        QVERIFY(!fs::exists(study));
        const Ended first = crestRun(command);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.size(), std::size_t(5)); // cost and run of the grid, what was found, cost and run of the finer rates
        QCOMPARE(first.lines[0].at("new").get<int>(), 2 * (1 + 3));
        std::map<std::string, std::map<double, double>> heldOut; // by checkpoint and rate
        for (const Json& row : crestRun({"results", pathOf(study), "--json"}).lines)
            if (row.at("task") == "rows" && row.at("value").is_number() && row.at("strength") != 0)
                heldOut[row.at("checkpoint").get<std::string>()][row.at("strength").get<double>()] = row.at("value").get<double>();
        // Half-way in logarithms, and beyond an end by the step of 4.
        const std::map<double, std::vector<double>> around{
            {0.001, {0.00025, 0.0005, 0.002}}, {0.004, {0.002, 0.008}}, {0.016, {0.008, 0.032, 0.064}}};
        int added = 0;
        for (const Json& one : first.lines[2].at("refined")) {
            const auto& scores = heldOut.at(one.at("checkpoint").get<std::string>());
            double best = 0.001;
            for (const double rate : {0.004, 0.016})
                if (scores.contains(rate) && (!scores.contains(best) || scores.at(rate) < scores.at(best)))
                    best = rate;
            QCOMPARE(one.at("best").get<double>(), best);
            QCOMPARE(one.at("rates").get<std::vector<double>>(), around.at(best));
            added += static_cast<int>(around.at(best).size());
        }
        QCOMPARE(first.lines[3].at("new").get<int>(), added);
        QCOMPARE(first.lines[3].at("cached").get<int>(), 2 * (1 + 3));
        QVERIFY(first.lines[4].at("run") != first.lines[1].at("run"));
        QCOMPARE(first.lines[4].at("state").get<std::string>(), std::string("done"));

        const Ended again = crestRun(command);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.size(), std::size_t(4)); // nothing to run before
        QCOMPARE(again.lines[0].at("cells").get<int>(), 2 * (1 + 3) + added);
        QCOMPARE(again.lines[0].at("new").get<int>(), 0);
        QVERIFY(again.lines[2].at("new").get<int>() >= 2);
        for (const auto& [key, times] : journalKeys(study))
            QCOMPARE(times, 1);
        const auto folder = study::StudyFolder::open(study);
        QVERIFY(folder && study::listRuns(*folder).size() == 3);
        // Without the option it is the grid's own run, and nothing is left to do.
        const Ended plain = crestRun(command.mid(0, command.indexOf(QStringLiteral("--refine"))) + texts(QStringLiteral("ood")));
        QVERIFY2(plain.code == 0, plain.err);
        QCOMPARE(plain.lines[0].at("cells").get<int>(), 2 * (1 + 3));
        QCOMPARE(plain.lines[1].at("run"), first.lines[1].at("run"));
        // What a killed command had begun is finished, and no further level begun.
        fs::remove_all(study / "journal");
        fs::remove(study / "results.h5");
        fs::create_directories(study / "journal");
        const Ended finished = crestRun(command);
        QVERIFY2(finished.code == 0, finished.err);
        QCOMPARE(finished.lines.size(), std::size_t(2));
        QVERIFY(finished.err.contains("the same command again tries finer ones"));
    }

    /// What is left out of the data, and cut, is said before anything runs; data that leave nothing end the command there.
    void notesOfTheDataComeFirst() {
        const fs::path study = m_folder / "noted", rows = m_folder / "uneven.jsonl";
        std::string text = "{\"prompt\": \"no completion\"}\n";
        for (int i = 0; i < 150; ++i)
            text += Json{{"prompt", "Number " + std::to_string(i)}, {"completion", " is a number"}}.dump() + "\n";
        for (int i = 0; i < 2; ++i)
            text += Json{{"prompt", "Nothing"}, {"completion", "  "}}.dump() + "\n";
        std::string words;
        for (int i = 0; i < 200; ++i)
            words += " and on";
        text += Json{{"prompt", "Long"}, {"completion", words}}.dump() + "\n";
        test::writeText(rows, text);
        const QStringList command{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study), "--tune",
                                  "uneven=" + pathOf(rows), "--form", "prompt-completion", "--held-out-rows", "10", "--rates", "0.003",
                                  "--seeds", "1", "--json", "--plan-only"};
        const Ended noted = crestRun(command + QStringList{"--max-tokens", "48"});
        QVERIFY2(noted.code == 0, noted.err);
        QCOMPARE(noted.lines.size(), std::size_t(1)); // they are no output
        for (const char* note : {"crest-run probe: uneven: 1 of 154 rows cannot be used and are left out\n",
                                 "crest-run probe: uneven: 2 of 154 rows have nothing to learn",
                                 "crest-run probe: uneven: 1 of 151 examples are longer than 48 tokens and are cut off there",
                                 "crest-run probe: uneven: cannot be used: "})
            QVERIFY2(noted.err.contains(note), noted.err);
        QVERIFY(!fs::exists(study));
        const Ended usual = crestRun(command); // no longer than the models' context
        QVERIFY2(usual.code == 0 && usual.err.contains("longer than 64 tokens and are cut off there"), usual.err);
        const Ended tooLong = crestRun(command + QStringList{"--max-tokens", "512"});
        QVERIFY2(tooLong.code == 1 && tooLong.err.contains("add the data again with examples of at most 64 tokens."), tooLong.err);
        const Ended nothing = crestRun(command.mid(0, command.size() - 1) + QStringList{"--max-tokens", "2", "--drop-long"});
        QVERIFY2(nothing.code != 0 && nothing.err.contains("no example is left to train on"), nothing.err);
        QVERIFY(!fs::exists(study)); // nor was anything queued
    }

    /// Adapters, replay and mixtures through the command; kept weights serve a task that is added later.
    void waysOfTuning() {
        const fs::path study = m_folder / "ways", rows = m_folder / "rows.jsonl";
        const auto command = [&](const char* kind, const QStringList& more) {
            return crestRun(QStringList{"probe", kind, "--series", pathOf(m_series), "--study", pathOf(study), "--tune",
                                        "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10", "--epochs", "2",
                                        "--batch", "10", "--seeds", "1", "--json"} +
                            more);
        };
        const QStringList adapters{"--rates", "0.01", "--lora-rank", "2", "--lora-alpha", "4", "--keep-gb", "0.1"};
        const Ended first = command("finetune", adapters);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.front().at("trainings").get<int>(), 2);
        const Ended later = command("finetune", adapters + texts(QStringLiteral("ood")) + QStringList{"--max-windows", "4"});
        QVERIFY2(later.code == 0, later.err);
        QCOMPARE(later.lines.front().at("trainings").get<int>(), 0);
        QCOMPARE(later.lines.front().at("kept_trainings").get<int>(), 2);
        const Ended mixed = command("interpolate", QStringList{"--rate", "0.01", "--alphas", "0.5,1"} + adapters.mid(2) +
                                                       texts(QStringLiteral("ood")) + QStringList{"--max-windows", "4"});
        QVERIFY2(mixed.code == 0, mixed.err);
        QCOMPARE(mixed.lines.front().at("cells").get<int>(), 2 * (1 + 2));
        QCOMPARE(mixed.lines.front().at("kept_trainings").get<int>(), 2);
        const Ended replayed = command("finetune", {"--rates", "0.01", "--replay", pathOf(m_text), "--replay-share", "0.25",
                                                    "--replay-tokens", "32"});
        QVERIFY2(replayed.code == 0, replayed.err);

        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<std::string, double>, std::map<std::string, double>> values; // of the first checkpoint
        std::set<std::string> tunings; // with adapters, and with replay: rows that are alike but for this
        for (const Json& row : results.lines)
            if (row.at("modification") == "fine-tuning")
                tunings.insert(row.at("noise_scale").get<std::string>());
        QCOMPARE(tunings.size(), std::size_t(2));
        const Ended table = crestRun({"results", pathOf(study)});
        QVERIFY2(table.out.contains("  settings  "), table.out);
        for (const std::string& one : tunings)
            QVERIFY2(table.out.contains("  fine-tuning     " + QByteArray::fromStdString(one.substr(0, 10))), table.out);
        for (const Json& row : results.lines)
            if (row.at("tokens") == 1000 && row.at("value").is_number())
                values[{row.at("modification").get<std::string>(), row.at("strength").get<double>()}]
                      [row.at("task").get<std::string>()] += row.at("value").get<double>();
        const auto& tuned = values.at({"fine-tuning", 0.01});
        const auto& all = values.at({"interpolation", 1.0});
        QCOMPARE(all.at("words"), tuned.at("words")); // 1 are the tuned weights, from what was kept
        QVERIFY(values.at({"interpolation", 0.5}).at("rows") < values.at({"none", 0.0}).at("rows"));
        QVERIFY(journalText(study).contains("\"change\""));
        QVERIFY(fs::exists(study / "artifacts" / "tuned"));
        const Ended refused = command("finetune", {"--rates", "0.01", "--replay", pathOf(m_text)});
        QVERIFY(refused.code != 0 && refused.err.contains("replay_share"));
        const Ended both = command("finetune", {"--rates", "0.01", "--lora-rank", "2", "--head-first", "0.5"});
        QVERIFY(both.code != 0 && both.err.contains("head_share"));
    }

    /// Kinds that draw nothing: planned, run, found again, shown under their own names.
    void quantisationAndPruning() {
        const fs::path study = m_folder / "compressed";
        const QStringList usual = QStringList{"--series", pathOf(m_series), "--study", pathOf(study), "--max-windows",
                                              "4", "--json"} +
                                  texts();
        const Ended bits = crestRun(QStringList{"probe", "quantise", "--bits", "2,8"} + usual);
        QVERIFY2(bits.code == 0, bits.err);
        QCOMPARE(bits.lines.front().at("cells").get<int>(), 6);
        const Ended shares = crestRun(QStringList{"probe", "prune", "--shares", "0.5"} + usual);
        QVERIFY2(shares.code == 0, shares.err);
        QCOMPARE(shares.lines.front().at("cached").get<int>(), 2); // the bases
        const Ended again = crestRun(QStringList{"probe", "quantise", "--bits", "2,4,8"} + usual);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.front().at("new").get<int>(), 2);
        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<std::string, double>, double> first; // of the first checkpoint
        for (const Json& row : results.lines)
            if (row.at("tokens") == 1000)
                first[{row.at("modification").get<std::string>(), row.at("strength").get<double>()}] =
                    row.at("value").get<double>();
        QCOMPARE(first.size(), 5u);
        const double base = first.at({"none", 0.0});
        // Eight bits are next to nothing, two bits are not.
        QVERIFY(std::abs(first.at({"quantisation", 8.0}) - base) < std::abs(first.at({"quantisation", 2.0}) - base));
        QVERIFY(first.at({"pruning", 0.5}) != base);
        for (const auto& [key, times] : journalKeys(study))
            QCOMPARE(times, 1);
        const Ended refused = crestRun(QStringList{"probe", "quantise", "--bits", "1"} + usual);
        QVERIFY(refused.code != 0 && refused.err.contains("whole number from 2 to 8"));
    }

    void planOnlyWritesNothing() {
        const fs::path study = m_folder / "planned";
        const Ended ended =
            crestRun(probe(study, QStringLiteral("0.1,0.2"), texts() + QStringList{QStringLiteral("--plan-only")}));
        QVERIFY2(ended.code == 0, ended.err.constData());
        QCOMPARE(ended.lines.size(), std::size_t{1});
        QCOMPARE(ended.lines[0].at("cells").get<int>(), 2 * (1 + 2 * 3));
        QCOMPARE(ended.lines[0].at("cached").get<int>(), 0);
        QCOMPARE(ended.lines[0].at("new").get<int>(), 14);
        // 4 windows of 32 tokens; a pair counts twice
        QCOMPARE(ended.lines[0].at("forward_tokens").get<int>(), 2 * 4 * 32 * (1 + 2 * 2 * 3));
        QVERIFY(!fs::exists(study));
    }

    void whatCannotWorkIsRefusedAndLeavesNothing_data() {
        QTest::addColumn<QStringList>("more");
        QTest::addColumn<QString>("said");
        const auto file = [&](const char* name, const char* role) {
            return QStringList{QStringLiteral("--texts"),
                               QStringLiteral("a=%1:%2").arg(pathOf(m_folder / name), QString::fromLatin1(role))};
        };
        const auto window = [](const char* tokens) {
            return QStringList{QStringLiteral("--window"), QString::fromLatin1(tokens)};
        };
        QTest::newRow("window beyond the context")
            << texts(QStringLiteral("id"), QStringLiteral("65")) << "context of 64";
        QTest::newRow("a folder of texts")
            << QStringList{QStringLiteral("--texts"), QStringLiteral("a=%1:id").arg(pathOf(m_folder))} + window("32")
            << "This is a folder. Name one file of texts";
        QTest::newRow("no such text") << file("absent.jsonl", "id") + window("32") << "absent.jsonl";
        QTest::newRow("no text in it") << file("broken.jsonl", "id") + window("32") << "broken.jsonl";
        QTest::newRow("too short") << file("short.md", "id") + window("32") << "short.md";
        QTest::newRow("no ID task") << texts(QStringLiteral("ood")) << "in-distribution";
        QTest::newRow("no such device") << texts() + QStringList{QStringLiteral("--device"), QStringLiteral("cuda:99")}
                                        << "cuda:99";
        QTest::newRow("no such series") << texts() + QStringList{QStringLiteral("--series-name"), QStringLiteral("big")}
                                        << "small";
        QTest::newRow("no such checkpoint")
            << texts() + QStringList{QStringLiteral("--exclude"), QStringLiteral("step7")} << "step7";
        QTest::newRow("name of two lines")
            << QStringList{QStringLiteral("--texts"), QStringLiteral("a\nb=%1:id").arg(pathOf(m_text)),
                           QStringLiteral("--window"), QStringLiteral("32")}
            << "line break";
    }
    void whatCannotWorkIsRefusedAndLeavesNothing() {
        QFETCH(QStringList, more);
        QFETCH(QString, said);
        const fs::path study = m_folder / "refused";
        for (const QStringList& only : {QStringList(), QStringList{QStringLiteral("--plan-only")}}) {
            const Ended ended = crestRun(probe(study, QStringLiteral("0.1"), more + only));
            QCOMPARE(ended.code, 1);
            QVERIFY2(ended.err.contains(said.toUtf8()), ended.err.constData());
            QVERIFY(!fs::exists(study));
        }
    }

    void fromAPlanToResultsAndNothingTwice() {
        const fs::path study = m_folder / "study";
        const Ended first = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QVERIFY2(first.code == 0, first.err.constData());
        QCOMPARE(first.lines.size(), std::size_t{2});
        QCOMPARE(first.lines[1].at("state").get<std::string>(), std::string("done"));
        QCOMPARE(first.lines[1].at("done").get<int>(), 2 * (1 + 3));
        // The same again: the same run, and nothing is computed.
        const Ended again = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QCOMPARE(again.code, 0);
        QCOMPARE(again.lines[0].at("new").get<int>(), 0);
        QCOMPARE(again.lines[1].at("run"), first.lines[1].at("run"));
        // Two names for one text are refused.
        const Ended second = crestRun(
            probe(study, QStringLiteral("0.1,0.2"),
                  texts(QStringLiteral("ood")) +
                      QStringList{QStringLiteral("--texts"), QStringLiteral("a/b=%1:id").arg(pathOf(m_other)),
                                  QStringLiteral("--texts"),
                                  QStringLiteral("a_b=%1:ood").arg(pathOf(m_folder / "series/step200/text.jsonl"))}));
        QVERIFY2(second.code == 1 && second.err.contains("same text"), second.err.constData());
        // One that overlaps computes only what is new; the same text is OOD there, beside two others.
        test::writeText(m_folder / "third.txt", "A line before. " + test::smallDocuments()[3] + "\n\n" +
                                                    test::smallDocuments()[4] + "\n\n" + test::smallDocuments()[5]);
        const QStringList three =
            texts(QStringLiteral("ood")) +
            QStringList{QStringLiteral("--texts"), QStringLiteral("a/b=%1:id").arg(pathOf(m_other)),
                        QStringLiteral("--texts"), QStringLiteral("a_b=%1:ood").arg(pathOf(m_folder / "third.txt"))};
        const Ended third = crestRun(probe(study, QStringLiteral("0.1,0.2"), three));
        QVERIFY2(third.code == 0, third.err.constData());
        QCOMPARE(third.lines[0].at("cells").get<int>(), 2 * (1 + 2 * 3));
        QVERIFY(third.lines[1].at("run") != first.lines[1].at("run"));
        const auto times = journalKeys(study);
        QCOMPARE(times.size(), std::size_t{2 * 7 * 3});
        for (const auto& [key, count] : times)
            QCOMPARE(count, 1);

        const Ended results = crestRun({QStringLiteral("results"), pathOf(study), QStringLiteral("--json")});
        QVERIFY2(results.code == 0, results.err.constData());
        QCOMPARE(results.lines.size(), times.size());
        std::map<std::string, std::string> roles;
        for (const Json& row : results.lines) {
            for (const char* field : {"series", "checkpoint", "tokens", "modification", "strength", "seed", "task",
                                      "role", "metric", "unit", "value", "stderr", "n", "cached_at", "cause"})
                QVERIFY2(row.contains(field), field);
            const std::string task = row.at("task"), role = row.at("role");
            QVERIFY(roles.try_emplace(task, role).first->second == role);
            // Near the loss of guessing among some 300 tokens, whatever the weights: ln 320 = 5.8.
            QVERIFY(row.at("value").get<double>() > 3 && row.at("value").get<double>() < 12);
            QVERIFY(row.at("cause").is_null());
        }
        const std::map<std::string, std::string> wanted{{"a/b", "id"}, {"a_b", "ood"}, {"words", "ood"}};
        QVERIFY2(roles == wanted, "a task has the role that the newest run gave it");
        const Ended table = crestRun({QStringLiteral("results"), pathOf(study)});
        QCOMPARE(table.code, 0);
        QCOMPARE(table.out.count('\n'), static_cast<qsizetype>(times.size() + 1));
        QVERIFY(fs::exists(study / "results.h5"));
    }

    void aWrongWindowDoesNotSpoilTheStudy() {
        const fs::path study = m_folder / "mended";
        QCOMPARE(crestRun(probe(study, QStringLiteral("0.1"), texts(QStringLiteral("id"), QStringLiteral("65")))).code,
                 1);
        // Planned by a window, say, and never run: the task may still be changed.
        study::Study made;
        made.tasks.push_back({.name = "words",
                              .textsPath = m_text.string(),
                              .dataHash = "",
                              .windowTokens = 64,
                              .strideTokens = 64,
                              .maxWindows = 4});
        QVERIFY(study::StudyFolder::create(study, made));
        const Ended right = crestRun(probe(study, QStringLiteral("0.1"), texts()));
        QVERIFY2(right.code == 0, right.err.constData());
        const Ended other =
            crestRun(probe(study, QStringLiteral("0.1"), texts(QStringLiteral("id"), QStringLiteral("16"))));
        QCOMPARE(other.code, 1);
        QVERIFY2(other.err.contains("another task of the name"), other.err.constData());
    }

    void twoAtOnceShareOneRun() {
        const fs::path study = m_folder / "at once";
        const QStringList arguments = probe(study, QStringLiteral("0.05,0.1,0.2,0.3"), texts());
        const auto a = start(arguments), b = start(arguments);
        const Ended one = finish(*a), two = finish(*b);
        QVERIFY2(one.code == 0, one.err.constData());
        QVERIFY2(two.code == 0, two.err.constData());
        QCOMPARE(one.lines.back().at("run"), two.lines.back().at("run"));
        const auto opened = study::StudyFolder::open(study);
        QVERIFY(opened);
        QCOMPARE(study::listRuns(*opened).size(), std::size_t{1});
        const auto times = journalKeys(study);
        QCOMPARE(times.size(), std::size_t{2 * (1 + 4 * 3)});
        for (const auto& [key, count] : times)
            QCOMPARE(count, 1);
    }

    void oneOfSeveralSeriesInOneFolder() {
        const fs::path several = m_folder / "several", study = m_folder / "of several";
        makeOne(several / "one-step100", "one", 1000);
        makeOne(several / "one-step200", "one", 2000);
        makeOne(several / "two-step100", "two", 1500);
        const auto plan = [&](const QStringList& more) {
            QStringList arguments =
                probe(study, QStringLiteral("0.1"), texts() + more + QStringList{QStringLiteral("--plan-only")});
            arguments[arguments.indexOf(QStringLiteral("--series")) + 1] = pathOf(several);
            return crestRun(arguments);
        };
        const Ended which = plan({});
        QCOMPARE(which.code, 1);
        QVERIFY2(which.err.contains("--series-name") && which.err.contains("one") && which.err.contains("two"),
                 which.err.constData());
        const Ended one = plan({QStringLiteral("--series-name"), QStringLiteral("one")});
        QVERIFY2(one.code == 0, one.err.constData());
        QCOMPARE(one.lines[0].at("cells").get<int>(), 2 * 4);
        const Ended less = plan({QStringLiteral("--series-name"), QStringLiteral("one"), QStringLiteral("--exclude"),
                                 QStringLiteral("one-step200")});
        QVERIFY2(less.code == 0, less.err.constData());
        QCOMPARE(less.lines[0].at("cells").get<int>(), 4);
        // A checkpoint that cannot be read is no series to choose from.
        fs::remove_all(several / "two-step100");
        makeOne(several / "odd-step300", "odd", 3000);
        Json config = series::configFromDecoderSpec(test::smallSpec());
        config["num_hidden_layers"] = 5;
        test::writeText(several / "odd-step300" / "config.json", config.dump());
        const Ended rest = plan({});
        QVERIFY2(rest.code == 0, rest.err.constData());
        QCOMPARE(rest.lines[0].at("cells").get<int>(), 2 * 4);
    }

    void workTakesUpWhatIsQueued() {
        const fs::path path = m_folder / "queued";
        QCOMPARE(crestRun(probe(path, QStringLiteral("0.1"), texts())).code, 0);
        const Ended nothing = crestRun({QStringLiteral("work"), pathOf(path)});
        QCOMPARE(nothing.code, 0);
        QVERIFY(nothing.out.contains("Nothing is queued"));
        const auto folder = study::StudyFolder::open(path);
        QVERIFY(folder);
        const auto plan = study::readPlan(*folder, study::listRuns(*folder).front());
        QVERIFY(plan);
        // Its results lost: queued anew, and once however often it is asked for.
        for (const char* lost : {"journal", "results.h5"})
            fs::remove_all(path / lost);
        fs::create_directories(path / "journal");
        study::ResultReader reader(*folder);
        const auto id = study::queueOnce(*folder, *plan, reader);
        QVERIFY(id && *id != study::listRuns(*folder).front());
        QCOMPARE(*study::queueOnce(*folder, *plan, reader), *id);
        const Ended worked = crestRun({QStringLiteral("work"), pathOf(path), QStringLiteral("--json")});
        QVERIFY2(worked.code == 0, worked.err.constData());
        QCOMPARE(worked.lines.size(), std::size_t{1});
        QCOMPARE(worked.lines[0].at("run").get<std::string>(), *id);
        QCOMPARE(worked.lines[0].at("state").get<std::string>(), std::string("done"));
        QCOMPARE(journalKeys(path).size(), std::size_t{8});
    }

    void wrongArgumentsEndWithOne() {
        const fs::path nothing = m_folder / "nothing";
        for (const QStringList& arguments : {QStringList{QStringLiteral("work"), pathOf(nothing)},
                                             QStringList{QStringLiteral("results"), pathOf(nothing)}}) {
            const Ended ended = crestRun(arguments);
            QCOMPARE(ended.code, 1);
            QVERIFY2(ended.err.contains("no study"), ended.err.constData());
        }
        const Ended model = crestRun({QStringLiteral("tokenize"), QStringLiteral("--model"), pathOf(nothing),
                                      QStringLiteral("--texts"), pathOf(m_text)});
        QCOMPARE(model.code, 1);
        QVERIFY2(model.err.contains("no such checkpoint folder"), model.err.constData());
        const QStringList score{QStringLiteral("score"), QStringLiteral("--model"), pathOf(m_series / "step100"),
                                QStringLiteral("--texts")};
        const Ended stride =
            crestRun(score + QStringList{pathOf(m_text), QStringLiteral("--stride"), QStringLiteral("0")});
        QCOMPARE(stride.code, 1);
        QVERIFY2(stride.err.contains("--stride 0"), stride.err.constData());
        const Ended missing = crestRun(score + QStringList{pathOf(m_folder / "broken.jsonl")});
        QCOMPARE(missing.code, 1);
        QVERIFY2(missing.err.contains("broken.jsonl, line 1") && missing.err.contains("\"text\" is missing"),
                 missing.err.constData());
    }

    void aLockThatCannotBeTakenIsNotAnotherWindow() {
        const fs::path path = m_folder / "locked";
        const auto folder = study::StudyFolder::create(path, {});
        QVERIFY(folder);
        fs::create_directories(path / "window.lock"); // no file: opening it to write fails, whoever asks
        const auto lock = study::WindowLock::tryLock(*folder);
        QVERIFY(!lock);
        QVERIFY2(lock.error().message.find("Another window") == std::string::npos, lock.error().text().c_str());
        fs::remove(path / "window.lock");
        const auto held = study::WindowLock::tryLock(*folder);
        QVERIFY(held);
        const auto second = study::WindowLock::tryLock(*folder);
        QVERIFY(!second);
        QVERIFY(second.error().message.find("Another window") != std::string::npos);
    }

    void selfcheckPasses() {
        const Ended ended = crestRun({QStringLiteral("selfcheck"), QStringLiteral("--json")});
        QVERIFY2(ended.code == 0, ended.out.constData());
        QVERIFY(ended.lines.size() >= 4);
        for (const Json& check : ended.lines)
            QVERIFY2(check.at("passed").get<bool>(), check.dump().c_str());
    }
};

QTEST_GUILESS_MAIN(TestProbeCommands)
#include "tst_probe_commands.moc"
