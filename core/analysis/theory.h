// SPDX-License-Identifier: Apache-2.0
// The two-layer linear network in which overtraining can be computed (Springer et al. 2025, section 4; learning of singular values one
// after another: Saxe et al. 2014, Gidel et al. 2019). Plain functions in double precision; any thread.
//
// Inputs x ~ N(0, I_d). Pretraining wants y = A x, fine-tuning y = B x, with the loss L_A(W1, W2) = 1/2 ||W2 W1 - A||_F^2. A = U diag(sigma) V^T
// and B = U diag(sigma') V^T share singular vectors, so that U = V = I loses nothing: from W1 = W2 = sqrt(s0) I both matrices stay diagonal and
// equal, and W2 W1 = diag(s). Pretraining is gradient flow, ds_i/dt = 2 s_i (sigma_i - s_i).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace crest::analysis {

/// What the numbers mean is in the head of this file. A "mode" is a singular value; modes count from 1 in words, from 0 in code.
struct TheoryModel {
    std::vector<double> sigma;  ///< of A: falling, > 0
    std::vector<double> target; ///< sigma' of B, in the same order: >= 0, in any order
    double start = 1e-8;        ///< s0
    std::vector<double> stops;  ///< pretraining times, rising; empty: stopTimes() of the model, "n features learned"
    bool operator==(const TheoryModel&) const = default;
};
inline constexpr std::size_t kMostModes = 16, kMostStops = 256;
inline constexpr double kLargestSigma = 100;
inline constexpr double kNoCost = 1e-9; ///< a mode that ends in the same place, learned or not, costs nothing

/// Errors: OutOfRange. sigma_d must be at least 10 s0: only then does a smaller sigma switch on later.
Result<void> checkTheory(const TheoryModel& model);

// --- closed forms ---
/// s(t) of one mode.
double featureAt(double sigma, double start, double time);
/// tau = ln(sigma/s0 - 1)/(2 sigma): the mode is half learned, s = sigma/2.
double switchOnTime(double sigma, double start);
std::vector<double> switchOnTimes(const TheoryModel& model);
/// t_n = sqrt(tau_n tau_{n+1}), the last 3 tau_d; the model's own stops where it has some.
std::vector<double> stopTimes(const TheoryModel& model);
/// `count` times evenly spaced on a log axis from just before the first mode to 3 tau_d, as stops of a finer curve.
std::vector<double> spacedStops(const TheoryModel& model, std::size_t count);
/// All s_i(t).
std::vector<double> featuresAt(const TheoryModel& model, double time);
/// 1/2 sum (s_i - wanted_i)^2: L_A with sigma, L_B with target.
double quadraticLoss(std::span<const double> features, std::span<const double> wanted);
/// What noise W_k + gamma E_k, E iid N(0, 1), adds to E[L_A]: gamma^2 d sum s_i + gamma^4 d^3 / 2.
double noiseSensitivity(std::span<const double> features, double gamma);
/// 2 d gamma^2: learning a mode lowers the noisy loss only where its sigma is above this.
double noiseThreshold(std::size_t modes, double gamma);

// --- fine-tuning ---
struct TheoryTuning {
    double rate = 0.002; ///< eta
    int steps = 200;     ///< K
    double pull = 0;     ///< lambda: adds lambda/2 (||W1 - W1*||^2 + ||W2 - W2*||^2), * the checkpoint
    bool operator==(const TheoryTuning&) const = default;
};
inline constexpr int kMostTuningSteps = 100'000;

/// K gradient steps on L_B for one mode from each of `features`, both factors from the same point, in place. A run that diverges gives NaN.
void tuneMode(double target, const TheoryTuning& tuning, std::span<double> features);
/// All modes of some checkpoints, by [checkpoint][mode].
std::vector<std::vector<double>> tunedFeatures(const TheoryModel& model, const TheoryTuning& tuning, std::vector<std::vector<double>> checkpoints);
/// Closed form of the same with infinitely small steps over the time eta K, without pull: s' / (1 + (s'/s - 1) exp(-2 s' eta K)).
double tunedByFlow(double target, double time, double feature);
/// Where a pull (> 0) lets it end, in closed form: the steps stand still where a (a^2 - s') + lambda (a - a*) = 0, a = sqrt(s) and a* = sqrt(feature),
/// which a^3 + (lambda - s') a = lambda a* has one positive root of; every descent from a* > 0 ends there. Gives a^2.
double pulledLimit(double target, double pull, double feature);

// --- the inflection ---
struct TheoryTurn {
    bool rises = false;   ///< some later stop is worse than the best
    std::size_t best = 0; ///< the stop with the least loss, the last of equal ones
    double rise = 0;      ///< loss of the last stop minus the least; infinite where it diverged
};
/// The pretraining time at which L_A is least once pulledLimit has moved all modes: where it starts to rise.
struct TheoryLeast {
    double time = 0, loss = 0, last = 0; ///< `last`: the loss at the last stop
    std::size_t learned = 0;             ///< modes that have switched on by then
    bool rises = false;                  ///< `last` is above `loss`
};
/// Between half of the first mode's time and the last stop, to 1e-6 of the time.
TheoryLeast leastPulledLoss(const TheoryModel& model, double pull);
/// Losses by stop; those that are not finite count as infinitely bad. Exact numbers: a rise of 1e-9 of the least loss is one.
TheoryTurn findTurn(std::span<const double> losses);
/// The first mode that noise makes costly to learn: sigma_i < 2 d gamma^2. None: no inflection.
std::optional<std::size_t> firstCostlyMode(const TheoryModel& model, double gamma);
/// What learning each mode whole adds to L_A after fine-tuning (without pull): it then goes to tunedByFlow(sigma_i), not to tunedByFlow(s0). While
/// unlearned modes stay near 0, their saddle, that is above 0 where the learned one is carried beyond 2 sigma_i.
std::vector<double> learningCosts(const TheoryModel& model, const TheoryTuning& tuning);
/// The mode after the best number of learned ones, by the sums of learningCosts: those from it on cost more than they gain.
std::optional<std::size_t> firstCostlyMode(const TheoryModel& model, const TheoryTuning& tuning);

} // namespace crest::analysis
