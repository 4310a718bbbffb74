// SPDX-License-Identifier: Apache-2.0
// The figure of how far training moved the weights: all of them at every rate, kinds of tensors at one.
#include <QtTest>

#include <algorithm>
#include <cmath>

#include "core/analysis/probe_figure_list.h"

using namespace crest;
using namespace crest::analysis;

namespace {

/// Of budget b, rate r and seed s all weights go r (b + 1) s away from a start of norm 10; the two layers' up_proj 3 and 4 parts of
/// 5 of that from starts of 6 and 8, the norm not at all.
ProbeResults results(bool withChange = true) {
    ProbeResults all;
    study::Plan& plan = all.plan;
    plan.id = "run-1";
    plan.probe.name = "tuning on set";
    plan.probe.kind = study::kFineTuning;
    plan.probe.series = "s";
    plan.probe.strengths = {0.001, 0.01};
    plan.probe.seeds = 2;
    plan.probe.tasks = {{"set", study::Role::InDistribution}};
    plan.tasks.push_back({.name = "set", .textsPath = "x", .dataHash = std::string(64, 'd')});
    for (int budget = 0; budget < 3; ++budget) {
        study::PlannedCheckpoint checkpoint;
        checkpoint.name = std::to_string(budget);
        checkpoint.tokens = 1'000'000 << budget;
        plan.checkpoints.push_back(checkpoint);
        const auto add = [&](double rate, int seed) {
            study::ResultRow row;
            row.key = checkpoint.name + " " + std::to_string(rate) + " " + std::to_string(seed);
            row.strength = rate, row.seed = seed, row.task = "set", row.value = 2, row.device = "cpu";
            if (rate > 0 && withChange) {
                const double moved = rate * (budget + 1) * seed;
                row.change = study::WeightChange{moved, 10,
                                                 {"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight", "model.norm.weight"},
                                                 {static_cast<float>(0.6 * moved), static_cast<float>(0.8 * moved), 0},
                                                 {6, 8, 1}};
            }
            plan.cells.push_back({budget, rate, seed, {row.key}, {0}});
            all.rows.push_back(row);
        };
        add(0, 0);
        for (const double rate : plan.probe.strengths)
            for (const int seed : {1, 2})
                add(rate, seed);
    }
    return all;
}

const FigureCurve* curveOf(const FigurePanel& panel, const std::string& id) {
    const auto at = std::ranges::find(panel.curves, id, &FigureCurve::id);
    return at == panel.curves.end() ? nullptr : &*at;
}
bool isListed(const ProbeResults& of) {
    const auto figures = figuresOf(of);
    return std::ranges::find(figures, "distance", &NamedFigure::name) != figures.end();
}

} // namespace

class TestDistanceFigure : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void curvesOfRatesAndKinds() {
        const auto figure = makeFigure("distance", results(), {}, {});
        QVERIFY2(figure, figure ? "" : figure.error().text().c_str());
        QCOMPARE(figure->panels.size(), 2u);
        QCOMPARE(figure->panels[0].curves.size(), 2u); // no base: it did not move
        const FigureCurve* curve = curveOf(figure->panels[0], "rate=0.01");
        QVERIFY(curve && curve->segments.size() == 1 && curve->segments[0].size() == 3);
        for (int budget = 0; budget < 3; ++budget) // the mean over seeds 1 and 2
            QVERIFY(std::abs(curve->segments[0][static_cast<std::size_t>(budget)].y - 0.01 * (budget + 1) * 1.5 / 10) < 1e-12);
        QVERIFY(figure->panels[0].y.scale == AxisScale::Log);
        QVERIFY(figure->panels[1].title.find("0.01") != std::string::npos); // the middle of the grid, above
        const FigureCurve* kind = curveOf(figure->panels[1], "mlp.up_proj"); // both layers: distance and start are 1 and 10 parts
        QVERIFY(kind && std::abs(kind->segments[0][1].y - 0.01 * 2 * 1.5 / 10) < 1e-8);
        QVERIFY(curveOf(figure->panels[1], "model.norm"));
    }

    void overStepsWhereNoTokensAreKnown() {
        ProbeResults steps = results();
        for (study::PlannedCheckpoint& one : steps.plan.checkpoints) {
            one.step = *one.tokens / 1000;
            one.tokens.reset();
        }
        const auto figure = makeFigure("distance", steps, {}, {});
        QVERIFY2(figure, figure ? "" : figure.error().text().c_str());
        for (const FigurePanel& panel : figure->panels) {
            QCOMPARE(panel.x.title, std::string("pretraining steps"));
            QVERIFY(!panel.curves.empty() && panel.notes.end() == std::ranges::find_if(panel.notes, [](const std::string& note) {
                return note.find("left out") != std::string::npos;
            }));
        }
        const FigureCurve* curve = curveOf(figure->panels[0], "rate=0.01");
        QVERIFY(curve && curve->segments.at(0).size() == 3 && curve->segments[0][2].x == 4000);
        QVERIFY(std::abs(curve->segments[0][2].y - 0.01 * 3 * 1.5 / 10) < 1e-12);
    }

    void oneRateIsChosen() {
        FigureOptions options;
        options.strength = 0.001;
        const auto figure = makeFigure("distance", results(), options, {});
        QVERIFY(figure && figure->panels[1].title.find("0.001") != std::string::npos);
        QVERIFY(std::abs(curveOf(figure->panels[1], "mlp.up_proj")->segments[0][0].y - 0.001 * 1.5 / 10) < 1e-8);
        options.strength = 0.5;
        const auto none = makeFigure("distance", results(), options, {});
        QVERIFY(!none && none.error().kind == ErrorKind::NotFound);
    }

    void onlyWhereWeightsWereTrained() {
        QVERIFY(isListed(results()));
        QVERIFY(!isListed(results(false)));
        QVERIFY(!makeFigure("distance", results(false), {}, {}));
    }
};

QTEST_GUILESS_MAIN(TestDistanceFigure)
#include "tst_distance_figure.moc"
