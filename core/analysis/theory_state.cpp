// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/theory_state.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/analysis/theory_noise.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

TheoryState baseState() {
    TheoryState state;
    state.model.sigma = {3, 2, 1.2, 0.7, 0.4, 0.2};
    state.model.target = {0.2, 0.4, 0.7, 1.2, 2, 3};
    state.gammas = {0.05, 0.1, 0.2, 0.3, 0.4};
    state.rates = {0.0005, 0.001, 0.002, 0.005};
    state.pulls = {0.5, 1, 2, 5};
    return state;
}

std::vector<TheoryPreset> makePresets() {
    TheoryState noise = baseState(), reversed = baseState(), pulled = baseState(), aligned = baseState();
    reversed.change = aligned.change = TheoryChange::FineTuning;
    pulled.change = TheoryChange::Regularised;
    aligned.model.target = {2.4, 2.2, 1, 0.8, 0.35, 0.25};
    aligned.tuning.rate = 0.02;
    aligned.rates = {0.002, 0.005, 0.01};
    return {{"Noise", noise}, {"Reversed", reversed}, {"Reversed, pulled", pulled},
            {"Nearly aligned", aligned}};
}

std::string subscript(std::size_t number) {
    static constexpr const char* kDigits[] = {"₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"};
    std::string text;
    for (const char c : std::to_string(number))
        text += kDigits[c - '0'];
    return text;
}

std::string number(double value) {
    return formatNumber(value, 3);
}

std::optional<std::size_t> costlyMode(const TheoryState& state) {
    return state.change == TheoryChange::Noise        ? firstCostlyMode(state.model, state.gamma)
           : state.change == TheoryChange::FineTuning ? firstCostlyMode(state.model, state.tuning)
                                                      : std::nullopt;
}

std::string noiseTheory(const TheoryState& state, const std::optional<std::size_t>& costly) {
    const std::size_t d = state.model.sigma.size();
    const std::string threshold = number(noiseThreshold(d, state.gamma));
    if (!costly)
        return fmt::format("No inflection: every σ is above 2dγ² = {}, so each mode that is learned lowers the noisy loss.", threshold);
    const std::string mode = fmt::format("σ{} = {} < 2dγ² = {}", subscript(*costly + 1), number(state.model.sigma[*costly]), threshold);
    if (*costly == 0)
        return fmt::format("No mode is worth learning: {}.", mode);
    return fmt::format("Inflection at mode {}, because {}: learning it costs more under this noise than it gains.", *costly + 1, mode);
}

/// Where the closed form of fine-tuning carries a mode: the flow, with a pull its end.
double closedForm(const TheoryState& state, std::size_t mode, double feature) {
    const double target = state.model.target[mode];
    return state.change == TheoryChange::Regularised ? pulledLimit(target, state.regularised.pull, feature)
                                                     : tunedByFlow(target, state.tuning.rate * state.tuning.steps, feature);
}

std::string tuningTheory(const TheoryState& state, const std::optional<std::size_t>& costly) {
    const std::vector<double> costs = learningCosts(state.model, state.tuning);
    const auto dearest = static_cast<std::size_t>(std::ranges::max_element(costs) - costs.begin());
    if (!costly && costs[dearest] > kNoCost)
        return fmt::format("No inflection: mode {} costs more than it gains once it is learned, but others make up for it.", dearest + 1);
    if (!costly)
        return "No inflection: fine-tuning leaves no mode further from its σ for having been learned.";
    const double sigma = state.model.sigma[*costly];
    const std::string mode = subscript(*costly + 1);
    return fmt::format("{}: once learned, fine-tuning carries it from σ{} = {} to {}; unlearned it ends at {}, nearer to σ{}.",
                       *costly == 0 ? "No mode is worth learning, not even the first" : fmt::format("Inflection at mode {}", *costly + 1), mode,
                       number(sigma), number(closedForm(state, *costly, sigma)), number(closedForm(state, *costly, state.model.start)), mode);
}

/// How far the computed losses of fine-tuning are from those of the closed form, at most, as a share.
double offClosedForm(const TheoryState& state, const std::vector<double>& losses) {
    const std::vector<std::vector<double>> features = featuresAtAll(state.model, stopTimes(state.model));
    double most = 0;
    for (std::size_t n = 0; n < features.size(); ++n) {
        std::vector<double> ended = features[n];
        for (std::size_t mode = 0; mode < ended.size(); ++mode)
            ended[mode] = closedForm(state, mode, ended[mode]);
        const double loss = quadraticLoss(ended, state.model.sigma);
        if (!std::isfinite(losses[n]))
            return std::numeric_limits<double>::infinity();
        most = std::max(most, std::abs(losses[n] - loss) / std::max(loss, 1e-12));
    }
    return most;
}

