// SPDX-License-Identifier: Apache-2.0
// A study of mitigations from formulas, for tests of the trade-off.
#pragma once

#include <cmath>
#include <limits>

#include <QtGlobal>

#include "core/analysis/probe_figure_list.h"
#include "tests/core/analysis/training_runs.h"

namespace crest::analysis::test {


inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline bool near(double a, double b, double tolerance = 1e-9) {
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

/// What a setting costs in ID and saves in OOD against plain fine-tuning.
struct Effect {
    double cost = 0, saved = 0;
};

/// ID of plain fine-tuning 3 - 0.5 b, its OOD 5 - 0.5 b + 100 rate of prose, 0.5 more of code; runs differ by 0.1 and seeds by 0.02 in ID,
/// by 0.2 and 0.04 in OOD. The base: ID 4 - 0.5 b, OOD 5 - 0.5 b.
inline Score tuned(const Effect& effect, double rate = 0) {
    return [=](const std::string& task, int budget, int run, double strength, int seed) -> std::optional<double> {
        const bool id = task.starts_with("set");
        const double code = task == "code" ? 0.5 : 0;
        if (strength == 0)
            return id ? 4 - 0.5 * budget + 0.1 * run : 5 - 0.5 * budget + code + 0.2 * run;
        if (id)
            return 3 - 0.5 * budget + 0.1 * run + 0.02 * seed + effect.cost;
        return 5 - 0.5 * budget + code + 100 * (rate > 0 ? rate : strength) + 0.2 * run + 0.04 * seed - effect.saved;
    };
}

/// Shares alpha of what was tuned at 0.002: on a straight line.
inline Score interpolated() {
    return [](const std::string& task, int budget, int run, double alpha, int seed) -> std::optional<double> {
        const Score plain = tuned({});
        const double base = *plain(task, budget, run, 0, 0);
        return alpha == 0 ? base : base + alpha * (*plain(task, budget, run, 0.002, seed) - base);
    };
}

inline ProbeResults plainRun(const std::string& id = "run-1") {
    RunShape shape;
    shape.id = id;
    return makeRun(shape, tuned({}));
}
inline ProbeResults pulledRun(const std::string& id, double pull, const Effect& effect, RunShape shape = {}) {
    shape.id = id;
    shape.training["l2_to_start"] = pull;
    return makeRun(shape, tuned(effect));
}
inline ProbeResults interpolationRun(const std::string& id) {
    RunShape shape;
    shape.id = id;
    shape.kind = study::kInterpolation;
    shape.strengths = {0.25, 0.5, 1};
    shape.settings = {{"learning_rate", 0.002}};
    return makeRun(shape, interpolated());
}

/// Plain fine-tuning, two pulls, replay and an interpolation, all at 0.002.
inline ProbeResults wholeStudy() {
    ProbeResults results = plainRun();
    results.siblings.push_back(pulledRun("run-2", 0.1, {0.05, 0.08}));
    results.siblings.push_back(pulledRun("run-3", 1, {0.2, 0.15}));
    RunShape replay;
    replay.id = "run-4";
    replay.training = {{"replay_share", 0.2}, {"replay_tokens", 128}};
    replay.settings = {{"replay", "/texts/prose.jsonl"}, {"replay_hash", "r"}};
    results.siblings.push_back(makeRun(replay, tuned({0.01, 0.1})));
    results.siblings.push_back(interpolationRun("run-5"));
    return results;
}

inline Figure made(const ProbeResults& results, const FigureOptions& options = {}) {
    auto figure = makeFigure("trade-off", results, options, {});
    if (!figure)
        qWarning("%s", figure.error().text().c_str());
    return figure.value_or(Figure{});
}
/// At one learning rate.
inline Figure fixedAt(const ProbeResults& results, FigureOptions options = {}, double rate = 0.002) {
    options.strength = rate;
    return made(results, options);
}
inline std::string commandOf(const Figure& figure) {
    return parseJson(figure.provenance, "").value_or(Json::object()).value("command", "");
}

} // namespace crest::analysis::test
