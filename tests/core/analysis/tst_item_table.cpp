// SPDX-License-Identifier: Apache-2.0
// Items over checkpoints: histories by hand, answers, draws, pretraining runs, rows that do not fit; samples and their
// differences; size and speed of a large table.
#include <cmath>
#include <ctime>
#include <limits>
#include <map>

#include <QTest>

#include "core/analysis/item_table.h"
#include "core/analysis/sample_table.h"

using namespace crest;
using namespace crest::analysis;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Fixture {
    study::Plan plan;
    std::map<std::string, RowPointer> rows;
    RowLookup lookup = [this](const std::string& key) {
        const auto at = rows.find(key);
        return at == rows.end() ? RowPointer() : at->second;
    };

    Fixture() {
        plan.probe.strengths = {0.1};
        study::Task task;
        task.name = "arc";
        task.kind = study::TaskKind::Suite;
        plan.tasks = {task};
    }
    int checkpoint(std::int64_t tokens, std::int64_t seed = -1) {
        study::PlannedCheckpoint one;
        one.name = "at " + std::to_string(tokens);
        one.weights = std::to_string(tokens) + "/" + std::to_string(seed);
        one.tokens = tokens;
        if (seed >= 0)
            one.pretrainSeed = seed;
        plan.checkpoints.push_back(one);
        return static_cast<int>(plan.checkpoints.size()) - 1;
    }
    void add(int checkpoint, double strength, std::int64_t seed, study::ResultRow row) {
        const std::string key = std::to_string(checkpoint) + "/" + std::to_string(strength) + "/" + std::to_string(seed);
        row.key = key;
        plan.cells.push_back({checkpoint, strength, seed, {key}, {0}});
        rows[key] = std::make_shared<const study::ResultRow>(std::move(row));
    }
};

/// Three questions of 2, 3 and 2 choices; `nats` are minus log-likelihoods of all seven.
study::ResultRow answers(std::vector<float> acc, std::vector<float> nats) {
    study::ResultRow row;
    row.outcome.metrics = {{"acc", "accuracy", 0, 0, std::move(acc), {}}};
    row.outcome.details.requestNats = std::move(nats);
    row.outcome.details.itemRequests = {2, 3, 2};
    row.outcome.details.itemGold = {0, 2, 1};
    row.outcome.details.itemDocuments = {0, 1, 4}; // rows 2 and 3 could not be used
    return row;
}

ItemHistory history(const std::vector<float>& values) {
    return historyOf(values.data(), values.size());
}

} // namespace