/// Why the least loss at the stops may lie elsewhere than the modes say, where they are learned whole; "" where it does not, or the user set the stops.
std::string apartFromModes(const TheoryState& state, const std::optional<std::size_t>& costly, const std::vector<double>& losses,
                           const TheoryTurn& turn) {
    constexpr double kCoarse = 0.05;
    if (!std::isfinite(losses[turn.best]))
        return "";
    if (state.change == TheoryChange::FineTuning && !(offClosedForm(state, losses) <= kCoarse))
        return fmt::format(" Steps of η = {} are too coarse to follow the closed form.", formatNumber(state.tuning.rate));
    const std::size_t modes = state.model.sigma.size(), learned = std::max<std::size_t>(1, costly.value_or(modes));
    if (!state.model.stops.empty() || turn.best + 1 == learned)
        return "";
    return " The stops differ: a mode is partly learned there before its turn.";
}

std::string pullTheory(const TheoryState& state, const TheoryLeast& limit, const std::vector<double>& losses, const TheoryTurn& turn) {
    constexpr double kNear = 0.01;
    std::string text =
        limit.rises ? fmt::format("Inflection at t = {} by the closed form, which infinitely many steps come to: the pretraining loss is least there ({}), "
                                  "with {} of {} modes half learned, and ends at {}.",
                                  number(limit.time), formatNumber(limit.loss), limit.learned, state.model.sigma.size(), formatNumber(limit.last))
                    : fmt::format("No inflection: the closed form, which infinitely many steps come to, is least at the last stop ({}).",
                                  formatNumber(limit.last));
    if (!(offClosedForm(state, losses) <= kNear))
        text += fmt::format(" {} steps of η = {} do not get there.", state.regularised.steps, formatNumber(state.regularised.rate));
    else if (limit.rises && !turn.rises)
        text += " No stop shows it.";
    return text;
}

/// "4 features learned (t = 16.8)", or "stop 4 (t = 16.8)" where the user has set the stops.
std::string stopName(const TheoryState& state, std::size_t stop) {
    const double time = stopTimes(state.model)[stop];
    if (!state.model.stops.empty())
        return fmt::format("stop {} (t = {})", stop + 1, number(time));
    return fmt::format("{} feature{} learned (t = {})", stop + 1, stop == 0 ? "" : "s", number(time));
}

std::string computedSentence(const TheoryState& state, const std::vector<double>& losses, const TheoryTurn& turn) {
    if (!std::isfinite(losses[turn.best]))
        return "Computed: the steps are too large, every run diverges.";
    const std::string least = formatNumber(losses[turn.best]);
    if (!turn.rises)
        return fmt::format("Computed: the pretraining loss is least at the last stop ({}).", least);
    const std::string where = fmt::format("Computed: the pretraining loss is least with {}, {}", stopName(state, turn.best), least);
    return std::isfinite(turn.rise) ? fmt::format("{}, and ends at {}.", where, formatNumber(losses.back()))
                                    : where + "; later runs diverge.";
}

} // namespace

std::string theoryChangeName(TheoryChange change) {
    return change == TheoryChange::Noise ? "noise" : change == TheoryChange::FineTuning ? "fine-tuning" : "L2 towards the checkpoint";
}

const char* theorySymbol(TheoryChange change) {
    return change == TheoryChange::Noise ? "γ" : change == TheoryChange::FineTuning ? "η" : "λ";
}

double theoryStrength(const TheoryState& state) {
    return state.change == TheoryChange::Noise        ? state.gamma
           : state.change == TheoryChange::FineTuning ? state.tuning.rate
                                                      : state.regularised.pull;
}

void setTheoryStrength(TheoryState& state, double strength) {
    (state.change == TheoryChange::Noise        ? state.gamma
     : state.change == TheoryChange::FineTuning ? state.tuning.rate
                                                : state.regularised.pull) = strength;
}

const std::vector<double>& theoryLadder(const TheoryState& state) {
    return state.change == TheoryChange::Noise ? state.gammas : state.change == TheoryChange::FineTuning ? state.rates : state.pulls;
}

