// SPDX-License-Identifier: Apache-2.0
// What the theory lab is set to, its presets, and what a setting shows in words. Pure functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/theory.h"
#include "core/base/json.h"

namespace crest::analysis {

enum class TheoryChange {
    Noise,      ///< W_k + gamma E_k
    FineTuning, ///< K steps on L_B
    Regularised ///< the same with a pull towards the checkpoint
};
inline constexpr TheoryChange kTheoryChanges[] = {TheoryChange::Noise, TheoryChange::FineTuning, TheoryChange::Regularised};
/// "noise", "fine-tuning", "L2 towards the checkpoint".
std::string theoryChangeName(TheoryChange change);

/// One change at a time is shown: the chosen strength, which the sentence speaks of, beside a ladder of others.
struct TheoryState {
    TheoryModel model;
    TheoryChange change = TheoryChange::Noise;
    double gamma = 0.2;
    TheoryTuning tuning{0.002, 200, 0};    ///< of FineTuning: the strength is the rate
    TheoryTuning regularised{0.02, 5000, 1}; ///< of Regularised: the strength is the pull
    std::vector<double> gammas, rates, pulls; ///< the ladders
    std::int64_t draws = 20'000;              ///< of the Monte Carlo
    std::uint64_t seed = 1;
    bool operator==(const TheoryState&) const = default;
};
inline constexpr std::size_t kMostLadder = 8;

/// The strength that the state's change varies: gamma, eta or lambda.
double theoryStrength(const TheoryState& state);
const std::vector<double>& theoryLadder(const TheoryState& state);
void setTheoryStrength(TheoryState& state, double strength);
void setTheoryLadder(TheoryState& state, std::vector<double> ladder);
/// "γ", "η", "λ".
const char* theorySymbol(TheoryChange change);
/// How the state tunes at this strength; not for Noise.
TheoryTuning theoryTuning(const TheoryState& state, double strength);
/// Errors: OutOfRange.
Result<void> checkTheoryState(const TheoryState& state);

struct TheoryPreset {
    std::string name;
    TheoryState state;
};
/// A spectrum of six modes (3, 2, 1.2, 0.7, 0.4, 0.2) under noise, tuned on its reverse, the same with a pull, and tuned on a nearly aligned one.
const std::vector<TheoryPreset>& theoryPresets();

/// s by [time][mode].
std::vector<std::vector<double>> featuresAtAll(const TheoryModel& model, const std::vector<double>& times);
/// L_A by stop at this strength: the closed form for noise, K steps otherwise.
std::vector<double> theoryLosses(const TheoryState& state, double strength);

/// What the chosen strength shows.
struct TheoryReading {
    TheoryTurn turn; ///< of the computed losses at the stops
    /// Where the theory puts the inflection: the first mode that costs more than it gains. None: nowhere, or there is a pull, where a mode
    /// costs long before it is half learned (`limit`).
    std::optional<std::size_t> costly;
    std::optional<TheoryLeast> limit; ///< with a pull: leastPulledLoss, which infinitely many steps come to
    std::string theory, computed;     ///< a sentence each
};
TheoryReading readTheory(const TheoryState& state);

/// All settings, as a figure carries them.
Json theoryJson(const TheoryState& state);

} // namespace crest::analysis
