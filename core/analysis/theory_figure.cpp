// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/theory_figure.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "core/analysis/figure_view.h"
#include "core/base/units.h"
#include "core/base/version.h"

namespace crest::analysis {
namespace {

constexpr int kLinePoints = 96;
constexpr int kAccent = 1;             ///< category of the chosen strength; no mode has it
constexpr std::size_t kModeColors = 6; ///< the palette's but the accent
constexpr double kInterval = 1.959964; ///< 95 % of a normal: thousands of draws
constexpr const char* kTimeTitle = "pretraining time t";
constexpr const char* kChosenValue = "chosen";
constexpr const char* kNoTurn = "no inflection up to the last stop";

/// Times from before the first mode to the last stop, evenly spaced on a log axis.
std::vector<double> lineTimes(const TheoryModel& model) {
    const std::vector<double> tau = switchOnTimes(model), stops = stopTimes(model);
    const double low = std::log(std::min(0.4 * tau.front(), stops.front())), high = std::log(std::max(1.5 * tau.back(), stops.back()));
    std::vector<double> times;
    for (int i = 0; i < kLinePoints; ++i)
        times.push_back(std::exp(low + (high - low) * i / (kLinePoints - 1)));
    return times;
}

struct Strength {
    double value = 0;
    std::string id, label;
    CurveColor color = CurveColor::Ordered;
    double position = 0;
};

/// The ladder, then the one that was chosen, so that it lies on top.
std::vector<Strength> strengthsOf(const TheoryState& state) {
    const std::vector<double>& ladder = theoryLadder(state);
    const char* symbol = theorySymbol(state.change);
    std::vector<Strength> out;
    for (std::size_t i = 0; i < ladder.size(); ++i)
        out.push_back({ladder[i], fmt::format("strength={}", i), fmt::format("{} {}", symbol, formatNumber(ladder[i])), CurveColor::Ordered,
                       ladder.size() > 1 ? static_cast<double>(i) / static_cast<double>(ladder.size() - 1) : 0.5});
    const double chosen = theoryStrength(state);
    out.push_back({chosen, kChosenValue, fmt::format("{} {} (chosen)", symbol, formatNumber(chosen)), CurveColor::Category, kAccent});
    return out;
}

FigureCurve curveFor(const Strength& strength) {
    FigureCurve curve;
    curve.id = strength.id;
    curve.label = strength.label;
    curve.color = strength.color;
    curve.colorPosition = strength.position;
    curve.marker = Marker::None;
    return curve;
}

/// A line through the finite points; a gap where a run diverged.
void addLine(FigureCurve& curve, const std::vector<double>& x, const std::vector<double>& y, int& hidden) {
    bool open = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
        hidden += !std::isfinite(y[i]);
        if (!std::isfinite(y[i])) {
            open = false;
            continue;
        }
        if (!open)
            curve.segments.emplace_back();
        open = true;
        FigurePoint point;
        point.x = x[i];
        point.y = y[i];
        curve.segments.back().push_back(std::move(point));
    }
}

/// A point by itself, which is drawn as a marker.
void addDot(FigureCurve& curve, double x, double y, std::string detail, int& hidden) {
    if (!std::isfinite(y)) {
        ++hidden;
        return;
    }
    FigurePoint point;
    point.x = x;
    point.y = y;
    point.detail = std::move(detail);
    curve.segments.push_back({std::move(point)});
}

/// After fine-tuning from each of the checkpoints, by the closed form of the flow.
std::vector<std::vector<double>> flownFeatures(const TheoryState& state, double strength, std::vector<std::vector<double>> features) {
    const TheoryTuning tuning = theoryTuning(state, strength);
    for (std::vector<double>& each : features)
        for (std::size_t mode = 0; mode < each.size(); ++mode)
            each[mode] = tunedByFlow(state.model.target[mode], tuning.rate * tuning.steps, each[mode]);
    return features;
}

/// Fine-tuned at one strength: along the lines, and by gradient steps at the stops.
struct Tuned {
    std::vector<std::vector<double>> line, stops;
};
using TunedByStrength = std::map<double, Tuned>;

TunedByStrength tuneAll(const TheoryState& state, const std::vector<std::vector<double>>& features) {
    const std::vector<std::vector<double>> atStops = featuresAtAll(state.model, stopTimes(state.model));
    TunedByStrength out;
    for (const Strength& strength : strengthsOf(state)) {
        if (out.contains(strength.value))
            continue;
        const TheoryTuning tuning = theoryTuning(state, strength.value);
        out[strength.value] = {state.change == TheoryChange::Regularised ? tunedFeatures(state.model, tuning, features)
                                                                         : flownFeatures(state, strength.value, features),
                               tunedFeatures(state.model, tuning, atStops)};
    }
    return out;
}

std::vector<double> lossesOf(const std::vector<std::vector<double>>& features, const std::vector<double>& wanted) {
    std::vector<double> out;
    for (const std::vector<double>& each : features)
        out.push_back(quadraticLoss(each, wanted));
    return out;
}

FigureCurve baseCurve(const std::vector<double>& times, const std::vector<double>& losses, int& hidden) {
    FigureCurve curve;
    curve.id = "base";
    curve.label = "base";
    curve.color = CurveColor::Base;
    curve.dashed = true;
    curve.marker = Marker::None;
    addLine(curve, times, losses, hidden);
    return curve;
}

void setTimeAxis(FigurePanel& panel, const std::string& yTitle) {
    panel.x.title = kTimeTitle;
    panel.x.scale = AxisScale::Log;
    panel.y.title = yTitle;
    fitAxis(panel, Dimension::X);
    fitAxis(panel, Dimension::Y);
}

/// The stop with the least loss and its neighbours, where some later stop is worse.
void addTurn(FigurePanel& panel, const TheoryState& state, const Strength& strength, const std::vector<double>& losses) {
    const TheoryTurn turn = findTurn(losses);
    if (!turn.rises)
        return;
    const std::vector<double> stops = stopTimes(state.model);
    FigureMark mark;
    mark.curve = strength.id;
    mark.x = stops[turn.best];
    mark.low = stops[turn.best > 0 ? turn.best - 1 : 0];
    mark.high = stops[turn.best + 1];
    mark.label = fmt::format("stop {} (t {})", turn.best + 1, formatNumber(mark.x, 3));
    panel.marks.push_back(std::move(mark));
}

/// With a pull: where the closed form is least, a line alone.
void addLimit(FigurePanel& panel, const TheoryLeast& least) {
    if (least.rises)
        panel.marks.push_back({kChosenValue, least.time, least.time, least.time, fmt::format("closed form: t {}", formatNumber(least.time, 3))});
}

FigureCurve spectrumCurve(const std::string& id, const std::string& label, const std::vector<double>& values, int& hidden) {
    FigureCurve curve;
    curve.id = id;
    curve.label = label;
    std::vector<double> modes;
    for (std::size_t i = 0; i < values.size(); ++i)
        modes.push_back(static_cast<double>(i + 1));
    addLine(curve, modes, values, hidden);
    return curve;
}

FigurePanel spectrumPanel(const TheoryState& state) {
    const TheoryModel& model = state.model;
    FigurePanel panel;
    panel.title = "Spectra";
    panel.curves.push_back(spectrumCurve("sigma", "σ, pretraining", model.sigma, panel.hiddenNonFinite));
    panel.curves.back().color = CurveColor::Base;
    if (state.change == TheoryChange::Noise) {
        const double threshold = noiseThreshold(model.sigma.size(), state.gamma);
        panel.lines.push_back({threshold, fmt::format("2dγ² = {}", formatNumber(threshold, 3))});
        panel.notes.push_back("below the line: modes that cost more under noise than they gain");
    } else {
        panel.curves.push_back(spectrumCurve("target", "σ', fine-tuning", model.target, panel.hiddenNonFinite));
        panel.curves.back().color = CurveColor::Category;
        panel.curves.back().colorPosition = 0;
        panel.curves.back().dashed = true;
        panel.curves.back().marker = Marker::Square;
        const std::vector<double> last = featuresAt(model, stopTimes(model).back());
        panel.curves.push_back(spectrumCurve("tuned", "s after tuning the last stop",
                                             tunedFeatures(model, theoryTuning(state, theoryStrength(state)), {last}).front(),
                                             panel.hiddenNonFinite));
        panel.curves.back().color = CurveColor::Category;
        panel.curves.back().colorPosition = kAccent;
        panel.curves.back().dotted = true;
        panel.curves.back().marker = Marker::Diamond;
    }
    panel.x.title = "mode";
    panel.x.low = 0.5;
    panel.x.high = static_cast<double>(model.sigma.size()) + 0.5;
    for (std::size_t i = 1; i <= model.sigma.size(); ++i)
        panel.x.ticks.push_back({static_cast<double>(i), std::to_string(i)});
    panel.y.title = "singular value";
    fitAxis(panel, Dimension::Y);
    panel.y.low = std::min(panel.y.low, 0.0);
    return panel;
}

FigurePanel learningPanel(const TheoryState& state, const std::optional<std::size_t>& costly, const std::vector<double>& times,
                          const std::vector<std::vector<double>>& features) {
    const TheoryModel& model = state.model;
    const std::vector<double> tau = switchOnTimes(model);
    FigurePanel panel;
    panel.title = "Features learned in pretraining";
    panel.notes.push_back("dots: τ, where a mode is half learned");
    std::vector<double> values(times.size());
    for (std::size_t mode = 0; mode < model.sigma.size(); ++mode) {
        FigureCurve curve;
        curve.id = fmt::format("mode={}", mode + 1);
        curve.label = fmt::format("mode {}", mode + 1);
        curve.color = CurveColor::Category;
        const std::size_t color = mode % kModeColors;
        curve.colorPosition = static_cast<double>(color < kAccent ? color : color + 1);
        curve.dashed = mode / kModeColors == 1; // the colours once more
        curve.dotted = mode / kModeColors > 1;
        curve.marker = Marker::None;
        for (std::size_t i = 0; i < times.size(); ++i)
            values[i] = features[i][mode];
        addLine(curve, times, values, panel.hiddenNonFinite);
        addDot(curve, tau[mode], model.sigma[mode] / 2, fmt::format("τ of mode {} = {}", mode + 1, formatNumber(tau[mode], 6)),
               panel.hiddenNonFinite);
        panel.curves.push_back(std::move(curve));
    }
    if (costly) {
        const std::string label = fmt::format("theory: from mode {} on (τ {})", *costly + 1, formatNumber(tau[*costly], 3));
        panel.marks.push_back({fmt::format("mode={}", *costly + 1), tau[*costly], tau[*costly], tau[*costly], label});
    }
    setTimeAxis(panel, "s of each mode");
    return panel;
}

/// Loss under noise, or what the noise adds to it.
FigurePanel noisePanel(const TheoryState& state, const TheoryEstimates& estimates, const std::vector<double>& times,
                       const std::vector<std::vector<double>>& features, bool change) {
    const std::vector<Strength> strengths = strengthsOf(state);
    const std::vector<double> stops = stopTimes(state.model), base = lossesOf(features, state.model.sigma);
    FigurePanel panel;
    panel.title = change ? "Sensitivity: what noise adds" : "Pretraining loss under noise";
    const std::vector<double> atStops = lossesOf(featuresAtAll(state.model, stops), state.model.sigma);
    if (!change)
        panel.curves.push_back(baseCurve(times, base, panel.hiddenNonFinite));
    for (const Strength& strength : strengths) {
        FigureCurve curve = curveFor(strength);
        std::vector<double> line;
        for (std::size_t i = 0; i < times.size(); ++i)
            line.push_back((change ? 0 : base[i]) + noiseSensitivity(features[i], strength.value));
        addLine(curve, times, line, panel.hiddenNonFinite);
        const auto sampled = estimates.byGamma.find(strength.value);
        if (estimates.isOf(state) && sampled != estimates.byGamma.end() && sampled->second.size() == stops.size())
            for (std::size_t n = 0; n < stops.size(); ++n) {
                const MonteCarloMean& mean = sampled->second[n];
                const double value = mean.mean - (change ? atStops[n] : 0), half = kInterval * mean.standardError;
                addDot(curve, stops[n], value, fmt::format("Monte Carlo, standard error {}", formatNumber(mean.standardError, 2)),
                       panel.hiddenNonFinite);
                FigurePoint& dot = curve.segments.back().back();
                dot.low = value - half;
                dot.high = value + half;
                dot.n = dot.draws = mean.draws;
            }
        panel.curves.push_back(std::move(curve));
        if (!change)
            addTurn(panel, state, strength, theoryLosses(state, strength.value));
    }
    panel.notes.push_back(missingGammas(state, estimates).empty()
                              ? fmt::format("lines: closed form; dots: Monte Carlo of {} draws, 95 % interval", state.draws)
                              : std::string("lines: closed form; the Monte Carlo is at work"));
    if (!change && panel.marks.empty())
        panel.notes.push_back(kNoTurn);
    setTimeAxis(panel, change ? "E[L] - L" : "E[L], pretraining task");
    return panel;
}

/// Loss on the pretraining or the fine-tuning task after fine-tuning.
FigurePanel tuningPanel(const TheoryState& state, const TheoryReading& reading, const std::vector<double>& times,
                        const std::vector<std::vector<double>>& features, const TunedByStrength& tuned, bool onTarget) {
    const std::vector<double>& wanted = onTarget ? state.model.target : state.model.sigma;
    const std::vector<double> stops = stopTimes(state.model);
    FigurePanel panel;
    panel.title = onTarget ? "Fine-tuning loss" : "Pretraining loss after fine-tuning";
    panel.badge = onTarget ? "ID" : "OOD";
    panel.curves.push_back(baseCurve(times, lossesOf(features, wanted), panel.hiddenNonFinite));
    for (const Strength& strength : strengthsOf(state)) {
        FigureCurve curve = curveFor(strength);
        addLine(curve, times, lossesOf(tuned.at(strength.value).line, wanted), panel.hiddenNonFinite);
        const std::vector<double> dots = lossesOf(tuned.at(strength.value).stops, wanted);
        for (std::size_t n = 0; n < stops.size(); ++n)
            addDot(curve, stops[n], dots[n], "gradient steps", panel.hiddenNonFinite);
        panel.curves.push_back(std::move(curve));
        if (!onTarget)
            addTurn(panel, state, strength, dots);
    }
    if (!onTarget && reading.limit)
        addLimit(panel, *reading.limit);
    const TheoryTuning tuning = theoryTuning(state, theoryStrength(state));
    panel.notes.push_back(state.change == TheoryChange::FineTuning
                              ? fmt::format("lines: closed form of gradient flow over ηK; dots: {} gradient steps", tuning.steps)
                              : fmt::format("{} gradient steps, η = {}; dots: stops", tuning.steps, formatNumber(tuning.rate)));
    if (!onTarget && panel.marks.empty())
        panel.notes.push_back(kNoTurn);
    setTimeAxis(panel, onTarget ? "L, fine-tuning task" : "L, pretraining task");
    return panel;
}

} // namespace

