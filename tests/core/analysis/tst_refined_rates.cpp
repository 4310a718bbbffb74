// SPDX-License-Identifier: Apache-2.0
// Finer rates around the best: which, by hand; of whole runs; and what figures and inflections make of a grid that only some
// checkpoints have in full.
#include <algorithm>
#include <cmath>
#include <limits>

#include <QTest>

#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_finer_rates.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_training_runs.h"
#include "core/analysis/training_figure.h"
#include "tests/core/analysis/training_runs.h"

using namespace crest;
using namespace crest::analysis;
using test::pointsOf, test::says, test::showing, test::tokensOf;

namespace {

using Rates = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

RateChoice choiceOf(Rates tried, std::optional<double> best, Rates diverged = {}, Rates unmeasured = {}) {
    RateChoice choice;
    choice.tried = std::move(tried);
    choice.rate = best;
    choice.diverged = std::move(diverged);
    choice.unmeasured = std::move(unmeasured);
    return choice;
}

/// ID ("set"): a parabola in log2 of the rate, least at 2^budget x 0.001 for run 1 and at half that for run 2; OOD: the rate itself.
std::optional<double> scoreOf(const std::string& task, int budget, int run, double rate, int seed) {
    const double luck = 0.1 * run + 0.02 * seed;
    if (rate == 0)
        return 4 - 0.5 * budget;
    if (task != "set")
        return 5 - 0.5 * budget + 100 * rate + luck;
    const double away = std::log2(rate / 0.001) - budget + (run - 1);
    return 3 - 0.5 * budget + 0.25 * away * away + luck;
}

ProbeResults sweep(const test::Score& score = scoreOf, study::FinerRates finer = {}, int budgets = 4, Rates grid = {0.001, 0.004}) {
    test::RunShape shape;
    shape.budgets = budgets;
    shape.strengths = std::move(grid);
    shape.finer = std::move(finer);
    return test::makeRun(shape, score);
}

std::string weightsOf(int budget, int run) {
    return "weights " + std::to_string(budget) + "-" + std::to_string(run);
}

const RefinedCheckpoint& of(const Refinement& refinement, int budget, int run) {
    static const RefinedCheckpoint kNone;
    const auto at = std::ranges::find(refinement.checkpoints, weightsOf(budget, run), &RefinedCheckpoint::weights);
    return at == refinement.checkpoints.end() ? kNone : *at;
}

} // namespace

