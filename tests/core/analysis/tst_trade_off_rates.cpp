// SPDX-License-Identifier: Apache-2.0
// The trade-off with each setting at its own best learning rate: what is chosen at which checkpoint, what is said of it, and when it is
// the usual view. Numbers are worked by hand.
#include <algorithm>

#include <QTest>

#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_trade_off.h"
#include "tests/core/analysis/trade_off_study.h"

using namespace crest;
using namespace crest::analysis;
using namespace crest::analysis::test;

namespace {

/// Effects at rates that are best in ID at 0.004 with the pull and at the first budget, else at 0.002, at 0.001 for run 2.
ProbeResults ownRatesStudy() {
    const auto with = [](const Effect& effect, double pull) {
        RunShape shape;
        shape.id = pull > 0 ? "run-2" : "run-1";
        shape.training["l2_to_start"] = pull;
        return makeRun(shape, [=](const std::string& task, int budget, int run, double strength, int seed) -> std::optional<double> {
            const double best = pull > 0 || budget == 0 ? 0.004 : run == 2 ? 0.001 : 0.002;
            const double value = *tuned(effect)(task, budget, run, strength, seed);
            return strength != 0 && task.starts_with("set") && strength != best ? value + 0.3 : value;
        });
    };
    ProbeResults results = with({}, 0);
    results.siblings.push_back(with({0.05, 0.3}, 0.1));
    return results;
}

} // namespace

