// SPDX-License-Identifier: Apache-2.0
// What is refused before anything runs, and how that is said.
#include <QtTest>

#include <fstream>
#include <limits>

#include <sys/stat.h>

#include "core/study/suite_tasks.h"
#include "tests/core/study/plan_place.h"

using namespace crest;
using namespace crest::study;

class TestPlanRefusals : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void badProbesAreRefused_data() {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("why");
        QTest::newRow("no gamma") << 0 << "at least one gamma";
        QTest::newRow("gamma 0") << 1 << "above 0";
        QTest::newRow("gamma 11") << 2 << "at most 10";
        QTest::newRow("gamma NaN") << 3 << "out of range";
        QTest::newRow("a path that study.json cannot hold") << 19 << "a name in the path of its data is no UTF-8";
        QTest::newRow("gamma 10.0001") << 17 << "10.0001 is out of range";
        QTest::newRow("bfloat16 just below 0.02") << 18 << "Gamma 0.019999 needs float32";
        QTest::newRow("descending") << 4 << "ascend";
        QTest::newRow("bfloat16 below 0.02") << 5 << "float32";
        QTest::newRow("no seeds") << 6 << "1 to 100,000";
        QTest::newRow("too many seeds") << 7 << "1 to 100,000";
        QTest::newRow("seed 0") << 8 << "first seed";
        QTest::newRow("no task") << 9 << "at least one task";
        QTest::newRow("unknown task") << 10 << "no task \"x\"";
        QTest::newRow("no ID task") << 11 << "in-distribution";
        QTest::newRow("unknown series") << 12 << "no series";
        QTest::newRow("stride above window") << 13 << "stride";
        QTest::newRow("unknown kind") << 14 << "kind";
        QTest::newRow("twice the same text") << 15 << "same text in the same way";
        QTest::newRow("more cells than anybody means") << 16 << "These are 1200002 cells";
    }
    void badProbesAreRefused() {
        QFETCH(int, what);
        QFETCH(QString, why);
        Place place;
        Probe& probe = place.probe;
        switch (what) {
        case 0:
            probe.strengths.clear();
            break;
        case 1:
            probe.strengths = {0};
            break;
        case 2:
            probe.strengths = {11};
            break;
        case 3:
            probe.strengths = {std::numeric_limits<double>::quiet_NaN()};
            break;
        case 4:
            probe.strengths = {0.2, 0.1};
            break;
        case 5:
            probe.strengths = {0.019}, probe.compute = ComputeType::BFloat16;
            break;
        case 6:
            probe.seeds = 0;
            break;
        case 7:
            probe.seeds = 100'001;
            break;
        case 8:
            probe.firstSeed = 0;
            break;
        case 9:
            probe.tasks.clear();
            break;
        case 10:
            probe.tasks[0].task = "x";
            break;
        case 11:
            probe.tasks[0].role = Role::OutOfDistribution;
            break;
        case 12:
            probe.series = "x";
            break;
        case 13:
            place.study.tasks[0].strideTokens = 17;
            break;
        case 14:
            probe.kind = "quantise";
            break;
        case 15:
            spill(place.root / "verse.txt", std::string(4000, 'a'));
            break;
        case 16:
            probe.strengths = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3}, probe.seeds = 100'000;
            break;
        case 17:
            probe.strengths = {10.0001};
            break;
        case 18:
            probe.strengths = {0.019999}, probe.compute = ComputeType::BFloat16;
            break;
        case 19:
            place.study.tasks[0].textsPath = (place.root / "h\xe9ld.txt").string();
            spill(place.study.tasks[0].textsPath, std::string(4000, 'a'));
            break;
        default:
            QFAIL("no such case");
        }
        const auto plan = place.plan();
        QVERIFY(!plan);
        QVERIFY2(QString::fromStdString(plan.error().text()).contains(why), plan.error().text().c_str());
    }

    void kindsAreChecked_data() {
        QTest::addColumn<std::string>("kind");
        QTest::addColumn<double>("strength");
        QTest::addColumn<int>("seeds");
        QTest::addColumn<std::string>("settings");
        QTest::addColumn<std::string>("said");
        using S = std::string;
        QTest::newRow("nine bits") << S(kQuantisation) << 9.0 << 0 << S("null") << S("whole number from 2 to 8");
        QTest::newRow("half a bit") << S(kQuantisation) << 3.5 << 0 << S("null") << S("whole number from 2 to 8");
        QTest::newRow("seeds of bits") << S(kQuantisation) << 4.0 << 3 << S("null") << S("no seeds");
        QTest::newRow("no group") << S(kQuantisation) << 4.0 << 0 << S(R"({"group":0})") << S("group");
        QTest::newRow("unknown") << S(kQuantisation) << 4.0 << 0 << S(R"({"rows":1})") << S("no setting \"rows\"");
        QTest::newRow("all pruned") << S(kPruning) << 1.0 << 0 << S("null") << S("between 0 and 1");
        QTest::newRow("no draws") << S(kGaussianNoise) << 0.1 << 0 << S("null") << S("seeds");
        QTest::newRow("unheard of") << S("rotation") << 0.1 << 1 << S("null") << S("no probe of the kind");
    }
    void kindsAreChecked() {
        QFETCH(std::string, kind);
        QFETCH(double, strength);
        QFETCH(int, seeds);
        QFETCH(std::string, settings);
        QFETCH(std::string, said);
        Place place;
        place.probe.kind = kind;
        place.probe.strengths = {strength};
        place.probe.seeds = seeds;
        place.probe.settings = Json::parse(settings);
        const auto checked = checkProbe(place.probe, place.study);
        QVERIFY(!checked);
        QVERIFY2(checked.error().message.find(said) != std::string::npos, checked.error().message.c_str());
    }

    void settingsOfABaseEvaluationAreRefused() {
        Place place;
        place.useSuite();
        const auto said = [&](const char* what) {
            const auto plan = place.plan();
            return !plan && plan.error().text().find(what) != std::string::npos;
        };
        const Probe sound = place.probe;
        place.probe.strengths = {0.1};
        QVERIFY(said("no strengths"));
        place.probe = sound;
        place.probe.seeds = 3;
        QVERIFY(said("no seeds"));
        place.probe = sound;
        place.probe.tasks.clear();
        QVERIFY(said("at least one task"));
        place.probe = sound;
        place.probe.tasks[0].role = Role::OutOfDistribution; // roles are free
        QVERIFY(place.plan());
        const Task task = place.study.tasks[0];
        place.study.tasks[0].definition = "{";
        QVERIFY(said("no definition"));
        place.study.tasks[0] = task;
        place.study.tasks[0].shots = 5000;
        QVERIFY(said("shots"));
        place.study.tasks[0] = task;
        place.study.tasks[0].textsPath += "/gone";
        QVERIFY(said("\"choice\""));
        place.study.tasks[0] = task;
        fs::remove(place.root / "data" / "rows.jsonl");
        QVERIFY(said("rows.jsonl")); // the file that it wants
    }

    void refusesWhatWouldFailEveryCell_data() {
        QTest::addColumn<std::string>("text"); // "" for none
        QTest::addColumn<int>("window");
        QTest::addColumn<QString>("said");
        QTest::newRow("window beyond the context") << std::string(4000, 'a') << 33 << "context of 32";
        QTest::newRow("too short") << std::string("abc") << 16 << "held.txt";
        QTest::newRow("empty") << std::string("\n\n") << 16 << "held.txt";
        QTest::newRow("no UTF-8") << std::string(4000, '\xff') << 16 << "UTF-8";
        QTest::newRow("as short as can be") << std::string(15, 'a') << 16 << "";
        QTest::newRow("one line that is long") << std::string(3'000'000, 'a') << 16 << "";
        QTest::newRow("a text that begins late") << std::string(300'000, '\n') + std::string(40, 'a') << 16 << "";
    }
    void refusesWhatWouldFailEveryCell() {
        QFETCH(std::string, text);
        QFETCH(int, window);
        QFETCH(QString, said);
        Place place;
        spill(place.root / "held.txt", text);
        place.study.tasks[0].windowTokens = place.study.tasks[0].strideTokens = window;
        const auto plan = place.plan();
        QCOMPARE(plan.has_value(), said.isEmpty());
        if (!plan)
            QVERIFY2(plan.error().text().find(said.toStdString()) != std::string::npos, plan.error().text().c_str());
    }

    void namesStandInOneLine() {
        Place place;
        place.study.tasks[0].name = place.probe.tasks[0].task = "held\nout";
        const auto plan = place.plan();
        QVERIFY(!plan && plan.error().message.find("held\\nout") != std::string::npos);
        place.study.tasks[0].name = place.probe.tasks[0].task = "held/out \xc3\xa4";
        QVERIFY(place.plan());
        place.probe.name = "a\tb";
        QVERIFY(!place.plan());
    }

    void rowsThatCannotBeUsedAreSaid() {
        Place place;
        place.useSuite();
        const auto withBroken = [&](int count) {
            place.writeRows(count);
            std::ofstream(place.root / "data" / "rows.jsonl", std::ios::app) << "{broken\n";
            return place.plan();
        };
        const auto plan = withBroken(199);
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        const auto notes = notesOn(plan->tasks[0], "");
        QVERIFY(notes && notes->size() == 1);
        const std::string said = notes->front();
        QVERIFY2(said.starts_with("choice: 1 of 200 rows cannot be used and are left out; the first: ") &&
                     said.find("rows.jsonl, row 200") != std::string::npos,
                 said.c_str());
        QVERIFY(notesOn(plan->tasks[1], "").value().empty()); // a text
        const auto refused = withBroken(19); // 5 %
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("1 of 20 rows cannot be used") != std::string::npos &&
                     refused.error().message.find("at most 1 %") != std::string::npos,
                 refused.error().message.c_str());
        place.writeRows(20);
        QVERIFY(notesOn(place.plan()->tasks[0], "").value().empty());
    }

    /// They could be waited for and read for ever.
    void pipesAndDevicesAreNoTexts() {
        Place place;
        const fs::path pipe = place.root / "pipe.txt";
        QCOMPARE(::mkfifo(pipe.c_str(), 0600), 0);
        for (const std::string& text : {pipe.string(), std::string("/dev/zero")}) {
            place.study.tasks[0].textsPath = text;
            const auto plan = place.plan();
            QVERIFY(!plan);
            QCOMPARE(plan.error().text(), text + ": This is not a regular file; it is not read.");
        }
    }

    void missingFilesAreNamed() {
        Place place;
        fs::remove(place.root / "verse.txt");
        auto plan = place.plan();
        QVERIFY(!plan && plan.error().text().find("verse.txt") != std::string::npos);
        spill(place.root / "verse.txt", "some verse, long enough for a window or two");
        spill(place.checkpoints / "t1" / "crest.json",
              R"({"format":1,"series":"tiny","tokens":1000000,"step":1000,"pretrain_seed":1})");
        plan = place.plan();
        QVERIFY(!plan && plan.error().text().find("tensor-rms") != std::string::npos);
        place.probe.noiseScale = NoiseScale::TensorRms;
        plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
    }
};

QTEST_GUILESS_MAIN(TestPlanRefusals)
#include "tst_plan_refusals.moc"
