// SPDX-License-Identifier: Apache-2.0
// The tuned learning rate: for each checkpoint the one with the best ID score, and what every task measures there. Pure
// functions; any thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/analysis/measure.h"
#include "core/analysis/probe_figures.h"

namespace crest::analysis {

/// Whether a kind's strength is something one tunes: a learning rate.
bool isTuned(const study::ProbeKind& kind);

/// What a checkpoint is judged by in distribution.
struct IdScore {
    std::vector<std::string> tasks; ///< whose plain mean it is
    Measure measure;
    std::string note; ///< what a reader must know of it; "": nothing
};
/// Of the probe's ID tasks where they measure in one unit; where they do not, that of the first of them, which `note` says. Without
/// tasks where the probe has none.
IdScore idScoreOf(const ProbeResults& results, const std::string& metric);

/// The strength under which the envelope stands where curves and rows have one; no strength of any kind.
inline constexpr double kEnvelopeStrength = -1;
inline constexpr const char* kEnvelopeCurve = "envelope"; ///< FigureCurve::id

/// What was chosen for one checkpoint.
struct RateChoice {
    double tokens = 0; ///< or its step
    std::int64_t pretrainSeed = -1;
    std::optional<double> rate; ///< nothing: no rate has a finite ID score
    double score = 0;           ///< its ID score (the metric's ratio) over the seeds that all candidates have
    std::int64_t seeds = 0;     ///< how many these are
    std::vector<double> tried;      ///< the rates that it was to be tuned with, ascending: the grid, and finer ones of its own
    std::vector<double> notFinite;  ///< rates with a score that is not finite at some seed: no candidates
    std::vector<double> diverged;   ///< those of them where a training is recorded to have diverged (envelopeOf)
    std::vector<double> unmeasured; ///< rates without any ID score: failed, or still to come
    bool isLowest = false, isHighest = false; ///< at an edge of what was tried: what is best may lie beyond
    /// Rates not significantly worse than any other (inflection.h's comparison with rates in the place of budgets, paired over
    /// seeds and sequences, 95 % for all together): first and last. Absent where no error is known.
    std::optional<double> low, high;
    /// How much worse the score is where each seed's rate is chosen by the other seeds: what choosing by luck adds. In the
    /// metric's ratio, positive is worse. Absent with fewer than two common seeds.
    std::optional<double> favour;
};

struct Envelope {
    std::vector<std::string> idTasks; ///< whose mean is the ID score
    Measure measure;                  ///< of the ID score
    std::vector<double> grid;         ///< rates that any checkpoint was to be tuned with, ascending
    std::vector<RateChoice> choices;  ///< ascending in tokens, then pretraining seed
    std::vector<std::string> notes;   ///< what a reader must know of the choice
    std::string favourNote;           ///< of ID panels: by how much choosing by these scores favours them; "": not known
};

/// By tokens (or step) and pretraining seed.
using TriedRates = std::map<std::pair<double, std::int64_t>, std::vector<double>>;

/// Of observations of one "task", the ID score (strength 0, the base, is not looked at). The best is the lowest, or highest,
/// mean over the seeds that all candidates have; of equal ones the smallest rate, which changes the model least. `own`: of
/// checkpoints that have other rates than the grid.
std::vector<RateChoice> chooseRates(std::span<const Observation> scores, std::span<const double> grid,
                                    const Measure& measure, const TriedRates& own = {});
/// Those of a plan where single checkpoints have finer rates (study::strengthsOf); else empty.
TriedRates triedRates(const study::Plan& plan, XQuantity x);

/// Each checkpoint (budget and pretraining seed) has its own choice, by the ID score (idScoreOf). `x`: what `observations` are over.
/// Errors: Mismatch where the probe varies no learning rate or has no ID task.
Result<Envelope> envelopeOf(const ProbeResults& results, std::span<const Observation> observations,
                            const std::string& metric, XQuantity x);

/// By how much choosing by these scores favours them, on average and in words; "": not known, or not at all.
std::string favourNote(std::span<const RateChoice> choices, const Measure& measure);

/// The choices at one budget.
std::vector<RateChoice> choicesAt(const Envelope& envelope, double tokens);
/// "0.004", or "0.004 (pretraining seed 1), 0.008 (pretraining seed 2)".
std::string ratesText(const std::vector<RateChoice>& choices);

/// The bases, and what was measured at the chosen rate under kEnvelopeStrength, of checkpoints that have one.
std::vector<Observation> envelopeObservations(std::span<const Observation> observations, const Envelope& envelope);

/// The inflection of the envelope for each task, ID tasks first; empty where the kind has none.
Result<std::vector<InflectionRow>> envelopeInflections(const ProbeResults& results,
                                                       std::span<const Observation> observations,
                                                       const std::string& metric, XQuantity x);

} // namespace crest::analysis
