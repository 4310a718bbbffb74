// SPDX-License-Identifier: Apache-2.0
// Figures of a fine-tuning sweep from stored rows: envelope, chosen rate, decomposition, map, the paper's layouts; through CSV,
// TeX and the record. Numbers are worked by hand from the formulas of scoreOf.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <QTest>

#include "core/analysis/figure_colors.h"
#include "core/analysis/figure_command.h"
#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_tuning_figures.h"
#include "tests/core/analysis/training_runs.h"

using namespace crest;
using namespace crest::analysis;
using test::curveOf, test::pointsOf, test::says, test::showing, test::tokensOf;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kRates{0.001, 0.002, 0.004};
constexpr int kBudgets = 4, kRuns = 2, kSeeds = 2;

bool near(double a, double b, double tolerance = 1e-9) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

/// ID ("set"): a parabola in log2 of the rate, least at 0.004, 0.004, 0.002, 0.001 for the budgets; OOD ("c4"): the base falls by
/// 0.5 a budget, tuning adds 100 x rate x (budget + 1). Runs differ by 0.1, seeds by 0.02.
double scoreOf(const std::string& task, int budget, int run, double rate, int seed) {
    constexpr int kBest[] = {2, 2, 1, 0};
    const double luck = 0.1 * run + (seed > 0 ? 0.02 * seed : 0);
    const double base = (task == "set" ? 4 : 6) - 0.5 * budget;
    if (rate == 0)
        return base + 0.1 * run;
    if (task != "set")
        return base + 100 * rate * (budget + 1) + luck;
    const double away = std::log2(rate / 0.001) - kBest[budget];
    return base - 1 + 0.25 * away * away + luck;
}

using Change = std::function<std::optional<double>(int budget, int run, double rate, int seed, double value)>;

ProbeResults sweep(const std::string& kind = study::kFineTuning, const Change& change = {}) {
    test::RunShape shape;
    shape.kind = kind;
    shape.strengths = kRates;
    shape.budgets = kBudgets;
    shape.runs = kRuns;
    shape.seeds = kSeeds;
    shape.ood = {"c4"};
    shape.idLast = true;
    ProbeResults results = test::makeRun(shape, [&](const std::string& task, int budget, int run, double rate, int seed) {
        const double value = scoreOf(task, budget, run, rate, seed);
        return change ? change(budget, run, rate, seed, value) : std::optional(value);
    });
    if (kind == study::kGaussianNoise)
        results.plan.probe.settings = {};
    results.studyCommand = "crest export study";
    return results;
}

std::string commandOf(const Figure& figure) {
    return parseJson(figure.provenance, "").value_or(Json::object()).value("command", "");
}
std::vector<std::string> namesOf(const ProbeResults& results) {
    std::vector<std::string> names;
    for (const NamedFigure& figure : figuresOf(results))
        names.push_back(figure.name);
    return names;
}

} // namespace

