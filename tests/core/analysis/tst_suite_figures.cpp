// SPDX-License-Identifier: Apache-2.0
// Curves of the tasks of suites: values, errors over items, chance, direction, perplexities, several series, points of
// others. Numbers are worked by hand.
#include <cmath>

#include <QTest>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_figures.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/statistics.h"
#include "core/base/json.h"

using namespace crest;
using namespace crest::analysis;

namespace {

bool near(double a, double b, double tolerance = 1e-6) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

data::MetricValue metricOf(const std::string& name, const std::string& unit, std::vector<float> values,
                           std::vector<float> weights = {}) {
    data::MetricValue metric{name, unit, 0, 0, std::move(values), std::move(weights)};
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < metric.itemValues.size(); ++i) {
        sum += static_cast<double>(metric.itemValues[i]);
        weight += metric.itemWeights.empty() ? 1 : static_cast<double>(metric.itemWeights[i]);
    }
    metric.value = measureOf(name, unit).shown(sum / weight);
    return metric;
}

/// Four questions of 4, 4, 2 and 2 choices.
study::ResultRow multipleChoice(std::vector<float> acc, std::vector<float> accNorm) {
    study::ResultRow row;
    row.outcome.metrics = {metricOf("acc", "accuracy", std::move(acc)), metricOf("acc_norm", "accuracy", std::move(accNorm))};
    row.outcome.details.itemRequests = {4, 4, 2, 2};
    row.outcome.details.itemGold = {0, 1, 1, 0};
    row.metric = "acc";
    row.unit = "accuracy";
    row.value = row.outcome.metrics.front().value;
    return row;
}

/// A plan with one task of a suite; cells and rows are added by add().
ProbeResults probeOf(const std::string& task, const std::string& series, std::vector<double> strengths = {}) {
    ProbeResults results;
    results.plan.id = "run-1";
    results.plan.probe.name = "evaluation";
    results.plan.probe.series = series;
    results.plan.probe.strengths = std::move(strengths);
    results.plan.probe.tasks = {{task, study::Role::OutOfDistribution}};
    study::Task one;
    one.name = task;
    one.kind = study::TaskKind::Suite;
    one.dataHash = std::string(64, 'd');
    one.definition = "{}";
    one.limit = 4;
    results.plan.tasks = {one};
    results.studyCommand = "crest export study";
    return results;
}

void add(ProbeResults& results, std::int64_t tokens, study::ResultRow row, double strength = 0, std::int64_t seed = 0) {
    std::vector<study::PlannedCheckpoint>& checkpoints = results.plan.checkpoints;
    int at = 0;
    while (at < static_cast<int>(checkpoints.size()) && checkpoints[static_cast<std::size_t>(at)].tokens != tokens)
        ++at;
    if (at == static_cast<int>(checkpoints.size())) {
        study::PlannedCheckpoint checkpoint;
        checkpoint.series = results.plan.probe.series;
        checkpoint.name = std::to_string(tokens);
        checkpoint.weights = "weights " + checkpoint.name;
        checkpoint.tokens = tokens;
        checkpoints.push_back(checkpoint);
    }
    row.key = results.plan.probe.series + std::to_string(tokens) + "/" + std::to_string(strength) + "/" + std::to_string(seed);
    row.strength = strength;
    row.seed = seed;
    row.device = "cpu";
    results.plan.cells.push_back({at, strength, seed, {row.key}, {0}});
    results.rows.push_back(std::move(row));
}

/// A base evaluation: 1 of 4, then 3 of 4 right by acc; acc_norm 2 of 4, then 2 of 4.
ProbeResults evaluation(const std::string& series = "s") {
    ProbeResults results = probeOf("arc_easy", series);
    add(results, 1'000'000, multipleChoice({1, 0, 0, 0}, {1, 1, 0, 0}));
    add(results, 2'000'000, multipleChoice({1, 1, 0, 1}, {1, 0, 0, 1}));
    return results;
}

/// Accuracy of 200 items at each budget under 4 draws of noise; item i is right while i < share * 200 (draws shift it).
ProbeResults noisy(const std::vector<double>& shares) {
    ProbeResults results = probeOf("arc_easy", "s", {0.1});
    for (std::size_t b = 0; b < shares.size(); ++b) {
        const std::int64_t tokens = std::int64_t{1'000'000} << b;
        for (std::int64_t draw = 0; draw <= 4; ++draw) {
            std::vector<float> acc(200);
            const double share = draw == 0 ? 0.9 : shares[b] + 0.01 * static_cast<double>((draw * 3 + static_cast<std::int64_t>(b)) % 4);
            for (std::size_t i = 0; i < acc.size(); ++i)
                acc[i] = static_cast<double>(i) < share * 200 ? 1 : 0;
            study::ResultRow row;
            row.outcome.metrics = {metricOf("acc", "accuracy", acc)};
            row.metric = "acc";
            row.unit = "accuracy";
            add(results, tokens, row, draw == 0 ? 0 : 0.1, draw);
        }
    }
    return results;
}

