// SPDX-License-Identifier: Apache-2.0
// Training curves as a figure: what is drawn, marked and said of trainings in every state.
#include <QtTest>

#include <cmath>
#include <limits>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/training_figure.h"
#include "core/base/json.h"

using namespace crest;
using namespace crest::analysis;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ProbeResults smallResults() {
    ProbeResults results;
    results.studyName = "mine";
    results.studyCommand = "crest export /studies/mine --run r1 --figure curves";
    study::Plan& plan = results.plan;
    plan.id = "r1";
    plan.probe.kind = study::kFineTuning;
    plan.probe.strengths = {0.001, 0.002, 0.004};
    plan.probe.firstSeed = 3;
    plan.probe.seeds = 2;
    plan.probe.settings = {{"data_task", "definitions"}, {"data_hash", "d"}, {"training", {{"clip_norm", 1.0}}}};
    for (const auto& [name, tokens] : {std::pair("it's 1", 4'000'000), std::pair("seed1/2", 8'000'000), std::pair("seed2/2", 8'000'000)}) {
        study::PlannedCheckpoint& one = plan.checkpoints.emplace_back();
        one.series = "small", one.name = name, one.tokens = tokens, one.weights = std::string("w") + name;
    }
    return results;
}

/// `done` of `steps` steps with losses 4, 3.9, ... and norms 0.5, 0.6, ...
study::TrainingLog logOf(std::int64_t steps, std::int64_t done) {
    study::TrainingLog log;
    log.steps = steps;
    for (std::int64_t step = 1; step <= done; ++step)
        log.lines.push_back({step, 50, 4 - 0.1 * static_cast<double>(step - 1), 0.001, 0.5 + 0.1 * static_cast<double>(step - 1)});
    return log;
}

bool says(const std::vector<std::string>& notes, const std::string& text) {
    return std::find(notes.begin(), notes.end(), text) != notes.end();
}

} // namespace