class TestTuningFigures : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void envelopeFollowsTheIdScore() {
        const Figure figure = test::figureOf("envelope", sweep());
        QCOMPARE(figure.panels.size(), 2u);
        QCOMPARE(figure.panels[0].badge, std::string("ID"));
        const auto id = pointsOf(figure.panels[0], "envelope"), ood = pointsOf(figure.panels[1], "envelope"),
                   base = pointsOf(figure.panels[1], "base");
        QCOMPARE(id.size(), 4u);
        QCOMPARE(ood.size(), 4u);
        QCOMPARE(base.size(), 4u);
        constexpr double kChosen[] = {0.004, 0.004, 0.002, 0.001};
        for (int b = 0; b < kBudgets; ++b) {
            const auto at = static_cast<std::size_t>(b);
            // Over the runs 1, 2 and the seeds 1, 2: 0.15 and 0.03.
            QVERIFY(near(id[at].y, 3 - 0.5 * b + 0.18));
            QVERIFY(near(ood[at].y, 6 - 0.5 * b + 100 * kChosen[b] * (b + 1) + 0.18));
            QVERIFY(near(base[at].y, 6 - 0.5 * b + 0.15));
            QVERIFY(ood[at].detail.find("learning rate " + std::string(b < 2 ? "0.004" : b == 2 ? "0.002" : "0.001") + ", best in ID") != std::string::npos);
            QVERIFY(ood[at].recipe.find("learning rate -1") == std::string::npos);
            QVERIFY(ood[at].recipe.find("best in ID\n") != std::string::npos);
        }
        QVERIFY(curveOf(figure.panels[1], "base").dashed && !curveOf(figure.panels[1], "envelope").dashed);
        QCOMPARE(figure.panels[1].curves.front().id, std::string("base"));
        // Pretraining runs and tuning seeds are in the band; 0.004 is the largest and 0.001 the smallest rate of the grid.
        QVERIFY(!figure.keys.empty() && figure.keys[0].text == "95 % CI over 2 pretraining runs, 2 fine-tuning seeds");
        QVERIFY(says(figure.panels[0].notes, "4 checkpoints: the largest rate of the grid is best"));
        QVERIFY(says(figure.panels[0].notes, "2 checkpoints: the smallest rate of the grid is best"));
        QVERIFY(!says(figure.panels[0].notes, "which favours them")); // each seed alone chooses the same
        QVERIFY(!says(figure.panels[1].notes, "chosen by the other seeds"));
        // The change is paired with the base of the same run: 0.03 of the seeds, the best's -1.
        const Figure change = test::figureOf("envelope", sweep(), showing(YQuantity::Change));
        for (const FigurePoint& point : pointsOf(change.panels[0], "envelope"))
            QVERIFY(near(point.y, -1 + 0.03));
        QCOMPARE(commandOf(change), std::string("crest export study --figure envelope --y change"));
    }

    void envelopeHasItsInflection() {
        // OOD at the chosen rates: 6.4, 6.3, 5.6, 4.9: falls. With a rate that cannot fall (0.004 alone) it is 6.4, 6.3, 6.2, 6.1.
        const auto rows = inflectionTable(sweep());
        QVERIFY(rows.has_value());
        QCOMPARE(rows->size(), 8u); // two tasks at three rates, and the envelope of both
        QCOMPARE(rows->back().strength, kEnvelopeStrength);
        QCOMPARE(rows->back().modified, std::string("envelope: rate best in ID"));
        QCOMPARE(rows->back().task, std::string("c4"));
        QVERIFY(!rows->back().inflection.supported);
        QCOMPARE(rows->back().inflection.tokens, tokensOf(3));
        // An OOD loss that turns at the second budget, whatever the rate.
        const ProbeResults turned = sweep(study::kFineTuning, [](int budget, int, double rate, int, double value) {
            return std::optional(value > 4.5 && rate > 0 ? 6 + std::abs(budget - 1) + 0.1 * value : value);
        });
        const auto turn = inflectionTable(turned);
        QVERIFY(turn.has_value());
        QVERIFY2(turn->back().inflection.supported, turn->back().inflection.evidence.c_str());
        QCOMPARE(turn->back().inflection.tokens, tokensOf(1));
        const Figure figure = test::figureOf("envelope", turned);
        QCOMPARE(figure.panels[1].marks.size(), 1u);
        QCOMPARE(figure.panels[1].marks[0].curve, std::string("envelope"));
        QCOMPARE(figure.panels[1].marks[0].x, tokensOf(1));
        const Figure curves = test::figureOf("curves", turned);
        QVERIFY(!curves.panels[1].marks.empty());
        for (const FigureMark& mark : curves.panels[1].marks) // there it has no curve
            QVERIFY(mark.curve != "envelope" && mark.curve.starts_with("rate="));
        QCOMPARE(inflectionTable(sweep(study::kGaussianNoise))->size(), 6u); // nothing is tuned
    }

    /// What is drawn over tokens is drawn over steps where only these are known, and nothing speaks of tokens then.
    void everyFigureGoesOverSteps() {
        const ProbeResults byTokens = sweep(), bySteps = test::overSteps(sweep());
        const auto sameOver = [](double step, double tokens) { return near(1000 * step, tokens); };
        for (const std::string& name : namesOf(byTokens)) {
            const Figure tokens = test::figureOf(name, byTokens), steps = test::figureOf(name, bySteps);
            QVERIFY2(!steps.panels.empty() && steps.panels.size() == tokens.panels.size(), name.c_str());
            for (std::size_t p = 0; p < steps.panels.size(); ++p) {
                const FigurePanel &one = steps.panels[p], &other = tokens.panels[p];
                QCOMPARE(one.x.title, std::string("pretraining steps"));
                QCOMPARE(one.curves.size(), other.curves.size());
                QCOMPARE(one.cells.size(), other.cells.size());
                QCOMPARE(one.marks.size(), other.marks.size());
                for (std::size_t c = 0; c < one.curves.size(); ++c) {
                    QVERIFY2(one.curves[c].label.find("tokens") == std::string::npos, one.curves[c].label.c_str());
                    const auto points = pointsOf(one, one.curves[c].id), others = pointsOf(other, one.curves[c].id);
                    QCOMPARE(points.size(), others.size());
                    for (std::size_t i = 0; i < points.size(); ++i) {
                        QVERIFY2(sameOver(points[i].x, others[i].x) && near(points[i].y, others[i].y), name.c_str());
                        QVERIFY2(points[i].detail.find("tokens") == std::string::npos, points[i].detail.c_str());
                        QVERIFY(points[i].recipe.empty() || points[i].recipe.find(", step ") != std::string::npos);
                    }
                }
                for (std::size_t c = 0; c < one.cells.size(); ++c) {
                    QVERIFY(sameOver(one.cells[c].left, other.cells[c].left) && sameOver(one.cells[c].right, other.cells[c].right));
                    QVERIFY(one.cells[c].value == other.cells[c].value && one.cells[c].point.detail.find("tokens") == std::string::npos);
                }
                for (const std::string& note : one.notes)
                    QVERIFY2(note.find("tokens") == std::string::npos && note.find("left out") == std::string::npos, note.c_str());
            }
        }
    }

    void chosenRateWithItsTrend() {
        const Figure figure = test::figureOf("chosen-rate", sweep());
        QCOMPARE(figure.panels.size(), 1u);
        const FigurePanel& panel = figure.panels[0];
        QVERIFY(panel.y.scale == AxisScale::Log && panel.x.scale == AxisScale::Log);
        const auto mean = pointsOf(panel, "chosen");
        QCOMPARE(mean.size(), 4u);
        for (std::size_t b = 0; b < 4; ++b)
            QVERIFY(near(mean[b].y, std::vector{0.004, 0.004, 0.002, 0.001}[b]));
        QCOMPARE(mean[0].n, 2);
        QCOMPARE(pointsOf(panel, "run=1").size(), 4u);
        QCOMPARE(curveOf(panel, "run=1").segments.size(), 4u); // markers without a line
        // log2 of the rate 2, 2, 1, 0 over 0..3: slope -3.5 / 5. Both runs alike: only the grid's rounding, 1.96 / sqrt(12 x 5).
        QVERIFY(says(panel.notes, "trend: quickly decreasing: rate ~ tokens^-0.7 (95 %: -0.95 to -0.45); not told from slowly decreasing"));
        QVERIFY(says(panel.notes, "exponent within 0.33 of 0"));
        QVERIFY(says(panel.notes, "rates at an edge of the grid count as they are"));
        const auto line = pointsOf(panel, "trend");
        QCOMPARE(line.size(), 2u);
        QVERIFY(near(line[1].y / line[0].y, std::pow(8.0, -0.7)));
        QCOMPARE(panel.lines.size(), 2u);
        QVERIFY(inRange(panel.y, 0.001) && inRange(panel.y, 0.004));
        FigureOptions options;
        options.quickExponent = 1.5;
        const Figure other = test::figureOf("chosen-rate", sweep(), options);
        QVERIFY(says(other.panels[0].notes, "trend: slowly decreasing"));
        QCOMPARE(commandOf(other), std::string("crest export study --figure chosen-rate --quick-exponent 1.5"));
        QCOMPARE(viewOptions(other), std::string()); // both axes are logarithmic as they are
    }

    /// A rate far out at which all diverge is no neighbour: the trend is that of the grid where choices lie.
    void aRateThatAlwaysDivergesWidensNoStep() {
        ProbeResults results = sweep();
        const auto expected = says(test::figureOf("chosen-rate", results).panels[0].notes, "(95 %: -0.95 to -0.45)");
        results.plan.probe.strengths.push_back(1);
        int number = 0;
        for (int checkpoint = 0; checkpoint < kBudgets * kRuns; ++checkpoint) {
            study::Cell cell{checkpoint, 1, 1, {}, {0, 0}};
            for (const study::Task& task : results.plan.tasks) {
                study::ResultRow row;
                row.key = "diverged" + std::to_string(number++);
                row.strength = 1;
                row.seed = 1;
                row.task = task.name;
                row.value = kNan;
                row.cause = "the training diverged at step 2 of 9: its loss was 40 nats/token";
                cell.keys.push_back(row.key);
                results.rows.push_back(row);
            }
            results.plan.cells.push_back(cell);
        }
        const Figure figure = test::figureOf("chosen-rate", results);
        QVERIFY(expected && says(figure.panels[0].notes, "(95 %: -0.95 to -0.45)"));
        QVERIFY(says(figure.panels[0].notes, "8 checkpoints with rates at which tuning diverged"));
        QVERIFY(!says(figure.panels[0].notes, "the largest rate of the grid is best")); // larger ones were tried
    }

    void oneRunHasTheRatesThatMayBeBest() {
        ProbeResults results = sweep();
        for (study::PlannedCheckpoint& checkpoint : results.plan.checkpoints)
            if (checkpoint.pretrainSeed == 2)
                checkpoint.tokens.reset();
        const Figure figure = test::figureOf("chosen-rate", results);
        const auto points = pointsOf(figure.panels[0], "chosen");
        QCOMPARE(points.size(), 4u);
        QVERIFY(points[0].low && near(*points[0].low, 0.004) && near(*points[0].high, 0.004)); // seeds agree exactly
        QVERIFY(curveOf(figure.panels[0], "run=1").id.empty());
        QVERIFY(figure.keys[0].text.starts_with("rates whose ID score is not clearly worse"));
    }

    void decompositionAddsUp() {
        FigureOptions options;
        options.strength = 0.004;
        // At the last budget run 2 has no base: what is left is run 1 alone, in all three.
        const ProbeResults results = sweep(study::kFineTuning, [](int budget, int run, double rate, int, double value) {
            return budget == 3 && run == 2 && rate == 0 ? std::nullopt : std::optional(value);
        });
        const Figure figure = test::figureOf("decomposition", results, options);
        QCOMPARE(figure.panels.size(), 2u);
        for (const FigurePanel& panel : figure.panels) {
            const auto base = pointsOf(panel, "base"), part = pointsOf(panel, "sensitivity"), sum = pointsOf(panel, "rate=0.004");
            QCOMPARE(base.size(), 4u);
            QCOMPARE(part.size(), 4u);
            QCOMPARE(sum.size(), 4u);
            for (std::size_t b = 0; b < 4; ++b)
                QVERIFY(near(base[b].y + part[b].y, sum[b].y));
            QVERIFY(says(panel.notes, "1 checkpoint left out"));
        }
        const auto ood = pointsOf(figure.panels[1], "sensitivity");
        QVERIFY(near(ood[1].y, 100 * 0.004 * 2 + 0.03) && near(pointsOf(figure.panels[1], "base")[3].y, 4.5 + 0.1));
        QCOMPARE(commandOf(figure), std::string("crest export study --figure decomposition --strength 0.004"));
        QVERIFY(!curveOf(test::figureOf("decomposition", results).panels[0], "rate=0.002").id.empty()); // the middle one
        options.strength = 0.003;
        const auto missing = makeFigure("decomposition", results, options, {});
        QVERIFY(!missing && missing.error().message.find("no learning rate 0.003; there are 0.001, 0.002, 0.004") != std::string::npos);
    }

    void mapHasAFieldForEachBudgetAndRate() {
        // 0.004 at the last budget diverged wholly in both runs, 0.002 there at one seed of one run; 0.001 at the first is not there.
        const ProbeResults results = sweep(study::kFineTuning, [](int budget, int run, double rate, int seed, double value) {
            if (budget == 3 && (rate == 0.004 || (rate == 0.002 && run == 1 && seed == 2)))
                return std::optional(kNan);
            return budget == 0 && rate == 0.001 ? std::nullopt : std::optional(value);
        });
        const Figure figure = test::figureOf("rate-map", results, showing(YQuantity::Change));
        QCOMPARE(figure.panels.size(), 2u);
        const FigurePanel& panel = figure.panels[1];
        QCOMPARE(panel.cells.size(), 12u);
        const auto cell = [&](int budget, double rate) {
            return *std::ranges::find_if(panel.cells, [&](const FigureCell& one) {
                return one.point.x == tokensOf(budget) && one.point.y == rate;
            });
        };
        QVERIFY(near(cell(1, 0.002).value.value_or(0), 100 * 0.002 * 2 + 0.03) && !cell(1, 0.002).crossed);
        QVERIFY(!cell(3, 0.004).value && cell(3, 0.004).crossed && cell(3, 0.004).state == "no finite value");
        QVERIFY(!cell(0, 0.001).value && !cell(0, 0.001).crossed && cell(0, 0.001).state == "not measured");
        QVERIFY(cell(3, 0.002).value && cell(3, 0.002).crossed); // the others', and said
        QVERIFY(cell(3, 0.002).point.detail.find("1 value not finite and left out") != std::string::npos);
        // Half-way to the neighbours on the log axes, as far beyond the ends; no margin.
        const double root = std::sqrt(2.0);
        QVERIFY(near(cell(1, 0.002).left, 2e6 / root) && near(cell(1, 0.002).right, 2e6 * root));
        QVERIFY(near(cell(0, 0.004).bottom, 0.004 / root) && near(cell(0, 0.004).top, 0.004 * root));
        QVERIFY(near(panel.x.low, 1e6 / root) && near(panel.x.high, 8e6 * root) && near(panel.y.low, 0.001 / root));
        // Least and greatest of what has a value: 0.23 at the first budget, 0.83 at 0.001 to 0.002 of the last and 1.2 of the third.
        QVERIFY(near(panel.color.low, 100 * 0.002 + 0.03) && near(panel.color.high, 100 * 0.004 * 3 + 0.03));
        // The chosen rate on it; with what diverged or is missing left out of the choice.
        QCOMPARE(pointsOf(panel, "chosen").size(), 4u);
        QVERIFY(near(pointsOf(panel, "chosen")[3].y, 0.001));
        QCOMPARE(figure.keys.back().symbol, FigureKey::Symbol::Cross);
        QCOMPARE(commandOf(figure), std::string("crest export study --figure rate-map"));
        QCOMPARE(test::figureOf("rate-map", results, showing(YQuantity::Both)).panels.size(), 4u);
        // What a field is the mean of, and what is missing in it: 2 runs x 2 seeds at 0.004, one seed at 0.002, of 4 x 2 x 3 x 2.
        const std::string diverged = "5 of 48 trainings left out: diverged (learning rates 0.002 to 0.004)";
        QVERIFY(says(panel.notes, "means; in the CSV: 95 % CI over 2 pretraining runs, 1 to 2 fine-tuning seeds"));
        for (const char* name : {"rate-map", "curves", "envelope", "decomposition"})
            for (const FigurePanel& one : test::figureOf(name, results).panels)
                QVERIFY2(says(one.notes, diverged), name);
        QVERIFY(!says(test::figureOf("curves", sweep()).panels[0].notes, "left out"));
    }

    void aTextThatIsReplayedIsNotHeldOut() {
        const std::string note = "c4 is not held out: the same file is replayed in training";
        ProbeResults results = sweep();
        const study::Task& text = *std::ranges::find(results.plan.tasks, std::string("c4"), &study::Task::name);
        results.plan.probe.settings["replay_hash"] = "of another file";
        QVERIFY(!says(test::figureOf("curves", results).panels[1].notes, note));
        results.plan.probe.settings["replay_hash"] = text.dataHash;
        for (const char* name : {"curves", "envelope", "decomposition", "rate-map", "figure-6"})
            QVERIFY2(says(test::figureOf(name, results).panels[0].notes, note), name);
    }

    void heldOutPartIsNoText() {
        ProbeResults results = sweep();
        study::Task& data = *std::ranges::find(results.plan.tasks, study::TaskKind::TuningLoss, &study::Task::kind);
        data.definition = R"({"held_out_count":40,"held_out_share":0.1,"loss_on":"completions","max_tokens":128,"split_seed":7})";
        const Figure figure = test::figureOf("curves", results);
        const Json tasks = parseJson(figure.provenance, "").value_or(Json::object())["tasks"];
        QCOMPARE(tasks["set"]["held_out_part_of"]["held_out_count"].get<int>(), 40);
        QVERIFY(!tasks["set"].contains("max_windows") && tasks["c4"].contains("max_windows"));
        const std::string recipe = pointsOf(figure.panels[0], "rate=0.002").front().recipe;
        QVERIFY2(recipe.find("\nheld-out part: 40 rows, split seed 7, at most 128 tokens of each, loss of the completions\n") != std::string::npos &&
                     recipe.find("windows") == std::string::npos,
                 recipe.c_str());
        data.definition = R"({"held_out_count":0,"held_out_share":0.1,"loss_on":"all","max_tokens":64,"split_seed":1})";
        const std::string shared = pointsOf(test::figureOf("curves", results).panels[0], "base").front().recipe;
        QVERIFY2(shared.find("held-out part: 10 % of the rows, split seed 1, at most 64 tokens of each, loss of all tokens\n") != std::string::npos, shared.c_str());
    }

    void mapGoesThroughCsvTexAndRecord() {
        const ProbeResults results = sweep(study::kFineTuning, [](int budget, int, double rate, int, double value) {
            return budget == 3 && rate == 0.004 ? std::optional(kNan) : std::optional(value);
        });
        Figure figure = test::figureOf("rate-map", results, showing(YQuantity::Change));
        const QStringList lines = QString::fromStdString(figureToCsv(figure)).split(u'\n', Qt::SkipEmptyParts);
        QVERIFY(lines.contains(QStringLiteral("panel,title,role,curve,x,y,low,high,n,value,state,runs,draws")));
        int fields = 0, empty = 0, rows = 0;
        for (const QString& line : lines) {
            if (line.startsWith(u'#') || line.startsWith(QStringLiteral("panel,")))
                continue;
            const QStringList parts = line.split(u',');
            QCOMPARE(parts.size(), 13);
            rows += parts[0] == QStringLiteral("2");
            if (parts[0] != QStringLiteral("2") || parts[3] != QStringLiteral("map"))
                continue;
            ++fields;
            const FigurePanel& panel = figure.panels[1];
            const auto cell = std::ranges::find_if(panel.cells, [&](const FigureCell& one) {
                return one.point.x == parts[4].toDouble() && one.point.y == parts[5].toDouble();
            });
            QVERIFY(cell != panel.cells.end());
            QCOMPARE(parts[9].isEmpty(), !cell->value);
            if (cell->value) // reads back as the same double
                QVERIFY(parts[9].toDouble() == *cell->value && parts[6].toDouble() == *cell->point.low);
            empty += parts[10] == QStringLiteral("no finite value");
        }
        QCOMPARE(fields, 12);
        QCOMPARE(rows, 12 + 4); // and the chosen rates
        QCOMPARE(empty, 1);

        const QString tex = QString::fromStdString(figureToTex(figure, 174));
        QCOMPARE(tex.count(QStringLiteral("rectangle (axis cs:")), 22); // 11 fields with a value in each panel
        QCOMPARE(tex.count(QStringLiteral("{$\\times$};")), 2);
        QVERIFY(tex.contains(QStringLiteral("group c2r1.south east")) && tex.contains(QStringLiteral("{increase (nats/token)}")));

        const auto record = parseFigureRecord(recordFromText(figureToCsv(figure), "").value_or(""), "");
        QVERIFY(record.has_value());
        const Json map = (*record)["figure"]["panels"][1]["map"];
        QCOMPARE(map["fields"].get<int>(), 12);
        QCOMPARE(map["not_finite"].get<int>(), 1);
        QCOMPARE(map["title"].get<std::string>(), std::string("increase (nats/token)"));

        figure.panels[1].x.low = 2.5e6; // a zoom: two budgets are left
        QCOMPARE(cellGeometry(figure.panels[1]).size(), 9u); // and a strip of the second
        QVERIFY(QString::fromStdString(figureToCsv(figure)).count(QStringLiteral("\n2,c4: change from base,OOD,map,")) == 6);
    }

    void figuresOfThePaper() {
        const ProbeResults results = sweep();
        const Figure four = test::figureOf("figure-4", results), five = test::figureOf("figure-5", results);
        for (const Figure& figure : {four, five}) { // OOD alone, a curve for each rate
            QCOMPARE(figure.panels.size(), 1u);
            QCOMPARE(figure.panels[0].badge, std::string("OOD"));
            QVERIFY(!curveOf(figure.panels[0], "rate=0.001").id.empty());
        }
        QVERIFY(near(pointsOf(four.panels[0], "rate=0.004")[2].y, 100 * 0.004 * 3 + 0.03));
        QVERIFY(near(pointsOf(five.panels[0], "rate=0.004")[2].y, 5 + 100 * 0.004 * 3 + 0.18));
        QCOMPARE(commandOf(four), std::string("crest export study --figure figure-4"));

        const Figure six = test::figureOf("figure-6", results, showing(YQuantity::Both)); // one layout only
        QCOMPARE(six.panels.size(), 2u);
        QCOMPARE(six.columns, 1);
        QCOMPARE(six.panels[0].badge, std::string("OOD")); // above
        QVERIFY(curveOf(six.panels[0], "base").id.empty() && pointsOf(six.panels[1], "envelope").size() == 4);
        FigurePanel fitted = six.panels[1]; // to what is left
        fitAxis(fitted, Dimension::Y);
        QCOMPARE(six.panels[1].y.high, fitted.y.high);

        const Figure two = test::figureOf("figure-2", results);
        QVERIFY(two.panels[0].x.scale == AxisScale::Linear && viewOptions(two).empty());
        const Figure three = test::figureOf("figure-3", sweep(study::kGaussianNoise));
        QCOMPARE(three.panels.size(), 4u);
        QCOMPARE(commandOf(three), std::string("crest export study --figure figure-3"));
    }

    void figureOneIsTheMeanOfTheBenchmarks() {
        // Two benchmarks of 4 items beside the ID task; "c4" is a loss and stays out.
        ProbeResults results = sweep();
        const std::vector<std::string> without = namesOf(results);
        QVERIFY(std::ranges::find(without, "figure-1") == without.end());
        for (const char* name : {"arc", "piqa"}) {
            results.plan.probe.tasks.push_back({name, study::Role::OutOfDistribution});
            results.plan.tasks.push_back({.name = name, .kind = study::TaskKind::Suite, .textsPath = "x", .dataHash = std::string(64, 'd'), .definition = "{}"});
        }
        int number = 0;
        for (study::Cell& cell : results.plan.cells)
            for (const int right : {cell.strength == 0 ? 2 : 1, 3}) {
                study::ResultRow row;
                row.key = "suite" + std::to_string(number++);
                row.strength = cell.strength;
                row.seed = cell.seed;
                row.metric = "acc";
                row.unit = "accuracy";
                data::MetricValue metric{"acc", "accuracy", right / 4.0, 0, {1, 0, 0, 0}, {}};
                for (int i = 1; i < right; ++i)
                    metric.itemValues[static_cast<std::size_t>(i)] = 1;
                row.value = metric.value;
                row.outcome.metrics = {metric};
                cell.keys.push_back(row.key);
                cell.cached.push_back(0);
                results.rows.push_back(row);
            }
        const Figure figure = test::figureOf("figure-1", results);
        QCOMPARE(figure.panels.size(), 2u);
        QCOMPARE(figure.panels[0].title, std::string("mean of 2 benchmarks: base"));
        QVERIFY(near(pointsOf(figure.panels[0], "base")[0].y, 0.625) && near(pointsOf(figure.panels[1], "envelope")[0].y, 0.5));
        QVERIFY(curveOf(figure.panels[1], "base").id.empty());
        QVERIFY(figure.panels[0].y.low == figure.panels[1].y.low && figure.panels[0].y.high == figure.panels[1].y.high);
        QVERIFY(says(figure.panels[0].notes, "arc, piqa"));
        // On the map orange is worse: a loss in accuracy of "arc", a gain in loss of "c4".
        for (const FigurePanel& panel : test::figureOf("rate-map", results, showing(YQuantity::Change)).panels) {
            const bool isArc = panel.title.starts_with("arc");
            for (const bool dark : {false, true}) {
                const Rgb worst = cellColor(panel, isArc ? panel.color.low : panel.color.high, dark);
                QVERIFY2(worst.red > worst.blue + 20 || !(isArc || panel.title.starts_with("c4")), panel.title.c_str());
            }
        }
        QVERIFY(says(figure.panels[1].notes, "no inflection is supported"));
    }

    void onlyWhatARunCanGive() {
        QCOMPARE(namesOf(sweep()), (std::vector<std::string>{"curves", "envelope", "chosen-rate", "decomposition", "rate-map",
                                                             "figure-2", "figure-4", "figure-5", "figure-6"}));
        QCOMPARE(namesOf(sweep(study::kGaussianNoise)),
                 (std::vector<std::string>{"curves", "decomposition", "rate-map", "figure-3"}));
        ProbeResults base = sweep();
        base.plan.probe.strengths.clear();
        base.plan.probe.kind = study::kBaseEvaluation;
        QCOMPARE(namesOf(base), std::vector<std::string>{"curves"});
        const auto wrong = makeFigure("envelope", sweep(study::kGaussianNoise), {}, {});
        QVERIFY(!wrong && wrong.error().kind == ErrorKind::Mismatch);
        QCOMPARE(wrong.error().message, std::string("The figure \"envelope\" needs a fine-tuning probe with an ID task; this run "
                                                    "can give curves, decomposition, rate-map, figure-3."));
        QVERIFY(!makeFigure("figure-7", sweep(), {}, {}));
        for (const std::string& name : namesOf(sweep())) { // nothing stored yet: empty, and no failure
            ProbeResults empty = sweep();
            empty.rows.clear();
            QVERIFY2(makeFigure(name, empty, {}, {}).has_value(), name.c_str());
        }
        QVERIFY(defaultsOf("rate-map-2").y == YQuantity::Change && defaultsOf("figure-1-1").xScale == AxisScale::Linear);
    }
};

QTEST_APPLESS_MAIN(TestTuningFigures)
#include "tst_tuning_figures.moc"