class TestRefinedRates : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void ratesByHand_data() {
        QTest::addColumn<RateChoice>("choice");
        QTest::addColumn<int>("between");
        QTest::addColumn<Rates>("wanted");
        const Rates grid{0.001, 0.002, 0.004};
        // Geometric means: sqrt 2 = 1.4142, cube roots of 2: 1.2599 and 1.5874.
        QTest::newRow("inside") << choiceOf(grid, 0.002) << 1 << Rates{0.00141, 0.00283};
        QTest::newRow("two on each side") << choiceOf(grid, 0.002) << 2 << Rates{0.00126, 0.00159, 0.00252, 0.00317};
        QTest::newRow("largest") << choiceOf(grid, 0.004) << 1 << Rates{0.00283, 0.00566, 0.008};
        QTest::newRow("smallest") << choiceOf(grid, 0.001) << 1 << Rates{0.0005, 0.000707, 0.00141};
        QTest::newRow("the grid goes on by its widest step") << choiceOf({0.001, 0.004, 0.006}, 0.006) << 1 << Rates{0.0049, 0.012, 0.024};
        QTest::newRow("one rate") << choiceOf({0.01}, 0.01) << 1 << Rates{0.005, 0.00707, 0.0141, 0.02};
        QTest::newRow("a neighbour that diverged") << choiceOf(grid, 0.002, {0.004}) << 1 << Rates{0.00141, 0.00283};
        QTest::newRow("up to the next of which something is known") << choiceOf({0.001, 0.002, 0.004, 0.008}, 0.002, {0.008}, {0.004}) << 1
                                                                    << Rates{0.00141}; // between 0.002 and 0.008 lies 0.004, which comes
        QTest::newRow("the largest was not measured") << choiceOf(grid, 0.002, {}, {0.004}) << 1 << Rates{0.00141, 0.00283};
        QTest::newRow("all diverged") << choiceOf(grid, std::nullopt, grid) << 1 << Rates{0.0005, 0.000707};
        QTest::newRow("smaller ones are still to come") << choiceOf(grid, std::nullopt, {0.002, 0.004}, {0.001}) << 1 << Rates{};
        QTest::newRow("no seed in common") << choiceOf(grid, std::nullopt, {0.004}) << 1 << Rates{};
        QTest::newRow("nothing measured") << choiceOf(grid, std::nullopt, {}, grid) << 1 << Rates{};
        QTest::newRow("a second level") << choiceOf({0.001, 0.00141, 0.002, 0.00283, 0.004}, 0.00283) << 1 << Rates{0.00238, 0.00336};
        QTest::newRow("no room by three digits") << choiceOf({0.001, 0.00101, 0.00102}, 0.00101) << 3 << Rates{};
        QTest::newRow("no rate above 1") << choiceOf({0.25, 0.5, 1}, 1.0) << 1 << Rates{0.707};
    }
    void ratesByHand() {
        QFETCH(RateChoice, choice);
        QFETCH(int, between);
        QFETCH(Rates, wanted);
        const Rates rates = ratesAround(choice, between);
        QCOMPARE(rates.size(), wanted.size());
        for (std::size_t i = 0; i < wanted.size(); ++i)
            QVERIFY2(rates[i] == wanted[i], qPrintable(QStringLiteral("%1 is not %2").arg(rates[i]).arg(wanted[i])));
    }

    /// Each checkpoint by its own choice, pretraining seeds at equal tokens, too; all seeds of fine-tuning together.
    void everyCheckpointHasItsOwn() {
        // Best of 0.001 and 0.004 where the parabola's foot is at 0.001, 0.002, 0.004, 0.008 (run 1) and half that (run 2); a foot
        // of 0.002 lies half-way: equal, and the smaller is chosen.
        const auto refined = refineRates(sweep(), 1);
        QVERIFY2(refined, refined ? "" : refined.error().text().c_str());
        QCOMPARE(refined->checkpoints.size(), 8u);
        QCOMPARE(of(*refined, 0, 1).best, std::optional(0.001));
        QCOMPARE(of(*refined, 0, 1).added, (Rates{0.00025, 0.0005, 0.002}));
        QCOMPARE(of(*refined, 0, 1).why, std::string("between 0.00025 and 0.004, beyond the smallest rate that was tried"));
        QCOMPARE(of(*refined, 1, 1).best, std::optional(0.001)); // a tie
        QCOMPARE(of(*refined, 2, 2).best, std::optional(0.001));
        QCOMPARE(of(*refined, 2, 1).best, std::optional(0.004));
        QCOMPARE(of(*refined, 2, 1).added, (Rates{0.002, 0.008, 0.016}));
        QCOMPARE(of(*refined, 3, 2).best, std::optional(0.004));
        QCOMPARE(refined->finer.size(), 8u);
        QCOMPARE(refined->added(), std::int64_t{24});
        QCOMPARE(refinementText(*refined), (std::vector<std::string>{"24 finer rates at 8 checkpoints, around the best in ID"}));
        QCOMPARE(trainingWords(sweep().plan), std::string("set: plain fine-tuning"));
        QCOMPARE(trainingWords(sweep(scoreOf, refined->finer).plan), std::string("set: plain fine-tuning, 24 finer rates"));
        QVERIFY(!refineRates(sweep(), 0) && !refineRates(sweep(), 101));
        const auto bySteps = refineRates(test::overSteps(sweep()), 1); // no token counts are needed
        QVERIFY2(bySteps, bySteps ? "" : bySteps.error().text().c_str());
        QVERIFY(bySteps->finer == refined->finer && bySteps->notes.empty());
        ProbeResults noise = sweep();
        noise.plan.probe.kind = study::kGaussianNoise;
        QVERIFY(!refineRates(noise, 1));
    }

    /// The next level goes on from what the first has measured, and drops nothing.
    void asOftenAsWanted() {
        const auto first = refineRates(sweep(), 1);
        QVERIFY(first);
        const auto second = refineRates(sweep(scoreOf, first->finer), 1);
        QVERIFY(second);
        // Foot at 0.001, measured at 0.0005, 0.001, 0.002 around it.
        QCOMPARE(of(*second, 0, 1).added, (Rates{0.000707, 0.00141}));
        QCOMPARE(of(*second, 0, 1).why, std::string("between 0.0005 and 0.002"));
        QCOMPARE(of(*second, 1, 1).best, std::optional(0.002)); // where the foot is
        QCOMPARE(of(*second, 1, 1).added, (Rates{0.00141, 0.00283}));
        QCOMPARE(of(*second, 3, 1).best, std::optional(0.008));
        for (const auto& [weights, rates] : first->finer)
            for (const double rate : rates)
                QVERIFY(std::ranges::find(second->finer.at(weights), rate) != second->finer.at(weights).end());
    }

    void whatIsMissingIsSaid() {
        const auto holes = [](const std::string& task, int budget, int run, double rate, int seed) -> std::optional<double> {
            if (budget == 0 && rate != 0)
                return run == 1 ? std::nullopt : std::optional(kNan); // to come; diverged
            if (budget == 1 && rate == 0.004)
                return std::nullopt;
            return scoreOf(task, budget, run, rate, seed);
        };
        ProbeResults results = sweep(holes);
        results.plan.checkpoints.push_back(results.plan.checkpoints.front());
        results.plan.checkpoints.back().weights = "of unknown age";
        results.plan.checkpoints.back().tokens.reset();
        const auto refined = refineRates(results, 1);
        QVERIFY(refined);
        QVERIFY(of(*refined, 0, 1).added.empty() && !of(*refined, 0, 1).best);
        QCOMPARE(of(*refined, 0, 1).why, std::string("no result yet"));
        QCOMPARE(of(*refined, 0, 2).added, (Rates{0.00025, 0.0005})); // below all that diverged
        QCOMPARE(of(*refined, 0, 2).why, std::string("below 0.001: every rate diverged"));
        QCOMPARE(of(*refined, 1, 1).added, (Rates{0.00025, 0.0005, 0.002})); // towards what is known, and where 0.004 comes
        QVERIFY(says(refined->notes, "0-1: no finer rate, no result yet"));
        QVERIFY(says(refined->notes, "3 checkpoints with rates without a result"));
        QVERIFY(says(refined->notes, "1 checkpoint left out"));
        QVERIFY(!refined->finer.contains(weightsOf(0, 1)));
    }

    /// Smaller rates are no cure for a score that is not finite for another reason.
    void onlyRecordedDivergenceIsCalledSo() {
        const auto nothing = [](const std::string&, int, int, double rate, int) { return std::optional(rate == 0 ? 4 : kNan); };
        test::RunShape shape;
        shape.strengths = {0.001, 0.004};
        const ProbeResults diverged = test::makeRun(shape, nothing);
        shape.cause = "the loss is not finite";
        const ProbeResults other = test::makeRun(shape, nothing);
        const std::string called = "4 checkpoints with rates at which tuning diverged",
                          notCalled = "4 checkpoints with rates without a finite ID score, though no training diverged";
        const auto ofDiverged = envelopeOf(diverged, observationsOf(diverged), "", XQuantity::Tokens), ofOther = envelopeOf(other, observationsOf(other), "", XQuantity::Tokens);
        QVERIFY(ofDiverged && says(ofDiverged->notes, called) && !says(ofDiverged->notes, "no training diverged"));
        QVERIFY(ofOther && says(ofOther->notes, notCalled) && !says(ofOther->notes, called));
        const auto smaller = refineRates(diverged, 1), none = refineRates(other, 1);
        QVERIFY(smaller && smaller->added() == 4 * 2);
        QVERIFY(none && none->added() == 0);
        QVERIFY(says(none->notes, "no finer rate, no rate has a finite ID score"));
    }

    void theEnvelopeTakesWhatEachCheckpointHas() {
        const auto first = refineRates(sweep(), 1);
        QVERIFY(first);
        const ProbeResults results = sweep(scoreOf, first->finer);
        const auto envelope = envelopeOf(results, observationsOf(results), "", XQuantity::Tokens);
        QVERIFY(envelope);
        const double wanted[] = {0.001, 0.0005, 0.002, 0.001, 0.004, 0.002, 0.008, 0.004}; // the feet, run 1 and 2 of each budget
        for (std::size_t i = 0; i < 8; ++i) {
            QCOMPARE(envelope->choices[i].rate, std::optional(wanted[i]));
            QVERIFY(envelope->choices[i].unmeasured.empty()); // rates of others are not missing
            QCOMPARE(envelope->choices[i].tried.size(), 5u);
            QVERIFY(!envelope->choices[i].isLowest && !envelope->choices[i].isHighest);
        }
        QVERIFY(envelope->notes.empty());
        // In the figure: by hand 3 - 0.5 budget, and the mean luck 0.15 + 0.04.
        const Figure figure = test::figureOf("envelope", results);
        const auto points = pointsOf(figure.panels.front(), "envelope");
        QCOMPARE(points.size(), 4u);
        for (std::size_t b = 0; b < 4; ++b)
            QVERIFY(std::abs(points[b].y - (3 - 0.5 * static_cast<double>(b) + 0.19)) < 1e-9);
        const Figure chosen = test::figureOf("chosen-rate", results);
        QCOMPARE(pointsOf(chosen.panels.front(), "run=1").size(), 4u);
        // tokens^1 by construction, and the step is that of the finer rates: a factor of 2, not of 4.
        QVERIFY(says(chosen.panels.front().notes, "rate ~ tokens^1 "));
        QVERIFY(says(chosen.panels.front().notes, "within 0.33 of 0")); // log 2 / log 8
    }

    /// Rates of a few checkpoints make no curve and no inflection.
    void figuresOfOneRateHaveTheGrid() {
        const auto first = refineRates(sweep(), 1);
        QVERIFY(first);
        const ProbeResults coarse = sweep(), results = sweep(scoreOf, first->finer);
        const auto rows = inflectionTable(results), before = inflectionTable(coarse);
        QVERIFY(rows && before);
        QCOMPARE(rows->size(), before->size());
        for (std::size_t i = 0; i < rows->size(); ++i)
            QCOMPARE((*rows)[i].strength, (*before)[i].strength);
        for (const char* name : {"curves", "decomposition"}) {
            const Figure figure = test::figureOf(name, results), plain = test::figureOf(name, coarse);
            QCOMPARE(figure.panels.size(), plain.panels.size());
            for (std::size_t i = 0; i < figure.panels.size(); ++i) {
                QCOMPARE(figure.panels[i].curves.size(), plain.panels[i].curves.size());
                for (std::size_t c = 0; c < figure.panels[i].curves.size(); ++c) {
                    QCOMPARE(figure.panels[i].curves[c].id, plain.panels[i].curves[c].id);
                    QCOMPARE(figure.panels[i].curves[c].colorPosition, plain.panels[i].curves[c].colorPosition);
                }
            }
        }
        const Figure figure = test::figureOf("curves", results);
        for (const FigurePanel& panel : figure.panels) {
            QCOMPARE(panel.curves.size(), 3u); // base and two rates
            for (const FigureCurve& curve : panel.curves)
                QCOMPARE(curve.segments.size(), 1u);
        }
        QVERIFY(says(figure.panels.front().notes, "finer rates of single checkpoints: in the envelope, the chosen rate and the map"));
        QVERIFY(!says(test::figureOf("curves", coarse).panels.front().notes, "finer"));
        FigureOptions options;
        options.strength = 0.002; // of a few alone
        QVERIFY(!makeFigure("decomposition", results, options, *rows));
    }

    /// One rate for all and finer ones of some are several; what only some pretraining runs have is no dot beside the others.
    void theTradeOffTakesTheBestOfThem() {
        const study::FinerRates finer{{weightsOf(1, 1), {0.001, 0.002}}, {weightsOf(1, 2), {0.001}}};
        ProbeResults results = sweep(scoreOf, finer, 2, {0.004});
        test::RunShape pulled;
        pulled.id = "run-2";
        pulled.budgets = 2;
        pulled.strengths = {0.004};
        pulled.training["l2_to_start"] = 0.1;
        results.siblings.push_back(test::makeRun(pulled, scoreOf));
        const TradeOffChoices choices = tradeOffChoices(results);
        QVERIFY(choices.ownRates);
        QCOMPARE(choices.rates, Rates{0.004});
        QCOMPARE(choices.rate, 0.004); // one of the two has several
        FigureOptions options;
        options.strength = kEnvelopeStrength;
        const FigurePanel panel = test::figureOf("trade-off", results, options).panels.front();
        QVERIFY(says(panel.notes, "plain fine-tuning at 0.001 to 0.002"));
        // scoreOf in ID: run 1 at 0.002 and run 2 at 0.001 are at the foot of their parabolas.
        const FigurePoint plain = pointsOf(panel, "plain").at(0);
        QCOMPARE(plain.n, 6);
        QVERIFY(std::abs(plain.x - (3 - 0.5 + 0.15 + 0.04)) < 1e-9);
        const std::vector<FigurePoint> smaller = pointsOf(panel, "smaller-rate");
        QCOMPARE(smaller.size(), std::size_t{1}); // below 0.002, which run 2 does not have
        QCOMPARE(smaller.front().label, std::string("0.001"));
        QCOMPARE(smaller.front().n, 6);
        options.strength = 0.004;
        QCOMPARE(pointsOf(test::figureOf("trade-off", results, options).panels.front(), "smaller-rate").size(), std::size_t{1}); // not 0.002
        results.siblings.front().plan.probe = study::withFinerRates(results.siblings.front().plan.probe, finer);
        QCOMPARE(tradeOffChoices(results).rate, kEnvelopeStrength); // both have several
    }

    void theMapHasColumnsOfTheirOwn() {
        const ProbeResults results = sweep(scoreOf, {{weightsOf(0, 1), {0.002}}, {weightsOf(0, 2), {0.002}}, {weightsOf(2, 1), {0.002, 0.016}}});
        const Figure figure = test::figureOf("rate-map", results, showing(YQuantity::Value));
        const FigurePanel& panel = figure.panels.front();
        QCOMPARE(panel.cells.size(), 4u * 2 + 1 + 2);
        const auto at = [&](int budget, double rate) {
            const auto cell = std::ranges::find_if(panel.cells, [&](const FigureCell& one) {
                return one.point.x == tokensOf(budget) && one.point.y == rate;
            });
            return cell == panel.cells.end() ? FigureCell{} : *cell;
        };
        QVERIFY(!at(1, 0.002).value && at(1, 0.002).state.empty()); // no field: it was not to be measured
        for (const FigureCell& cell : panel.cells)
            QVERIFY(cell.value.has_value());
        const auto near = [](double a, double b) { return std::abs(a - b) < 1e-9 * b; };
        const double root = std::sqrt(2.0);
        // A column without finer rates: half-way between 0.001 and 0.004 at 0.002; with one: at its own neighbours.
        QVERIFY(near(at(1, 0.001).top, 0.002) && near(at(1, 0.004).bottom, 0.002) && near(at(1, 0.004).top, 0.008));
        QVERIFY(near(at(0, 0.002).bottom, 0.001 * root) && near(at(0, 0.002).top, 0.002 * root) && near(at(0, 0.001).top, 0.001 * root));
        QVERIFY(near(at(2, 0.016).top, 0.032) && near(at(2, 0.016).bottom, 0.008));
        QVERIFY(at(2, 0.002).point.detail.find("N: 1 pretraining run") != std::string::npos); // of one run alone, and said
        QVERIFY(at(0, 0.002).point.detail.find("N: 2 pretraining runs") != std::string::npos);
        QCOMPARE(panel.y.ticks.size(), 2u);
    }

    void trainingsOfACheckpointHaveItsRates() {
        const ProbeResults results = sweep(scoreOf, {{weightsOf(0, 1), {0.002}}});
        QCOMPARE(trainingRates(results.plan), (Rates{0.001, 0.004}));
        QCOMPARE(ratesOf(results.plan, {0, 1, std::nullopt}), (Rates{0.001, 0.002, 0.004}));
        QCOMPARE(ratesOf(results.plan, {1, 1, std::nullopt}), (Rates{0.001, 0.004}));
        QVERIFY(trainingChoice(results.plan, "0-1", 0.002, std::nullopt));
        const auto other = trainingChoice(results.plan, "0-2", 0.002, std::nullopt);
        QVERIFY(!other && other.error().message.find("no learning rate 0.002") != std::string::npos);
    }
};

QTEST_APPLESS_MAIN(TestRefinedRates)
#include "tst_refined_rates.moc"
