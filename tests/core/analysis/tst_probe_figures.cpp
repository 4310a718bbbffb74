// SPDX-License-Identifier: Apache-2.0
// From stored rows to figures: numbers worked by hand, pairing, order, gaps, what is left out, and what the record
// says.
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include <QTest>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_figures.h"
#include "core/base/json.h"

using namespace crest;
using namespace crest::analysis;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
/// 97.5 % point of Student's t with one degree of freedom (tan(0.475 pi)).
const double kStudent1 = std::tan(0.475 * M_PI);

bool near(double a, double b) {
    return std::abs(a - b) <= 1e-9 * std::max(1.0, std::abs(b));
}

struct Budget {
    std::int64_t tokens = 0;
    std::int64_t seed = -1; ///< of pretraining; -1: not recorded
    double base = 0;
    std::vector<double> draws; ///< at each strength the same, plus the strength's number
};

/// A TeX export without the record in its first line.
std::string texBelowRecord(const Figure& figure) {
    const std::string tex = figureToTex(figure, 174);
    return tex.substr(tex.find('\n'));
}

/// A probe on one series with two tasks, the out-of-distribution one named first. Task "far" has the losses of "near"
/// plus 1.
ProbeResults resultsOf(const std::vector<Budget>& budgets, const std::vector<double>& strengths = {0.1}) {
    ProbeResults results;
    study::Plan& plan = results.plan;
    plan.id = "run-1";
    plan.probe.name = "noise on s";
    plan.probe.series = "s";
    plan.probe.strengths = strengths;
    plan.probe.firstSeed = 1;
    plan.probe.seeds = static_cast<std::int64_t>(budgets.front().draws.size());
    plan.probe.tasks = {{"far", study::Role::OutOfDistribution}, {"near", study::Role::InDistribution}};
    for (const auto& [name, hash] : {std::pair{"far", 'f'}, std::pair{"near", 'e'}}) {
        study::Task task;
        task.name = name;
        task.textsPath = std::string(name) + ".jsonl";
        task.dataHash = std::string(64, hash);
        plan.tasks.push_back(task);
    }
    const auto add = [&](int checkpoint, double strength, std::int64_t seed, double value) {
        study::Cell cell{checkpoint, strength, seed, {}, {}};
        for (const study::Task& task : plan.tasks) {
            study::ResultRow row;
            row.key = std::to_string(checkpoint) + "/" + std::to_string(strength) + "/" + std::to_string(seed) + "/" +
                      task.name;
            row.task = task.name;
            row.strength = strength;
            row.seed = seed;
            row.value = value + (task.name == "far" ? 1 : 0);
            row.device = "cpu";
            row.threads = 2;
            row.numerics = 7;
            cell.keys.push_back(row.key);
            cell.cached.push_back(0);
            results.rows.push_back(row);
        }
        plan.cells.push_back(cell);
    };
    for (std::size_t b = 0; b < budgets.size(); ++b) {
        study::PlannedCheckpoint checkpoint;
        checkpoint.name = "step" + std::to_string(b);
        checkpoint.weights = "weights" + std::to_string(b);
        checkpoint.tokens = budgets[b].tokens;
        if (budgets[b].seed >= 0)
            checkpoint.pretrainSeed = budgets[b].seed;
        plan.checkpoints.push_back(checkpoint);
        add(static_cast<int>(b), 0, 0, budgets[b].base);
        for (std::size_t s = 0; s < strengths.size(); ++s)
            for (std::size_t d = 0; d < budgets[b].draws.size(); ++d)
                add(static_cast<int>(b), strengths[s], static_cast<std::int64_t>(d + 1),
                    budgets[b].draws[d] + static_cast<double>(s));
    }
    results.studyName = "my study";
    results.studyCommand = "crest export my-study";
    return results;
}

Figure figureOf(const ProbeResults& results, const FigureOptions& options = {},
                const std::vector<InflectionRow>& rows = {}) {
    auto figure = curvesFigure(results, options, rows);
    return figure ? *figure : Figure{};
}

