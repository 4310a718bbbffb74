// SPDX-License-Identifier: Apache-2.0
// What a plan holds: every cell once, in batches, and what is stored already.
#include <QProcess>
#include <QtTest>

#include <map>
#include <set>

#include "tests/core/study/plan_place.h"

using namespace crest;
using namespace crest::study;

class TestPlanner : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void planHasEveryCellOnce() {
        Place place;
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->checkpoints.size(), std::size_t{2});
        QCOMPARE(plan->checkpoints[0].tokens, std::optional<std::int64_t>(1'000'000));
        QCOMPARE(plan->cellCount(), std::int64_t{2 * (1 + 2 * 4)});
        QCOMPARE(plan->cachedCellCount(), std::int64_t{0});
        std::set<std::string> keys;
        for (const Cell& cell : plan->cells)
            for (const std::string& key : cell.keys) {
                QCOMPARE(key.size(), std::size_t{64});
                keys.insert(key);
            }
        QCOMPARE(keys.size(), std::size_t{36});
        // Each cell in one batch, batches of one checkpoint, a seed's whole ladder together, bases first.
        std::multiset<int> batched;
        for (const auto& batch : plan->batches) {
            std::map<std::int64_t, int> perSeed;
            for (const int cell : batch) {
                QCOMPARE(plan->cells[cell].checkpoint, plan->cells[batch.front()].checkpoint);
                ++perSeed[plan->cells[cell].seed];
                batched.insert(cell);
            }
            for (const auto& [seed, count] : perSeed)
                QCOMPARE(count, seed == 0 ? 1 : 2);
        }
        QCOMPARE(batched.size(), plan->cells.size());
        QCOMPARE(std::set<int>(batched.begin(), batched.end()).size(), plan->cells.size());
        QVERIFY(plan->cells[plan->batches[0].front()].isBase() && plan->cells[plan->batches[1].front()].isBase());
        // SHA-256 of 4,000 times "a", by sha256sum.
        QProcess sum;
        sum.start("sha256sum", {QString::fromStdString((place.root / "held.txt").string())});
        QVERIFY(sum.waitForFinished());
        QCOMPARE(QByteArray::fromStdString(plan->tasks[0].dataHash), sum.readAllStandardOutput().left(64));
    }

    void storedCellsAreCachedAndNotBatched() {
        Place place;
        const std::set<std::string> before = place.keys();
        place.probe.strengths = {0.05, 0.1, 0.2};
        const auto plan = place.plan([&](const std::string& key) { return before.contains(key); });
        QVERIFY(plan);
        QCOMPARE(plan->cachedCellCount(), std::int64_t{18});
        std::size_t batched = 0;
        for (const auto& batch : plan->batches)
            for (const int cell : batch) {
                QCOMPARE(plan->cells[cell].strength, 0.2);
                ++batched;
            }
        QCOMPARE(batched, std::size_t{8});
        const auto spec = *series::decoderSpecFromConfig(*parseJson(kConfig, "c"), "c");
        const PlanCost cost = planCost(*plan, "cpu", {spec}, 1000, {2, 1});
        QCOMPARE(cost.cached, std::int64_t{18});
        QCOMPARE(cost.fresh, std::int64_t{8});
        QCOMPARE(cost.forwardTokens, std::int64_t{8 * 2 * 2 * 8 * 16}); // cells x tasks x pair x windows x tokens
        QCOMPARE(cost.seconds, static_cast<double>(cost.forwardTokens) / 1000);
    }

    void baseEvaluationHasBasesOnly() {
        Place place;
        place.useSuite();
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->cellCount(), std::int64_t{2});
        QCOMPARE(plan->batches.size(), std::size_t{2});
        for (const Cell& cell : plan->cells)
            QVERIFY(cell.isBase() && cell.seed == 0 && cell.keys.size() == 2);
        for (const PlannedCheckpoint& checkpoint : plan->checkpoints)
            QVERIFY(checkpoint.initStd.empty());
        QCOMPARE(plan->tasks[0].shots, std::int64_t{1}); // the definition's
        QVERIFY(plan->tasks[0].dataHash.size() == 64 && plan->taskTokens[0] > 3 * 10);
        QCOMPARE(plan->cachedCellCount(), std::int64_t{0});
        QVERIFY(planCost(*plan, "cpu", {}, 100, {1, 1}).seconds > 0);
        const auto all = place.plan([](const std::string&) { return true; });
        QVERIFY(all && all->cachedCellCount() == 2 && all->batches.empty());
    }

    void kindsThatDrawNothing() {
        Place place;
        place.probe.kind = kQuantisation;
        place.probe.strengths = {3, 4, 8};
        place.probe.seeds = 0;
        const auto plan = place.plan();
        QVERIFY2(plan, plan ? "" : plan.error().text().c_str());
        QCOMPARE(plan->probe.settings, Json({{"group", 128}})); // said, though nobody chose it
        QCOMPARE(plan->cells.size(), 2u * 4u);                  // of two checkpoints: the base and three strengths
        for (const Cell& cell : plan->cells)
            QCOMPARE(cell.seed, 0);
        QCOMPARE(plan->batches.size(), 4u); // all strengths of a checkpoint share a pass
        QVERIFY(plan->checkpoints[0].initStd.empty());
        const auto again = planFromJson(toJson(*plan), "plan");
        QVERIFY2(again, again ? "" : again.error().text().c_str());
        QVERIFY(*again == *plan);
        QCOMPARE(toJson(*plan).at("format").get<int>(), 3); // an older Crest says that it needs a newer one

        // Keys: bases are shared with noise, another group or another kind is another result.
        const std::set<std::string> quantised = place.keys();
        place.probe.settings = {{"group", 64}};
        QCOMPARE(common(quantised, place.keys()), 2u * 2u);
        place.probe.settings = {{"group", 128}};
        QCOMPARE(place.keys(), quantised);
        place.probe.kind = kPruning;
        place.probe.settings = {};
        place.probe.strengths = {0.5};
        QCOMPARE(common(quantised, place.keys()), 2u * 2u);
    }

    /// What a linked folder holds is data as well: the plan sees it change.
    void linkedDataAreSeenToChange() {
        Place place;
        place.useSuite();
        fs::rename(place.root / "data", place.root / "elsewhere");
        fs::create_directories(place.root / "data");
        fs::create_directory_symlink(place.root / "elsewhere", place.root / "data" / "linked");
        const auto before = place.plan();
        QVERIFY2(before, before ? "" : before.error().text().c_str());
        spill(place.root / "elsewhere" / "rows.jsonl", Json{{"question", "other"}, {"gold", 0}}.dump() + "\n" +
                                                           Json{{"question", "one"}, {"gold", 1}}.dump() + "\n");
        const auto after = place.plan();
        QVERIFY2(after, after ? "" : after.error().text().c_str());
        QVERIFY(before->tasks[0].dataHash != after->tasks[0].dataHash);
    }

    void excludedCheckpointsAreLeftOut() {
        Place place;
        place.study.series[0].excluded = {"t1"};
        const auto plan = place.plan();
        QVERIFY(plan && plan->checkpoints.size() == 1 && plan->checkpoints[0].name == "t2");
    }

    /// The window plans anew with every edit: what is planned for the one before ends.
    void planningCanBeStopped() {
        Place place;
        std::stop_source source;
        const JobContext job(source.get_token(), [&](const Progress& progress) {
            if (progress.what == "checkpoints" && progress.done == progress.total)
                source.request_stop();
        });
        const auto plan = place.plan({}, job);
        QVERIFY(!plan);
        QCOMPARE(plan.error().kind, ErrorKind::Stopped);
    }
};

QTEST_GUILESS_MAIN(TestPlanner)
#include "tst_planner.moc"
