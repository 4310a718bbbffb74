// SPDX-License-Identifier: Apache-2.0
// The theory lab as a figure: spectra, learning of features, and the losses before and after the modification. A pure function; any thread.
#pragma once

#include <map>

#include "core/analysis/figure.h"
#include "core/analysis/theory_noise.h"
#include "core/analysis/theory_state.h"

namespace crest::analysis {

/// What the Monte Carlo has given so far, by gamma and stop. Good for one model, number of draws and seed only.
struct TheoryEstimates {
    TheoryModel model;
    std::int64_t draws = 0;
    std::uint64_t seed = 0;
    std::map<double, std::vector<MonteCarloMean>> byGamma;
    bool isOf(const TheoryState& state) const { return model == state.model && draws == state.draws && seed == state.seed; }
};
/// Gammas of the state (chosen and ladder) that `estimates` lacks, in order; empty where the state shows no noise.
std::vector<double> missingGammas(const TheoryState& state, const TheoryEstimates& estimates);

/// Four panels: the spectra (with the threshold 2 d gamma^2 of noise), s_i(t) with a dot at each tau, then for noise the loss and the
/// sensitivity, for fine-tuning the loss on its task (ID) and on the pretraining task (OOD). Lines are closed forms: E[L_A] under noise, gradient
/// flow over the time eta K; with a pull the K steps, and a mark where the closed form of infinitely many is least. Lone dots are simulations at the stops: the Monte Carlo with its 95 %
/// interval where `estimates` has it, K steps of gradient descent. Curves have stable ids: "base", "chosen", "strength=0.1", "mode=1".
/// The state must pass checkTheoryState; `reading`: readTheory of it. About 1 ms; with a pull up to 10 ms for 5000 steps.
Figure theoryFigure(const TheoryState& state, const TheoryReading& reading, const TheoryEstimates& estimates = {});

} // namespace crest::analysis
