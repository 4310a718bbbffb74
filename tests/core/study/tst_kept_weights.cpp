// SPDX-License-Identifier: Apache-2.0
// Room for tuned weights: what goes first, what does not fit, what cannot be written; and which trainings are one.
#include <QTemporaryDir>
#include <QtTest>

#include <chrono>
#include <fstream>

#include "core/study/kept_weights.h"
#include "core/study/planner.h"

using namespace crest;
using namespace crest::study;
namespace fs = std::filesystem;

namespace {

/// Writes so many bytes as a checkpoint would be.
auto writing(std::size_t bytes) {
    return [bytes](const fs::path& folder) -> Result<void> {
        fs::create_directories(folder);
        std::ofstream(folder / "model.safetensors") << std::string(bytes - 10, 'w');
        std::ofstream(folder / "crest.json") << std::string(10, 'j');
        return {};
    };
}

/// Used so many seconds ago.
void age(const KeptWeights& kept, const char* key, int seconds) {
    fs::last_write_time(kept.folderOf(key) / "crest.json",
                        fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
}

Probe tuningProbe() {
    Probe probe;
    probe.kind = kFineTuning;
    probe.strengths = {0.001};
    probe.settings = {{"training", {{"epochs", 1}}}, {"data_task", "rows"}, {"data_hash", "abc"}};
    return probe;
}

} // namespace

class TestKeptWeights : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_dir;
    KeptWeights kept() const { return KeptWeights(fs::path(m_dir->path().toStdString()) / "tuned"); }

private Q_SLOTS:
    void init() { m_dir = std::make_unique<QTemporaryDir>(); }

    void theLeastRecentlyUsedGoFirst() {
        const KeptWeights weights = kept();
        QVERIFY(!weights.has("a") && weights.size() == 0);
        for (const char* key : {"a", "b", "c"})
            QVERIFY(weights.keep(key, 1000, 3000, writing(1000)));
        QCOMPARE(weights.size(), std::int64_t{3000});
        age(weights, "a", 300), age(weights, "b", 200), age(weights, "c", 100);
        weights.use("a"); // b is the oldest now
        QVERIFY(weights.keep("d", 1000, 3000, writing(1000)));
        QVERIFY(weights.has("a") && !weights.has("b") && weights.has("c") && weights.has("d"));
        QVERIFY(weights.keep("e", 2000, 3000, writing(2000)));
        QVERIFY(!weights.has("c") && weights.has("e"));
        QVERIFY(weights.size() <= 3000);
        // There already: not written again.
        QVERIFY(weights.keep("e", 2000, 3000, [](const fs::path&) -> Result<void> { return fail(ErrorKind::Internal, "?"); }));
    }

    void whatDoesNotFitIsSaid() {
        const KeptWeights weights = kept();
        QVERIFY(weights.keep("a", 1000, 3000, writing(1000)));
        const auto big = weights.keep("b", 4000, 3000, writing(4000));
        QVERIFY(!big && big.error().kind == ErrorKind::OutOfRange);
        QVERIFY(weights.has("a")); // nothing had to go for it
        // More than was said: within the budget all the same.
        QVERIFY(weights.keep("c", 1000, 3000, writing(2500)));
        QVERIFY(weights.size() <= 3000 && weights.has("c") && !weights.has("a"));
    }

    /// Weights as large as what is free would leave nothing for results.
    void roomForResultsIsLeft() {
        const KeptWeights weights = kept();
        QVERIFY(weights.keep("a", 1000, 3000, writing(1000)));
        const auto free = static_cast<std::int64_t>(fs::space(m_dir->path().toStdString()).available);
        const auto all = weights.keep("b", free, INT64_MAX, [](const fs::path&) -> Result<void> { return fail(ErrorKind::Internal, "?"); });
        QVERIFY(!all && all.error().kind == ErrorKind::NoSpace);
        QVERIFY2(all.error().text().find("the last 256 MB of the disk are left free for results") != std::string::npos, all.error().text().c_str());
        QVERIFY(weights.has("a")); // nothing had to go for it
    }

