// SPDX-License-Identifier: Apache-2.0
// A noise probe as the analysis gets it, with numbers given by the test.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis::test {

inline bool near(double a, double b) {
    return std::abs(a - b) <= 1e-9 * std::max(1.0, std::abs(b));
}

struct Budget {
    std::int64_t tokens = 0;
    std::int64_t seed = -1; ///< of pretraining; -1: not recorded
    double base = 0;
    std::vector<double> draws; ///< at each strength the same, plus the strength's number
};

/// A TeX export without the record in its first line.
inline std::string texBelowRecord(const Figure& figure) {
    const std::string tex = figureToTex(figure, 174);
    return tex.substr(tex.find('\n'));
}

/// A probe on one series with two tasks, the out-of-distribution one named first. Task "far" has the losses of "near"
/// plus 1.
inline ProbeResults resultsOf(const std::vector<Budget>& budgets, const std::vector<double>& strengths = {0.1}) {
    ProbeResults results;
    study::Plan& plan = results.plan;
    plan.id = "run-1";
    plan.probe.name = "noise on s";
    plan.probe.series = "s";
    plan.probe.strengths = strengths;
    plan.probe.firstSeed = 1;
    plan.probe.seeds = static_cast<std::int64_t>(budgets.front().draws.size());
    plan.probe.tasks = {{"far", study::Role::OutOfDistribution}, {"near", study::Role::InDistribution}};
    for (const auto& [name, hash] : {std::pair{"far", 'f'}, std::pair{"near", 'e'}}) {
        study::Task task;
        task.name = name;
        task.textsPath = std::string(name) + ".jsonl";
        task.dataHash = std::string(64, hash);
        plan.tasks.push_back(task);
    }
    const auto add = [&](int checkpoint, double strength, std::int64_t seed, double value) {
        study::Cell cell{checkpoint, strength, seed, {}, {}};
        for (const study::Task& task : plan.tasks) {
            study::ResultRow row;
            row.key = std::to_string(checkpoint) + "/" + std::to_string(strength) + "/" + std::to_string(seed) + "/" +
                      task.name;
            row.task = task.name;
            row.strength = strength;
            row.seed = seed;
            row.value = value + (task.name == "far" ? 1 : 0);
            row.device = "cpu";
            row.threads = 2;
            row.numerics = 7;
            cell.keys.push_back(row.key);
            cell.cached.push_back(0);
            results.rows.push_back(row);
        }
        plan.cells.push_back(cell);
    };
    for (std::size_t b = 0; b < budgets.size(); ++b) {
        study::PlannedCheckpoint checkpoint;
        checkpoint.name = "step" + std::to_string(b);
        checkpoint.weights = "weights" + std::to_string(b);
        checkpoint.tokens = budgets[b].tokens;
        if (budgets[b].seed >= 0)
            checkpoint.pretrainSeed = budgets[b].seed;
        plan.checkpoints.push_back(checkpoint);
        add(static_cast<int>(b), 0, 0, budgets[b].base);
        for (std::size_t s = 0; s < strengths.size(); ++s)
            for (std::size_t d = 0; d < budgets[b].draws.size(); ++d)
                add(static_cast<int>(b), strengths[s], static_cast<std::int64_t>(d + 1),
                    budgets[b].draws[d] + static_cast<double>(s));
    }
    results.studyName = "my study";
    results.studyCommand = "crest export my-study";
    return results;
}

inline Figure figureOf(const ProbeResults& results, const FigureOptions& options = {},
                const std::vector<InflectionRow>& rows = {}) {
    auto figure = curvesFigure(results, options, rows);
    return figure ? *figure : Figure{};
}

inline bool says(const std::vector<std::string>& notes, const std::string& part) {
    return std::any_of(notes.begin(), notes.end(),
                       [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

} // namespace crest::analysis::test
