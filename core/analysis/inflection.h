// SPDX-License-Identifier: Apache-2.0
// The inflection point: the token budget after which the modified model gets worse (its loss rises, its accuracy falls),
// with a 95 % confidence set, or the reason why none is supported.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/analysis/count_range.h"
#include "core/analysis/curves.h"
#include "core/analysis/measure.h"
#include "core/base/result.h"

namespace crest::analysis {

/// Whom the statement speaks of.
enum class Scope {
    Budgets,         ///< two or more pretraining runs at the budgets: holds for pretraining with such budgets
    TheseCheckpoints ///< one run per budget: the interval covers noise draws and sequences, not the luck of the run
};

/// In words of a loss; a metric of which more is better is turned round.
enum class InflectionVerdict {
    Supported,      ///< gets better, then worse, both beyond the error
    FallsToLast,    ///< the best is at the last budget
    RiseNotClear,   ///< gets worse after the best budget, but within the error
    RisesFromStart, ///< the worsening is clear, an improvement before it is not: the turn is at or before `high`
    TooFewBudgets,  ///< fewer than `InflectionOptions::minimumBudgets` with finite values
    NoError         ///< a spread is not known (one noise draw, no sequences): nothing can be tested
};

struct Inflection {
    bool supported = false;
    InflectionVerdict verdict = InflectionVerdict::TooFewBudgets;
    bool higherIsBetter = false; ///< of the metric: "best" below is its highest mean, else its lowest
    bool overSteps = false;      ///< budgets are steps, not tokens
    double tokens = 0;           ///< the budget with the best mean
    double low = 0,
           high =
               0; ///< 95 % confidence set for the budget that is truly best: first and last budget not excluded
    /// Next measured budgets outside [low, high]: where the curve has one minimum, its place between budgets lies in
    /// here.
    double bracketLow = 0, bracketHigh = 0;
    double level = 0.95;
    Scope scope = Scope::TheseCheckpoints;
    std::int64_t budgets = 0;
    CountRange seeds, draws, sequences; ///< over the budgets
    std::int64_t nonFinite = 0;         ///< values left out
    double riseNats = 0, riseError = 0; ///< by how much the last budget is worse than the best (the metric's ratio), and
                                        ///< its standard error
    std::string method;                                            ///< one sentence, for hover and caption
    std::string evidence;                                          ///< the numbers in words
};

struct InflectionOptions {
    double level = 0.95;
    int minimumBudgets = 4;
    Measure measure = measureOf("loss"); ///< which direction is worse, and the words for it
    std::string draw = "noise draw";     ///< what a draw is called; "": nothing is drawn
    bool overSteps = false;              ///< Observation::tokens are steps
};

/// Of one task at one strength: `observations` must all have the same task and strength (Mismatch otherwise).
///
/// Target of the coverage: the true argmin over the measured budgets (where several share the lowest true loss, any of
/// them) lies in [low, high] in at least `level` of repetitions, and a curve that is flat, falling, or rising from its
/// first budget is called supported in at most 1 - level. README.md has the method and the simulations.
Result<Inflection> findInflection(std::span<const Observation> observations, const InflectionOptions& options = {});

/// For legend and table: "8M (4M to 16M)", or the reason.
std::string inflectionLabel(const Inflection& inflection);
/// Stable names for files: "supported", "falls-to-last", ...
std::string verdictName(InflectionVerdict verdict);
std::string scopeLabel(Scope scope);

} // namespace crest::analysis