class TestTradeOffRates : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// Plain fine-tuning is best in ID at 0.002, at 0.001 for run 2; with the pull at 0.004.
    void eachAtItsOwnBestRate() {
        const Figure figure = made(ownRatesStudy());
        const FigurePanel& panel = figure.panels[0];
        QCOMPARE(panel.title, std::string("prose: loss at rates best in ID, 2M tokens"));
        const FigurePoint plain = pointsOf(panel, "plain")[0], pulled = pointsOf(panel, "l2")[0];
        QVERIFY(near(plain.x, 2.69) && near(plain.y, 5.08 - 0.2 + (0.2 + 0.1) / 2)); // 100 times the rate
        QVERIFY(near(pulled.x, 2.69 + 0.05) && near(pulled.y, 5.08 - 0.2 + 0.4 - 0.3));
        QCOMPARE(plain.n, 6);
        QVERIFY2(plain.detail.starts_with("plain fine-tuning at learning rate 0.002 (pretraining seed 1), 0.001 (pretraining seed 2), 2M tokens"),
                 plain.detail.c_str());
        QVERIFY(pulled.detail.starts_with("L2 to the start 0.1 at learning rate 0.004, 2M tokens"));
        QVERIFY2(pulled.recipe.find("learning rate 0.004 (best in ID)") != std::string::npos, pulled.recipe.c_str());
        // The path of smaller steps: below the largest rate that plain fine-tuning has chosen, of both runs.
        const std::vector<FigurePoint> smaller = pointsOf(panel, "smaller-rate");
        QCOMPARE(smaller.size(), 1u);
        QVERIFY(smaller[0].label == "0.001" && near(smaller[0].y, 5.08 - 0.2 + 0.1) && near(smaller[0].x, 2.69 + 0.3 / 2));
        QVERIFY(says(panel.notes, "learning rates, best in ID at each checkpoint: plain fine-tuning at 0.001 to 0.002; L2 to the start 0.1 at 0.004"));
        QVERIFY(says(panel.notes, "best at an end of their learning rates, so that others may be better: plain fine-tuning, L2 to the start 0.1"));
        QVERIFY(!says(panel.notes, "which favours them")); // each seed alone chooses the same
        // Against plain at its own: run by run.
        const Figure change = made(ownRatesStudy(), showing(YQuantity::Change));
        const FigurePoint difference = pointsOf(change.panels[0], "l2")[0];
        QVERIFY(near(difference.x, 0.05) && near(difference.y, ((0.4 - 0.2) + (0.4 - 0.1)) / 2 - 0.3));
        QVERIFY(says(change.panels[0].notes, "the same checkpoint, data and seed, each at its own learning rate"));
        QCOMPARE(commandOf(change), std::string("crest export study --run run-1 --figure trade-off --y change"));
    }

    /// Another budget chooses anew.
    void everyBudgetChoosesForItself() {
        FigureOptions options;
        options.budget = tokensOf(0);
        const FigurePanel panel = made(ownRatesStudy(), options).panels[0];
        QVERIFY(pointsOf(panel, "plain")[0].detail.starts_with("plain fine-tuning at learning rate 0.004, 1M tokens"));
        QVERIFY(near(pointsOf(panel, "plain")[0].y, 5.58 - 0.2 + 0.4));
        QCOMPARE(pointsOf(panel, "smaller-rate").size(), 2u);
    }

    void whatCouldNotBeChosenIsSaid() {
        ProbeResults results = ownRatesStudy();
        results.siblings.push_back(interpolationRun("run-5")); // one rate
        RunShape wild;
        wild.id = "run-6";
        wild.training["l2_to_start"] = 1.0;
        results.siblings.push_back(makeRun(wild, [](const std::string& task, int budget, int run, double strength, int seed) {
            return strength == 0.004 && seed == 2 ? std::optional(kNan) : tuned({0.1, 0.2})(task, budget, run, strength, seed);
        }));
        const FigurePanel panel = made(results).panels[0];
        QVERIFY(says(panel.notes, "tried at one learning rate only, so that nothing was chosen: interpolation"));
        QVERIFY(says(panel.notes, "not finite at rates that are not chosen: L2 to the start 1"));
        QVERIFY(says(panel.notes, "; L2 to the start 0.1 at 0.004, 1 at 0.001"));
        QVERIFY(says(panel.notes, "interpolation, share of the tuned weights 0.25, 0.5, 1 at 0.002"));
        QVERIFY(std::ranges::none_of(panel.notes, [](const std::string& note) { return note.size() > 150; })); // none is cut
        QCOMPARE(pointsOf(panel, "interpolation").size(), 3u);
        QVERIFY(near(pointsOf(panel, "l2")[1].y, 5.08 - 0.2 + 0.1 - 0.2)); // of equal scores the smallest rate
        QCOMPARE(pointsOf(panel, "l2")[1].n, 6);
        // A setting that diverges at all its rates is no dot.
        results.siblings.back() = makeRun(wild, [](const std::string& task, int budget, int run, double strength, int seed) {
            return strength != 0 ? std::optional(kNan) : tuned({})(task, budget, run, strength, seed);
        });
        const FigurePanel without = made(results).panels[0];
        QCOMPARE(pointsOf(without, "l2").size(), 1u);
        QVERIFY(says(without.notes, "no result here of: L2 to the start 1") && says(without.notes, "1 at none"));
    }

    /// Settings without a rate in common are compared all the same, each at its own.
    void ratesNeedNotBeShared() {
        ProbeResults results = plainRun();
        RunShape shape;
        shape.strengths = {0.03, 0.06};
        results.siblings.push_back(pulledRun("run-2", 0.1, {0.05, 6.1}, shape));
        const TradeOffChoices choices = tradeOffChoices(results);
        QVERIFY(choices.ownRates && choices.rates.empty() && choices.rate == kEnvelopeStrength);
        QVERIFY(near(pointsOf(made(results).panels[0], "l2")[0].y, 5.08 - 0.2 + 3 - 6.1));
        FigureOptions options;
        options.strength = 0.002;
        const auto none = makeFigure("trade-off", results, options, {});
        QVERIFY(!none && none.error().kind == ErrorKind::NotFound);
        QCOMPARE(none.error().message,
                 std::string("At learning rate 0.002 there are no two settings to compare; there are where each has its own best rate."));
        // Several rates of one setting alone are chosen from where it is asked for, and not by themselves.
        results.siblings = {interpolationRun("run-5")};
        QVERIFY(tradeOffChoices(results).ownRates && tradeOffChoices(results).rate == 0.002);
        options.strength = kEnvelopeStrength;
        QCOMPARE(commandOf(made(results, options)), std::string("crest export study --run run-1 --figure trade-off --strength best"));
        const auto single = makeFigure("trade-off", interpolationRun("run-5"), options, {});
        QVERIFY(!single && single.error().kind == ErrorKind::NotFound);
        QVERIFY(single.error().message.starts_with("No setting was trained at two learning rates"));
    }
};

QTEST_APPLESS_MAIN(TestTradeOffRates)
#include "tst_trade_off_rates.moc"
