// SPDX-License-Identifier: Apache-2.0
// Points of others: what the readers make of files of each kind, a sentence for each bad row, hostile files, and the
// shipped points of the papers against numbers typed here from the papers' tables.
#include <cmath>
#include <fstream>

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "core/analysis/overlay.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::analysis;

namespace {

OverlayImport csv(const std::string& text) {
    auto read = overlayFromCsv({"points.csv", text});
    if (!read)
        qWarning("%s", read.error().text().c_str());
    return read.value_or(OverlayImport{});
}

std::string problemOf(const std::string& text) {
    const auto read = overlayFromCsv({"points.csv", text});
    return read ? "" : read.error().text();
}

const study::OverlayCurve* curveOf(const study::Overlay& overlay, const std::string& label, const std::string& task,
                                   const std::string& metric) {
    for (const study::OverlayCurve& curve : overlay.curves)
        if (curve.label == label && curve.task == task && curve.metric == metric)
            return &curve;
    return nullptr;
}

bool near(double a, double b) {
    return std::abs(a - b) <= 1e-12 * std::max(1.0, std::abs(b));
}

/// As lm-evaluation-harness 0.4.13 writes them (formats of the harness, section by section).
OverlayFile harness04(const std::string& revision, double acc, double error) {
    return {"pythia/results_2026-01-01T00-00-00.json",
            QStringLiteral(R"({"results": {"arc_easy": {"name": "arc_easy", "alias": "arc_easy", "sample_len": 500,
               "acc,none": %2, "acc_stderr,none": %3, "acc_norm,none": 0.25, "acc_norm_stderr,none": "N/A"},
             "gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.1, "exact_match_stderr,strict-match": 0.01}},
             "group_subtasks": {}, "configs": {"arc_easy": {"task": "arc_easy"}}, "versions": {"arc_easy": 1.0},
             "n-shot": {"arc_easy": 0}, "higher_is_better": {"arc_easy": {"acc": true}},
             "n-samples": {"arc_easy": {"original": 2376, "effective": 500}},
             "config": {"model": "hf", "model_args": {"pretrained": "EleutherAI/pythia-160m", "revision": "%1"},
                        "model_revision": "%1", "batch_size": 8},
             "git_hash": "abc", "date": 1767225600.5, "lm_eval_version": "0.4.13", "model_name": "EleutherAI/pythia-160m"})")
                .arg(QString::fromStdString(revision))
                .arg(acc)
                .arg(error)
                .toStdString()};
}

} // namespace

