// SPDX-License-Identifier: Apache-2.0
// The paper's figures where a study trains on several data sets: a column for each, rows that belong together, one ladder of
// colours, and what is not beside them. Numbers are worked by hand.
#include <cmath>

#include <QTest>

#include "core/analysis/probe_data_sets.h"
#include "core/analysis/probe_figure_list.h"
#include "tests/core/analysis/training_runs.h"

using namespace crest;
using namespace crest::analysis;
using namespace crest::analysis::test;

namespace {

bool near(double a, double b) {
    return std::abs(a - b) <= 1e-9 * std::max(1.0, std::abs(b));
}

/// ID best at `best`; OOD 5 - 0.5 b + 100 rate.
Score scores(double best) {
    return [best](const std::string& task, int budget, int run, double strength, int seed) -> std::optional<double> {
        if (strength == 0)
            return 5 - 0.5 * budget + 0.1 * run;
        const double luck = 0.1 * run + 0.02 * seed;
        if (task == "verses" || task == "glosses")
            return 3 - 0.5 * budget + std::abs(std::log2(strength / best)) + luck;
        return 5 - 0.5 * budget + 100 * strength + luck;
    };
}

ProbeResults runOn(const std::string& id, const std::string& data, double best, std::vector<double> strengths, std::vector<std::string> ood,
                   const Json& training = Json::object()) {
    RunShape shape;
    shape.id = id;
    shape.data = data;
    shape.dataHash = "hash of " + data;
    shape.strengths = std::move(strengths);
    shape.ood = std::move(ood);
    shape.training = training;
    shape.budgets = 4;
    return makeRun(shape, scores(best));
}

/// Two sets; both measure prose, each a second text of its own.
ProbeResults twoSets() {
    ProbeResults results = runOn("run-2", "verses", 0.002, {0.001, 0.002, 0.004}, {"lexicon", "prose"});
    results.siblings.push_back(runOn("run-1", "glosses", 0.004, {0.002, 0.004, 0.008}, {"prose", "code"}));
    return results;
}

Figure made(const std::string& name, const ProbeResults& results) {
    FigureOptions options;
    options.y = defaultsOf(name).y;
    return figureOf(name, results, options);
}
std::vector<std::string> titlesOf(const Figure& figure) {
    std::vector<std::string> titles;
    for (const FigurePanel& panel : figure.panels)
        titles.push_back(panel.title);
    return titles;
}

} // namespace