class TestTrainingFigure : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void everyRateIsACurveInEveryPanel() {
        const Figure figure = trainingFigure(smallResults(), {0, 3, std::nullopt},
                                             {{0.001, logOf(8, 8), true}, {0.002, logOf(8, 5), false}, {0.004, logOf(8, 8), true}});
        QCOMPARE(figure.name, std::string("training"));
        QCOMPARE(figure.title, std::string("Training on definitions: 4M tokens, seed 3"));
        QCOMPARE(figure.panels.size(), std::size_t(3));
        QCOMPARE(figure.panels[0].title, std::string("Loss"));
        QCOMPARE(figure.panels[1].title, std::string("Learning rate"));
        QCOMPARE(figure.panels[2].title, std::string("Gradient norm"));
        for (const FigurePanel& panel : figure.panels) {
            QCOMPARE(panel.curves.size(), std::size_t(3));
            QCOMPARE(panel.curves[0].id, std::string("rate=0.001"));
            QCOMPARE(panel.curves[1].label, std::string("\u03b7 = 0.002"));
            QCOMPARE(panel.curves[0].colorPosition, 0.0);
            QCOMPARE(panel.curves[1].colorPosition, 0.5);
            QCOMPARE(panel.curves[2].colorPosition, 1.0);
            QCOMPARE(panel.curves[1].segments.front().size(), std::size_t(5));
            QVERIFY(isDrawable(panel.x) && isDrawable(panel.y) && inRange(panel.x, 1) && inRange(panel.x, 8));
        }
        const FigurePoint& third = figure.panels[0].curves[0].segments[0][2];
        QCOMPARE(third.x, 3.0);
        QCOMPARE(third.y, 3.8);
        QCOMPARE(figure.panels[1].curves[0].segments[0][2].y, 0.001);
        QCOMPARE(figure.panels[2].curves[0].segments[0][2].y, 0.7);
        QVERIFY(says(figure.panels[0].notes, "\u03b7 = 0.002: step 5 of 8"));
        QCOMPARE(figure.panels[0].notes.size(), std::size_t(1)); // of the finished ones nothing
        QCOMPARE(figure.panels[2].lines.size(), std::size_t(1)); // norms went above the bound of clipping
        QCOMPARE(figure.panels[2].lines[0].y, 1.0);
    }

    void aDivergedTrainingShowsWhereItStopped() {
        study::TrainingLog log = logOf(20, 6);
        log.lines.push_back({7, 50, 1e9, 0.004, kNan});
        log.diverged = true;
        const Figure figure = trainingFigure(smallResults(), {0, 3, 0.004}, {{0.004, log, true}});
        const FigurePanel& loss = figure.panels[0];
        QCOMPARE(loss.curves[0].segments.front().size(), std::size_t(6)); // no update was made of the seventh
        QVERIFY(loss.y.high < 5);
        QCOMPARE(loss.marks.size(), std::size_t(1));
        QCOMPARE(loss.marks[0].x, 6.0);
        QCOMPARE(loss.marks[0].label, std::string("diverged at step 7"));
        QVERIFY(says(loss.notes, "\u03b7 = 0.004 diverged at step 7 of 20: its loss was 1e+09"));
        QCOMPARE(figure.keys.size(), std::size_t(1));

        study::TrainingLog atOnce;
        atOnce.steps = 20, atOnce.diverged = true;
        atOnce.lines.push_back({1, 50, kNan, 0.004, kNan});
        const Figure none = trainingFigure(smallResults(), {0, 3, 0.004}, {{0.004, atOnce, true}});
        QVERIFY(none.panels[0].marks.empty() && none.panels[0].curves[0].segments.empty());
        QVERIFY2(says(none.panels[0].notes, "\u03b7 = 0.004 diverged at step 1 of 20: its loss was NaN"), none.panels[0].notes[0].c_str());
    }

    void whatIsMissingIsSaid() {
        const auto results = smallResults();
        const Figure figure =
            trainingFigure(results, {1, 3, std::nullopt}, {{0.001, logOf(5000, 400), true}, {0.002, {}, true}, {0.004, {}, false}});
        QCOMPARE(figure.title, std::string("Training on definitions: 8M tokens, seed1/2, seed 3"));
        const std::vector<std::string>& notes = figure.panels[0].notes;
        QVERIFY(says(notes, "\u03b7 = 0.001: step 400 of 5000"));
        QVERIFY(says(notes, "a point every 3 steps"));
        QVERIFY(says(notes, "not trained yet: \u03b7 = 0.004"));
        QVERIFY(says(notes, "the curve was not kept: \u03b7 = 0.002"));
        QVERIFY(figure.panels[0].curves[0].marker == Marker::None); // too many for markers
        const Figure alike = trainingFigure(results, {1, 3, std::nullopt}, {{0.001, logOf(75, 75), true}, {0.002, logOf(75, 38), false}});
        for (const FigureCurve& curve : alike.panels[0].curves) // the one at work as the whole one beside it
            QVERIFY(curve.marker == Marker::None);
        QVERIFY(trainingFigure(results, {1, 3, std::nullopt}, {{0.001, {}, false}, {0.002, {}, false}, {0.004, study::TrainingLog(), false}})
                    .panels.empty());

        study::TrainingLog holes = logOf(6, 6); // a value that is not finite is a gap
        holes.lines[2].loss = kNan;
        const Figure gap = trainingFigure(results, {0, 3, 0.001}, {{0.001, holes, true}});
        QCOMPARE(gap.panels[0].curves[0].segments.size(), std::size_t(2));
        QCOMPARE(gap.panels[0].hiddenNonFinite, 1);
        QCOMPARE(gap.panels[1].curves[0].segments.size(), std::size_t(1));
    }

    void saysHowItIsMadeAgain() {
        const auto commandOf = [](const Figure& figure) {
            return Json::parse(figure.provenance).at("command").get<std::string>();
        };
        QCOMPARE(commandOf(trainingFigure(smallResults(), {0, 4, std::nullopt}, {{0.001, logOf(8, 8), true}})),
                 std::string("crest export /studies/mine --run r1 --figure training --checkpoint 'small/it'\\''s 1' --seed 4"));
        QCOMPARE(commandOf(trainingFigure(smallResults(), {1, 3, 0.002}, {{0.002, logOf(8, 8), true}})),
                 std::string("crest export /studies/mine --run r1 --figure training --checkpoint small/seed1/2 --seed 3 --strength 0.002"));
    }

    void theViewIsPartOfTheCommand() {
        Figure figure = trainingFigure(smallResults(), {0, 3, std::nullopt}, {{0.001, logOf(8, 8), true}});
        QCOMPARE(viewOptions(figure), std::string());
        for (FigurePanel& panel : figure.panels) {
            panel.x.scale = panel.y.scale = AxisScale::Log;
            fitAxis(panel, Dimension::X);
            fitAxis(panel, Dimension::Y);
        }
        QCOMPARE(viewOptions(figure), std::string(" --log-x --log-y"));
    }

    void aChoiceIsCheckedInWords() {
        study::Plan plan = smallResults().plan;
        QCOMPARE(*trainingChoice(plan, "small/seed1/2", 0.002, 4), (TrainingChoice{1, 4, 0.002}));
        QCOMPARE(*trainingChoice(plan, "it's 1", std::nullopt, std::nullopt), (TrainingChoice{0, 3, std::nullopt}));
        for (const auto& refused : {trainingChoice(plan, "step9", {}, {}), trainingChoice(plan, "it's 1", 0.003, {}),
                                    trainingChoice(plan, "it's 1", {}, 5)}) {
            QVERIFY(!refused && refused.error().kind == ErrorKind::NotFound);
        }
        QVERIFY(trainingChoice(plan, "step9", {}, {}).error().message.find("it's 1, seed1/2, seed2/2") != std::string::npos);
        QVERIFY(trainingChoice(plan, "it's 1", 0.003, {}).error().message.find("0.001, 0.002, 0.004") != std::string::npos);
        plan.probe.kind = study::kInterpolation; // all of its cells share one training for each seed
        plan.probe.strengths = {0.25, 0.5, 1};
        plan.probe.settings["learning_rate"] = 0.002;
        QCOMPARE(trainingRates(plan), std::vector<double>{0.002});
        QVERIFY(trainingChoice(plan, "it's 1", 0.002, {}) && !trainingChoice(plan, "it's 1", 0.5, {}));
        plan.probe.kind = study::kPruning;
        QCOMPARE(trainingChoice(plan, "it's 1", {}, {}).error().kind, ErrorKind::Unsupported);
        plan.probe.kind = study::kBaseEvaluation;
        plan.probe.strengths.clear();
        QVERIFY(!isTrained(plan.probe));
    }
};

QTEST_APPLESS_MAIN(TestTrainingFigure)
#include "tst_training_figure.moc"
