// SPDX-License-Identifier: Apache-2.0
// From measured cells to curves over pretraining tokens: mean, band that says what it is, sensitivity paired with the
// base.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace crest::analysis {

/// One cell measured on one task: a (modified) checkpoint's loss on a text.
struct Observation {
    double tokens = 0;              ///< pretraining tokens of the checkpoint
    std::int64_t pretrainSeed = -1; ///< -1 where unknown or there is one run per budget
    std::string task;
    double strength = 0;       ///< 0 for the base
    std::int64_t drawSeed = 0; ///< noise draw (an antithetic pair is one draw); 0 for the base
    double value = 0;          ///< nats/token, mean over tokens; may be non-finite
    std::vector<float>
        perSequenceNats; ///< summed nats of each sequence, same sequences in all cells of a task; may be empty
    std::vector<std::int32_t> perSequenceTokens; ///< scored tokens of each
};

/// What the band of a point is.
enum class BandKind {
    None,        ///< one value, no spread known
    SeedSd,      ///< mean -+ standard deviation over pretraining seeds
    SeedCi95,    ///< 95 % Student-t interval: pretraining seeds, draws and sequences
    DrawSd,      ///< mean -+ standard deviation over noise draws; one pretraining run
    DrawCi95,    ///< 95 % interval for these checkpoints: noise draws and sequences
    SequenceCi95 ///< 95 % interval for these checkpoints: sequences only (a base, or a single draw)
};
/// "95 % CI over pretraining seeds" ...: for legend and hover. `item`: what a sequence is called ("item").
/// `draw`: what a draw is called.
std::string bandKindLabel(BandKind kind, const std::string& item = "sequence", const std::string& draw = "noise draw");
/// Stable name for files: "seed-sd", "seed-ci95", "draw-sd", "draw-ci95", "sequence-ci95", "none".
std::string bandKindName(BandKind kind);

struct CurvePoint {
    double tokens = 0;
    double mean = 0; ///< nats/token; over seeds of the mean over draws. NaN where no value is finite: drawn as a gap
    double low = 0, high = 0; ///< equal to mean where band is None
    BandKind band = BandKind::None;
    double standardError = 0; ///< of `mean`, all levels of error that are known; 0 where band is None
    std::int64_t seeds = 0, draws = 0, sequences = 0; ///< draws: the fewest of any seed; sequences 0 where not kept
    std::int64_t nonFinite = 0;                       ///< values left out
};
struct Curve {
    std::vector<CurvePoint> points; ///< ascending in tokens
};

/// The curves of one task at one strength. strength 0 is the base: its sensitivity is empty.
struct StrengthCurves {
    std::string task;
    double strength = 0;
    Curve value;
    Curve sensitivity; ///< modified - base of the same checkpoint, over the same sequences; budgets without a base are
                       ///< left out
};

enum class Spread { Deviation, Confidence95 };

struct CurveOptions {
    /// Deviation: SD over seeds, or over draws with one seed; where there is only one value, the interval over
    /// sequences all the same.
    Spread spread = Spread::Confidence95;
};

/// Curves of every task and strength, tasks in order of first appearance, strengths ascending. Errors: Mismatch where
/// two observations describe the same cell or the sequences of a task differ, OutOfRange for tokens that are negative
/// or not finite.
Result<std::vector<StrengthCurves>> buildCurves(std::span<const Observation> observations,
                                                const CurveOptions& options = {});

} // namespace crest::analysis
