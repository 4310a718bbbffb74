// SPDX-License-Identifier: Apache-2.0
// Where points stand and where their lines break: token axes, steps, holes of a series, finals that stand apart, stages.
#include <cmath>
#include <set>
#include <sstream>

#include <QTest>

#include "core/analysis/probe_figure_list.h"
#include "tests/core/analysis/noise_results.h"

using namespace crest;
using namespace crest::analysis;
using namespace crest::analysis::test;

class TestProbeLines : public QObject {
    Q_OBJECT
private Q_SLOTS:
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
};

QTEST_APPLESS_MAIN(TestProbeLines)
#include "tst_probe_lines.moc"