std::vector<double> missingGammas(const TheoryState& state, const TheoryEstimates& estimates) {
    std::vector<double> missing;
    if (state.change != TheoryChange::Noise)
        return missing;
    std::vector<double> wanted = state.gammas;
    wanted.push_back(state.gamma);
    for (const double gamma : wanted)
        if ((!estimates.isOf(state) || !estimates.byGamma.contains(gamma)) &&
            std::find(missing.begin(), missing.end(), gamma) == missing.end())
            missing.push_back(gamma);
    return missing;
}

Figure theoryFigure(const TheoryState& state, const TheoryReading& reading, const TheoryEstimates& estimates) {
    const std::vector<double> times = lineTimes(state.model);
    const std::vector<std::vector<double>> features = featuresAtAll(state.model, times);
    Figure figure;
    figure.name = "theory";
    figure.title = fmt::format("two-layer linear network: {}", theoryChangeName(state.change));
    figure.columns = 2;
    figure.panels.push_back(spectrumPanel(state));
    figure.panels.push_back(learningPanel(state, reading.costly, times, features));
    if (state.change == TheoryChange::Noise) {
        figure.panels.push_back(noisePanel(state, estimates, times, features, true));
        figure.panels.push_back(noisePanel(state, estimates, times, features, false));
    } else {
        const TunedByStrength tuned = tuneAll(state, features); // costly with a pull: made once for both panels
        figure.panels.push_back(tuningPanel(state, reading, times, features, tuned, true));
        figure.panels.push_back(tuningPanel(state, reading, times, features, tuned, false));
    }
    if (std::any_of(figure.panels.begin(), figure.panels.end(), [](const auto& panel) { return !panel.marks.empty(); }))
        figure.keys.push_back({FigureKey::Symbol::Interval, "inflection: the stop with the least loss, its neighbours; a line alone: theory, by the closed form"});
    const Json provenance = {{"made_by", fmt::format("Crest {}", version())},
                             {"figure", figure.name},
                             {"theory", theoryJson(state)},
                             {"data", "none: computed from the settings alone"}};
    figure.provenance = provenance.dump();
    return figure;
}

} // namespace crest::analysis
