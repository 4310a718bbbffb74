// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/theory.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/base/units.h"

namespace crest::analysis {
namespace {

constexpr const char* kWhere = "theory";
constexpr double kSwitchRatio = 10;      ///< sigma / s0 at least
constexpr double kDivergedFactor = 1e3;  ///< |sqrt(s)| beyond this has left every spectrum
constexpr int kStepsBetweenChecks = 64;
constexpr double kSettled = 4e-16;       ///< relative change of a step that changes nothing more
constexpr int kMostNewtonSteps = 100, kScanPoints = 300;

Result<void> checkSpectrum(const TheoryModel& model) {
    if (model.sigma.empty() || model.sigma.size() > kMostModes)
        return fail(ErrorKind::OutOfRange, fmt::format("the spectrum needs 1 to {} values, not {}", kMostModes, model.sigma.size()), kWhere);
    if (model.target.size() != model.sigma.size())
        return fail(ErrorKind::OutOfRange,
                    fmt::format("the fine-tuning spectrum has {} values, the pretraining spectrum {}", model.target.size(), model.sigma.size()),
                    kWhere);
    for (std::size_t i = 0; i < model.sigma.size(); ++i) {
        if (!(model.sigma[i] > 0 && model.sigma[i] <= kLargestSigma) || (i > 0 && !(model.sigma[i] < model.sigma[i - 1])))
            return fail(ErrorKind::OutOfRange,
                        fmt::format("value {} of the pretraining spectrum ({}) must lie below the one before, above 0 and at most at {}", i + 1,
                                    formatNumber(model.sigma[i]), kLargestSigma),
                        kWhere);
        if (!(model.target[i] >= 0 && model.target[i] <= kLargestSigma))
            return fail(ErrorKind::OutOfRange,
                        fmt::format("value {} of the fine-tuning spectrum ({}) must lie between 0 and {}", i + 1, formatNumber(model.target[i]),
                                    kLargestSigma),
                        kWhere);
    }
    return {};
}

constexpr std::size_t kLanes = 16; ///< runs that go side by side: enough to fill the processor's units, few enough to settle early
using Lanes = std::array<double, kLanes>;

/// In pairs that a vector register holds: the compiler makes one number after the other of a plain loop here.
inline void stepLanes(Lanes& a, const Lanes& pulled, double eta, double grow) {
    using Pair [[gnu::vector_size(16)]] = double;
    for (std::size_t i = 0; i < kLanes; i += 2) {
        Pair one = {a[i], a[i + 1]};
        const Pair pull = {pulled[i], pulled[i + 1]};
        one = one * (grow - eta * one * one) + pull;
        a[i] = one[0], a[i + 1] = one[1];
    }
}

/// Both factors start equal and get equal gradients, so one number a = sqrt(s) stands for both; a* is where it started.
/// a - eta (a (a^2 - sigma') + lambda (a - a*)) = a (1 + eta (sigma' - lambda) - eta a^2) + eta lambda a*.
Lanes tuneLanes(double target, const TheoryTuning& tuning, const Lanes& starts) {
    Lanes a = starts, before, pulled;
    const double eta = tuning.rate, grow = 1 + eta * (target - tuning.pull);
    for (std::size_t i = 0; i < kLanes; ++i)
        pulled[i] = eta * tuning.pull * starts[i];
    for (int done = 0; done < tuning.steps;) {
        const int block = std::min(kStepsBetweenChecks, tuning.steps - done);
        for (int k = 1; k < block; ++k)
            stepLanes(a, pulled, eta, grow);
        before = a;
        stepLanes(a, pulled, eta, grow);
        done += block;
        bool settled = true;
        for (std::size_t i = 0; i < kLanes; ++i) {
            if (!(std::abs(a[i]) < kDivergedFactor))
                a[i] = std::numeric_limits<double>::quiet_NaN();
            settled = settled && !(std::abs(a[i] - before[i]) > kSettled * std::abs(a[i]));
        }
        if (settled)
            break;
    }
    return a;
}

} // namespace

Result<void> checkTheory(const TheoryModel& model) {
    CREST_CHECK(checkSpectrum(model));
    if (!(model.start >= 1e-300 && model.start * kSwitchRatio <= model.sigma.back()))
        return fail(ErrorKind::OutOfRange,
                    fmt::format("the start s0 = {} must be above 0 and at most a tenth of the smallest pretraining value, {}",
                                formatNumber(model.start), formatNumber(model.sigma.back())),
                    kWhere);
    if (model.stops.size() > kMostStops)
        return fail(ErrorKind::OutOfRange, fmt::format("{} stops are more than {}", model.stops.size(), kMostStops), kWhere);
    for (std::size_t i = 0; i < model.stops.size(); ++i)
        if (!(std::isfinite(model.stops[i]) && model.stops[i] > (i > 0 ? model.stops[i - 1] : 0)))
            return fail(ErrorKind::OutOfRange, fmt::format("stop {} must be a time after the one before", i + 1), kWhere);
    return {};
}

double featureAt(double sigma, double start, double time) {
    return sigma / (1 + (sigma / start - 1) * std::exp(-2 * sigma * time));
}

double switchOnTime(double sigma, double start) {
    return std::log(sigma / start - 1) / (2 * sigma);
}

std::vector<double> switchOnTimes(const TheoryModel& model) {
    std::vector<double> times;
    for (const double sigma : model.sigma)
        times.push_back(switchOnTime(sigma, model.start));
    return times;
}

std::vector<double> stopTimes(const TheoryModel& model) {
    if (!model.stops.empty())
        return model.stops;
    std::vector<double> times = switchOnTimes(model);
    for (std::size_t i = 0; i + 1 < times.size(); ++i)
        times[i] = std::sqrt(times[i] * times[i + 1]);
    if (!times.empty())
        times.back() *= 3;
    return times;
}

std::vector<double> spacedStops(const TheoryModel& model, std::size_t count) {
    const std::vector<double> tau = switchOnTimes(model);
    const double low = std::log(0.8 * tau.front()), high = std::log(3 * tau.back());
    std::vector<double> times;
    for (std::size_t i = 0; i < count; ++i)
        times.push_back(std::exp(low + (high - low) * static_cast<double>(i) / static_cast<double>(std::max<std::size_t>(1, count - 1))));
    return times;
}

std::vector<double> featuresAt(const TheoryModel& model, double time) {
    std::vector<double> features;
    for (const double sigma : model.sigma)
        features.push_back(featureAt(sigma, model.start, time));
    return features;
}

double quadraticLoss(std::span<const double> features, std::span<const double> wanted) {
    double sum = 0;
    for (std::size_t i = 0; i < features.size(); ++i)
        sum += (features[i] - wanted[i]) * (features[i] - wanted[i]);
    return sum / 2;
}

double noiseSensitivity(std::span<const double> features, double gamma) {
    double sum = 0;
    for (const double s : features)
        sum += s;
    const double d = static_cast<double>(features.size()), square = gamma * gamma;
    return square * d * sum + square * square * d * d * d / 2;
}

double noiseThreshold(std::size_t modes, double gamma) {
    return 2 * static_cast<double>(modes) * gamma * gamma;
}

void tuneMode(double target, const TheoryTuning& tuning, std::span<double> features) {
    for (std::size_t first = 0; first < features.size(); first += kLanes) {
        const std::size_t count = std::min(kLanes, features.size() - first);
        Lanes starts;
        for (std::size_t i = 0; i < kLanes; ++i)
            starts[i] = std::sqrt(features[first + std::min(i, count - 1)]);
        const Lanes tuned = tuneLanes(target, tuning, starts);
        for (std::size_t i = 0; i < count; ++i)
            features[first + i] = tuned[i] * tuned[i];
    }
}

std::vector<std::vector<double>> tunedFeatures(const TheoryModel& model, const TheoryTuning& tuning, std::vector<std::vector<double>> checkpoints) {
    for (std::size_t mode = 0; mode < model.sigma.size(); ++mode) {
        std::vector<double> distinct; // of late checkpoints a mode is learned to the last bit
        for (const std::vector<double>& features : checkpoints)
            if (distinct.empty() || features[mode] != distinct.back())
                distinct.push_back(features[mode]);
        const std::vector<double> before = distinct;
        tuneMode(model.target[mode], tuning, distinct);
        std::size_t at = 0;
        for (std::vector<double>& features : checkpoints) {
            at += features[mode] != before[at];
            features[mode] = distinct[at];
        }
    }
    return checkpoints;
}

double tunedByFlow(double target, double time, double feature) {
    if (target <= 0) // the limit of the formula below
        return feature / (1 + 2 * feature * time);
    return target / (1 + (target / feature - 1) * std::exp(-2 * target * time));
}

double pulledLimit(double target, double pull, double feature) {
    const double start = std::sqrt(feature), linear = pull - target;
    double a = std::max(start, std::sqrt(target)); // right of the root, where the cubic is convex: Newton's steps come down to it
    for (int i = 0; i < kMostNewtonSteps; ++i) {
        const double next = a - (a * (a * a + linear) - pull * start) / (3 * a * a + linear);
        if (!(next < a * (1 - kSettled)))
            break;
        a = next;
    }
    return a * a;
}

namespace {

double pulledLoss(const TheoryModel& model, double pull, double time) {
    std::vector<double> features = featuresAt(model, time);
    for (std::size_t mode = 0; mode < features.size(); ++mode)
        features[mode] = pulledLimit(model.target[mode], pull, features[mode]);
    return quadraticLoss(features, model.sigma);
}

} // namespace

TheoryLeast leastPulledLoss(const TheoryModel& model, double pull) {
    const auto at = [&](double logTime) { return pulledLoss(model, pull, std::exp(logTime)); };
    const std::vector<double> tau = switchOnTimes(model);
    const double end = std::log(stopTimes(model).back()), begin = std::min(std::log(tau.front() / 2), end);
    const double width = (end - begin) / kScanPoints;
    int best = 0;
    double least = at(begin);
    for (int i = 1; i <= kScanPoints; ++i)
        if (const double loss = at(begin + width * i); loss <= least * (1 + 1e-9))
            best = i, least = std::min(least, loss);
    // One minimum lies between the neighbours: thirds are cut off until it is known.
    double low = begin + width * std::max(0, best - 1), high = begin + width * std::min(kScanPoints, best + 1);
    while (high - low > 1e-6) {
        const double first = low + (high - low) / 3, second = high - (high - low) / 3;
        if (at(first) < at(second))
            high = second;
        else
            low = first;
    }
    const double found = best == kScanPoints ? end : (low + high) / 2;
    TheoryLeast out{std::exp(found), at(found), at(end), 0, false};
    out.learned = static_cast<std::size_t>(std::ranges::count_if(tau, [&](double time) { return time <= out.time; }));
    out.rises = best < kScanPoints && out.last > out.loss * (1 + 1e-9);
    return out;
}

TheoryTurn findTurn(std::span<const double> losses) {
    TheoryTurn turn;
    const auto badness = [&](std::size_t i) {
        return std::isfinite(losses[i]) ? losses[i] : std::numeric_limits<double>::infinity();
    };
    for (std::size_t i = 1; i < losses.size(); ++i)
        if (badness(i) <= badness(turn.best) * (1 + 1e-9))
            turn.best = i;
    if (losses.empty() || !std::isfinite(losses[turn.best]))
        return turn;
    turn.rises = turn.best + 1 < losses.size();
    turn.rise = badness(losses.size() - 1) - losses[turn.best];
    return turn;
}

std::optional<std::size_t> firstCostlyMode(const TheoryModel& model, double gamma) {
    for (std::size_t i = 0; i < model.sigma.size(); ++i)
        if (model.sigma[i] < noiseThreshold(model.sigma.size(), gamma))
            return i;
    return std::nullopt;
}

std::vector<double> learningCosts(const TheoryModel& model, const TheoryTuning& tuning) {
    std::vector<double> costs;
    for (std::size_t i = 0; i < model.sigma.size(); ++i) {
        const auto lossFrom = [&](double feature) {
            const double off = tunedByFlow(model.target[i], tuning.rate * tuning.steps, feature) - model.sigma[i];
            return off * off / 2;
        };
        costs.push_back(lossFrom(model.sigma[i]) - lossFrom(model.start));
    }
    return costs;
}

std::optional<std::size_t> firstCostlyMode(const TheoryModel& model, const TheoryTuning& tuning) {
    double sum = 0, least = 0;
    std::size_t best = 0, learned = 0;
    for (const double cost : learningCosts(model, tuning)) {
        sum += cost;
        ++learned;
        if (sum <= least + kNoCost) {
            least = std::min(least, sum);
            best = learned;
        }
    }
    return best < learned ? std::optional(best) : std::nullopt;
}

} // namespace crest::analysis