void setTheoryLadder(TheoryState& state, std::vector<double> ladder) {
    (state.change == TheoryChange::Noise ? state.gammas : state.change == TheoryChange::FineTuning ? state.rates : state.pulls) =
        std::move(ladder);
}

TheoryTuning theoryTuning(const TheoryState& state, double strength) {
    TheoryTuning tuning = state.change == TheoryChange::Regularised ? state.regularised : state.tuning;
    (state.change == TheoryChange::Regularised ? tuning.pull : tuning.rate) = strength;
    return tuning;
}

Result<void> checkTheoryState(const TheoryState& state) {
    CREST_CHECK(checkTheory(state.model));
    const auto positive = [](double value) { return value > 0 && value <= 1000; };
    const std::vector<double>& ladder = theoryLadder(state);
    if (ladder.size() > kMostLadder)
        return fail(ErrorKind::OutOfRange, fmt::format("at most {} strengths can be compared", kMostLadder), "theory");
    if (!positive(theoryStrength(state)) || !std::all_of(ladder.begin(), ladder.end(), positive))
        return fail(ErrorKind::OutOfRange, fmt::format("{} must be above 0 and at most 1000", theorySymbol(state.change)), "theory");
    for (const TheoryTuning& tuning : {state.tuning, state.regularised})
        if (!positive(tuning.rate) || tuning.steps < 1 || tuning.steps > kMostTuningSteps)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("fine-tuning needs a rate above 0 and 1 to {} steps", kMostTuningSteps), "theory");
    if (state.draws < 2 || state.draws > kMostDraws)
        return fail(ErrorKind::OutOfRange, fmt::format("the Monte Carlo needs 2 to {} draws", kMostDraws), "theory");
    return {};
}

const std::vector<TheoryPreset>& theoryPresets() {
    static const std::vector<TheoryPreset> kPresets = makePresets();
    return kPresets;
}

std::vector<std::vector<double>> featuresAtAll(const TheoryModel& model, const std::vector<double>& times) {
    std::vector<std::vector<double>> out;
    for (const double time : times)
        out.push_back(featuresAt(model, time));
    return out;
}

std::vector<double> theoryLosses(const TheoryState& state, double strength) {
    std::vector<std::vector<double>> features = featuresAtAll(state.model, stopTimes(state.model));
    if (state.change != TheoryChange::Noise)
        features = tunedFeatures(state.model, theoryTuning(state, strength), std::move(features));
    std::vector<double> losses;
    for (const std::vector<double>& each : features)
        losses.push_back(quadraticLoss(each, state.model.sigma) + (state.change == TheoryChange::Noise ? noiseSensitivity(each, strength) : 0));
    return losses;
}

TheoryReading readTheory(const TheoryState& state) {
    TheoryReading reading;
    const std::vector<double> losses = theoryLosses(state, theoryStrength(state));
    reading.turn = findTurn(losses);
    reading.computed = computedSentence(state, losses, reading.turn);
    reading.costly = costlyMode(state);
    if (state.change == TheoryChange::Regularised)
        reading.limit = leastPulledLoss(state.model, state.regularised.pull);
    if (reading.limit) {
        reading.theory = pullTheory(state, *reading.limit, losses, reading.turn);
        return reading;
    }
    reading.theory = state.change == TheoryChange::Noise ? noiseTheory(state, reading.costly) : tuningTheory(state, reading.costly);
    reading.theory += apartFromModes(state, reading.costly, losses, reading.turn);
    return reading;
}

Json theoryJson(const TheoryState& state) {
    Json json = {{"model", "two-layer linear network, x ~ N(0, I), gradient flow from sqrt(s0) I"},
                 {"sigma", state.model.sigma},
                 {"s0", state.model.start},
                 {"stops", stopTimes(state.model)},
                 {"modification", theoryChangeName(state.change)}};
    if (state.change == TheoryChange::Noise) {
        json["gamma"] = state.gamma;
        json["gammas"] = state.gammas;
        json["draws"] = state.draws;
        json["seed"] = state.seed;
        return json;
    }
    const TheoryTuning& tuning = state.change == TheoryChange::FineTuning ? state.tuning : state.regularised;
    json["sigma_fine_tuning"] = state.model.target;
    json["learning_rate"] = tuning.rate;
    json["steps"] = tuning.steps;
    if (state.change == TheoryChange::FineTuning)
        json["learning_rates"] = state.rates;
    else {
        json["lambda"] = tuning.pull;
        json["lambdas"] = state.pulls;
    }
    return json;
}

} // namespace crest::analysis
