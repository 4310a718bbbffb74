// SPDX-License-Identifier: Apache-2.0
// Plans of fine-tuning: learning rates of single checkpoints (what a probe says of them, what a plan makes of it, that neither keys nor
// older files know of them), and the tokens that trainings take.
#include <QTemporaryDir>
#include <QtTest>

#include <set>

#include "core/data/tuning_settings.h"
#include "core/series/series.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"
#include "core/study/replayed_text.h"
#include "core/study/study_json.h"
#include "tests/core/series/make_checkpoint.h"

using namespace crest;
using namespace crest::study;
namespace fs = std::filesystem;

namespace {

using Rates = std::vector<double>;

Probe tuningProbe(Rates rates = {0.001, 0.004, 0.016}) {
    Probe probe;
    probe.name = "tuning";
    probe.kind = kFineTuning;
    probe.series = "small";
    probe.strengths = std::move(rates);
    probe.seeds = 2;
    probe.tasks = {{"rows", Role::InDistribution}};
    probe.settings = {{"training", {{"epochs", 1}}}, {"data_task", "rows"}};
    return probe;
}

/// Three checkpoints, 40 rows of which 4 are held out, and a study of them.
struct Place {
    QTemporaryDir dir;
    fs::path root = dir.path().toStdString();
    Study study;
    series::Series series;

    Place() {
        qputenv("XDG_CACHE_HOME", (dir.path() + "/cache").toUtf8());
        for (int i = 0; i < 3; ++i) {
            const fs::path folder = root / "small" / ("step" + std::to_string(i));
            test::makeCheckpoint(folder, test::tinySpec(), static_cast<unsigned>(i + 1));
            test::writeRecord(folder, "small", std::int64_t{1000} << i, 1);
        }
        std::string text;
        for (int i = 0; i < 40; ++i)
            text += Json{{"prompt", "Number " + std::to_string(i)}, {"completion", " is a number"}}.dump() + "\n";
        const fs::path rows = root / "rows.jsonl";
        test::writeText(rows, text);
        data::TuningDataSettings settings;
        settings.path = rows.string();
        settings.maxTokens = 48;
        auto resolved = data::resolveTuningData(settings, fs::path(CREST_SOURCE_DIR) / "resources" / "tuning");
        const auto scan = series::findSeries(root / "small");
        if (!resolved || !scan || scan->series.size() != 1)
            qFatal("the test's place could not be made");
        series = scan->series.front();
        resolved->path.clear();
        study.name = "s";
        study.series.push_back({"small", (root / "small").string(), {}});
        study.tasks.push_back({.name = "rows", .kind = TaskKind::TuningLoss, .textsPath = rows.string(), .dataHash = "",
                               .definition = canonicalJson(data::tuningDataToJson(*resolved))});
    }
    Plan plan(const Probe& probe, const std::set<std::string>& stored) {
        const auto folder = StudyFolder::create(root / ("study" + std::to_string(m_count++)), study);
        auto made = planProbe(*folder, probe, series, [&](const std::string& key) { return stored.contains(key); });
        if (!made)
            qWarning("%s", made.error().text().c_str());
        return made.value_or(Plan{});
    }

private:
    int m_count = 0;
};

} // namespace