class TestDataSets : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void setsInTheOrderOfTheirFirstRun() {
        ProbeResults results = twoSets();
        DataSets sets = dataSetsOf(results);
        QCOMPARE(sets.runs.size(), 2u);
        QCOMPARE(trainedOn(*sets.runs[0]), std::string("glosses"));
        QVERIFY(sets.runs[1] == &results);
        // Of one set the newest run; what was trained otherwise is said; of the shown set the shown run.
        results.siblings.push_back(runOn("run-3", "glosses", 0.004, {0.002}, {"prose"}));
        results.siblings.push_back(runOn("run-4", "verses", 0.004, {0.002}, {"prose"}));
        results.siblings.push_back(runOn("run-5", "letters", 0.004, {0.002}, {"prose"}, {{"epochs", 3}}));
        results.siblings.push_back(runOn("run-6", "letters", 0.004, {0.002}, {"prose"}, {{"l2_to_start", 0.1}}));
        sets = dataSetsOf(results);
        QCOMPARE(sets.runs.size(), 2u);
        QCOMPARE(sets.runs[0]->plan.id, std::string("run-3"));
        QVERIFY(sets.runs[1] == &results);
        QCOMPARE(sets.leftOut, std::vector<std::string>{"not beside these: 2 runs on letters, trained in another way"});
        QVERIFY(says(made("figure-6", results).panels[0].notes, "2 runs on letters"));
    }

    void figureSixHasAColumnForEachSet() {
        const Figure figure = made("figure-6", twoSets());
        QCOMPARE(figure.columns, 2);
        // OOD above: first what both have, then each its own; ID below.
        QCOMPARE(titlesOf(figure),
                 (std::vector<std::string>{"prose (tuned on glosses): loss", "prose (tuned on verses): loss", "code (tuned on glosses): loss",
                                           "lexicon (tuned on verses): loss", "glosses (tuned on glosses): loss",
                                           "verses (tuned on verses): loss"}));
        QCOMPARE(figure.panels[4].badge, std::string("ID"));
        // Each set at its own rate: 0.004 and 0.002, over runs 1, 2 and seeds 1 to 3.
        QVERIFY(near(pointsOf(figure.panels[0], "envelope")[0].y, 5 + 0.4 + 0.15 + 0.04));
        QVERIFY(near(pointsOf(figure.panels[1], "envelope")[0].y, 5 + 0.2 + 0.15 + 0.04));
        QVERIFY(near(pointsOf(figure.panels[4], "envelope")[3].y, 1.5 + 0.15 + 0.04));
        QVERIFY(pointsOf(figure.panels[0], "envelope")[0].detail.find("learning rate 0.004, best in ID") != std::string::npos);
        QVERIFY(pointsOf(figure.panels[0], "envelope")[0].recipe.find("--run run-1 ") != std::string::npos);
        QVERIFY(figure.keys.size() >= 1 && figure.keys[0].symbol == FigureKey::Symbol::Band); // of both
        const Json record = parseJson(figure.provenance, "").value_or(Json::object());
        QCOMPARE(record["other_runs"].size(), 1u);
        QCOMPARE(record["command"].get<std::string>(), std::string("crest export study --run run-2 --figure figure-6"));
        // Whichever run is shown, the same figure.
        ProbeResults other = twoSets().siblings.front();
        other.siblings.push_back(twoSets());
        QCOMPARE(titlesOf(made("figure-6", other)), titlesOf(figure));
    }

    void fixedRatesShareALadder() {
        const Figure four = made("figure-4", twoSets()), five = made("figure-5", twoSets());
        for (const Figure& figure : {four, five}) {
            QCOMPARE(figure.panels.size(), 4u);
            QCOMPARE(figure.columns, 2);
            const FigureCurve &left = curveOf(figure.panels[0], "rate=0.004"), &right = curveOf(figure.panels[1], "rate=0.004");
            QVERIFY(left.marker == right.marker && left.colorPosition == right.colorPosition);
            QVERIFY(near(left.colorPosition, 2.0 / 3)); // of 0.001, 0.002, 0.004, 0.008
            QVERIFY(near(curveOf(figure.panels[1], "rate=0.001").colorPosition, 0) && curveOf(figure.panels[0], "rate=0.001").id.empty());
        }
        QVERIFY(near(pointsOf(four.panels[0], "rate=0.004")[1].y, 0.4 + 0.04)); // paired with the base of each run
        QVERIFY(four.panels[0].title.starts_with("prose (tuned on glosses): change from base"));
    }

    void everyTaskOfBothWithTheBase() {
        const Figure figure = made("figure-2", twoSets());
        QCOMPARE(figure.columns, 2);
        QCOMPARE(figure.panels.front().badge, std::string("ID")); // first here
        QCOMPARE(figure.panels.size(), 6u);
        for (const FigurePanel& panel : figure.panels)
            QVERIFY(!curveOf(panel, "base").id.empty() && panel.x.scale == AxisScale::Linear);
    }

    /// A set with fewer texts leaves its place empty instead of shifting the others.
    void rowsStayInLine() {
        ProbeResults results = runOn("run-2", "verses", 0.002, {0.001, 0.002}, {"prose"});
        results.siblings.push_back(runOn("run-1", "glosses", 0.002, {0.001, 0.002}, {"code", "prose"}));
        const Figure figure = made("figure-6", results);
        QCOMPARE(titlesOf(figure), (std::vector<std::string>{"prose (tuned on glosses): loss", "prose (tuned on verses): loss",
                                                             "code (tuned on glosses): loss", "no further task",
                                                             "glosses (tuned on glosses): loss", "verses (tuned on verses): loss"}));
        QVERIFY(figure.panels[3].curves.empty() && figure.panels[3].x.low == figure.panels[2].x.low);
    }

    void bandsThatDifferAreSaidInTheirPanels() {
        ProbeResults results = twoSets();
        RunShape shape;
        shape.id = "run-1";
        shape.data = "glosses";
        shape.dataHash = "hash of glosses";
        shape.ood = {"prose"};
        shape.budgets = 4;
        shape.seeds = 2;
        results.siblings = {makeRun(shape, scores(0.002))};
        const Figure figure = made("figure-6", results);
        QVERIFY(says(figure.panels[0].notes, "band: 95 % CI over 2 pretraining runs, 2 fine-tuning seeds"));
        QVERIFY(says(figure.panels[1].notes, "band: 95 % CI over 2 pretraining runs, 3 fine-tuning seeds"));
        QVERIFY(std::ranges::none_of(figure.keys, [](const FigureKey& key) { return key.symbol == FigureKey::Symbol::Band; }));
    }

    void oneSetIsAsBefore() {
        ProbeResults results = twoSets();
        results.siblings.clear();
        QCOMPARE(titlesOf(made("figure-5", results)), (std::vector<std::string>{"lexicon: loss", "prose: loss"}));
        QVERIFY(!parseJson(made("figure-5", results).provenance, "").value_or(Json::object()).contains("other_runs"));
    }

    void benchmarksOfSetsStandBesideOneBase() {
        ProbeResults results = twoSets();
        for (ProbeResults* run : {&results, &results.siblings.front()}) {
            run->plan.probe.tasks.push_back({"arc", study::Role::OutOfDistribution});
            run->plan.tasks.push_back({.name = "arc", .kind = study::TaskKind::Suite, .textsPath = "x", .dataHash = "hash of arc", .definition = "{}"});
            int number = 0;
            for (study::Cell& cell : run->plan.cells) {
                study::ResultRow row;
                row.key = run->plan.id + "arc" + std::to_string(number++);
                row.strength = cell.strength;
                row.metric = "acc";
                row.unit = "accuracy";
                row.value = cell.strength == 0 ? 0.75 : run == &results ? 0.5 : 0.25;
                row.outcome.metrics = {{"acc", "accuracy", row.value, 0, {1, 1, row.value > 0.3 ? 1.0F : 0.0F, 0}, {}}};
                row.outcome.details.itemRequests = {4, 4, 2, 2};
                row.outcome.details.itemGold = {0, 0, 0, 0};
                cell.keys.push_back(row.key);
                cell.cached.push_back(0);
                run->rows.push_back(row);
            }
        }
        Figure figure = made("figure-1", results);
        QCOMPARE(titlesOf(figure), (std::vector<std::string>{"mean of 1 benchmark: base", "mean of 1 benchmark: tuned, rate best in ID, on glosses",
                                                             "mean of 1 benchmark: tuned, rate best in ID, on verses"}));
        QCOMPARE(figure.columns, 3);
        QVERIFY(near(pointsOf(figure.panels[0], "base")[0].y, 0.75) && near(pointsOf(figure.panels[1], "envelope")[0].y, 0.25) &&
                near(pointsOf(figure.panels[2], "envelope")[0].y, 0.5));
        for (const FigurePanel& panel : figure.panels)
            QVERIFY(panel.y.low == figure.panels[0].y.low && panel.y.high == figure.panels[0].y.high && panel.y.low < 0.25);
        for (const FigurePanel& panel : figure.panels)
            QVERIFY(panel.lines.size() == 1 && near(panel.lines[0].y, 0.375) && panel.lines[0].label == "chance 0.375");
        const ProbeResults whole = results; // the last budget is still to be tuned: the token axes stay alike
        for (const study::Cell& cell : whole.plan.cells)
            if (cell.strength != 0 && whole.plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)].tokens == 8'000'000)
                std::erase_if(results.rows, [&](const study::ResultRow& row) { return std::ranges::find(cell.keys, row.key) != cell.keys.end(); });
        figure = made("figure-1", results);
        QCOMPARE(pointsOf(figure.panels[2], "envelope").size() + 1, pointsOf(figure.panels[0], "base").size());
        for (const FigurePanel& panel : figure.panels)
            QVERIFY(panel.x.low == figure.panels[0].x.low && panel.x.high == figure.panels[0].x.high);
        results = whole;
        // Other benchmarks have no common mean.
        results.siblings.front().plan.tasks.back().dataHash = "other items";
        figure = made("figure-1", results);
        QCOMPARE(figure.panels.size(), 2u);
        QVERIFY(says(figure.panels[0].notes, "not beside these: glosses, which was measured on other benchmarks"));
    }
};

QTEST_APPLESS_MAIN(TestDataSets)
#include "tst_data_sets.moc"