class TestItemTable : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void learnedAndForgotten() {
        QVERIFY((history({0, 0, 1, 1}) == ItemHistory{2, -1, 1, 2, 4}));
        QVERIFY((history({1, 1, 1, 1}) == ItemHistory{0, -1, 0, 4, 4}));
        QVERIFY((history({0, 0, 0, 0}) == ItemHistory{-1, -1, 0, 0, 4})); // never right: nothing to forget
        QVERIFY((history({0, 1, 0, 1}) == ItemHistory{3, -1, 3, 2, 4}));
        QVERIFY((history({1, 1, 0, 0}) == ItemHistory{-1, 2, 1, 2, 4}));
        QVERIFY((history({0, 1, kNaN, 1}) == ItemHistory{1, -1, 1, 2, 3})); // what is not measured changes nothing
        QVERIFY((history({1, kNaN, 0, kNaN}) == ItemHistory{-1, 2, 1, 1, 2}));
        QVERIFY((history({kNaN, kNaN}) == ItemHistory{-1, -1, 0, 0, 0}));
        QVERIFY((history({}) == ItemHistory{}));
        QVERIFY((history({0.5, 0.4F}) == ItemHistory{-1, 1, 1, 1, 2})); // half of the draws count as right
    }

    void answersAndOrder() {
        Fixture f;
        const int late = f.checkpoint(2000), early = f.checkpoint(1000);
        f.add(late, 0, 0, answers({1, 1, 0}, {1, 2, 3, 2, 1, 4, 5}));
        f.add(early, 0, 0, answers({0, 1, 0}, {2, 1, 2, 2, 1, 4, 5}));
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY2(table.has_value(), table ? "" : table.error().text().c_str());
        QCOMPARE(table->columns.size(), 2u);
        QVERIFY(table->columns[0].checkpoint.tokens == 1000);
        QCOMPARE(table->documents, (std::vector<std::int32_t>{0, 1, 4}));
        QCOMPARE(table->firstRequest, (std::vector<std::int64_t>{0, 2, 5}));
        QCOMPARE(table->baseAnswers[table->at(0, 0)], std::int16_t{1});
        QCOMPARE(table->baseAnswers[table->at(0, 1)], std::int16_t{0});
        QCOMPARE(table->baseAnswers[table->at(1, 0)], std::int16_t{2});
        QCOMPARE(table->baseHistories[0].learned, 1);
        QCOMPARE(table->baseHistories[2].learned, -1);
        QVERIFY(table->modified.empty());
    }

    /// A Trainer run of which nobody said the tokens per step: steps give the order, and what has neither comes last.
    void withoutTokenCounts() {
        Fixture f;
        const auto add = [&](const std::string& name, std::optional<std::int64_t> tokens, std::optional<std::int64_t> step) {
            study::PlannedCheckpoint& one = f.plan.checkpoints.emplace_back();
            one.name = one.weights = name;
            one.tokens = tokens;
            one.step = step;
            f.add(static_cast<int>(f.plan.checkpoints.size()) - 1, 0, 0, answers({1, 1, 1}, {1, 2, 3, 2, 1, 4, 3}));
        };
        add("final", {}, {});
        add("checkpoint-1000", {}, 1000);
        add("checkpoint-500", {}, 500);
        add("measured", 2000, 9000);
        add("a copy", {}, 2000);
        f.plan.checkpoints.back().weights = "checkpoint-500";
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY2(table.has_value(), table ? "" : table.error().text().c_str());
        QStringList headings, places;
        for (const ItemColumn& column : table->columns) {
            headings << QString::fromStdString(placeHeading(column.checkpoint));
            places << QString::fromStdString(placeText(column.checkpoint));
        }
        QCOMPARE(headings, QStringList({"2k", "step 500", "step 1,000", "final"}));
        QCOMPARE(places, QStringList({"2k tokens", "step 500", "step 1,000", "final"}));
    }

    void stepsInWords() {
        QCOMPARE(stepText(0), std::string("step 0"));
        QCOMPARE(stepText(999), std::string("step 999"));
        QCOMPARE(stepText(143000), std::string("step 143,000"));
        QCOMPARE(stepText(1234567), std::string("step 1,234,567"));
    }

    void drawsAreSharedOut() {
        Fixture f;
        const int one = f.checkpoint(1000);
        f.add(one, 0, 0, answers({1, 1, 1}, {1, 2, 3, 2, 1, 4, 3}));
        f.add(one, 0.1, 1, answers({1, 0, 0}, {1, 2, 1, 2, 3, 3, 4}));
        f.add(one, 0.1, 2, answers({0, 0, 1}, {2, 1, 1, 2, 3, 4, 3}));
        f.add(one, 0.1, 3, answers({0, 0, 1}, {2, 1, 3, 1, 2, 4, 3}));
        f.add(one, 0.2, 1, answers({0, 0, 0}, {2, 1, 1, 2, 3, 3, 4})); // another strength
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "acc", 0.1, {}});
        QVERIFY(table.has_value());
        QVERIFY(std::abs(table->modified[0] - 1.0F / 3) < 1e-6F);
        QVERIFY(std::abs(table->modified[2] - 2.0F / 3) < 1e-6F);
        QCOMPARE(table->modifiedAnswers[0], std::int16_t{1});
        QCOMPARE(table->modifiedAnswers[1], std::int16_t{0}); // 0, 0, 1
        QCOMPARE(table->columns[0].modified.size(), 3u);
        QCOMPARE(table->lost, (std::vector<std::int32_t>{1, 1, 0})); // the base is right, 1/3 and 0 of the draws are
        QCOMPARE(table->gained, (std::vector<std::int32_t>{0, 0, 0}));
        QVERIFY(isRight(table->modified[2]) && !isRight(table->modified[0]));
    }

    void onePretrainingRunAtATime() {
        Fixture f;
        for (const std::int64_t seed : {2, 1})
            for (const std::int64_t tokens : {1000, 2000})
                f.add(f.checkpoint(tokens, seed), 0, 0,
                      answers({seed == 1 ? 1.0F : 0.0F, 0, 0}, {1, 2, 3, 2, 1, 4, 5}));
        const auto first = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QCOMPARE(first->pretrainSeeds, (std::vector<std::int64_t>{1, 2}));
        QCOMPARE(first->columns.size(), 2u);
        QVERIFY(first->base[0] == 1);
        const auto second = makeItemTable(f.plan, f.lookup, {"arc", "", 0, 2});
        QVERIFY(second->base[0] == 0 && second->columns[0].pretrainSeed == 2);
    }

    void rowsThatDoNotFitAreLeftOut() {
        Fixture f;
        f.add(f.checkpoint(1000), 0, 0, answers({1, 1, 1}, {1, 2, 3, 2, 1, 4, 3}));
        study::ResultRow other = answers({1, 1, 1}, {1, 2, 3, 2, 1, 4, 3});
        other.outcome.details.itemDocuments = {0, 1, 2};
        f.add(f.checkpoint(2000), 0, 0, other);
        study::ResultRow torn = answers({1, 1, 1}, {1, 2, 3});
        f.add(f.checkpoint(4000), 0, 0, torn);
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QCOMPARE(table->columns.size(), 3u);
        QVERIFY(table->columns[0].base && !table->columns[1].base && !table->columns[2].base);
        QVERIFY(std::isnan(table->base[1]) && table->baseHistories[0].measured == 1);
        f.rows.clear();
        QVERIFY(!makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}}));
        QVERIFY(!makeItemTable(f.plan, f.lookup, {"no such task", "", 0, {}}));
    }

    void valuesPerWeightWhereNothingIsRight() {
        Fixture f;
        study::ResultRow row = answers({}, {1, 2, 3, 2, 1, 4, 3});
        row.outcome.metrics = {{"word_perplexity", "perplexity", 0, 0, {30, 8, 5}, {10, 4, 0}}};
        f.add(f.checkpoint(1000), 0, 0, row);
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY(table->base[0] == 3 && table->base[1] == 2 && std::isnan(table->base[2]));
        QVERIFY(table->baseHistories.empty());
    }

    void samplesSideBySide() {
        Fixture f;
        study::ResultRow early = answers({0, 0, 0}, {1, 2, 3, 2, 1, 4, 3}), late = early;
        early.outcome.details.texts = {"a", "b", "c"};
        late.outcome.details.texts = {"d", "e"};
        f.add(f.checkpoint(2000), 0, 0, late);
        f.add(f.checkpoint(1000), 0, 0, early);
        f.add(f.checkpoint(4000), 0, 0, answers({0, 0, 0}, {1, 2, 3, 2, 1, 4, 3})); // wrote nothing
        const auto table = makeSampleTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY2(table.has_value(), table ? "" : table.error().text().c_str());
        QCOMPARE(table->columns.size(), 2u);
        QCOMPARE(table->text(0, 0), std::string("a"));
        QCOMPARE(table->text(1, 1), std::string("e"));
        QCOMPARE(table->text(2, 1), std::string());
        QVERIFY(!makeSampleTable(f.plan, f.lookup, {"arc", "", 0.1, {}}));
    }

    void textsWithoutAMetric() {
        Fixture f;
        study::ResultRow row;
        row.outcome.details.itemDocuments = {0, 1};
        row.outcome.details.itemRequests = {0, 0};
        row.outcome.details.itemGold = {-1, -1};
        row.outcome.details.texts = {"a", "b"};
        f.add(f.checkpoint(1000), 0, 0, row);
        const auto items = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY(items && items->metrics.empty() && items->measure.metric.empty() && std::isnan(items->base[0]));
        const auto samples = makeSampleTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY(samples && samples->text(1, 0) == "b");
    }

    void differencesOfWords() {
        using Parts = std::vector<DiffPart>;
        QCOMPARE(diffWords("the cat sat", "the dog sat"), (Parts{{"the", true}, {" dog", false}, {" sat", true}}));
        QCOMPARE(diffWords("", "new text"), (Parts{{"new text", false}}));
        QCOMPARE(diffWords("same", "same"), (Parts{{"same", true}}));
        QVERIFY(diffWords("gone", "").empty());
        QCOMPARE(diffWords("a b c", "b c d"), (Parts{{"b", false}, {" c", true}, {" d", false}})); // "b" begins a text, " b" does not
        std::string together;
        for (const DiffPart& part : diffWords("one two\nthree", "  two\nthree four \n"))
            together += part.text;
        QCOMPARE(together, std::string("  two\nthree four \n"));
        const std::string many = std::string(50'000, 'x') + " y";
        const std::clock_t before = std::clock();
        std::string words;
        for (int i = 0; i < 20'000; ++i)
            words += " w";
        QVERIFY(!diffWords(words, words + many).empty());
        QVERIFY(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 2);
    }

    void aLargeTableIsMadeSoon() {
        Fixture f;
        constexpr std::size_t kItems = 10'000;
        constexpr int kColumns = 150;
        for (int c = 0; c < kColumns; ++c) {
            study::ResultRow row;
            row.outcome.metrics = {{"acc", "accuracy", 0, 0, std::vector<float>(kItems, c > 75 ? 1.0F : 0.0F), {}}};
            row.outcome.details.requestNats.assign(4 * kItems, 1.0F);
            row.outcome.details.itemRequests.assign(kItems, 4);
            row.outcome.details.itemGold.assign(kItems, 1);
            for (std::size_t i = 0; i < kItems; ++i)
                row.outcome.details.itemDocuments.push_back(static_cast<std::int32_t>(i));
            f.add(f.checkpoint(1000 + c), 0, 0, row);
        }
        const std::clock_t before = std::clock();
        const auto table = makeItemTable(f.plan, f.lookup, {"arc", "", 0, {}});
        QVERIFY(table.has_value());
        QCOMPARE(table->baseHistories[9'999].learned, 76);
        const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
        qInfo("10^4 items x 150 checkpoints: %.2f s of processor", seconds);
        QVERIFY(seconds < 2);
    }
};

QTEST_APPLESS_MAIN(TestItemTable)
#include "tst_item_table.moc"
