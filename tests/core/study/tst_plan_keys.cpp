// SPDX-License-Identifier: Apache-2.0
// What is part of a result's key, and what is not.
#include <QtTest>

#include <set>

#include "tests/core/study/plan_place.h"

using namespace crest;
using namespace crest::study;

class TestPlanKeys : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void oneFlippedBitOfWeightsChangesThatCheckpointsKeys() {
        Place place;
        const auto before = place.keys();
        writeCheckpoint(place.checkpoints / "t2", 2'000'000, true);
        const auto after = place.keys();
        QCOMPARE(common(before, after), std::size_t{18}); // those of t1
        writeCheckpoint(place.checkpoints / "t2", 2'000'000);
        QVERIFY(place.keys() == before);
    }

    void aReshardedCopyHasTheSameKeys() {
        Place place;
        const auto before = place.keys();
        fs::remove(place.checkpoints / "t2" / "model.safetensors");
        writeCheckpoint(place.checkpoints / "t2", 2'000'000, false, 3);
        QVERIFY(place.keys() == before);
        fs::rename(place.checkpoints / "t2", place.checkpoints / "other-name"); // and its place does not matter
        QVERIFY(place.keys() == before);
    }

    void eachSettingChangesTheKeys_data() {
        QTest::addColumn<int>("setting");
        QTest::addColumn<int>("shared"); ///< keys that stay, of 36
        QTest::newRow("one byte of a text") << 0 << 18;
        QTest::newRow("window") << 1 << 18;
        QTest::newRow("stride") << 2 << 18;
        QTest::newRow("number of windows") << 3 << 18;
        QTest::newRow("noise scale: bases stay") << 4 << 4;
        QTest::newRow("compute type") << 5 << 0;
        QTest::newRow("strength: the other one and bases stay") << 6 << 20;
        QTest::newRow("seeds: three of four draws and bases stay") << 7 << 28;
        QTest::newRow("tokenizer of one checkpoint") << 8 << 18;
        QTest::newRow("initial std of one checkpoint: its base stays") << 9 << 20;
        QTest::newRow("name of a task: all stay") << 10 << 36;
        QTest::newRow("place of a text: all stay") << 11 << 36;
        QTest::newRow("role: all stay") << 12 << 36;
    }
    void eachSettingChangesTheKeys() {
        QFETCH(int, setting);
        QFETCH(int, shared);
        Place place;
        const auto before = place.keys();
        QCOMPARE(before.size(), std::size_t{36});
        Task& task = place.study.tasks[1];
        switch (setting) {
        case 0:
            spill(place.root / "verse.txt", std::string(2999, 'b') + "c");
            break;
        case 1:
            task.windowTokens = 17;
            break;
        case 2:
            task.strideTokens = 15;
            break;
        case 3:
            task.maxWindows = 7;
            break;
        case 4:
            place.probe.noiseScale = NoiseScale::TensorRms;
            break;
        case 5:
            place.probe.compute = ComputeType::BFloat16;
            break;
        case 6:
            place.probe.strengths[1] = 0.11;
            break;
        case 7:
            place.probe.firstSeed = 2;
            break;
        case 8:
            spill(place.checkpoints / "t2" / "tokenizer.json",
                  R"({"version":"1.0","model":{"type":"BPE","vocab":{"b":0},"merges":[]}})");
            break;
        case 9:
            writeCheckpoint(place.checkpoints / "t2", 2'000'000, false, 1, 0.021);
            break;
        case 10:
            task.name = place.probe.tasks[1].task = "poems";
            break;
        case 11:
            fs::rename(place.root / "verse.txt", place.root / "moved.txt");
            task.textsPath = (place.root / "moved.txt").string();
            break;
        case 12:
            place.probe.tasks[1].role = Role::InDistribution;
            break;
        default:
            QFAIL("no such setting");
        }
        const auto after = place.keys();
        QCOMPARE(after.size(), std::size_t{36});
        QCOMPARE(common(before, after), static_cast<std::size_t>(shared));
    }

    /// Everything that moves a suite's numbers is in the key, and nothing else.
    void keysOfSuiteTasksFollowTheirSettings() {
        Place place;
        place.useSuite();
        const std::set<std::string> before = place.keys();
        const Task task = place.study.tasks[0];
        const auto changed = [&](const char* key, const Json& value) {
            Json definition = Json::parse(task.definition);
            definition[key] = value;
            place.study.tasks[0].definition = canonicalJson(definition);
            const std::size_t same = common(before, place.keys());
            place.study.tasks[0] = task;
            return before.size() - same;
        };
        QCOMPARE(changed("name", "another"), std::size_t{0});
        QCOMPARE(changed("about", "what it is"), std::size_t{0});
        QCOMPARE(changed("chance", 0.5), std::size_t{0});
        QCOMPARE(changed("delimiter", "\n"), std::size_t{2}); // both checkpoints
        QCOMPARE(changed("metrics", Json::array({"acc", "acc_norm"})), std::size_t{2});
        place.study.tasks[0].shots = 1; // the definition's own number
        QCOMPARE(common(before, place.keys()), before.size());
        place.study.tasks[0].shots = 0;
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.study.tasks[0] = task;
        place.study.tasks[0].limit = 2;
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.study.tasks[0] = task;
        place.study.tasks[0].name = place.probe.tasks[0].task = "renamed";
        QCOMPARE(common(before, place.keys()), before.size());
        place.writeRows(11); // another row
        QCOMPARE(common(before, place.keys()), before.size() - 2);
        place.writeRows(10);
        QCOMPARE(common(before, place.keys()), before.size());
    }
};

QTEST_GUILESS_MAIN(TestPlanKeys)
#include "tst_plan_keys.moc"