    void aFullDiskLeavesNothingBehind() {
        const KeptWeights weights = kept();
        const auto full = weights.keep("a", 1000, 3000, [](const fs::path& folder) -> Result<void> {
            fs::create_directories(folder.string() + ".tmp");
            std::ofstream(folder.string() + ".tmp/model.safetensors") << std::string(500, 'w');
            return fail(ErrorKind::NoSpace, "There is no room on the disk.");
        });
        QVERIFY(!full && full.error().kind == ErrorKind::NoSpace);
        QVERIFY(!weights.has("a") && weights.size() == 0);
        std::ofstream(fs::path(m_dir->path().toStdString()) / "file") << "x";
        const KeptWeights nowhere(fs::path(m_dir->path().toStdString()) / "file" / "tuned");
        QVERIFY(!nowhere.keep("a", 10, 100, writing(20)));
    }

    /// Nobody holds a lock that cannot be made: nothing to wait for, ten minutes long for each training.
    void aFolderThatCannotBeWrittenIsSaidAtOnce() {
        const fs::path folder = fs::path(m_dir->path().toStdString()) / "blocked";
        fs::create_directories(folder / "lock"); // where the lock's file would be, for root, too
        QElapsedTimer timer;
        timer.start();
        const auto kept = KeptWeights(folder).keep("a", 10, 100, writing(20));
        QVERIFY(!kept);
        QVERIFY2(kept.error().text().find("lock") != std::string::npos, kept.error().text().c_str());
        QVERIFY2(timer.elapsed() < 60'000, qPrintable(QString::number(timer.elapsed())));
    }

    /// What is named by the key: the training, not what is measured, kept or how it is used.
    void keysNameTrainings() {
        const PlannedCheckpoint checkpoint{.series = "s", .name = "n", .path = "p", .weights = "w", .tokenizer = "t", .initStd = "",
                                           .tokens = 1, .step = 1, .pretrainSeed = 1};
        const Probe probe = tuningProbe();
        const std::string key = trainingKey(checkpoint, probe, 0.001, 1);
        QCOMPARE(key.size(), std::size_t{64});
        QVERIFY(trainingKey(checkpoint, probe, 0, 0).empty()); // the base
        Probe noise;
        QVERIFY(trainingKey(checkpoint, noise, 0.1, 1).empty());
        Probe same = probe;
        same.name = "another", same.strengths = {0.001, 0.01}, same.seeds = 3, same.tasks = {{"more", Role::OutOfDistribution}};
        same.settings["keep_bytes"] = 1000, same.settings["data_task"] = "renamed";
        QCOMPARE(trainingKey(checkpoint, same, 0.001, 1), key);
        QCOMPARE(variantOf(same), variantOf(probe));
        Probe mixed = probe; // an interpolation of these weights uses them
        mixed.kind = kInterpolation, mixed.settings["learning_rate"] = 0.001;
        QCOMPARE(trainingKey(checkpoint, mixed, 0.5, 1), key);
        Probe replayed = probe, longer = probe;
        replayed.settings["replay_hash"] = "text", longer.settings["training"]["epochs"] = 2;
        PlannedCheckpoint other = checkpoint;
        other.weights = "v";
        for (const std::string& different :
             {trainingKey(checkpoint, probe, 0.002, 1), trainingKey(checkpoint, probe, 0.001, 2),
              trainingKey(other, probe, 0.001, 1), trainingKey(checkpoint, replayed, 0.001, 1),
              trainingKey(checkpoint, longer, 0.001, 1)})
            QVERIFY(different != key);
    }

    void costsCountTrainingsOnce() {
        Plan plan;
        plan.probe = tuningProbe();
        plan.tuningTokens = 100;
        plan.tasks = {Task{}, Task{}};
        plan.taskTokens = {10, 20};
        plan.checkpoints = {PlannedCheckpoint{}};
        plan.cells = {{0, 0, 0, {"a", "b"}, {0, 0}}, {0, 0.001, 1, {"c", "d"}, {0, 0}}, {0, 0.001, 2, {"e", "f"}, {1, 0}},
                      {0, 0.001, 3, {"g", "h"}, {1, 1}}};
        const PlanCost all = planCost(plan, "cpu", {}, 1, {1, 1});
        QCOMPARE(all.trainings, std::int64_t{2});
        QCOMPARE(all.forwardTokens, std::int64_t{30 + (300 + 30) + (300 + 20)});
        const std::string second = trainingKey(plan.checkpoints[0], plan.probe, 0.001, 2);
        const PlanCost some = planCost(plan, "cpu", {}, 1, {1, 1}, [&](const std::string& key) { return key == second; });
        QCOMPARE(some.trainings, std::int64_t{1});
        QCOMPARE(some.keptTrainings, std::int64_t{1});
        QCOMPARE(some.forwardTokens, std::int64_t{30 + (300 + 30) + 20});
        plan.probe.kind = kInterpolation; // one training for all shares of a seed
        plan.probe.settings["learning_rate"] = 0.001;
        plan.cells[2] = {0, 0.5, 1, {"e", "f"}, {0, 0}};
        const PlanCost mixed = planCost(plan, "cpu", {}, 1, {1, 1});
        QCOMPARE(mixed.trainings, std::int64_t{1});
        QCOMPARE(mixed.forwardTokens, std::int64_t{30 + 300 + 30 + 30});
    }

    /// Trained before, and the weights are gone: said before it starts.
    void repeatedTrainingsAreCounted() {
        Plan plan;
        plan.probe = tuningProbe();
        plan.tuningTokens = 100;
        plan.tasks = {Task{}, Task{}};
        plan.taskTokens = {10, 20};
        plan.checkpoints = {PlannedCheckpoint{}};
        // The base, one that is new, one with a task that was added, one that has all.
        plan.cells = {{0, 0, 0, {"a", "b"}, {1, 0}}, {0, 0.001, 1, {"c", "d"}, {0, 0}}, {0, 0.001, 2, {"e", "f"}, {1, 0}},
                      {0, 0.001, 3, {"g", "h"}, {1, 1}}};
        QCOMPARE(repeatedTrainings(plan), std::int64_t{1});
        const std::string second = trainingKey(plan.checkpoints[0], plan.probe, 0.001, 2);
        QCOMPARE(repeatedTrainings(plan, [&](const std::string& key) { return key == second; }), std::int64_t{0});
        plan.probe.kind = kGaussianNoise;
        QCOMPARE(repeatedTrainings(plan), std::int64_t{0});
    }

    /// One training for all shares: that one of them is stored counts for the one that is not.
    void sharesOfARepeatedTrainingAreOne() {
        Plan plan;
        plan.probe = tuningProbe();
        plan.probe.kind = kInterpolation, plan.probe.settings["learning_rate"] = 0.001;
        plan.tuningTokens = 100;
        plan.tasks = {Task{}};
        plan.taskTokens = {10};
        plan.checkpoints = {PlannedCheckpoint{}};
        plan.cells = {{0, 0, 0, {"a"}, {1}}, {0, 0.5, 1, {"b"}, {1}}, {0, 1, 1, {"c"}, {0}}};
        QCOMPARE(planCost(plan, "cpu", {}, 1, {1, 1}).trainings, std::int64_t{1});
        QCOMPARE(repeatedTrainings(plan), std::int64_t{1});
        plan.cells[1].seed = 2; // another training
        QCOMPARE(repeatedTrainings(plan), std::int64_t{0});
    }

    /// A CPU may have no kernels for bfloat16, and then holds a matrix once more, as float32.
    void roundedMatricesArePlanned() {
        Plan plan;
        plan.probe.kind = kGaussianNoise;
        plan.probe.strengths = {0.1};
        plan.probe.compute = ComputeType::BFloat16;
        plan.tasks = {Task{}};
        plan.taskTokens = {64};
        plan.checkpoints = {PlannedCheckpoint{}};
        plan.cells = {{0, 0, 0, {"a"}, {0}}};
        series::DecoderSpec spec;
        spec.vocabSize = 500, spec.width = 2048, spec.layers = 2, spec.heads = spec.kvHeads = 16, spec.headSize = 128, spec.mlpWidth = 8192;
        const double block = 2.0 * 2048 * (4 * 2048 + 3 * 8192), floats = 4.0 * 2048 * 2 * 8192;
        constexpr double kSideBySide = 32e6, kRows = 15e6; // what several versions may take more; of 64 rows and some of the head
        const double planned = planCost(plan, "cpu", {spec}, 1, {1, 1}).memoryBytes - 125e6;
        QVERIFY2(planned > block + floats && planned < block + floats + kSideBySide + kRows, qPrintable(QString::number(planned - block - floats)));
        QVERIFY(planCost(plan, "cuda:0", {spec}, 1, {1, 1}).memoryBytes < block + kSideBySide + kRows); // it multiplies words
    }

    /// Before anything was timed: from what products reach, of which trainings and scores reach a share each.
    void timeIsToldFromProducts() {
        Plan plan;
        plan.probe = tuningProbe();
        plan.tuningTokens = 1000;
        plan.tasks = {Task{}};
        plan.taskTokens = {500};
        plan.checkpoints = {PlannedCheckpoint{}};
        series::DecoderSpec spec;
        spec.vocabSize = 500, spec.width = 64, spec.layers = 2, spec.heads = spec.kvHeads = 4, spec.headSize = 16, spec.mlpWidth = 256;
        const auto secondsOf = [&](double rate, double flops) { return planCost(plan, "cpu", {spec}, rate, {2, 1}, {}, {}, flops).seconds; };
        plan.cells = {{0, 0, 0, {"a"}, {0}}};
        const double scoring = secondsOf(0, 1e9);
        QVERIFY(scoring > 0);
        QCOMPARE(secondsOf(0, 4e9), scoring / 4);
        plan.cells.push_back({0, 0.001, 1, {"b"}, {0}}); // trains on 3 x 1000 and is scored, too
        QVERIFY(secondsOf(0, 1e9) > 7 * scoring);
        QCOMPARE(secondsOf(100, 1e9), (500 + 3000 + 500) / 100.0); // what was measured counts
        QVERIFY(secondsOf(0, 0) > 0);                              // nothing is known
    }

    void settingsAreChecked() {
        const ProbeKind& tuning = *findProbeKind(kFineTuning);
        const ProbeKind& mixing = *findProbeKind(kInterpolation);
        const Json good = tuningProbe().settings;
        QVERIFY(completeSettings(tuning, good));
        const auto refused = [&](const ProbeKind& kind, const Json& change, const char* expected) {
            Json settings = good;
            settings.update(change);
            const auto read = completeSettings(kind, settings);
            QVERIFY2(!read, expected);
            QVERIFY2(read.error().text().find(expected) != std::string::npos, read.error().text().c_str());
        };
        refused(mixing, Json::object(), "learning rate");
        refused(mixing, {{"learning_rate", 2}}, "learning rate");
        refused(tuning, {{"learning_rate", 0.1}}, "learning_rate");
        refused(tuning, {{"keep_bytes", -1}}, "keep_bytes");
        refused(tuning, {{"keep", true}}, "keep");
        refused(tuning, {{"training", {{"replay_share", 0.5}}}}, "Name the pretraining text");
        refused(tuning, {{"replay", "text.txt"}}, "share");
        refused(tuning, {{"training", {{"replay_share", 0.5}}}, {"replay", 3}}, "replay");
        QVERIFY(completeSettings(mixing, [&] {
            Json settings = good;
            settings["learning_rate"] = 0.1;
            return settings;
        }()));
    }
};

QTEST_GUILESS_MAIN(TestKeptWeights)
#include "tst_kept_weights.moc"
