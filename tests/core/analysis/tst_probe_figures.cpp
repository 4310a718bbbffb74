// SPDX-License-Identifier: Apache-2.0
// From stored rows to figures: numbers worked by hand, pairing, order, what is left out, and what the record says.
#include <cmath>
#include <limits>

#include <QTest>

#include "core/base/json.h"
#include "tests/core/analysis/noise_results.h"

using namespace crest;
using namespace crest::analysis;
using namespace crest::analysis::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
/// 97.5 % point of Student's t with one degree of freedom (tan(0.475 pi)).
const double kStudent1 = std::tan(0.475 * M_PI);

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