bool says(const std::vector<std::string>& notes, const std::string& part) {
    return std::any_of(notes.begin(), notes.end(),
                       [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

} // namespace

class TestProbeFigures : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void inDistributionComesFirst() {
        const Figure figure = figureOf(resultsOf({{1000, -1, 2, {3, 4}}}));
        QCOMPARE(figure.panels.size(), 2u);
        QCOMPARE(figure.panels[0].title, std::string("near: loss"));
        QCOMPARE(figure.panels[0].badge, std::string("ID"));
        QCOMPARE(figure.panels[1].title, std::string("far: loss"));
        QCOMPARE(figure.panels[1].badge, std::string("OOD"));
    }

    void checkpointsWithoutAnyResultAreSaid() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {2000, -1, 2, {3, 4}}, {4000, -1, 2, {3, 4}}});
        for (const FigurePanel& panel : figureOf(results).panels)
            QVERIFY(!says(panel.notes, "without a result"));
        std::erase_if(results.rows, [](const auto& row) {
            return row.key.starts_with("1/") || (row.key.starts_with("2/") && row.task == "far");
        });
        const Figure figure = figureOf(results);
        QVERIFY(says(figure.panels[0].notes, "1 checkpoint without a result"));
        QVERIFY(says(figure.panels[1].notes, "2 checkpoints without a result"));
        results.rows.clear(); // nothing has begun: nothing is missing
        for (const FigurePanel& panel : figureOf(results).panels)
            QVERIFY(!says(panel.notes, "without a result"));
    }

    void meanAndIntervalOverDraws() {
        const Figure figure = figureOf(resultsOf({{1'000'000, -1, 2.5, {3.0, 3.2}}, {2'000'000, -1, 2.4, {3.0, 3.4}}}));
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.curves.size(), 2u);
        QVERIFY(panel.curves[0].dashed && panel.curves[0].color == CurveColor::Base && panel.curves[0].id == "base");
        QVERIFY(!panel.curves[1].dashed && panel.curves[1].id == "gamma=0.1");
        const FigurePoint& first = panel.curves[1].segments[0][0];
        QCOMPARE(first.x, 1e6);
        QVERIFY(near(first.y, 3.1));
        // Standard error 0.1: SD of {3.0, 3.2} is 0.1 x sqrt(2), over sqrt(2) draws.
        QVERIFY(near(*first.low, 3.1 - kStudent1 * 0.1) && near(*first.high, 3.1 + kStudent1 * 0.1));
        QCOMPARE(first.n, 2);
        QVERIFY(first.detail.find("3.1 nats/token") != std::string::npos);
        QVERIFY(first.detail.find("2 noise draws (pairs)") != std::string::npos);
        QVERIFY(first.recipe.find("gamma 0.1 x the std each tensor was initialised with") != std::string::npos);
        QVERIFY(first.recipe.find("seeds 1 to 2") != std::string::npos);
        QCOMPARE(figure.keys, (std::vector<FigureKey>{
                                  {FigureKey::Symbol::Band, "95 % CI over 2 noise draws, for these checkpoints"}}));
        QVERIFY(panel.notes.empty());
        QVERIFY(panel.x.low < 1e6 && panel.x.high > 2e6 && panel.x.format == TickFormat::Tokens);
    }

    void standardDeviationWhereAsked() {
        FigureOptions options;
        options.spread = Spread::Deviation;
        const Figure figure = figureOf(resultsOf({{1000, -1, 2.5, {3.0, 3.2}}}), options);
        const FigurePoint& point = figure.panels[0].curves[1].segments[0][0];
        QVERIFY(near(*point.high - point.y, 0.1 * std::sqrt(2.0)));
        QCOMPARE(figure.keys[0].text, std::string("SD over 2 noise draws, for these checkpoints"));
    }

    /// Where points have unequal counts, nothing claims the most for all.
    void unevenDrawsAreSaid() {
        const std::vector<double> seven{3, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6}, six{3, 3.1, 3.2, 3.3, 3.4, 3.5};
        const ProbeResults results = resultsOf({{1000, -1, 2, seven}, {2000, -1, 2, six}, {4000, -1, 2, six}, {8000, -1, 2, six}});
        const auto rows = inflectionTable(results);
        QVERIFY(rows.has_value());
        QVERIFY(rows->front().inflection.evidence.ends_with("4 budgets, 1 pretraining run, 6 to 7 noise draws"));
        const Figure figure = figureOf(results, {}, *rows);
        const std::string legend = "95 % CI over 6 to 7 noise draws, for these checkpoints";
        QCOMPARE(figure.keys, (std::vector<FigureKey>{{FigureKey::Symbol::Band, legend}}));
        const std::string csv = figureToCsv(figure);
        QVERIFY(csv.find("# band: " + legend + "\n") != std::string::npos);
        QVERIFY(texBelowRecord(figure).find("6 to 7 noise draws") != std::string::npos);
        QStringList counts; // of the first panel: runs and draws
        for (const QString& line : QString::fromStdString(csv).split(u'\n'))
            if (line.startsWith(QStringLiteral("1,")))
                counts << line.section(u',', 9);
        QCOMPARE(counts.join(u' '), QStringLiteral("1, 1, 1, 1, 1,7 1,6 1,6 1,6")); // of a base nothing is drawn
    }

    void unevenRunsAreSaid() {
        ProbeResults results = resultsOf({{1000, 1, 2.0, {2.5, 2.6}}, {1000, 2, 2.2, {2.7, 2.9}}, {1000, 3, 2.1, {2.6, 2.7}},
                                          {2000, 1, 2.0, {2.5, 2.6}}, {2000, 2, 2.2, {2.7, 2.9}}, {2000, 3, 2.1, {2.6, 2.7}}});
        QVERIFY(figureOf(results).panels[0].notes.empty()); // base and modified: three runs
        std::erase_if(results.rows, [](const auto& row) { return row.key.starts_with("5/") && row.strength != 0; });
        const Figure figure = figureOf(results);
        QCOMPARE(figure.keys[0].text, std::string("95 % CI over 2 to 3 pretraining runs, 2 noise draws"));
        QVERIFY(says(figure.panels[0].notes, "base: 95 % CI over 3 pretraining runs"));
    }

    void ofABaseNothingIsDrawn() {
        const Figure figure = figureOf(resultsOf({{1000, 1, 2.0, {2.5, 2.5}}, {1000, 2, 3.0, {3.7, 3.7}}}));
        const auto detail = [&](std::size_t curve) { return figure.panels[0].curves.at(curve).segments.at(0).at(0).detail; };
        QVERIFY2(detail(0).find("95 % CI over pretraining seeds and sequences: ") != std::string::npos, detail(0).c_str());
        QVERIFY2(detail(0).find("draw") == std::string::npos, detail(0).c_str());
        QVERIFY2(detail(1).find("95 % CI over pretraining seeds, noise draws and sequences: ") != std::string::npos, detail(1).c_str());
    }

    void cellsThatAreMissingAreSaid() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {2000, -1, 2, {3, 4}}}); // 2 x (base + 2 draws)
        const auto stored = [&](const char* what) {
            return parseJson(figureOf(results).provenance, "record").value_or(Json::object())["results"][what].dump();
        };
        for (const FigurePanel& panel : figureOf(results).panels)
            QVERIFY(!says(panel.notes, "unfinished"));
        QCOMPARE(stored("cells"), std::string("6"));
        results.rows.pop_back(); // a cell of two tasks lacks one of them
        results.rows.push_back(results.rows.front()); // what two journals hold, and rows of others, do not take its place
        results.rows.push_back(results.rows.front());
        results.rows.back().key = "of another run";
        const Figure figure = figureOf(results);
        for (const FigurePanel& panel : figure.panels)
            QCOMPARE(std::ranges::count(panel.notes, std::string("unfinished: 5 of 6 cells")), 1);
        QVERIFY(figureToCsv(figure).find("# panel 1: note: unfinished: 5 of 6 cells\n") != std::string::npos);
        QVERIFY(texBelowRecord(figure).find("unfinished: 5 of 6 cells") != std::string::npos);
        QCOMPARE(stored("cells"), std::string("5"));
        QCOMPARE(stored("planned_cells"), std::string("6"));
    }

    void changeIsPairedWithTheSameCheckpoint() {
        FigureOptions options;
        options.y = YQuantity::Change;
        // Two pretraining runs at one budget whose bases differ by 1: the differences are 0.5 and 0.7.
        const Figure figure = figureOf(resultsOf({{1000, 1, 2.0, {2.5, 2.5}}, {1000, 2, 3.0, {3.7, 3.7}}}), options);
        QCOMPARE(figure.panels.size(), 2u);
        QCOMPARE(figure.panels[0].curves.size(), 1u); // a base has no change
        const FigurePoint& point = figure.panels[0].curves[0].segments[0][0];
        QVERIFY(near(point.y, 0.6));
        QVERIFY(near(*point.high, 0.6 + kStudent1 * 0.1));
        QCOMPARE(point.n, 2);
        QCOMPARE(figure.keys[0].text, std::string("95 % CI over 2 pretraining runs, 2 noise draws"));
        QVERIFY(says(figure.panels[0].notes, "paired with the base"));
        // The loss itself spreads by the bases: 2.5 and 3.7.
        const FigurePoint loss = figureOf(resultsOf({{1000, 1, 2.0, {2.5, 2.5}}, {1000, 2, 3.0, {3.7, 3.7}}}))
                                     .panels[0]
                                     .curves[1]
                                     .segments[0][0];
        QVERIFY(near(loss.y, 3.1) && near(*loss.high, 3.1 + kStudent1 * 0.6));
    }

    void bothSideBySide() {
        FigureOptions options;
        options.y = YQuantity::Both;
        const Figure figure = figureOf(resultsOf({{1000, -1, 2, {3, 4}}}), options);
        QCOMPARE(figure.panels.size(), 4u);
        QCOMPARE(figure.columns, 2);
        QCOMPARE(figure.panels[1].title, std::string("near: change from base"));
    }

    void nonFiniteValuesAreGaps() {
        ProbeResults results = resultsOf(
            {{1000, -1, 4, {5, 5.2}}, {2000, -1, 3, {kNan, kNan}}, {4000, -1, 2, {3, kNan}}, {8000, -1, 2, {3, 3.2}}});
        const Figure figure = figureOf(results);
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.curves[1].segments.size(), 2u);
        QCOMPARE(panel.curves[1].segments[0].size(), 1u);
        QCOMPARE(panel.curves[1].segments[1].size(), 2u);
        QCOMPARE(panel.hiddenNonFinite, 1);
        QVERIFY(near(panel.curves[1].segments[1][0].y, 3)); // the finite draw alone, never averaged with NaN
        QVERIFY(panel.curves[1].segments[1][0].detail.find("1 value not finite and left out") != std::string::npos);
        QVERIFY(says(panelNotes(panel), "1 point not finite: shown as gaps"));
        QVERIFY(std::isfinite(panel.y.low) && std::isfinite(panel.y.high));
    }

    void pointsThatALogAxisCannotShowAreSaid() {
        FigureOptions options;
        options.y = YQuantity::Change;
        options.yScale = AxisScale::Log;
        const Figure figure =
            figureOf(resultsOf({{1000, -1, 3, {2.9, 2.9}}, {2000, -1, 2, {3, 3}}, {4000, -1, 2, {4, 4}}}), options);
        QCOMPARE(undrawablePoints(figure.panels[0]), 1); // the change of -0.1
        QVERIFY(figure.panels[0].y.low > 0 && figure.panels[0].y.low < 1 && figure.panels[0].y.high > 2);
    }

    void onlyResultsOfThePlanCount() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}});
        const std::size_t rows = observationsOf(results).size();
        QCOMPARE(rows, 6u); // 2 tasks x (base + 2 draws)
        study::ResultRow other = results.rows.back();
        other.key = "of another run";
        other.value = 1000;
        results.rows.insert(results.rows.begin(), other);
        results.rows.push_back(results.rows.back()); // a key that two journals hold counts once
        QCOMPARE(observationsOf(results).size(), rows);
        QVERIFY(near(figureOf(results).panels[0].curves[1].segments[0][0].y, 3.5));
    }

    void namesComeFromThePlan() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}});
        for (study::ResultRow& row :
             results.rows) // stored when the tasks had other names and the checkpoint no token count
            row.task = "old " + row.task, row.tokens = 5;
        const Figure figure = figureOf(results);
        QCOMPARE(figure.panels[0].curves.size(), 2u);
        QCOMPARE(figure.panels[0].curves[1].segments[0][0].x, 1000.0);
    }

    /// A Trainer run of which nobody said the tokens per step is drawn over its steps, without being asked for.
    void stepsWhereNoTokensAreKnown() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {2000, -1, 3, {5, 6}}, {4000, -1, 4, {7, 8}}});
        std::vector<study::PlannedCheckpoint>& checkpoints = results.plan.checkpoints;
        for (std::size_t i = 0; i < checkpoints.size(); ++i) {
            checkpoints[i].tokens.reset();
            checkpoints[i].step = 500 * static_cast<std::int64_t>(3 - i); // planned in another order
        }
        const Figure figure = figureOf(results);
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.x.title, std::string("pretraining steps"));
        QVERIFY(panel.x.format == TickFormat::Whole);
        const std::vector<FigurePoint>& base = panel.curves[0].segments.at(0);
        QCOMPARE(base.size(), 3u);
        QVERIFY(base[0].x == 500 && base[1].x == 1000 && base[2].x == 1500);
        QVERIFY(base[0].y == 4 && base[1].y == 3 && base[2].y == 2);
        QVERIFY2(base[1].detail.find("step 1,000\n") != std::string::npos, base[1].detail.c_str());
        QVERIFY2(base[1].recipe.find("series s, step 1,000\n") != std::string::npos, base[1].recipe.c_str());
        QVERIFY(base[1].recipe.find("--figure curves --x steps -o") != std::string::npos);
        QVERIFY(figure.provenance.find("--figure curves --x steps\"") != std::string::npos);
        QVERIFY(!says(panel.notes, "left out"));
        // A checkpoint without a step is said by its name.
        checkpoints[2].step.reset();
        QVERIFY(says(figureOf(results).panels[0].notes, "1 checkpoint without a step left out (step2)"));
        // Two contents at one step: nothing says which is which.
        checkpoints[2].step = checkpoints[1].step;
        QVERIFY(says(figureOf(results).panels[0].notes, "step1, step2 stand at one step"));
        // Neither steps nor tokens: said, with what to do.
        for (study::PlannedCheckpoint& one : checkpoints)
            one.step.reset();
        QVERIFY(says(figureOf(results).panels[0].notes,
                     "3 checkpoints without a token count left out (step0, step1, step2): give tokens in the Series dock"));
    }

    void stepsBesideTokens() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {2000, -1, 3, {5, 6}}, {4000, -1, 4, {7, 8}}});
        std::vector<study::PlannedCheckpoint>& checkpoints = results.plan.checkpoints;
        for (std::size_t i = 0; i < checkpoints.size(); ++i)
            checkpoints[i].step = std::int64_t{10} << i;
        FigureOptions options;
        QCOMPARE(figureOf(results, options).panels[0].x.title, std::string("pretraining tokens"));
        options.x = XQuantity::Steps;
        QCOMPARE(figureOf(results, options).panels[0].curves[0].segments.at(0).at(2).x, 40.0);
        const auto map = makeFigure("rate-map", results, options, {});
        QVERIFY(map && map->panels[0].x.title == "pretraining steps");
        QCOMPARE(map->panels[0].cells.back().point.x, 40.0);
        // Where tokens are known inflections are found over them, and a figure over steps does not show them as if they were its own.
        std::vector<InflectionRow> found(1);
        found[0].task = "near";
        found[0].strength = 0.1;
        found[0].inflection.supported = true;
        QVERIFY(figureOf(results, options, found).panels[0].marks.empty());
        QVERIFY(says(figureOf(results, options, found).panels[0].notes, "inflections are found over tokens, and drawn there"));
        // One that only has a step is left out of tokens, and the reader told what to do.
        checkpoints[1].tokens.reset();
        options.x = XQuantity::Tokens;
        QVERIFY(says(figureOf(results, options).panels[0].notes,
                     "1 checkpoint without a token count left out (step1): give tokens per step in the Series dock"));
        // A later stage counts steps anew: they are no axis.
        checkpoints[2].step = 5;
        options.x = XQuantity::Steps;
        QCOMPARE(figureOf(results, options).panels[0].x.title, std::string("pretraining tokens"));
    }

    void copiesAndCheckpointsWithoutTokensAreLeftOut() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {1000, -1, 2, {3, 4}}, {4000, -1, 2, {3, 4}}});
        results.plan.checkpoints[1].weights = results.plan.checkpoints[0].weights;
        results.plan.checkpoints[2].tokens.reset();
        const Figure figure = figureOf(results);
        QCOMPARE(figure.panels[0].curves[1].segments[0].size(), 1u);
        QCOMPARE(figure.panels[0].curves[1].segments[0][0].n, 2);
        QVERIFY(says(figure.panels[0].notes, "1 checkpoint without a token count left out"));
        // Two different models at one point: neither averaged nor chosen in silence, and the others are drawn.
        results.plan.checkpoints[1].weights = "others";
        results.plan.checkpoints[2].tokens = 4000;
        const Figure rest = figureOf(results);
        QCOMPARE(rest.panels[0].curves[1].segments[0].size(), 1u);
        QCOMPARE(rest.panels[0].curves[1].segments[0][0].x, 4000.0);
        QVERIFY(says(rest.panels[0].notes, "left out: " + results.plan.checkpoints[0].name + ", " +
                                               results.plan.checkpoints[1].name + " stand at one budget"));
    }

    void otherTokenAxes() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}, {4000, -1, 2, {3, 4}}});
        FigureOptions options;
        options.x = XQuantity::TokensPerParameter;
        QCOMPARE(figureOf(results, options).panels[0].x.title,
                 std::string("pretraining tokens")); // parameters unknown: said by the title
        results.parameters = 500;
        results.flopsPerToken = 3000;
        Figure figure = figureOf(results, options);
        QCOMPARE(figure.panels[0].curves[0].segments[0][1].x, 8.0);
        QCOMPARE(figure.panels[0].x.title, std::string("pretraining tokens per parameter"));
        options.x = XQuantity::Flops;
        figure = figureOf(results, options);
        QCOMPARE(figure.panels[0].curves[0].segments[0][1].x, 1.2e7);
        QCOMPARE(figure.panels[0].x.title, std::string("pretraining compute (FLOPs)"));
        QVERIFY(figure.panels[0].x.format == TickFormat::Number);
    }

    /// The second and the third of four are joined only where nothing is missing between them.
    void linesBreakAtHolesOfTheSeries() {
        ProbeResults results = resultsOf({{1'000'000, -1, 3, {3.5, 3.6}},
                                          {2'000'000, -1, 2.9, {3.4, 3.5}},
                                          {8'000'000, -1, 2.5, {3, 3.1}},
                                          {9'000'000, -1, 2.4, {3, 3.1}}});
        const auto cuts = [&](const FigureOptions& options = {}) { // "2+2": how the points of every curve are joined
            std::set<std::string> ways;
            for (const FigurePanel& panel : figureOf(results, options).panels)
                for (const FigureCurve& curve : panel.curves) {
                    std::string way;
                    for (const auto& segment : curve.segments)
                        way += (way.empty() ? "" : "+") + std::to_string(segment.size());
                    ways.insert(way);
                }
            return ways.size() == 1 ? *ways.begin() : std::string("not alike");
        };
        const auto notes = [&] { return figureOf(results).panels[0].notes; };
        QCOMPARE(cuts(), std::string("4")); // as for one that the user has excluded
        for (std::size_t i = 0; i < 4; ++i)
            results.plan.checkpoints[i].step = *results.plan.checkpoints[i].tokens / 1000;
        results.holes = {{2'000'000, 8'000'000, 2000, 8000}};
        QCOMPARE(cuts(), std::string("2+2"));
        QVERIFY(says(notes(), "gap: no checkpoint between 2M and 8M tokens"));
        // In what is exported, too: a line and a band for each part, and in words.
        const Figure figure = figureOf(results);
        const std::string tex = texBelowRecord(figure), csv = figureToCsv(figure);
        const auto count = [](const std::string& text, const std::vector<std::string>& parts) { // lines that hold all
            std::istringstream lines(text);
            int found = 0;
            for (std::string line; std::getline(lines, line);)
                found += std::ranges::all_of(parts, [&](const std::string& part) { return line.find(part) != std::string::npos; });
            return found;
        };
        QCOMPARE(count(tex, {"\\addplot[", "line width=0.8pt, mark=none"}), 2 * 2 * 2); // panels, curves, parts
        QCOMPARE(count(tex, {"\\addplot[draw=none, fill="}), 2 * 2);                    // of the modified ones
        QCOMPARE(count(csv, {"note: gap: no checkpoint between 2M and 8M tokens"}), 2);
        // Over steps by the steps.
        FigureOptions steps;
        steps.x = XQuantity::Steps;
        QCOMPARE(cuts(steps), std::string("2+2"));
        QVERIFY(says(figureOf(results, steps).panels[0].notes, "gap: no checkpoint between step 2,000 and step 8,000"));
        results.holes[0].stepFrom.reset();
        QCOMPARE(cuts(steps), std::string("4"));
        // One end is excluded since, the other was not measured: the hole still lies between the points.
        results.holes = {{3'000'000, 7'000'000, {}, {}}};
        QCOMPARE(cuts(), std::string("2+2"));
        // Beyond what was measured, or filled by it: checkpoints that were there when they were measured.
        results.holes = {{9'000'000, 20'000'000, {}, {}}, {1'000'000, 8'000'000, {}, {}}};
        QCOMPARE(cuts(), std::string("4"));
        QVERIFY(!says(notes(), "gap"));
        // A broken one between two points; one that was measured before it broke is none.
        results.holes = {{5'000'000, 5'000'000, {}, {}}, {2'000'000, 2'000'000, {}, {}}};
        QCOMPARE(cuts(), std::string("2+2"));
        QVERIFY(says(notes(), "gap: the checkpoint at 5M tokens is broken"));
        QVERIFY(!says(notes(), "2M"));
        // Planned, but not measured before it broke: it fills nothing.
        const std::vector<study::ResultRow> rows = results.rows;
        std::erase_if(results.rows, [](const study::ResultRow& row) { return row.key.starts_with("1/"); });
        QCOMPARE(cuts(), std::string("1+2"));
        QVERIFY(says(notes(), "gap: the checkpoint at 2M tokens is broken"));
        results.rows = rows;
        // Many are counted.
        results.holes = {{2'000'000, 3'000'000, {}, {}}, {3'000'000, 4'000'000, {}, {}}, {4'000'000, 6'000'000, {}, {}}};
        QVERIFY(says(notes(), "3 gaps in the series"));
        // The map leaves the place between its fields free: they are as wide as towards their other neighbours.
        results.holes = {{2'000'000, 8'000'000, {}, {}}};
        const auto map = makeFigure("rate-map", results, {}, {});
        QVERIFY(map && map->panels[0].cells.size() == 4);
        const std::vector<FigureCell>& cells = map->panels[0].cells;
        QVERIFY(near(cells[0].right, cells[1].left) && near(cells[1].right, 2e6 * std::sqrt(2.0)));
        QVERIFY(near(cells[2].left, 8e6 / std::sqrt(9.0 / 8)) && near(cells[2].right, cells[3].left));
    }

    /// Missing results are gaps, and are not joined over (protocols.md 1): of one strength alone, where the others have them.
    void linesBreakWhereAResultIsMissing() {
        ProbeResults results = resultsOf({{1000, -1, 3, {3.5, 3.6}}, {2000, -1, 2.9, {3.4, 3.5}}, {4000, -1, 2.5, {3, 3.1}}}, {0.1, 0.2});
        std::erase_if(results.rows, [](const study::ResultRow& row) { return row.key.starts_with("1/0.2") && row.task == "near"; });
        const FigurePanel panel = figureOf(results).panels[0];
        QCOMPARE(panel.curves[0].segments.size(), 1u);
        QCOMPARE(panel.curves[1].segments.size(), 1u);
        QCOMPARE(panel.curves[2].segments.size(), 2u);
        QCOMPARE(figureOf(results).panels[1].curves[2].segments.size(), 1u); // the other task has it
    }

    /// OLMo 2's main: measured, but no later point of the run (formats.md 1.4).
    void finalsThatStandApart() {
        ProbeResults results = resultsOf({{1'000'000, -1, 3, {3.5, 3.6}}, {2'000'000, -1, 2.9, {3.4, 3.5}}, {4'000'000, -1, 2.5, {3, 3.1}}, {5, -1, 2.2, {2.4, 2.6}}});
        study::PlannedCheckpoint& main = results.plan.checkpoints[3];
        main.series = "s";
        main.name = "main";
        main.tokens.reset(); // as the window leaves it (probe_loading.h)
        results.apart["s/main"] = {"the average of the parallel runs of stage 2", {}};
        const Figure figure = figureOf(results);
        const FigurePanel& panel = figure.panels[0];
        for (const FigureCurve& curve : panel.curves) {
            QCOMPARE(curve.segments.size(), 2u);
            QCOMPARE(curve.segments[0].size(), 3u);
            QCOMPARE(curve.segments[1].size(), 1u);
            QVERIFY(curve.segments[1][0].x > 4e6 && panel.x.high > curve.segments[1][0].x);
        }
        const FigurePoint &base = panel.curves[0].segments[1][0], &noisy = panel.curves[1].segments[1][0];
        QVERIFY(near(base.y, 2.2) && near(noisy.y, 2.5) && noisy.n == 2);
        // Its place is none: said where one looks, and behind a border.
        QVERIFY2(base.detail.starts_with("base, main, no token count known\n"), base.detail.c_str());
        QVERIFY2(base.recipe.find("series s, main, no token count known\n") != std::string::npos, base.recipe.c_str());
        QCOMPARE(panel.borders.size(), 1u);
        QCOMPARE(panel.borders[0].label, std::string("main"));
        QVERIFY(panel.borders[0].x > 4e6 && panel.borders[0].x < base.x);
        QVERIFY(panel.borders[0].detail.find("no token count is known") != std::string::npos);
        QVERIFY(says(panel.notes, "main stands apart: the average of the parallel runs of stage 2"));
        QVERIFY(!says(panel.notes, "left out"));
        QVERIFY(figureToCsv(figure).find("main stands apart") != std::string::npos);
        const auto rows = inflectionTable(results); // it is no budget
        QVERIFY(rows && rows->front().inflection.budgets == 3);
        // Over steps, too.
        for (std::size_t i = 0; i < 3; ++i)
            results.plan.checkpoints[i].step = 100 << i;
        FigureOptions steps;
        steps.x = XQuantity::Steps;
        QVERIFY(figureOf(results, steps).panels[0].curves[0].segments.at(1).at(0).x > 400);
        // Where the user says what it has seen, it stands there: by its name, and on no line.
        results.apart["s/main"].tokens = 3'000'000;
        const FigurePanel placed = figureOf(results).panels[0];
        QVERIFY(placed.borders.empty());
        QCOMPARE(placed.curves[0].segments.size(), 2u);
        QCOMPARE(placed.curves[0].segments[0].size(), 3u);
        QCOMPARE(placed.curves[0].segments[1][0].x, 3e6);
        QCOMPARE(placed.curves[0].segments[1][0].label, std::string("main"));
        QVERIFY(placed.curves[0].segments[1][0].detail.starts_with("base, main, 3M tokens\n"));
        // Not measured: nothing is claimed.
        std::erase_if(results.rows, [](const study::ResultRow& row) { return row.key.starts_with("3/"); });
        QVERIFY(!says(figureOf(results).panels[0].notes, "main"));
    }

    void aLaterStageHasItsBorder() {
        ProbeResults results = resultsOf({{3'000'000'000, -1, 3, {3.5, 3.6}},
                                          {4'000'000'000, -1, 2.9, {3.4, 3.5}},
                                          {9'000'000'000, -1, 2.5, {3, 3.1}},
                                          {16'000'000'000, -1, 2.4, {3, 3.1}}});
        QVERIFY(figureOf(results).panels[0].borders.empty()); // one stage
        results.plan.checkpoints[2].name = "stage2-step100-tokens9B";
        for (study::PlannedCheckpoint& one : results.plan.checkpoints)
            one.series = "s";
        results.stages["s/step3"] = 2; // as the user said
        for (const FigurePanel& panel : figureOf(results).panels) {
            QCOMPARE(panel.borders.size(), 1u);
            QVERIFY(near(panel.borders[0].x, 6e9)); // between 4B and 9B: their geometric mean
            QCOMPARE(panel.borders[0].label, std::string("stage 2"));
            QCOMPARE(panel.borders[0].detail, std::string("stage 2 begins between 4B and 9B tokens"));
            for (const FigureCurve& curve : panel.curves) { // no line over the border
                QCOMPARE(curve.segments.size(), 2u);
                QCOMPARE(curve.segments[0].size(), 2u);
                QCOMPARE(curve.segments[1].size(), 2u);
            }
        }
        const std::string csv = figureToCsv(figureOf(results)), tex = figureToTex(figureOf(results), 174);
        QVERIFY(csv.find("# panel 1: stage border at x") != std::string::npos);
        QVERIFY(csv.find(": stage 2 begins between 4B and 9B tokens\n") != std::string::npos);
        QVERIFY(tex.find("{stage 2};") != std::string::npos);
        results.parameters = 1'000'000'000;
        FigureOptions options;
        options.x = XQuantity::TokensPerParameter;
        QVERIFY(near(figureOf(results, options).panels[0].borders[0].x, 6));
        results.stages["s/step3"] = 3; // a third stage
        QCOMPARE(figureOf(results).panels[0].borders.size(), 2u);
        QCOMPARE(figureOf(results).panels[0].curves[0].segments.size(), 3u);
    }

    void stagesThatCountTokensAnewHaveNone() {
        ProbeResults results = resultsOf({{1'000'000, -1, 3, {3.5, 3.6}},
                                          {2'000'000, -1, 2.9, {3.4, 3.5}},
                                          {4'000'000, -1, 2.5, {3, 3.1}}});
        results.plan.checkpoints[1].name = "stage2-step2";
        const FigurePanel panel = figureOf(results).panels[0];
        QVERIFY(panel.borders.empty());
        QVERIFY(says(panel.notes, "the budgets of stage 2 lie among those of an earlier one"));
        QCOMPARE(panel.curves[0].segments.size(), 1u);
    }

    void strengthsLieOnTheOrderedScale() {
        const Figure figure = figureOf(resultsOf({{1000, -1, 2, {3, 4}}}, {0.05, 0.1, 0.3}));
        const auto& curves = figure.panels[1].curves;
        QCOMPARE(curves.size(), 4u);
        QCOMPARE(curves[1].colorPosition, 0.0);
        QCOMPARE(curves[2].colorPosition, 0.5);
        QCOMPARE(curves[3].colorPosition, 1.0);
        QVERIFY(curves[1].marker != curves[2].marker && curves[2].marker != curves[3].marker);
        QCOMPARE(curves[3].label, std::string("\u03b3 = 0.3"));
    }

    void inflectionIsMarkedWhereSupported() {
        // Falls by 1, rises by 1, draws that differ by 0.01: the turn is at the third budget beyond any doubt.
        const std::vector<double> losses{4, 3, 2, 3, 4};
        std::vector<Budget> budgets;
        for (std::size_t i = 0; i < losses.size(); ++i) {
            budgets.push_back({std::int64_t{1'000'000} << i, -1, 5 - static_cast<double>(i), {}});
            for (int d = 0; d < 8; ++d)
                budgets.back().draws.push_back(losses[i] + 0.01 * ((d * 5 + static_cast<int>(i) * 3) % 8));
        }
        const ProbeResults results = resultsOf(budgets);
        const auto rows = inflectionTable(results);
        QVERIFY(rows.has_value());
        QCOMPARE(rows->size(), 2u);
        QCOMPARE((*rows)[0].task, std::string("near"));
        QVERIFY2((*rows)[0].inflection.supported, (*rows)[0].inflection.evidence.c_str());
        const Figure figure = figureOf(results, {}, *rows);
        QCOMPARE(figure.panels[0].marks.size(), 1u);
        QCOMPARE(figure.panels[0].marks[0].x, 4e6);
        QCOMPARE(figure.panels[0].marks[0].curve, std::string("gamma=0.1"));
        QVERIFY(figure.panels[0].marks[0].low <= 4e6 && figure.panels[0].marks[0].high >= 4e6);
        QVERIFY(!says(figure.panels[0].notes, "no inflection"));
        QVERIFY(figure.keys.back() == (FigureKey{FigureKey::Symbol::Interval, "inflection with its 95 % interval"}));
        FigureOptions without;
        without.inflections = false;
        QVERIFY(figureOf(results, without, *rows).panels[0].marks.empty());
        // The same where only steps are known: it is found over them, and says so.
        ProbeResults steps = results;
        for (study::PlannedCheckpoint& one : steps.plan.checkpoints) {
            one.step = *one.tokens / 1000;
            one.tokens.reset();
        }
        const auto overSteps = inflectionTable(steps);
        QVERIFY(overSteps && (*overSteps)[0].inflection.supported && (*overSteps)[0].inflection.overSteps);
        QVERIFY2(inflectionLabel((*overSteps)[0].inflection).starts_with("step 4,000"), inflectionLabel((*overSteps)[0].inflection).c_str());
        QVERIFY((*overSteps)[0].inflection.evidence.starts_with("lowest at step 4,000: "));
        const Figure stepped = figureOf(steps, {}, *overSteps);
        QCOMPARE(stepped.panels[0].marks.size(), 1u);
        QCOMPARE(stepped.panels[0].marks[0].x, 4e3);
        QCOMPARE(stepped.panels[0].marks[0].low, figure.panels[0].marks[0].low / 1000);
        QCOMPARE(stepped.panels[0].x.title, std::string("pretraining steps"));
    }

    void noInflectionIsSaid() {
        ProbeResults results = resultsOf(
            {{1000, -1, 5, {5, 5.2}}, {2000, -1, 4, {4, 4.2}}, {4000, -1, 3, {3, 3.2}}, {8000, -1, 2, {2, 2.2}}});
        const auto rows = inflectionTable(results);
        QVERIFY(rows.has_value() && !(*rows)[0].inflection.supported);
        const Figure figure = figureOf(results, {}, *rows);
        QVERIFY(figure.panels[0].marks.empty());
        QVERIFY(says(figure.panels[0].notes, "no inflection is supported by these data"));
        results.rows.pop_back(); // the run goes on
        QVERIFY(says(figureOf(results, {}, *rows).panels[0].notes, "no inflection is supported by the results so far"));
    }

    void nothingStoredYet() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}});
        results.rows.clear();
        const Figure figure = figureOf(results);
        QCOMPARE(figure.panels.size(), 2u);
        QVERIFY(figure.panels[0].curves.empty() && isDrawable(figure.panels[0].x) && isDrawable(figure.panels[0].y));
        const auto rows = inflectionTable(results);
        QVERIFY(rows.has_value() && !rows->front().inflection.supported);
    }

    void cautionsAreSaid() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}});
        QVERIFY(!says(figureOf(results).panels[0].notes, "device"));
        results.rows.back().device = "cuda:0";
        results.plan.probe.noiseScale = study::NoiseScale::TensorRms;
        const Figure figure = figureOf(results);
        QVERIFY(says(figure.panels[0].notes, "measured on different devices: cpu, cuda:0"));
        QVERIFY(says(figure.panels[0].notes, "RMS of each tensor (fallback)"));
    }

    void recordSaysWhatItIsMadeFrom() {
        ProbeResults results = resultsOf({{1000, -1, 2, {3, 4}}});
        const auto record = [&] { return parseJson(figureOf(results).provenance, "record").value_or(Json::object()); };
        const Json first = record();
        const auto text = [&](const char* pointer) { return first.value(Json::json_pointer(pointer), Json()).dump(); };
        QCOMPARE(text("/run"), std::string("\"run-1\""));
        QCOMPARE(text("/study"), std::string("\"my study\""));
        QCOMPARE(text("/command"), '"' + results.studyCommand + " --figure curves\"");
        QCOMPARE(text("/probe/gammas"), std::string("[0.1]"));
        QCOMPARE(text("/probe/seeds"), std::string("2"));
        QCOMPARE(text("/probe/noise_scale"), std::string("\"init-std\""));
        QCOMPARE(text("/tasks/near/sha256"), '"' + std::string(64, 'e') + '"');
        QCOMPARE(text("/results/rows"), std::string("6"));
        QCOMPARE(text("/devices"), std::string("[\"cpu x2\"]"));
        QCOMPARE(text("/numerics_versions"), std::string("[7]"));
        QCOMPARE(text("/y"), std::string("\"value\""));
        const Json hash = first["results"]["sha256"];
        QVERIFY(hash.is_string());
        std::reverse(results.rows.begin(), results.rows.end());
        QVERIFY(record()["results"]["sha256"] == hash); // the order of storing says nothing
        results.rows[0].value += 1e-12;
        QVERIFY(record()["results"]["sha256"] != hash);
    }
};

QTEST_APPLESS_MAIN(TestProbeFigures)
#include "tst_probe_figures.moc"
