// SPDX-License-Identifier: Apache-2.0
// The kinds of probe that modify a checkpoint, as facts: their words, the range of their strength, what a seed is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::study {

inline constexpr const char* kGaussianNoise = "gaussian-noise";
inline constexpr const char* kFineTuning = "fine-tuning";
inline constexpr const char* kInterpolation = "interpolation";
inline constexpr const char* kQuantisation = "quantisation";
inline constexpr const char* kPruning = "pruning";
/// The checkpoints as they are: no strengths, no seeds (0), no noise scale. Not in probeKinds().
inline constexpr const char* kBaseEvaluation = "base-evaluation";

/// One kind. Words are lower case, as they stand in sentences.
struct ProbeKind {
    const char* id;         ///< in files and keys
    const char* name;       ///< "Gaussian noise"
    const char* strength;   ///< what a sweep varies: "gamma"; more than one: `strengths`
    const char* strengths;  ///< "gammas"
    const char* symbol;     ///< before a value in legends: "γ"
    const char* curve;      ///< the ids of curves: "gamma", as in gamma=0.1
    const char* draw;       ///< what a seed of a cell is, "noise draw"; "" where nothing is drawn: seeds are 0
    double least;           ///< strengths are in [least, most]
    double most;
    bool whole;             ///< whole numbers only
    int members;            ///< forward passes behind one value: 2 for an antithetic pair
    bool cellByCell;        ///< a cell is long work of its own; else all strengths of a seed share a pass
    bool trains = false;    ///< weights are fine-tuned: the settings name data and training

    bool isDrawn() const { return *draw != 0; }
};

std::span<const ProbeKind> probeKinds();
/// Null where there is no such kind.
const ProbeKind* findProbeKind(std::string_view id);
/// As findProbeKind, for kinds that were checked; noise for anything else.
const ProbeKind& probeKind(std::string_view id);

/// "gamma 0.1", "4 bits", "learning rate 0.004": in sentences.
std::string strengthText(const ProbeKind& kind, double strength);
/// "γ = 0.1", "4 bits", "50 % pruned": in legends.
std::string strengthLabel(const ProbeKind& kind, double strength);

/// What a kind has beside strengths and seeds, with everything said, null where it has nothing: Quantisation has {"group": N}, weights that share a
/// scale, default 128. Fine-tuning has {"training": settings of core/train/fine_tune_settings.h, all of them, "data_task":
/// the TuningLoss task whose other rows are trained on}, and in a plan "data_hash", that task's hash; where pretraining
/// text is replayed, "replay", its file, and in a plan "replay_hash"; where tuned weights are kept, "keep_bytes", how much
/// room all of the study may take (kept_weights.h); "state_seconds" between two saved states of a training, and
/// "recompute_activations": these three are part of no key, nor are "finer_rates" (finer_rates.h). Interpolation has the same and "learning_rate". OutOfRange
/// or Malformed, in a sentence, for what is not among them; settings of the training are checked by who makes them.
Result<Json> completeSettings(const ProbeKind& kind, const Json& settings);

} // namespace crest::study