class TestOverlay : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// Large pieces go back to the system at once, whatever was freed before: what is measured does not depend on the order of rows.
    void initTestCase() { ::mallopt(M_MMAP_THRESHOLD, 128 * 1024); }

    void csvOfAllColumns() {
        const OverlayImport read = csv("\xEF\xBB\xBF# name: Paper\n# source: Figure 2; see text\r\n"
                                       "Task;Metric;Curve;Tokens;Value;stderr;n;Unit;colour\r\n"
                                       "arc_easy;acc;\"base; \"\"our\"\" run\";4.2B;25.5;1.0;400;%;red\r\n"
                                       "arc_easy;acc;\"base; \"\"our\"\" run\";1.5T;50;2;400;percent;red\r\n"
                                       "arc_easy;acc;other;8e9;0.5;;;accuracy;\r\n");
        QCOMPARE(read.overlay.name, std::string("Paper"));
        QCOMPARE(read.overlay.source, std::string("Figure 2; see text"));
        QCOMPARE(read.overlay.curves.size(), 2u);
        const study::OverlayCurve& first = read.overlay.curves[0];
        QCOMPARE(first.label, std::string("base; \"our\" run"));
        QCOMPARE(first.unit, std::string("accuracy"));
        QCOMPARE(first.points.size(), 2u);
        QVERIFY(near(first.points[0].tokens, 4.2e9) && near(first.points[0].value, 0.255));
        QVERIFY(near(*first.points[0].high - 0.255, 0.01 * 1.959963984540054));
        QCOMPARE(first.points[0].n, 400);
        QVERIFY(near(first.points[1].tokens, 1.5e12) && near(first.points[1].value, 0.5));
        QVERIFY(!read.overlay.curves[1].points[0].low);
        QCOMPARE(read.leftOut, 0);
    }

    void tokensFromNames() {
        // As people publish tables: model id, dataset, performance, spread.
        const OverlayImport read = csv("model_id,eval dataset,Performance,std\n"
                                       "allenai/OLMo-1B-hf/step1000-tokens4B,arc_easy,0.3,0.01\n"
                                       "EleutherAI/pythia-160m/step3000,arc_easy,0.4,0.01\n"
                                       "my-own-model,arc_easy,0.4,0.01\n");
        QCOMPARE(read.overlay.curves.size(), 1u);
        const auto& points = read.overlay.curves[0].points;
        QCOMPARE(points.size(), 2u);
        QVERIFY(near(points[0].tokens, 1000 * 4194304.0)); // batch of OLMo-1B: 2048 sequences of 2048
        QVERIFY(near(points[1].tokens, 3000 * 2097152.0)); // Pythia: 1024 sequences of 2048
        QCOMPARE(read.problems, std::vector<std::string>{
                                    "points.csv, line 4: the checkpoint's name \"my-own-model\" does not tell its tokens"});
    }

    void badRowsSaySo_data() {
        QTest::addColumn<QString>("row");
        QTest::addColumn<QString>("problem");
        QTest::newRow("no task") << ",1B,0.5" << "the task is missing";
        QTest::newRow("no tokens") << "a,,0.5" << "the tokens are missing";
        QTest::newRow("no value") << "a,1B," << "the value is missing";
        QTest::newRow("word") << "a,1B,good" << "\"good\" is no finite number";
        QTest::newRow("nan") << "a,1B,nan" << "\"nan\" is no finite number";
        QTest::newRow("infinite") << "a,1B,1e999" << "is no finite number";
        QTest::newRow("decimal comma") << "a,1B,\"0,5\"" << "decimal point";
        QTest::newRow("tokens of nothing") << "a,0,0.5" << "is no number of tokens";
        QTest::newRow("negative tokens") << "a,-1B,0.5" << "is no number of tokens";
        QTest::newRow("too few fields") << "a" << "the tokens are missing";
        QTest::newRow("low above high") << "a,1B,0.5,0.6,0.4" << "low lies above high";
        QTest::newRow("one end") << "a,1B,0.5,0.4" << "of low and high one is missing";
        QTest::newRow("half an item") << "a,1B,0.5,,,1.5" << "n must be a whole number";
        QTest::newRow("twice") << "z,2B,0.5" << "has a point at 2B tokens already";
        QTest::newRow("open quote") << "\"a,1B,0.5" << "a quote is opened and not closed";
        QTest::newRow("another unit") << "z,3B,0.5,,,,nats" << "its unit \"nats\" is not that of the curve";
    }
    void badRowsSaySo() {
        QFETCH(QString, row);
        QFETCH(QString, problem);
        const OverlayImport read =
            csv("task,tokens,value,low,high,n,unit\nz,2B,0.25\n" + row.toStdString() + "\n");
        QCOMPARE(read.leftOut, 1);
        QCOMPARE(read.overlay.curves.size(), 1u); // the good row stays
        QCOMPARE(read.overlay.curves[0].points.size(), 1u);
        const std::string& said = read.problems.at(0);
        QVERIFY2(said.starts_with("points.csv, line 3: ") && said.find(problem.toStdString()) != std::string::npos,
                 said.c_str());
    }

    void filesThatAreNone_data() {
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<QString>("problem");
        QTest::newRow("empty") << QByteArray() << "empty";
        QTest::newRow("only comments") << QByteArray("# a\n# b\n") << "empty";
        QTest::newRow("no task column") << QByteArray("tokens,value\n1,2\n") << "no column \"task\"";
        QTest::newRow("no value column") << QByteArray("task,tokens\na,2\n") << "no column \"value\"";
        QTest::newRow("no place") << QByteArray("task,value\na,2\n") << "neither a column \"tokens\"";
        QTest::newRow("column twice") << QByteArray("task,dataset,value,tokens\na,a,1,2\n") << "two columns say the same";
        QTest::newRow("titles alone") << QByteArray("task,value,tokens\n") << "No row can be used";
        QTest::newRow("every row bad") << QByteArray("task,value,tokens\na,x,1B\n") << "line 2: \"x\" is no finite number";
        QTest::newRow("zero bytes") << QByteArray("task,value,tokens\n\0a", 20) << "bytes of value 0";
        QTest::newRow("quote over all") << QByteArray("\"task,value,tokens\na,1,1B\n") << "a quote is opened";
    }
    void filesThatAreNone() {
        QFETCH(QByteArray, content);
        QFETCH(QString, problem);
        const std::string said = problemOf(content.toStdString());
        QVERIFY2(said.find(problem.toStdString()) != std::string::npos, said.c_str());
    }

    /// From the disk, as imported: 2 s, and the file's size and 64 MB.
    void hostileCsvEndsSoon_data() {
        QTest::addColumn<std::string>("content");
        QTest::addColumn<int>("curves"); ///< 0: refused
        const std::string head = "task,value,tokens\n", good = head + "a,1,1B\n";
        const auto times = [](const std::string& unit, std::size_t size) {
            std::string text;
            while (text.size() < size)
                text += unit;
            return text;
        };
        const auto row = [](const char* name, std::string text, int curves) { QTest::newRow(name) << std::move(text) << curves; };
        row("quotes", good + std::string(15'000'000, '"'), 1);
        row("a quote without end", good + "\"" + std::string(15'000'000, 'a'), 1);
        row("a long field", good + std::string(15'000'000, 'a'), 1);
        row("commas", good + std::string(15'000'000, ','), 1);
        row("line ends", good + std::string(15'000'000, '\n'), 1);
        row("line ends of Windows", good + times("\r\n", 15'000'000), 1);
        row("blank lines", good + times(" \n", 15'000'000), 1);
        row("comments", good + times("#\n", 15'000'000), 1);
        row("comments in front", times("#\n", 15'000'000) + good, 1);
        row("a long comment in front", "# source: " + std::string(15'000'000, 'a') + "\n" + good, 1);
        row("rows without a value", good + times("a\n", 15'000'000), 1);
        row("the same point again", good + times("a,1,1B\n", 15'000'000), 1);
        row("titles", times("task,", 15'000'000), 0);
        row("a long title", std::string(15'000'000, 't'), 0);
        row("too large", good + std::string(40'000'000, '\n'), 0);
        std::string points = head, curves = head, longer = head, tooLong = head;
        for (int i = 1; i <= 120'000; ++i)
            points += "a,1," + std::to_string(i) + "\n";
        for (int i = 1; i <= 3'000; ++i)
            curves += "task" + std::to_string(i) + ",1,1B\n";
        for (int i = 1; i <= 15'000; ++i)
            longer += std::string(990, 'a') + std::to_string(i) + ",1,1B\n";
        for (int i = 1; i <= 1'500; ++i)
            tooLong += std::string(9'990, 'a') + std::to_string(i) + ",1,1B\n";
        row("points", points, 1);
        row("curves", curves, static_cast<int>(kMostOverlayCurves));
        row("long names", longer, static_cast<int>(kMostOverlayCurves));
        row("names that are too long", tooLong, 0);
    }
    void hostileCsvEndsSoon() {
        QFETCH(std::string, content);
        QFETCH(int, curves);
        QTemporaryDir dir;
        const std::filesystem::path file = dir.filePath(QStringLiteral("points.csv")).toStdString();
        std::ofstream(file, std::ios::binary) << content;
        const std::size_t size = content.size();
        content = std::string();
        Result<OverlayImport> read = fail(ErrorKind::Internal, "not tried");
        const std::string over = test::beyondLimits(test::spentBy([&] { read = readOverlay({file}); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(read ? static_cast<int>(read->overlay.curves.size()) : 0, curves);
        if (!read)
            QVERIFY(read.error().text().size() < 1'000);
        else
            QVERIFY(read->problems.size() <= 21 && read->overlay.source.size() <= 1'000);
    }

    void thereIsAnEndOfPointsAndOfBadRows() {
        std::string many = "task,value,tokens\n", bad = "task,value,tokens\na,1,1B\n";
        for (int i = 1; i <= 120'000; ++i)
            many += "a,1," + std::to_string(i) + "\n";
        const OverlayImport read = csv(many);
        QCOMPARE(read.overlay.curves[0].points.size(), kMostOverlayPoints);
        QVERIFY(read.problems.back().find("more than 100000 points") != std::string::npos);
        for (int i = 1; i <= 120'000; ++i)
            bad += "a\n";
        const OverlayImport wrong = csv(bad);
        QCOMPARE(wrong.leftOut, std::int64_t{100'000});
        QVERIFY2(wrong.problems.back().find("line 100002: 100000 rows cannot be used") != std::string::npos, wrong.problems.back().c_str());
    }

    void hostileResultsEndSoon_data() {
        QTest::addColumn<std::string>("content");
        const auto row = [](const char* name, const std::string& begin, const std::string& unit, std::size_t size, const std::string& end) {
            std::string text = begin;
            while (text.size() < size)
                text += unit;
            QTest::newRow(name) << text + end;
        };
        row("numbers", "{\"results\": {\"a\": [0", ",1", 15'000'000, "]}}");
        row("empty objects", "{\"results\": [{}", ",{}", 15'000'000, "]}");
        row("one-entry objects", "{\"results\": [{}", ",{\"a\":1}", 1'500'000, "]}");
        row("tasks", "{\"results\": {", "\"a\": {\"acc\": 1},", 3'000'000, "\"b\": {}}}");
        row("a long text", "{\"results\": {}, \"chat_template\": \"", "a", 15'900'000, "\"}");
        row("too long a text", "{\"results\": {}, \"chat_template\": \"", "a", 40'000'000, "\"}");
        row("a text without end", "{\"results\": \"", "a", 15'900'000, "");
        row("a name without end", "{\"", "a", 15'900'000, "");
        row("brackets", "", "[", 15'900'000, "");
        row("a number without end", "{\"results\": 1", "1", 15'900'000, "");
        const std::string model = "\"model_name\": \"pythia-70m/step512\", ", filler(12'000'000, 'a');
        std::string values = "\"x\": 1", counts = "\"x\": 0", tasks = "\"x\": {}";
        for (int i = 0; i < 45'000; ++i) {
            const std::string name = std::to_string(i);
            values += ", \"" + name + "\": 1";
            counts += ", \"" + name + "\": 0";
            tasks += ", \"t" + name + "\": {\"acc\": 1}";
        }
        row("a long name of the model", "{\"model_name\": \"step512/" + filler + "\", \"results\": {" + tasks + "}}", "", 0, "");
        row("a long name of a task", "{" + model + "\"results\": {\"" + filler + "\": {" + values + "}}}", "", 0, "");
        row("long arguments", "{\"config\": {\"model_args\": \"pretrained=" + filler + "\"}, \"results\": {" + tasks + "}}", "", 0, "");
        row("accepted: a long instruction", "{" + model + "\"system_instruction\": \"" + filler + "\", \"results\": {" + tasks + "}}", "", 0, "");
        row("accepted: no shots at all", "{" + model + "\"chat_template\": \"x\", \"n-shot\": {" + counts + "}, \"results\": {" + tasks + "}}", "", 0, "");
    }
    void hostileResultsEndSoon() {
        QFETCH(std::string, content);
        const std::size_t size = content.size();
        const OverlayFile file{"results.json", std::move(content)};
        bool read = true;
        const std::string over = test::beyondLimits(test::spentBy([&] { read = overlayFromHarness({&file, 1}).has_value(); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(read, QString(QTest::currentDataTag()).startsWith(QStringLiteral("accepted")));
    }

    void harnessOfToday() {
        const OverlayFile files[] = {harness04("step3000", 0.3, 0.02), harness04("step1000", 0.25, 0.02)};
        const auto read = overlayFromHarness(files);
        QVERIFY2(read.has_value(), read ? "" : read.error().text().c_str());
        QCOMPARE(read->overlay.source, std::string("lm-evaluation-harness 0.4.13, 2 files"));
        QCOMPARE(read->overlay.curves.size(), 3u); // acc, acc_norm, exact_match
        const study::OverlayCurve* acc = curveOf(read->overlay, "pythia-160m", "arc_easy", "acc");
        QVERIFY(acc && acc->unit == "accuracy");
        QCOMPARE(acc->points.size(), 2u);
        QVERIFY(near(acc->points[0].tokens, 1000 * 2097152.0) && near(acc->points[0].value, 0.25));
        QVERIFY(near(*acc->points[1].low, 0.3 - 1.959963984540054 * 0.02));
        QCOMPARE(acc->points[1].n, 500);
        const study::OverlayCurve* norm = curveOf(read->overlay, "pythia-160m", "arc_easy", "acc_norm");
        QVERIFY(norm && !norm->points[0].low); // "N/A" is no error of 0
        QVERIFY(curveOf(read->overlay, "pythia-160m", "gsm8k", "exact_match,strict-match"));
        QCOMPARE(read->leftOut, 0);
    }

    void harnessOfOlderTimes() {
        const OverlayFile old[] = {
            {"evals/pythia-1.4b_step71000.json",
             R"({"results": {"lambada_openai": {"ppl": 6.1, "ppl_stderr": 0.1, "acc": 0.6, "acc_stderr": 0.007}},
                 "versions": {"lambada_openai": 0}, "config": {"model": "gpt-neox", "model_args": null, "num_fewshot": 0}})"},
            {"out/results_2024.json",
             R"({"results": {"piqa": {"acc,none": 0.7, "acc_stderr,none": 0.01, "alias": "piqa"}}, "n-shot": {"piqa": 0},
                 "config": {"model": "hf", "model_args": "pretrained=/models/OLMo-1B/step117850-tokens494B,dtype=float32"}})"}};
        const auto read = overlayFromHarness(old);
        QVERIFY2(read.has_value(), read ? "" : read.error().text().c_str());
        const study::OverlayCurve* lambada = nullptr;
        for (const study::OverlayCurve& curve : read->overlay.curves)
            if (curve.task == "lambada_openai" && curve.metric == "acc")
                lambada = &curve;
        QVERIFY(lambada);
        QVERIFY(near(lambada->points[0].tokens, 71000 * 2097152.0));
        const study::OverlayCurve* piqa = curveOf(read->overlay, "OLMo-1B", "piqa", "acc");
        QVERIFY(piqa && near(piqa->points[0].tokens, 117850 * 4194304.0));
        QCOMPARE(read->overlay.source, std::string("lm-evaluation-harness, 2 files"));
    }

    void harnessFilesThatAreNone_data() {
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<QString>("problem");
        QTest::newRow("cut") << QByteArray("{\"results\": {") << "not valid JSON";
        QTest::newRow("no results") << QByteArray("{\"config\": {}}") << "no result file of lm-evaluation-harness";
        QTest::newRow("results a list") << QByteArray("{\"results\": []}") << "no result file of lm-evaluation-harness";
        QTest::newRow("not told which") << QByteArray("{\"results\": {\"a\": {\"acc,none\": 0.1}}}") << "how many tokens";
        QTest::newRow("deep") << QByteArray("{\"results\":" + QByteArray(200, '[') + QByteArray(200, ']') + "}")
                              << "nested deeper";
        QTest::newRow("config a number")
            << QByteArray("{\"results\": {\"a\": {\"acc\": 0.1}}, \"config\": 7}") << "how many tokens";
        QTest::newRow("no number")
            << QByteArray("{\"results\": {\"a\": {\"acc\": \"good\"}}, \"model_name\": \"pythia-70m/step512\"}")
            << "No number can be used";
        QTest::newRow("task a number")
            << QByteArray("{\"results\": {\"a\": 3}, \"model_name\": \"pythia-70m/step512\"}") << "are no object";
        QTest::newRow("twice a key") << QByteArray("{\"results\": {}, \"results\": {}}") << "occurs twice";
    }
    void harnessFilesThatAreNone() {
        QFETCH(QByteArray, content);
        QFETCH(QString, problem);
        const OverlayFile file{"results.json", content.toStdString()};
        const auto read = overlayFromHarness({&file, 1});
        QVERIFY(!read);
        QVERIFY2(read.error().text().find(problem.toStdString()) != std::string::npos, read.error().text().c_str());
    }

    void oneBadFileLeavesTheOthers() {
        const OverlayFile files[] = {harness04("step3000", 0.3, 0.02), {"broken.json", "{"}, harness04("step3000", 0.5, 0)};
        const auto read = overlayFromHarness(files);
        QVERIFY(read.has_value());
        QCOMPARE(read->overlay.curves.size(), 3u);
        QVERIFY(read->problems.at(0).starts_with("broken.json: "));
        QCOMPARE(read->leftOut, 1 + 3); // the third file repeats the first one's checkpoint
    }

    void foldersAndKinds() {
        QTemporaryDir dir;
        const auto write = [&](const QString& name, const std::string& content) {
            const QString path = dir.filePath(name);
            QDir().mkpath(QFileInfo(path).path());
            QFile file(path);
            if (file.open(QIODevice::WriteOnly))
                file.write(content.data(), static_cast<qint64>(content.size()));
            return std::filesystem::path(path.toStdString());
        };
        write(QStringLiteral("a/results_1.json"), harness04("step1000", 0.25, 0.02).content);
        write(QStringLiteral("b/c/results_2.json"), harness04("step3000", 0.3, 0.02).content);
        write(QStringLiteral("b/other.json"), "{}");
        const auto folder = readOverlay({dir.path().toStdString()});
        QVERIFY2(folder.has_value(), folder ? "" : folder.error().text().c_str());
        QCOMPARE(folder->overlay.curves[0].points.size(), 2u);
        QCOMPARE(folder->overlay.file, dir.path().toStdString());
        QCOMPARE(folder->overlay.sha256.size(), 64u);
        const auto points = write(QStringLiteral("points.csv"), "task,value,tokens\na,1,1B\n");
        const auto one = readOverlay({points});
        QVERIFY(one && one->overlay.name == "points");
        QVERIFY(!readOverlay({points, points}));
        const auto mixed = readOverlay({points, write(QStringLiteral("r.json"), "{}")});
        QVERIFY(!mixed && mixed.error().kind == ErrorKind::Mismatch);
        QVERIFY(!readOverlay({write(QStringLiteral("none/x"), ""), dir.filePath(QStringLiteral("not there")).toStdString()}));
        QVERIFY(!readOverlay({(std::filesystem::path(dir.path().toStdString()) / "none")})); // no results below it
    }

    void shippedPointsOfThePapers() {
        const auto shipped = [](const char* name) {
            auto read = readOverlay({std::filesystem::path(CREST_SOURCE_DIR "/resources/overlays") / name});
            if (!read)
                qWarning("%s", read.error().text().c_str());
            return read.value_or(OverlayImport{});
        };
        const OverlayImport figure2 = shipped("springer-2025-figure-2.csv");
        QCOMPARE(figure2.leftOut, 0);
        QCOMPARE(figure2.overlay.name, std::string("Springer et al. 2025, figures 1 and 2"));
        QVERIFY(figure2.overlay.source.find("arXiv 2503.19206") != std::string::npos);
        const auto* piqa = curveOf(figure2.overlay, "OLMo-1B, after Anthropic-HH", "piqa", "");
        QVERIFY(piqa && piqa->unit == "accuracy" && piqa->points.size() == 5);
        QVERIFY(near(piqa->points[0].value, 0.7314) && near(piqa->points[2].value, 0.7524)); // the third lies under the base
        QVERIFY(near(piqa->points[4].tokens, 3.095e12) && near(piqa->points[4].value, 0.7473));
        // Figure 1's mean is that of the five benchmarks, within the error of reading (0.02 points).
        const auto* mean = curveOf(figure2.overlay, "OLMo-1B, base", "mean of five benchmarks", "");
        QVERIFY(mean);
        for (std::size_t i = 0; i < 5; ++i) {
            double sum = 0;
            for (const char* task : {"arc_challenge", "arc_easy", "piqa", "hellaswag", "winogrande"})
                sum += curveOf(figure2.overlay, "OLMo-1B, base", task, "")->points[i].value;
            QVERIFY(std::abs(sum / 5 - mean->points[i].value) < 3e-4);
        }
        const OverlayImport figure6 = shipped("springer-2025-figure-6.csv");
        QCOMPARE(figure6.leftOut, 0);
        QCOMPARE(figure6.overlay.curves.size(), 12u);
        const auto* c4 = curveOf(figure6.overlay, "30M tuned on GSM8K", "c4", "loss");
        QVERIFY(c4 && near(c4->points[3].value, 4.890) && near(c4->points[5].tokens, 1.28e11));
        const OverlayImport dredze = shipped("sun-dredze-2025.csv");
        QCOMPARE(dredze.leftOut, 0);
        QCOMPARE(dredze.overlay.curves.size(), 34u);
        const auto* boolq = curveOf(dredze.overlay, "OLMo-1B, instruction-tuned", "boolq", "");
        QVERIFY(boolq && near(boolq->points[7].value, 0.687) && near(boolq->points[0].tokens, 4194304000.0));
        QCOMPARE(shipped("springer-2025-figure-2-id.csv").overlay.curves.size(), 2u);
    }

    void namesAndTokens() {
        QCOMPARE(comparableTaskName("ARC-Easy"), std::string("arc_easy"));
        QVERIFY(near(tokensFromText("4.2B").value_or(0), 4.2e9));
        QVERIFY(near(tokensFromText("512 M").value_or(0), 5.12e8));
        QVERIFY(near(tokensFromText("4e9").value_or(0), 4e9));
        for (const char* bad : {"", "B", "4,2B", "4.2X", "1e400", "0x10", "4 2"})
            QVERIFY2(!tokensFromText(bad), bad);
    }
};

QTEST_APPLESS_MAIN(TestOverlay)
#include "tst_overlay.moc"
