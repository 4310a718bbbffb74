// SPDX-License-Identifier: Apache-2.0
// What mitigations cost in ID and save in OOD: which cells of a study are put beside each other, the dots with their errors and
// paired differences, what is left out and said, and the way through CSV, TeX and record. Numbers are worked by hand.
#include <QTest>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_settings_words.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/planner.h"
#include "tests/core/analysis/trade_off_study.h"

using namespace crest;
using namespace crest::analysis;
using namespace crest::analysis::test;

class TestTradeOff : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void replayedTextsAreNotHeldOut() {
        ProbeResults results = wholeStudy();
        const std::string note = "prose is not held out: the same file is replayed in training";
        QVERIFY(!says(fixedAt(results).panels[0].notes, note));
        results.siblings[2].plan.probe.settings["replay_hash"] = "hash of prose";
        QVERIFY(says(fixedAt(results).panels[0].notes, note));
    }

    /// Held-out rows of the data are not the windows of a text.
    void eachAxisHasItsOwnSequences() {
        ProbeResults results = wholeStudy();
        const auto addSequences = [](ProbeResults& run) {
            for (study::ResultRow& row : run.rows)
                for (int i = 0; i < (row.task.starts_with("set") ? 5 : 3); ++i) {
                    row.sequenceNats.push_back(static_cast<float>(10 * row.value + 0.1 * i));
                    row.sequenceTokens.push_back(10);
                }
        };
        addSequences(results);
        for (ProbeResults& sibling : results.siblings)
            addSequences(sibling);
        QCOMPARE(keyText(fixedAt(results).keys[0]),
                 std::string("error bars: 95 % CI over 2 pretraining runs, 3 fine-tuning seeds, 3 sequences (ID: 5 sequences)"));
    }

    void everySettingIsADot() {
        const Figure figure = fixedAt(wholeStudy());
        QCOMPARE(figure.panels.size(), 2u);
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.title, std::string("prose: loss at rate 0.002, 2M tokens"));
        QCOMPARE(panel.badge, std::string("OOD"));
        QCOMPARE(panel.x.title, std::string("ID loss (nats/token), lower is better"));
        QCOMPARE(panel.y.title, std::string("loss (nats/token), lower is better"));
        QVERIFY(panel.errorBars && says(panel.notes, "better: lower left"));
        // At the second budget, over runs 1, 2 and seeds 1 to 3: ID 2.5 + 0.15 + 0.04, OOD 4.5 + 0.2 + 0.3 + 0.08.
        const double id = 2.69, ood = 5.08;
        const auto at = [&](const std::string& curve, std::size_t i, double x, double y, const std::string& label) {
            const std::vector<FigurePoint> points = pointsOf(panel, curve);
            return i < points.size() && near(points[i].x, x) && near(points[i].y, y) && points[i].label == label;
        };
        QVERIFY(at("plain", 0, id, ood, ""));
        QVERIFY(at("base", 0, 3.65, 4.8, ""));
        QVERIFY(at("l2", 0, id + 0.05, ood - 0.08, "0.1") && at("l2", 1, id + 0.2, ood - 0.15, "1"));
        QVERIFY(at("replay-prose", 0, id + 0.01, ood - 0.1, "20 %"));
        QVERIFY(at("smaller-rate", 0, id, ood - 0.1, "0.001")); // 0.004 is above the rate that is looked at
        QCOMPARE(pointsOf(panel, "smaller-rate").size(), 1u);
        for (const auto& [i, alpha] : {std::pair<std::size_t, double>{0, 0.25}, {1, 0.5}, {2, 1}})
            QVERIFY(at("interpolation", i, 3.65 + alpha * (id - 3.65), 4.8 + alpha * (ood - 4.8), formatNumber(alpha)));
        // In order of strength, one line; what is one point is not joined to others.
        QCOMPARE(curveOf(panel, "interpolation").segments.size(), 1u);
        QCOMPARE(curveOf(panel, "l2").segments.size(), 1u);
        QCOMPARE(panel.curves.front().id, std::string("base"));
        QVERIFY(curveOf(panel, "plain").marker != curveOf(panel, "l2").marker);
        QVERIFY(near(pointsOf(figure.panels[1], "plain")[0].y, ood + 0.5) && near(pointsOf(figure.panels[1], "plain")[0].x, id));
        // One x axis, one range.
        QVERIFY(figure.panels[0].x.low == figure.panels[1].x.low && figure.panels[0].x.high == figure.panels[1].x.high);
        QCOMPARE(figure.keys.size(), 1u);
        QCOMPARE(keyText(figure.keys[0]), std::string("error bars: 95 % CI over 2 pretraining runs, 3 fine-tuning seeds"));
        const FigurePoint pulled = pointsOf(panel, "l2")[0];
        QCOMPARE(pulled.n, 6);
        QVERIFY2(pulled.detail.find("minus plain fine-tuning, paired: ID 0.05 nats/token") != std::string::npos, pulled.detail.c_str());
        QVERIFY(pulled.detail.find("prose -0.08 nats/token") != std::string::npos);
        QVERIFY(pulled.recipe.find("crest export study --run run-2 --figure trade-off") != std::string::npos);
        QVERIFY(pulled.recipe.find("\"l2_to_start\":0.1") != std::string::npos);
    }

    /// One pretraining run, three seeds: Student's t with 2 degrees of freedom is 4.302653 at 97.5 %.
    void errorsAreThoseOfTheSeeds() {
        RunShape shape;
        shape.runs = 1;
        ProbeResults results = makeRun(shape, tuned({}));
        results.siblings.push_back(pulledRun("run-2", 0.1, {0.05, 0.08}, shape));
        const FigurePoint plain = pointsOf(fixedAt(results).panels[0], "plain")[0];
        const double half = 4.302653 / std::sqrt(3.0); // of a standard deviation
        QVERIFY(plain.xLow && plain.xHigh && plain.low && plain.high);
        QVERIFY(near(*plain.xHigh - plain.x, 0.02 * half, 1e-6) && near(plain.x - *plain.xLow, 0.02 * half, 1e-6));
        QVERIFY(near(*plain.high - plain.y, 0.04 * half, 1e-6) && near(plain.y - *plain.low, 0.04 * half, 1e-6));
        FigureOptions deviation;
        deviation.spread = Spread::Deviation;
        const FigurePoint spread = pointsOf(fixedAt(results, deviation).panels[0], "plain")[0];
        QVERIFY(near(*spread.xHigh - spread.x, 0.02) && near(*spread.high - spread.y, 0.04));
        // Both ends lie in the range of the axes.
        const FigurePanel panel = fixedAt(results).panels[0];
        QVERIFY(panel.x.low < *plain.xLow && panel.x.high > *plain.xHigh && panel.y.low < *plain.low);
    }

    void changesArePairedWithPlain() {
        ProbeResults results = wholeStudy();
        const Figure figure = fixedAt(results, showing(YQuantity::Change));
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.title, std::string("prose: change from plain at rate 0.002, 2M tokens"));
        QCOMPARE(panel.x.title, std::string("ID change (nats/token), lower is better"));
        const FigurePoint plain = pointsOf(panel, "plain")[0];
        QVERIFY(plain.x == 0 && plain.y == 0 && !plain.low && !plain.xLow);
        const FigurePoint pulled = pointsOf(panel, "l2")[1];
        QVERIFY(near(pulled.x, 0.2) && near(pulled.y, -0.15));
        // Runs and seeds differ alike in both: the difference has no spread at all.
        QVERIFY(pulled.low && near(*pulled.low, -0.15, 1e-12) && near(*pulled.xHigh, 0.2, 1e-12));
        const FigurePoint base = pointsOf(panel, "base")[0];
        QVERIFY(near(base.x, 3.65 - 2.69) && near(base.y, 4.8 - 5.08));
        QVERIFY(says(panel.notes, "differences are paired"));
        const Figure both = fixedAt(results, showing(YQuantity::Both));
        QCOMPARE(both.panels.size(), 4u);
        QVERIFY(both.panels[0].x.title != both.panels[1].x.title);
        QCOMPARE(commandOf(figure), std::string("crest export study --run run-1 --figure trade-off --y change --strength 0.002"));
    }

    /// With sequences the difference is made sequence by sequence: what they have in common is in no error.
    void differencesAreMadeBySequence() {
        RunShape shape;
        shape.runs = shape.seeds = 1;
        shape.ood = {"prose"};
        const auto withSequences = [](ProbeResults results, double less) {
            for (study::ResultRow& row : results.rows) {
                row.sequenceTokens = {10, 10};
                row.sequenceNats = {10, 90}; // far apart
                if (row.strength != 0)
                    row.sequenceNats = {static_cast<float>(20 - less), static_cast<float>(100 - less)};
                row.value = (row.sequenceNats[0] + row.sequenceNats[1]) / 20.0;
            }
            return results;
        };
        ProbeResults results = withSequences(makeRun(shape, tuned({})), 0);
        results.siblings.push_back(withSequences(pulledRun("run-2", 0.1, {}, shape), 5));
        const FigurePoint value = pointsOf(fixedAt(results).panels[0], "l2")[0];
        QVERIFY(near(value.y, 5.5) && value.low && *value.low < -20); // t with 1 degree of freedom
        const FigurePoint change = pointsOf(fixedAt(results, showing(YQuantity::Change)).panels[0], "l2")[0];
        QVERIFY(near(change.y, -0.5, 1e-6) && change.low && near(*change.low, -0.5, 1e-6));
    }

    void onlyWhatPlainHasToo() {
        ProbeResults results = plainRun();
        RunShape later;
        later.firstSeed = 2; // seeds 2, 3, 4
        results.siblings.push_back(pulledRun("run-2", 0.1, {0.05, 0.08}, later));
        const FigurePanel panel = fixedAt(results).panels[0];
        const FigurePoint pulled = pointsOf(panel, "l2")[0];
        QCOMPARE(pulled.n, 4); // seeds 2 and 3 of two runs
        QVERIFY(near(pulled.x, 2.5 + 0.15 + 0.05 + 0.05));
        QVERIFY(says(panel.notes, "2 trainings left out: plain fine-tuning has none of the same checkpoint and seed"));
        QVERIFY(says(panel.notes, "over fewer trainings than plain fine-tuning: L2 to the start 0.1"));
        QVERIFY(near(pointsOf(fixedAt(results, showing(YQuantity::Change)).panels[0], "l2")[0].x, 0.05));
    }

    void whatIsNotComparedIsSaid() {
        ProbeResults results = plainRun();
        results.siblings.push_back(pulledRun("run-2", 0.1, {0.05, 0.08}));
        RunShape other;
        other.data = "set of others";
        other.dataHash = "another";
        results.siblings.push_back(pulledRun("run-3", 1, {}, other));
        RunShape longer;
        longer.training = {{"epochs", 3}};
        results.siblings.push_back(pulledRun("run-4", 1, {}, longer));
        RunShape elsewhere;
        elsewhere.strengths = {0.03};
        results.siblings.push_back(pulledRun("run-5", 10, {}, elsewhere));
        // A pull at which all diverge, and one of another run's checkpoints.
        RunShape whole;
        whole.training = {{"l2_to_start", 100.0}};
        whole.id = "run-6";
        results.siblings.push_back(makeRun(whole, [](const std::string&, int, int, double strength, int) {
            return std::optional(strength == 0 ? 4.0 : kNan);
        }));
        const FigurePanel panel = fixedAt(results).panels[0];
        QVERIFY(says(panel.notes, "left out: 1 training run of this study on other data"));
        QVERIFY(says(panel.notes, "left out: 1 training run of this study with epochs 3, not 1"));
        QVERIFY(says(panel.notes, "not trained at this learning rate: L2 to the start 10"));
        QVERIFY(says(panel.notes, "6 trainings not finite and left out"));
        QVERIFY(says(panel.notes, "no result here of: L2 to the start 100"));
        QCOMPARE(pointsOf(panel, "l2").size(), 1u);
    }

    /// Checkpoints are known by content, tasks by what they measure.
    void namesDoNotMatter() {
        ProbeResults results = plainRun();
        ProbeResults pulled = pulledRun("run-2", 0.1, {0.05, 0.08});
        for (study::Task& task : pulled.plan.tasks)
            if (task.name == "prose")
                task.name = "old prose";
        for (study::TaskInProbe& task : pulled.plan.probe.tasks)
            if (task.task == "prose")
                task.task = "old prose";
        pulled.plan.checkpoints[3].weights = "others"; // of the second budget, run 2
        results.siblings.push_back(pulled);
        const FigurePanel panel = fixedAt(results).panels[0];
        const auto points = pointsOf(panel, "l2");
        QCOMPARE(points.size(), 1u);
        QCOMPARE(points[0].n, 3);
        QVERIFY(near(points[0].y, 4.5 + 0.2 + 0.2 + 0.08 - 0.08));
        QVERIFY(says(panel.notes, "1 checkpoint of another run left out"));
    }

    void anInterpolationIsEnough() {
        const ProbeResults results = interpolationRun("run-5");
        const TradeOffChoices choices = tradeOffChoices(results);
        QCOMPARE(choices.rates, std::vector<double>{0.002});
        QVERIFY(!choices.ownRates && choices.rate == 0.002);
        QCOMPARE(commandOf(made(results)), std::string("crest export study --run run-5 --figure trade-off"));
        QCOMPARE(choices.budgets, (std::vector<double>{tokensOf(0), tokensOf(1)}));
        const FigurePanel panel = fixedAt(results).panels[0];
        QCOMPARE(pointsOf(panel, "interpolation").size(), 3u);
        QCOMPARE(pointsOf(panel, "plain").size(), 1u); // all of the tuned weights
        QVERIFY(near(pointsOf(panel, "plain")[0].x, 2.69));
        const auto change = pointsOf(fixedAt(results, showing(YQuantity::Change)).panels[0], "interpolation");
        QVERIFY(near(change[1].x, 0.48) && near(change[1].y, -0.14)); // half-way to the base
        QVERIFY(change[2].x == 0 && change[2].y == 0);
    }

    void withoutPlainThereIsNothingToSubtract() {
        ProbeResults results = pulledRun("run-1", 0.1, {0.05, 0.08});
        results.siblings.push_back(pulledRun("run-2", 1, {0.2, 0.15}));
        QVERIFY(says(fixedAt(results).panels[0].notes, "no plain fine-tuning here: nothing to pair with"));
        FigureOptions options = showing(YQuantity::Change);
        const auto own = makeFigure("trade-off", results, options, {});
        QVERIFY(!own && own.error().message == "There is no plain fine-tuning to subtract: run it, or look at the values.");
        options.strength = 0.002;
        const auto change = makeFigure("trade-off", results, options, {});
        QVERIFY(!change && change.error().kind == ErrorKind::Mismatch);
        QCOMPARE(change.error().message,
                 std::string("There is no plain fine-tuning at learning rate 0.002 to subtract: run it, or look at the values."));
    }

    void rateAndBudgetAreChosen() {
        ProbeResults results = wholeStudy();
        const TradeOffChoices choices = tradeOffChoices(results);
        QCOMPARE(choices.rates, (std::vector<double>{0.001, 0.002, 0.004}));
        QVERIFY(choices.ownRates);
        QCOMPARE(choices.rate, kEnvelopeStrength);
        QCOMPARE(choices.budget, tokensOf(1));
        FigureOptions options;
        options.strength = 0.004;
        options.budget = 1.005e6; // as labels round
        const Figure figure = made(results, options);
        const FigurePanel& panel = figure.panels[0];
        QVERIFY(panel.title.ends_with("at rate 0.004, 1M tokens"));
        QVERIFY(near(pointsOf(panel, "plain")[0].x, 3.19) && near(pointsOf(panel, "plain")[0].y, 5 + 0.3 + 0.4 + 0.08));
        QCOMPARE(pointsOf(panel, "smaller-rate").size(), 2u);
        QVERIFY(curveOf(panel, "interpolation").id.empty() && says(panel.notes, "not trained at this learning rate: plain fine-tuning"));
        QVERIFY(commandOf(figure).ends_with("--figure trade-off --strength 0.004 --budget 1005000"));
        options.strength = 0.003;
        auto missing = makeFigure("trade-off", results, options, {});
        QVERIFY(!missing && missing.error().kind == ErrorKind::NotFound);
        QCOMPARE(missing.error().message,
                 std::string("At learning rate 0.003 there are no two settings to compare; there are at 0.001, 0.002, 0.004."));
        options.strength.reset();
        options.budget = 9e6;
        missing = makeFigure("trade-off", results, options, {});
        QVERIFY(!missing && missing.error().message == "This run has no checkpoint at 9M tokens; there are 1M, 2M.");
    }

    void budgetsAreStepsWhereNoTokensAreKnown() {
        const ProbeResults steps = overSteps(wholeStudy());
        const TradeOffChoices choices = tradeOffChoices(steps);
        QVERIFY(choices.ofSteps && choices.budgets == (std::vector<double>{1000, 2000}));
        const Figure figure = fixedAt(steps), byTokens = fixedAt(wholeStudy());
        QCOMPARE(figure.panels.size(), byTokens.panels.size());
        QCOMPARE(figure.panels[0].title, std::string("prose: loss at rate 0.002, step 2,000"));
        for (const FigureCurve& curve : byTokens.panels[0].curves) {
            const auto points = pointsOf(figure.panels[0], curve.id), others = pointsOf(byTokens.panels[0], curve.id);
            QCOMPARE(points.size(), others.size());
            for (std::size_t i = 0; i < points.size(); ++i) {
                QVERIFY(near(points[i].x, others[i].x) && near(points[i].y, others[i].y));
                QVERIFY(points[i].detail.find(", step 2,000\n") != std::string::npos && points[i].detail.find("tokens") == std::string::npos);
            }
        }
        FigureOptions options;
        options.budget = 1000;
        QCOMPARE(fixedAt(steps, options).panels[0].title, std::string("prose: loss at rate 0.002, step 1,000"));
        options.budget = 1500;
        const auto none = makeFigure("trade-off", steps, options, {});
        QVERIFY2(!none && none.error().message == "This run has no checkpoint at step 1,500; there are step 1,000, step 2,000.",
                 none ? "" : none.error().message.c_str());
    }

    void offeredWhereThereIsSomethingToCompare() {
        const auto offers = [](const ProbeResults& results) {
            return std::ranges::any_of(figuresOf(results), [](const NamedFigure& one) { return one.name == "trade-off"; });
        };
        QVERIFY(offers(wholeStudy()) && !offers(plainRun()));
        ProbeResults noOod = wholeStudy();
        for (study::TaskInProbe& task : noOod.plan.probe.tasks)
            task.role = study::Role::InDistribution;
        QVERIFY(!offers(noOod));
        ProbeResults again = plainRun(); // the same setting twice is no other one
        again.siblings.push_back(plainRun("run-2"));
        QVERIFY(!offers(again));
        const auto refused = makeFigure("trade-off", plainRun(), {}, {});
        QVERIFY(!refused && refused.error().message.starts_with("The figure \"trade-off\" needs a fine-tuning or interpolation probe"));
        ProbeResults empty = wholeStudy(); // nothing stored yet
        empty.rows.clear();
        for (ProbeResults& sibling : empty.siblings)
            sibling.rows.clear();
        QVERIFY(fixedAt(empty).panels[0].curves.empty());
        QVERIFY(defaultsOf("trade-off").xScale == AxisScale::Linear && viewOptions(fixedAt(wholeStudy())).empty());
    }

    void accuraciesAreBetterAbove() {
        ProbeResults results = plainRun();
        results.siblings.push_back(pulledRun("run-2", 0.1, {}));
        for (ProbeResults* run : {&results, &results.siblings.front()}) {
            run->plan.tasks[1].kind = study::TaskKind::Suite;
            for (study::ResultRow& row : run->rows)
                if (row.task == "prose") {
                    row.metric = "acc";
                    row.unit = "accuracy";
                    row.value = row.strength == 0 ? 0.75 : 0.5;
                    row.outcome.metrics = {{"acc", "accuracy", row.value, 0, {}, {}}};
                }
        }
        const FigurePanel panel = fixedAt(results).panels[0];
        QVERIFY(says(panel.notes, "better: upper left"));
        QVERIFY2(panel.y.title.ends_with("accuracy (acc), higher is better"), panel.y.title.c_str());
        QCOMPARE(pointsOf(panel, "plain")[0].y, 0.5);
    }

    void mitigationsInWords() {
        study::Probe probe;
        probe.settings = {{"training",
                           {{"l2_to_start", 0.0}, {"lora_rank", 8}, {"lora_alpha", 32.0}, {"lora_matrices", "attention"}, {"replay_share", 0.05},
                            {"replay_tokens", 64}, {"head_share", 0.0}}},
                          {"replay", "texts/c4.jsonl"}};
        const std::vector<Mitigation> all = mitigationsOf(probe);
        QCOMPARE(all.size(), 2u);
        QCOMPARE(mitigationsText(all), std::string("replay of c4 by 64 tokens 5 %, LoRA of attention with alpha 32, rank 8"));
        QCOMPARE(all[1].id, std::string("lora-attention-alpha32"));
        probe.settings = {{"training", {{"head_share", 0.25}}}};
        QCOMPARE(mitigationsText(mitigationsOf(probe)), std::string("head first 25 %"));
        QCOMPARE(trainingWords(pulledRun("run-2", 0.1, {}).plan), std::string("set: L2 to the start 0.1"));
        QCOMPARE(trainingWords(plainRun().plan), std::string("set: plain fine-tuning"));
        QCOMPARE(trainingWords(interpolationRun("run-5").plan), std::string("set: interpolation, tuned at 0.002"));
        probe.settings = "by hand";
        QCOMPARE(mitigationsText(mitigationsOf(probe)), std::string("plain fine-tuning"));
    }

    void throughCsvTexAndRecord() {
        const Figure figure = fixedAt(wholeStudy());
        const std::string csv = figureToCsv(figure);
        QVERIFY(csv.find("\npanel,title,role,curve,x,y,low,high,n,x_low,x_high,label,runs,draws\n") != std::string::npos);
        int rows = 0, labelled = 0;
        for (const QString& line : QString::fromStdString(csv).split(u'\n', Qt::SkipEmptyParts)) {
            if (line.startsWith(u'#') || line.startsWith(QStringLiteral("panel,")))
                continue;
            ++rows;
            if (!line.startsWith(QStringLiteral("1,")) || !line.contains(QStringLiteral(",L2 to the start,")))
                continue;
            const QStringList parts = line.split(u',');
            QCOMPARE(parts.size(), 15); // the title has a comma, and so is quoted
            const FigurePoint point = pointsOf(figure.panels[0], "l2").at(static_cast<std::size_t>(labelled++));
            QVERIFY(parts[5].toDouble() == point.x && parts[6].toDouble() == point.y && parts[10].toDouble() == *point.xLow);
            QCOMPARE(parts[12].toStdString(), point.label);
            QCOMPARE(parts[13], QStringLiteral("2")); // pretraining runs, each
            QCOMPARE(parts[14], QStringLiteral("3")); // with three seeds
        }
        QCOMPARE(labelled, 2);
        QCOMPARE(rows, 2 * 9); // base, plain, one smaller rate, 2 pulls, replay, 3 shares; for two tasks
        const std::string tex = figureToTex(figure, 174);
        QVERIFY(tex.find("inner sep=1.5pt] at (axis cs:2.74,5) {{0.1}};") != std::string::npos ||
                tex.find("inner sep=1.5pt] at (axis cs:2.74,5) {0.1};") != std::string::npos);
        QVERIFY(tex.find("20 \\%") != std::string::npos && tex.find("error bars: 95 \\% CI") != std::string::npos);
        const auto record = parseFigureRecord(recordFromText(csv, "").value_or(""), "");
        QVERIFY(record.has_value());
        const Json runs = (*record)["provenance"]["other_runs"];
        QCOMPARE(runs.size(), 4u);
        QCOMPARE(runs[0]["run"].get<std::string>(), std::string("run-2"));
        QCOMPARE(runs[0]["probe"]["settings"]["training"]["l2_to_start"].get<double>(), 0.1);
        // Every point has both bars, cut to the range where one zooms in.
        FigurePanel panel = figure.panels[0];
        const CurveGeometry whole = curveGeometry(panel, curveOf(panel, "l2"));
        QCOMPARE(whole.bands.size(), 0u);
        QCOMPARE(whole.lines.size(), 1u);
        for (const MarkerGeometry& marker : whole.markers) {
            QVERIFY(marker.bar.size() == 2 && marker.across.size() == 2);
            QVERIFY(marker.bar[0].y < marker.at.y && marker.across[0].x < marker.at.x && marker.across[1].x > marker.at.x);
        }
        panel.x.low = whole.markers[0].at.x - 1e-3;
        const CurveGeometry cut = curveGeometry(panel, curveOf(panel, "l2"));
        QVERIFY(near(cut.markers[0].across[0].x, panel.x.low));
    }

    /// In tables of all rows: settings that the words of a trade-off do not tell apart are named, no others.
    void settingsAreToldApart() {
        const auto tuning = [](const Json& training, const Json& settings = Json::object()) {
            return makeRun({.training = training, .settings = settings}, [](auto&&...) { return 1.0; }).plan.probe;
        };
        const study::Probe plain = tuning(Json::object()), longer = tuning({{"epochs", 3}}), pulled = tuning({{"l2_to_start", 0.1}}),
                    other = tuning({{"l2_to_start", 0.1}}, {{"data_hash", "0123456789abcdef"}}), kept = tuning({{"epochs", 3}}, {{"keep_bytes", 5}});
        study::Probe mixed = tuning({{"l2_to_start", 0.1}}, {{"learning_rate", 0.002}}), noise, coarse, fine;
        mixed.kind = study::kInterpolation;
        coarse.kind = fine.kind = study::kQuantisation;
        coarse.settings = {{"group", 128}}, fine.settings = {{"group", 32}};
        const study::Probe probes[] = {plain, longer, pulled, other, kept, mixed, noise, coarse, fine};
        const SettingsWords words(probes);
        const auto of = [&](const study::Probe& probe, const char* compute = "float32") {
            study::ResultRow row;
            row.modification = probe.kind, row.noiseScale = study::variantOf(probe), row.compute = compute;
            return words.of(row);
        };
        QCOMPARE(of(plain), std::string("set: plain fine-tuning, epochs 1"));
        QCOMPARE(of(longer), std::string("set: plain fine-tuning, epochs 3"));
        QCOMPARE(of(kept), of(longer)); // what is kept moves no number
        QCOMPARE(of(pulled), std::string("set: L2 to the start 0.1, data hash of "));
        QCOMPARE(of(other), std::string("set: L2 to the start 0.1, data 01234567"));
        QCOMPARE(of(mixed), std::string("set: interpolation, tuned at 0.002, L2 to the start 0.1"));
        QCOMPARE(of(noise), std::string("init-std"));
        QCOMPARE(of(noise, "bfloat16"), std::string("init-std, bfloat16"));
        QCOMPARE(of(coarse), std::string("group 128"));
        QCOMPARE(of(fine), std::string("group 32"));
        study::ResultRow base, unknown;
        base.modification = "none", base.compute = "float32";
        QCOMPARE(words.of(base), std::string());
        unknown.modification = study::kFineTuning, unknown.noiseScale = "0011223344556677", unknown.compute = "float32";
        QCOMPARE(words.of(unknown), unknown.noiseScale);
    }
};

QTEST_APPLESS_MAIN(TestTradeOff)
#include "tst_trade_off.moc"