Figure figureOf(const ProbeResults& results, const FigureOptions& options = {}) {
    auto figure = curvesFigure(results, options, {});
    if (!figure)
        qWarning("%s", figure.error().text().c_str());
    return figure ? *figure : Figure{};
}

} // namespace

class TestSuiteFigures : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void factsOfMetrics() {
        QVERIFY(!measureOf("loss").higherIsBetter && measureOf("loss").axisTitle == "loss (nats/token)");
        for (const char* name : {"acc", "acc_norm", "acc_bytes", "exact_match,strict-match", "f1", "mcc"})
            QVERIFY2(measureOf(name).higherIsBetter, name);
        for (const char* name : {"bits_per_byte", "word_perplexity", "byte_perplexity", "perplexity", "loss", "brier_score"})
            QVERIFY2(!measureOf(name).higherIsBetter, name);
        QVERIFY(measureOf("word_perplexity").exponential && !measureOf("bits_per_byte").exponential);
        QVERIFY(near(measureOf("perplexity").shown(std::log(34.0)), 34));
        QVERIFY(std::isnan(measureOf("perplexity").ratioOf(0)));
        QVERIFY(measureOf("my_score", "accuracy").higherIsBetter); // the unit tells where the name does not
    }

    void accuracyWithErrorOverItems() {
        const FigurePanel panel = figureOf(evaluation()).panels.at(0);
        QCOMPARE(panel.title, std::string("arc_easy: acc"));
        QCOMPARE(panel.y.title, std::string("accuracy (acc)"));
        QCOMPARE(panel.curves.size(), 1u);
        const FigureCurve& curve = panel.curves[0];
        QVERIFY(curve.id == "base" && !curve.dashed && curve.marker != Marker::None);
        const FigurePoint& first = curve.segments[0][0];
        QVERIFY(near(first.y, 0.25));
        QCOMPARE(first.n, 4);
        // Sample SD of (1, 0, 0, 0) over 2: sqrt(0.75 / 3) / 2 = 0.25; 97.5 % point of t with 3 degrees: 3.182446.
        QVERIFY(near(*first.high, 0.25 + 3.18244630528371 * 0.25, 1e-6) || near(*first.high, 1));
        QVERIFY(near(*first.low, 0)); // a share ends at 0
        QVERIFY(first.detail.find("standard error 0.25") != std::string::npos);
        QVERIFY(first.detail.find("4 items") != std::string::npos);
        QVERIFY(near(curve.segments[0][1].y, 0.75));
    }

    void metricIsChosen() {
        const ProbeResults results = evaluation();
        QCOMPARE(metricsOf(results), (std::vector<std::string>{"acc", "acc_norm"}));
        FigureOptions options;
        options.metric = "acc_norm";
        const Figure figure = figureOf(results, options);
        QCOMPARE(figure.panels[0].title, std::string("arc_easy: acc_norm"));
        QVERIFY(near(figure.panels[0].curves[0].segments[0][1].y, 0.5));
        QVERIFY(figure.provenance.find("--metric acc_norm") != std::string::npos);
        options.metric = "no_such_metric"; // the task's own, rather than nothing
        QCOMPARE(figureOf(results, options).panels[0].title, std::string("arc_easy: acc"));
    }

    void chanceIsTheMeanOverItems() {
        const FigurePanel panel = figureOf(evaluation()).panels.at(0);
        QCOMPARE(panel.lines.size(), 1u);
        QVERIFY(near(panel.lines[0].y, (0.25 + 0.25 + 0.5 + 0.5) / 4));
        QCOMPARE(panel.lines[0].label, std::string("chance 0.375"));
        QVERIFY(inRange(panel.y, panel.lines[0].y));
        const std::string csv = figureToCsv(figureOf(evaluation()));
        QVERIFY(csv.find("# panel 1: line at y 0.375: chance 0.375") != std::string::npos);
        const std::string tex = figureToTex(figureOf(evaluation()), 120);
        QVERIFY(tex.find("{chance 0.375}") != std::string::npos);
        ProbeResults open = evaluation(); // generation: one request an item, nothing to guess among
        for (study::ResultRow& row : open.rows)
            row.outcome.details.itemRequests = {1, 1, 1, 1};
        QVERIFY(figureOf(open).panels[0].lines.empty());
    }

    void perplexityIsComparedInLogarithms() {
        ProbeResults results = probeOf("wikitext", "s", {0.1});
        study::ResultRow base, modified;
        base.outcome.metrics = {metricOf("word_perplexity", "perplexity", {30, 60}, {10, 20})};    // 3 nats/word
        modified.outcome.metrics = {metricOf("word_perplexity", "perplexity", {35, 70}, {10, 20})}; // 3.5 nats/word
        base.metric = modified.metric = "word_perplexity";
        add(results, 1'000'000, base);
        add(results, 1'000'000, modified, 0.1, 1);
        FigureOptions options;
        options.y = YQuantity::Both;
        const Figure figure = figureOf(results, options);
        QCOMPARE(figure.panels.size(), 2u);
        QCOMPARE(figure.panels[0].y.title, std::string("word perplexity"));
        QVERIFY(near(figure.panels[0].curves[0].segments[0][0].y, std::exp(3.0)));
        QVERIFY(near(figure.panels[0].curves[1].segments[0][0].y, std::exp(3.5)));
        QCOMPARE(figure.panels[1].y.title, std::string("increase (nats/word)"));
        QVERIFY(near(figure.panels[1].curves[0].segments[0][0].y, 0.5));
    }

    void changeIsPairedOverItems() {
        ProbeResults results = probeOf("arc_easy", "s", {0.1});
        add(results, 1'000'000, multipleChoice({1, 1, 0, 1}, {1, 1, 0, 1}));
        add(results, 1'000'000, multipleChoice({1, 0, 0, 1}, {1, 1, 0, 1}), 0.1, 1);
        FigureOptions options;
        options.y = YQuantity::Change;
        const FigurePanel panel = figureOf(results, options).panels.at(0);
        QCOMPARE(panel.y.title, std::string("change of acc"));
        const FigurePoint& point = panel.curves.at(0).segments.at(0).at(0);
        QVERIFY(near(point.y, -0.25));
        // Differences (0, -1, 0, 0): standard error 0.25 as above.
        QVERIFY(near(*point.high, -0.25 + 3.18244630528371 * 0.25, 1e-6));
    }

    void worseMeansLowerForAccuracy() {
        // Rises and falls: the model gets worse after the fourth budget.
        const auto peak = inflectionTable(noisy({0.2, 0.35, 0.5, 0.7, 0.5, 0.3}));
        QVERIFY(peak.has_value());
        const Inflection& found = peak->at(0).inflection;
        QVERIFY2(found.supported, found.evidence.c_str());
        QCOMPARE(found.tokens, 8e6);
        QVERIFY(found.higherIsBetter);
        QVERIFY(found.evidence.starts_with("highest at 8M: 0.7"));
        QVERIFY(found.evidence.find("lower at 1M") != std::string::npos);
        QVERIFY(found.evidence.find("200 items") != std::string::npos);
        // The mirror image falls and rises: it never gets worse than before at the end.
        const auto valley = inflectionTable(noisy({0.7, 0.5, 0.3, 0.2, 0.4, 0.6}));
        QVERIFY(valley.has_value() && !valley->at(0).inflection.supported);
        const auto rising = inflectionTable(noisy({0.2, 0.3, 0.4, 0.5, 0.6, 0.7}));
        QCOMPARE(inflectionLabel(rising->at(0).inflection), std::string("none: rises to the last budget"));
        // The same numbers as a loss turn at the valley.
        ProbeResults loss = noisy({0.7, 0.5, 0.3, 0.2, 0.4, 0.6});
        for (study::ResultRow& row : loss.rows)
            row.outcome.metrics[0].metric = "bits_per_byte", row.outcome.metrics[0].unit = "bits/byte";
        const auto turned = inflectionTable(loss);
        QVERIFY(turned->at(0).inflection.supported && turned->at(0).inflection.tokens == 8e6);
        QVERIFY(turned->at(0).inflection.evidence.starts_with("lowest at 8M"));
        QCOMPARE(turned->at(0).metric, std::string("bits_per_byte"));
    }

    void baseEvaluationsOfSeveralSeries() {
        ProbeResults results = evaluation("first");
        results.others.push_back(evaluation("second"));
        results.others.push_back(probeOf("another_task", "third"));
        const Figure figure = figureOf(results);
        const auto& curves = figure.panels.at(0).curves;
        QCOMPARE(curves.size(), 2u);
        QVERIFY(curves[0].id == "series=first" && curves[1].id == "series=second" && curves[1].label == "second");
        QVERIFY(curves[0].color == CurveColor::Category && curves[0].colorPosition != curves[1].colorPosition);
        QVERIFY(curves[0].marker != curves[1].marker);
        QVERIFY(figure.provenance.find("\"series\":\"second\"") != std::string::npos);
        FigureOptions change;
        change.y = YQuantity::Both; // nothing was changed: values alone
        QCOMPARE(figureOf(results, change).panels.size(), 1u);
        QVERIFY(figure.panels[0].notes.empty());
        results.others[0].rows.pop_back();
        QCOMPARE(figureOf(results).panels[0].notes, std::vector<std::string>{"second: unfinished: 1 of 2 cells"});
    }

    void pointsOfOthersStandOverTheirTask() {
        ProbeResults results = evaluation();
        study::Overlay overlay{"paper", "Figure 2", "paper.csv", std::string(64, 'a'), {}};
        overlay.curves.push_back({"OLMo", "ARC-Easy", "", "accuracy", {{4e6, 0.5, {}, {}, 0}, {8e6, 0.9, 0.8, 1.0, 10}}});
        overlay.curves.push_back({"OLMo", "ARC-Easy", "acc_norm", "accuracy", {{4e6, 0.4, {}, {}, 0}}});
        overlay.curves.push_back({"loss", "ARC-Easy", "loss", "nats/token", {{4e6, 3, {}, {}, 0}}});
        overlay.curves.push_back({"other", "piqa", "", "", {{4e6, 0.6, {}, {}, 0}}});
        results.overlays.push_back(overlay);
        const Figure figure = figureOf(results);
        const FigurePanel& panel = figure.panels.at(0);
        QCOMPARE(panel.curves.size(), 2u);
        const FigureCurve& guest = panel.curves[1];
        QCOMPARE(guest.id, std::string("overlay=paper: OLMo"));
        QVERIFY(guest.dotted && guest.marker != panel.curves[0].marker && guest.color == CurveColor::Category);
        QVERIFY(guest.colorPosition != panel.curves[0].colorPosition);
        QVERIFY(inRange(panel.x, 8e6) && inRange(panel.y, 0.9)); // all of it is seen
        QVERIFY(guest.segments[0][1].detail.find("measured by others: paper") != std::string::npos);
        QVERIFY(guest.segments[0][1].recipe.find("source: Figure 2") != std::string::npos);
        const std::string csv = figureToCsv(figure);
        QVERIFY(csv.find("OOD,OLMo,8000000,0.9,0.8,1,10") != std::string::npos);
        QVERIFY(figureToTex(figure, 120).find("densely dotted") != std::string::npos);
        const auto provenance = parseJson(figure.provenance, "provenance");
        QVERIFY(provenance && (*provenance)["overlays"][0]["source"] == "Figure 2");
        FigureOptions flops;
        flops.x = XQuantity::Flops;
        ProbeResults known = results;
        known.flopsPerToken = 1e6;
        QCOMPARE(figureOf(known, flops).panels[0].curves.size(), 1u); // of another model's FLOPs nothing is known
    }

    void keptTextsHaveNoCurve() {
        ProbeResults results = evaluation();
        for (study::ResultRow& row : results.rows) {
            row.outcome.metrics.clear();
            row.outcome.details.texts = {"a", "b", "c", "d"};
        }
        QVERIFY(figureOf(results).panels.empty());
        for (study::ResultRow& row : results.rows)
            row.outcome.metrics = {metricOf("tokens", "tokens", {5, 6, 7, 8})};
        QVERIFY(figureOf(results).panels.empty());
        const auto table = inflectionTable(results);
        QVERIFY(table && table->empty());
    }

    void provenanceOfABaseEvaluation() {
        const auto record = parseJson(figureOf(evaluation()).provenance, "provenance");
        QVERIFY(record.has_value());
        QVERIFY(!(*record)["probe"].contains("gammas"));
        QCOMPARE((*record)["tasks"]["arc_easy"]["limit"].dump(), std::string("4"));
        QCOMPARE((*record)["tasks"]["arc_easy"]["sha256"].get<std::string>(), std::string(64, 'd'));
    }
};

QTEST_APPLESS_MAIN(TestSuiteFigures)
#include "tst_suite_figures.moc"
