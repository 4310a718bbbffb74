// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/training_figure.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/figure_command.h"
#include "core/analysis/figure_view.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/version.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"

namespace crest::analysis {
namespace {

constexpr std::int64_t kMostMarked = 60; ///< points of a curve that still have a marker each

enum class Quantity { Loss, Rate, GradientNorm };

double valueOf(const study::TrainingStep& step, Quantity quantity) {
    return quantity == Quantity::Loss ? step.loss : quantity == Quantity::Rate ? step.rate : step.gradientNorm;
}

/// The steps with which weights were updated.
std::span<const study::TrainingStep> updates(const study::TrainingLog& log) {
    return std::span(log.lines).first(log.lines.size() - (log.diverged ? 1 : 0));
}

/// Points that the curve has when it is whole: one at work looks as it will, and as those beside it do.
std::int64_t wholePoints(const study::TrainingLog& log) {
    return std::max(log.steps / study::loggedEvery(log.steps), static_cast<std::int64_t>(updates(log).size()));
}

FigurePoint pointOf(const study::TrainingStep& step, Quantity quantity) {
    FigurePoint point;
    point.x = static_cast<double>(step.step);
    point.y = valueOf(step, quantity);
    if (quantity == Quantity::Loss)
        point.detail = fmt::format("{} learned tokens", step.tokens);
    return point;
}

const study::ProbeKind& fineTuning() {
    return study::probeKind(study::kFineTuning);
}

/// Of a rate on the ordered scale of all.
double colorPositionOf(const study::Plan& plan, double rate) {
    const std::vector<double> all = trainingRates(plan);
    const auto at = static_cast<double>(std::find(all.begin(), all.end(), rate) - all.begin());
    return all.size() < 2 ? 0.3 : at / static_cast<double>(all.size() - 1);
}

FigureCurve curveOf(const ProbeResults& results, const TrainingCurve& training, Quantity quantity, int& hidden) {
    FigureCurve curve;
    curve.id = fmt::format("{}={}", fineTuning().curve, formatNumber(training.rate, 6));
    curve.label = rateLabel(training.rate);
    curve.colorPosition = colorPositionOf(results.plan, training.rate);
    curve.marker = wholePoints(*training.log) <= kMostMarked ? Marker::Circle : Marker::None;
    bool open = false;
    for (const study::TrainingStep& step : updates(*training.log)) {
        const bool finite = std::isfinite(valueOf(step, quantity));
        hidden += !finite;
        if (finite && !open)
            curve.segments.emplace_back();
        if (finite)
            curve.segments.back().push_back(pointOf(step, quantity));
        open = finite;
    }
    return curve;
}

/// Where the training stopped for good, at its last point: a line without an interval.
void addStop(FigurePanel& panel, const FigureCurve& curve, const study::TrainingLog& log) {
    if (updates(log).empty())
        return; // the note says it
    const double at = static_cast<double>(updates(log).back().step);
    panel.marks.push_back({curve.id, at, at, at, fmt::format("diverged at step {}", log.lines.back().step)});
}

/// The bound of clipping, where it was reached.
void addClipping(FigurePanel& panel, const study::Probe& probe, const std::vector<TrainingCurve>& curves) {
    const Json& settings = probe.settings;
    if (!settings.is_object() || !settings.contains("training") || !settings["training"].contains("clip_norm") ||
        !settings["training"]["clip_norm"].is_number())
        return;
    const double bound = settings["training"]["clip_norm"].get<double>();
    const bool reached = std::any_of(curves.begin(), curves.end(), [&](const TrainingCurve& curve) {
        return curve.log && std::any_of(curve.log->lines.begin(), curve.log->lines.end(),
                                        [&](const study::TrainingStep& step) { return step.gradientNorm > bound; });
    });
    if (bound > 0 && reached)
        panel.lines.push_back({bound, "clipped to " + formatNumber(bound)});
}

std::string divergenceText(const std::string& label, const study::TrainingLog& log) {
    const study::TrainingStep& last = log.lines.back();
    const std::string of = log.steps > 0 ? fmt::format(" of {}", log.steps) : std::string();
    return fmt::format("{} diverged at step {}{}: its loss was {}", label, last.step, of, formatNumber(last.loss));
}

/// What the curves alone do not say.
std::vector<std::string> notesOf(const std::vector<TrainingCurve>& curves) {
    std::vector<std::string> notes, waiting, lost;
    std::int64_t every = 1;
    for (const TrainingCurve& curve : curves) {
        const std::string label = rateLabel(curve.rate);
        const bool begun = curve.log && !curve.log->lines.empty();
        if (!begun) {
            (curve.measured ? lost : waiting).push_back(label);
            continue;
        }
        every = std::max(every, study::loggedEvery(curve.log->steps));
        if (curve.log->diverged)
            notes.push_back(divergenceText(label, *curve.log));
        else if (!curve.log->isWhole() && curve.log->steps > 0)
            notes.push_back(fmt::format("{}: step {} of {}", label, curve.log->lines.back().step, curve.log->steps));
    }
    if (every > 1)
        notes.push_back(fmt::format("a point every {} steps", every));
    if (!waiting.empty())
        notes.push_back(fmt::format("not trained yet: {}", fmt::join(waiting, ", ")));
    if (!lost.empty())
        notes.push_back(fmt::format("the curve was not kept: {}", fmt::join(lost, ", ")));
    return notes;
}

FigurePanel panelOf(const ProbeResults& results, const std::vector<TrainingCurve>& curves, Quantity quantity) {
    FigurePanel panel;
    for (const TrainingCurve& training : curves) {
        if (!training.log || training.log->lines.empty())
            continue;
        panel.curves.push_back(curveOf(results, training, quantity, panel.hiddenNonFinite));
        if (training.log->diverged)
            addStop(panel, panel.curves.back(), *training.log);
    }
    if (quantity == Quantity::GradientNorm)
        addClipping(panel, results.plan.probe, curves);
    panel.title = quantity == Quantity::Loss ? "Loss" : quantity == Quantity::Rate ? "Learning rate" : "Gradient norm";
    panel.x.title = "optimiser steps";
    panel.x.format = TickFormat::Whole;
    panel.y.title = quantity == Quantity::Loss   ? "loss (nats/token)"
                    : quantity == Quantity::Rate ? "learning rate"
                                                 : "L2 norm before clipping";
    fitAxis(panel, Dimension::X);
    fitAxis(panel, Dimension::Y);
    return panel;
}

std::string provenanceOf(const ProbeResults& results, const TrainingChoice& choice, const std::vector<TrainingCurve>& curves) {
    const study::Plan& plan = results.plan;
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(choice.checkpoint)];
    Json trainings = Json::array();
    for (const TrainingCurve& curve : curves)
        if (curve.log && !curve.log->lines.empty())
            trainings.push_back({{"rate", curve.rate},
                                 {"steps", curve.log->steps},
                                 {"lines", curve.log->lines.size()},
                                 {"last_step", curve.log->lines.back().step},
                                 {"diverged", curve.log->diverged}});
    std::string command = results.studyCommand.substr(0, results.studyCommand.rfind(" --figure "));
    command += fmt::format(" --figure training --checkpoint {} --seed {}", shellQuoted(checkpoint.series + "/" + checkpoint.name),
                           choice.seed);
    if (choice.rate)
        command += fmt::format(" --strength {}", *choice.rate);
    const Json object = {{"made_by", fmt::format("Crest {}", version())},
                         {"figure", "training"},
                         {"study", results.studyName},
                         {"run", plan.id},
                         {"probe",
                          {{"name", plan.probe.name},
                           {"kind", plan.probe.kind},
                           {"series", plan.probe.series},
                           {"settings", plan.probe.settings}}},
                         {"checkpoints", Json::array({{{"name", checkpoint.name}, {"weights", checkpoint.weights.substr(0, 16)}}})},
                         {"seed", choice.seed},
                         {"trainings", trainings},
                         {"command", command}};
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

bool isTrained(const study::Probe& probe) {
    return study::probeKind(probe.kind).trains && !probe.strengths.empty();
}

namespace {

/// Once each; ascending as the strengths do.
std::vector<double> ratesOfStrengths(const study::Probe& probe, const std::vector<double>& strengths) {
    std::vector<double> rates;
    for (const double strength : strengths)
        if (const double rate = study::tuningRate(probe, strength); rates.empty() || rates.back() != rate)
            rates.push_back(rate);
    return rates;
}

} // namespace

std::vector<double> trainingRates(const study::Plan& plan) {
    return ratesOfStrengths(plan.probe, study::gridOf(plan.probe));
}

std::vector<double> ratesOf(const study::Plan& plan, const TrainingChoice& choice) {
    if (choice.rate)
        return {*choice.rate};
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(choice.checkpoint)];
    return ratesOfStrengths(plan.probe, study::strengthsOf(plan.probe, checkpoint.weights));
}

std::string rateLabel(double rate) {
    return study::strengthLabel(fineTuning(), rate);
}

std::string checkpointLabel(const study::Plan& plan, int checkpoint) {
    const study::PlannedCheckpoint& one = plan.checkpoints[static_cast<std::size_t>(checkpoint)];
    if (!one.tokens)
        return one.name;
    const std::string tokens = formatTokens(static_cast<double>(*one.tokens)) + " tokens";
    const auto alike = std::count_if(plan.checkpoints.begin(), plan.checkpoints.end(),
                                     [&](const auto& other) { return other.tokens == one.tokens; });
    return alike > 1 ? tokens + ", " + one.name : tokens;
}

Result<TrainingChoice> trainingChoice(const study::Plan& plan, const std::string& checkpoint, std::optional<double> rate,
                                      std::optional<std::int64_t> seed) {
    const study::Probe& probe = plan.probe;
    if (!isTrained(probe))
        return fail(ErrorKind::Unsupported, "This run trains nothing; only runs of fine-tuning have training curves.");
    TrainingChoice choice;
    const auto named = std::find_if(plan.checkpoints.begin(), plan.checkpoints.end(), [&](const auto& one) {
        return one.name == checkpoint || one.series + "/" + one.name == checkpoint;
    });
    if (named == plan.checkpoints.end()) {
        std::vector<std::string> names;
        for (const study::PlannedCheckpoint& one : plan.checkpoints)
            names.push_back(one.name);
        const std::string what = checkpoint.empty() ? "Trainings are shown of one checkpoint; name it"
                                                    : fmt::format("This run has no checkpoint \"{}\"", checkpoint);
        return fail(ErrorKind::NotFound, fmt::format("{}; there are: {}.", what, fmt::join(names, ", ")));
    }
    choice.checkpoint = static_cast<int>(named - plan.checkpoints.begin());
    choice.seed = seed.value_or(probe.firstSeed);
    if (choice.seed < probe.firstSeed || choice.seed >= probe.firstSeed + probe.seeds)
        return fail(ErrorKind::NotFound, fmt::format("This run has no seed {}; its seeds are {} to {}.", choice.seed,
                                                     probe.firstSeed, probe.firstSeed + probe.seeds - 1));
    const std::vector<double> rates = ratesOf(plan, choice);
    if (rate && std::find(rates.begin(), rates.end(), *rate) == rates.end())
        return fail(ErrorKind::NotFound, fmt::format("This run has no learning rate {}; there are: {}.", *rate,
                                                     fmt::join(rates, ", ")));
    choice.rate = rate;
    return choice;
}

Figure trainingFigure(const ProbeResults& results, const TrainingChoice& choice, const std::vector<TrainingCurve>& curves) {
    Figure figure;
    figure.name = "training";
    const std::string data = results.plan.probe.settings.is_object() ? results.plan.probe.settings.value("data_task", "") : "";
    figure.title = fmt::format("Training on {}: {}, seed {}", data, checkpointLabel(results.plan, choice.checkpoint), choice.seed);
    figure.columns = 2;
    figure.provenance = provenanceOf(results, choice, curves);
    if (std::none_of(curves.begin(), curves.end(), [](const auto& one) { return one.log && !one.log->lines.empty(); }))
        return figure;
    for (const Quantity quantity : {Quantity::Loss, Quantity::Rate, Quantity::GradientNorm})
        figure.panels.push_back(panelOf(results, curves, quantity));
    figure.panels.front().notes = notesOf(curves);
    if (!figure.panels.front().marks.empty())
        figure.keys.push_back({FigureKey::Symbol::Interval, "where a training diverged"});
    return figure;
}

} // namespace crest::analysis