class TestTuningPlan : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void aProbeHasAGridAndRatesOfSingleCheckpoints() {
        const Probe coarse = tuningProbe();
        const Probe fine = withFinerRates(coarse, {{"a", {0.008, 0.002}}, {"b", {0.002, 0.004, 0.032}}, {"c", {0.001}}});
        QCOMPARE(fine.strengths, (Rates{0.001, 0.002, 0.004, 0.008, 0.016, 0.032})); // what figures find a place for
        QCOMPARE(gridOf(fine), coarse.strengths);
        QCOMPARE(strengthsOf(fine, "a"), (Rates{0.001, 0.002, 0.004, 0.008, 0.016}));
        QCOMPARE(strengthsOf(fine, "b"), (Rates{0.001, 0.002, 0.004, 0.016, 0.032})); // a rate of the grid stays everyone's
        QCOMPARE(strengthsOf(fine, "c"), coarse.strengths);
        QCOMPARE(strengthsOf(fine, "new to the series"), coarse.strengths);
        QCOMPARE(finerRatesOf(fine), (FinerRates{{"a", {0.002, 0.008}}, {"b", {0.002, 0.032}}}));
        QVERIFY(finerRatesOf(coarse).empty() && gridOf(coarse) == coarse.strengths);
        QVERIFY(withFinerRates(fine, {}) == coarse); // to the letter: it is found again
        QVERIFY(withFinerRates(fine, finerRatesOf(fine)) == fine);
        QCOMPARE(strengthsOf(withFinerRates(fine, {{"b", {0.5}}}), "a"), coarse.strengths); // these and no others
    }

    void theyArePartOfNoKey() {
        const Probe coarse = tuningProbe(), fine = withFinerRates(coarse, {{"w", {0.002}}});
        QCOMPARE(variantOf(fine), variantOf(coarse));
        PlannedCheckpoint checkpoint;
        checkpoint.weights = "w", checkpoint.tokenizer = "t";
        const Task task{.name = "rows", .kind = TaskKind::TuningLoss, .textsPath = "x", .dataHash = "d"};
        QCOMPARE(resultKey(checkpoint, fine, task, 0.004, 1), resultKey(checkpoint, coarse, task, 0.004, 1));
        QCOMPARE(trainingKey(checkpoint, fine, 0.004, 1), trainingKey(checkpoint, coarse, 0.004, 1));
    }

    /// An older Crest says that it needs a newer one; what needs nothing new is read by it as ever.
    void filesSayTheFormatThatTheyNeed() {
        Study study;
        study.name = "s";
        study.probes = {tuningProbe()};
        QCOMPARE(toJson(study).at("format").get<int>(), 3);
        const std::string before = canonicalJson(toJson(study));
        QVERIFY(before.find("finer") == std::string::npos);
        study.probes.push_back(withFinerRates(tuningProbe(), {{"w", {0.002}}}));
        const Json json = toJson(study);
        QCOMPARE(json.at("format").get<int>(), 4);
        const auto again = studyFromJson(Json::parse(canonicalJson(json)), "study");
        QVERIFY2(again, again ? "" : again.error().text().c_str());
        QVERIFY(*again == study);
        const auto old = studyFromJson(Json::parse(before), "study");
        QVERIFY(old && old->probes.front() == tuningProbe());
    }

    void whatMakesNoSenseIsRefused_data() {
        QTest::addColumn<QString>("finer");
        QTest::addColumn<QString>("said");
        const auto row = [](const char* tag, const char* finer, const char* said) {
            QTest::newRow(tag) << QString::fromLatin1(finer) << QString::fromLatin1(said);
        };
        row("no table", "[0.002]", "must hold lists of learning rates");
        row("words", R"({"w": ["fast"]})", "must hold lists of learning rates");
        row("nothing in it", R"({"w": []})", "must hold lists of learning rates");
        row("of nobody", R"({"": [0.004]})", "must hold lists of learning rates");
        row("the wrong way round", R"({"w": [0.016, 0.004]})", "must ascend");
        row("of no strength", R"({"w": [0.003]})", "0.003 is not among the probe's strengths");
        row("nothing for all", R"({"w": [0.001, 0.004, 0.016]})", "every checkpoint");
        row("sound", R"({"w": [0.004, 0.016]})", "");
    }
    void whatMakesNoSenseIsRefused() {
        QFETCH(QString, finer);
        QFETCH(QString, said);
        Study study;
        study.series.push_back({"small", "x", {}});
        study.tasks.push_back({.name = "rows", .kind = TaskKind::TuningLoss, .textsPath = "x", .dataHash = ""});
        study.tasks[0].definition = canonicalJson(data::tuningDataToJson({}));
        Probe probe = tuningProbe();
        probe.settings["finer_rates"] = Json::parse(finer.toStdString());
        const auto checked = checkProbe(probe, study);
        const QString told = checked ? QString() : QString::fromStdString(checked.error().message);
        QVERIFY2(said.isEmpty() ? !told.contains(QStringLiteral("rates")) : told.contains(said), qPrintable(told));
        // Of other kinds there are none.
        probe.kind = kInterpolation;
        probe.settings["learning_rate"] = 0.001;
        const auto other = checkProbe(probe, study);
        QVERIFY(!other && other.error().message.find("no setting \"finer_rates\"") != std::string::npos);
    }

    /// Nothing would be measured of it, and every value be "not finite".
    void dataWithNothingHeldOutIsRefused() {
        Place place;
        const auto check = [&](double share, std::int64_t rows) {
            data::TuningDataSettings settings;
            settings.split.heldOutShare = share, settings.split.heldOutCount = rows;
            place.study.tasks[0].definition = canonicalJson(data::tuningDataToJson(settings));
            return checkProbe(tuningProbe(), place.study);
        };
        const auto refused = check(0, 0);
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.starts_with("Task \"rows\": none of its rows are held out"), refused.error().text().c_str());
        QVERIFY(check(0, 1) && check(0.1, 0));
    }

    void aPlanHasThemForTheirCheckpointsAlone() {
        Place place;
        const auto plan = [&](const Probe& probe, const std::set<std::string>& stored) { return place.plan(probe, stored); };
        const Plan coarse = plan(tuningProbe(), {});
        QCOMPARE(coarse.cells.size(), 3u * (1 + 3 * 2));
        std::set<std::string> stored;
        for (const Cell& cell : coarse.cells)
            stored.insert(cell.keys.begin(), cell.keys.end());
        const std::string weights = coarse.checkpoints[1].weights;
        const Plan fine = plan(withFinerRates(tuningProbe(), {{weights, {0.002, 0.008}}, {"gone", {0.05}}}), stored);
        QCOMPARE(fine.cells.size(), coarse.cells.size() + 2 * 2);
        QCOMPARE(fine.cachedCellCount(), std::int64_t{21}); // all of the grid
        QCOMPARE(fine.batches.size(), 4u);                  // a training each
        for (const std::vector<int>& batch : fine.batches)
            for (const int cell : batch) {
                QCOMPARE(fine.cells[static_cast<std::size_t>(cell)].checkpoint, 1);
                QVERIFY(fine.cells[static_cast<std::size_t>(cell)].strength == 0.002 || fine.cells[static_cast<std::size_t>(cell)].strength == 0.008);
            }
        QCOMPARE(planCost(fine, "cpu", {}, 100, {1, 1}).trainings, std::int64_t{4});
        const auto again = planFromJson(Json::parse(canonicalJson(toJson(fine))), "run");
        QVERIFY2(again && *again == fine, again ? "" : again.error().text().c_str());
    }

    /// A row of a part of the data is as long as one of the whole.
    void drawnRowsAreNoLonger() {
        Place place;
        const std::int64_t all = place.plan(tuningProbe(), {}).tuningTokens; // of 36 rows
        Json half = Json::parse(place.study.tasks.front().definition);
        half["sample_count"] = 20;
        place.study.tasks.front().definition = canonicalJson(half);
        const std::int64_t drawn = place.plan(tuningProbe(), {}).tuningTokens;
        QVERIFY2(all > 100 && std::abs(drawn - all * 20 / 36) <= 1, qPrintable(QStringLiteral("%1 of %2").arg(drawn).arg(all)));
    }

    /// 36 rows in batches of 16 are 3 steps, each with at least one window of 32 tokens, however small the share.
    void replayedTextIsCounted() {
        Place place;
        test::writeText(place.root / "old.txt", std::string(2000, 'a'));
        const auto tokens = [&](double share) {
            Probe probe = tuningProbe();
            if (share > 0) {
                probe.settings["training"].update(Json{{"replay_share", share}, {"replay_tokens", 32}, {"batch_examples", 16}});
                probe.settings["replay"] = (place.root / "old.txt").string();
            }
            return place.plan(probe, {}).tuningTokens;
        };
        const std::int64_t plain = tokens(0);
        QVERIFY(plain > 0);
        QCOMPARE(tokens(0.001) - plain, std::int64_t{3 * 1 * 32});
        QCOMPARE(tokens(0.25) - plain, std::int64_t{3 * 4 * 32});
    }

    void textThatCannotBeReplayedIsRefused() {
        Place place;
        test::writeText(place.root / "small" / "step0" / "tokenizer.json",
                        R"({"added_tokens":[{"id":1,"content":"</s>","special":true,"normalized":false,"single_word":false,"lstrip":false,"rstrip":false}],)"
                        R"("model":{"type":"BPE","vocab":{"a":0},"merges":[]}})");
        test::writeText(place.root / "small" / "step0" / "tokenizer_config.json", R"({"eos_token":"</s>"})");
        const auto refusal = [&](const std::string& content, int window) {
            test::writeText(place.root / "old.txt", content);
            Probe probe = tuningProbe();
            probe.settings["training"].update(Json{{"replay_share", 0.5}, {"replay_tokens", window}});
            probe.settings["replay"] = (place.root / "old.txt").string();
            const auto folder = StudyFolder::draft(place.root / "draft", place.study);
            const auto made = planProbe(*folder, probe, place.series, {});
            return made ? std::string("planned") : made.error().text();
        };
        const auto says = [](const std::string& text, const char* part) {
            if (text.find(part) == std::string::npos)
                qWarning("%s", text.c_str());
            return text.find(part) != std::string::npos;
        };
        // 15 letters, a token each, and the end token are a window of 15 tokens and their targets.
        QVERIFY(says(refusal(std::string(15, 'a'), 15), "planned"));
        QVERIFY(says(refusal(std::string(15, 'a'), 16), "old.txt: the text has 16 tokens, too few for one full window of 17"));
        QVERIFY(says(refusal("", 16), "old.txt: the file is empty"));
        QVERIFY(says(refusal("bad \xff\n", 16), "line 1 is no UTF-8"));
        const int context = static_cast<int>(test::tinySpec().contextLength);
        QVERIFY(says(refusal(std::string(2000, 'a'), context), "planned"));
        QVERIFY(says(refusal(std::string(2000, 'a'), context + 1), "longer than this model's context"));
    }

    void measuredTextThatIsReplayedIsSaid() {
        Place place;
        test::writeText(place.root / "old.txt", std::string(2000, 'a'));
        test::writeText(place.root / "copy.txt", std::string(2000, 'a'));
        test::writeText(place.root / "other.txt", std::string(2001, 'a'));
        const auto notes = [&](const char* measured) {
            place.study.tasks.resize(1);
            place.study.tasks.push_back({.name = "prose", .textsPath = (place.root / measured).string(), .dataHash = "",
                                         .windowTokens = 16, .strideTokens = 16});
            Probe probe = tuningProbe();
            probe.tasks.push_back({"prose", Role::OutOfDistribution});
            const std::vector<std::string> plain = replayNotes(place.plan(probe, {}));
            probe.settings["training"].update(Json{{"replay_share", 0.5}, {"replay_tokens", 16}});
            probe.settings["replay"] = (place.root / "old.txt").string();
            const Plan plan = place.plan(probe, {});
            return plain.empty() && plan.tasks.size() == 2 ? replayNotes(plan) : std::vector<std::string>{"no plan"};
        };
        const std::vector<std::string> said{"prose is not held out: the same file is replayed in training"};
        QCOMPARE(notes("old.txt"), said);
        QCOMPARE(notes("copy.txt"), said); // its content counts
        QCOMPARE(notes("other.txt"), std::vector<std::string>());
    }
};

QTEST_GUILESS_MAIN(TestTuningPlan)
#include "tst_tuning_plan.moc"
