// SPDX-License-Identifier: Apache-2.0
// Runs that train, as the analysis gets them, from a formula: for the figures that compare several.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <QtGlobal>

#include "core/analysis/probe_figure_list.h"
#include "core/analysis/probe_figures.h"
#include "core/study/finer_rates.h"

namespace crest::analysis::test {

/// What is measured of one cell; nothing: no result.
using Score = std::function<std::optional<double>(const std::string& task, int budget, int run, double strength, int seed)>;

struct RunShape {
    std::string id = "run-1", kind = study::kFineTuning, data = "set", dataHash = "hash of set";
    std::vector<double> strengths{0.001, 0.002, 0.004};
    Json training = Json::object(), settings = Json::object(); ///< added to the usual ones
    int budgets = 2, runs = 2, firstSeed = 1, seeds = 3;
    std::vector<std::string> ood{"prose", "code"};
    study::FinerRates finer = {}; ///< by "weights BUDGET-RUN"
    bool idLast = false;          ///< among the tasks of the probe
    /// Of values that are not finite.
    std::string cause = "the training diverged at step 2 of 9: its loss was 40 nats/token";
};

inline double tokensOf(int budget) {
    return 1e6 * (1 << budget);
}

/// Its ID task is the held-out part of its data; content hashes go by the names of tasks, so that runs share what they call alike.
inline ProbeResults makeRun(const RunShape& shape, const Score& score) {
    ProbeResults results;
    study::Plan& plan = results.plan;
    plan.id = shape.id;
    plan.probe.name = "tuning on " + shape.data;
    plan.probe.kind = shape.kind;
    plan.probe.series = "s";
    plan.probe.strengths = shape.strengths;
    plan.probe.firstSeed = shape.firstSeed;
    plan.probe.seeds = shape.seeds;
    Json training = {{"epochs", 1}, {"batch_examples", 16}, {"l2_to_start", 0.0}, {"compute", "float32"}};
    training.update(shape.training);
    plan.probe.settings = {{"training", training}, {"data_task", shape.data}, {"data_hash", shape.dataHash}};
    plan.probe.settings.update(shape.settings);
    plan.probe = study::withFinerRates(plan.probe, shape.finer);
    plan.probe.tasks.push_back({shape.data, study::Role::InDistribution});
    plan.tasks.push_back({.name = shape.data, .kind = study::TaskKind::TuningLoss, .textsPath = "x", .dataHash = shape.dataHash});
    for (const std::string& name : shape.ood) {
        plan.probe.tasks.push_back({name, study::Role::OutOfDistribution});
        plan.tasks.push_back({.name = name, .textsPath = "x", .dataHash = "hash of " + name});
    }
    if (shape.idLast) {
        std::rotate(plan.probe.tasks.begin(), plan.probe.tasks.begin() + 1, plan.probe.tasks.end());
        std::rotate(plan.tasks.begin(), plan.tasks.begin() + 1, plan.tasks.end());
    }
    for (int budget = 0; budget < shape.budgets; ++budget)
        for (int run = 1; run <= shape.runs; ++run) {
            study::PlannedCheckpoint checkpoint;
            checkpoint.name = std::to_string(budget) + "-" + std::to_string(run);
            checkpoint.weights = "weights " + checkpoint.name;
            checkpoint.tokens = static_cast<std::int64_t>(tokensOf(budget));
            checkpoint.pretrainSeed = run;
            plan.checkpoints.push_back(checkpoint);
            const auto add = [&](double strength, int seed) {
                study::Cell cell{static_cast<int>(plan.checkpoints.size()) - 1, strength, seed, {}, {}};
                for (const study::Task& task : plan.tasks) {
                    study::ResultRow row;
                    row.key = (strength == 0 ? std::string("base ") : shape.id + " ") + checkpoint.name + task.name + " " +
                              std::to_string(strength) + " " + std::to_string(seed);
                    cell.keys.push_back(row.key);
                    cell.cached.push_back(0);
                    row.run = shape.id;
                    row.strength = strength;
                    row.seed = seed;
                    row.task = task.name;
                    row.device = "cpu";
                    const std::optional<double> value = score(task.name, budget, run, strength, seed);
                    row.value = value.value_or(0);
                    if (!std::isfinite(row.value))
                        row.cause = shape.cause;
                    if (value)
                        results.rows.push_back(row);
                }
                plan.cells.push_back(cell);
            };
            add(0, 0);
            for (const double strength : study::strengthsOf(plan.probe, checkpoint.weights))
                for (int seed = shape.firstSeed; seed < shape.firstSeed + shape.seeds; ++seed)
                    add(strength, seed);
        }
    results.studyCommand = "crest export study --run " + shape.id;
    return results;
}

inline FigureOptions showing(YQuantity y) {
    FigureOptions options;
    options.y = y;
    return options;
}

inline const FigureCurve& curveOf(const FigurePanel& panel, const std::string& id) {
    static const FigureCurve kNone;
    const auto at = std::ranges::find(panel.curves, id, &FigureCurve::id);
    return at == panel.curves.end() ? kNone : *at;
}

inline std::vector<FigurePoint> pointsOf(const FigurePanel& panel, const std::string& id) {
    std::vector<FigurePoint> points;
    for (const auto& segment : curveOf(panel, id).segments)
        points.insert(points.end(), segment.begin(), segment.end());
    return points;
}

inline bool says(const std::vector<std::string>& notes, const std::string& part) {
    return std::ranges::any_of(notes, [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

/// The same runs where nobody knows the tokens of a step: step 1,000 stands for 1M tokens.
inline ProbeResults overSteps(ProbeResults results) {
    const auto change = [](ProbeResults& run) {
        for (study::PlannedCheckpoint& one : run.plan.checkpoints) {
            one.step = *one.tokens / 1000;
            one.tokens.reset();
        }
    };
    change(results);
    for (ProbeResults& sibling : results.siblings)
        change(sibling);
    return results;
}

/// A figure with the inflections of its run; an empty one, with a warning, where it cannot be made.
inline Figure figureOf(const std::string& name, const ProbeResults& results, const FigureOptions& options = {}) {
    auto figure = makeFigure(name, results, options, inflectionTable(results).value_or(std::vector<InflectionRow>{}));
    if (!figure)
        qWarning("%s", figure.error().text().c_str());
    return figure.value_or(Figure{});
}

} // namespace crest::analysis::test
