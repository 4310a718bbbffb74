// SPDX-License-Identifier: Apache-2.0
// How a checkpoint is fine-tuned, apart from the learning rate and the seed, which a plan varies. Every field decides
// numbers, so all of them belong to a result's key. Torch-free. JSON keys: README.md beside this file.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/train/optimizer_config.h"

namespace crest::train {

/// Which matrices of the blocks get an adapter.
enum class LoraMatrices { All, Attention, Mlp };

struct FineTuneSettings {
    std::int64_t epochs = 1, maxSteps = 0; ///< maxSteps > 0 wins: the data are gone through as often as that takes
    std::int64_t batchExamples = 16;       ///< of one optimiser step; how many go through the model at once follows
                                           ///< from the model's size and never changes the batch
    std::int64_t rowTokens = 0;            ///< longer examples are cut at their end; 0: the model's context
    Schedule schedule = Schedule::Linear;  ///< to 0 just after the last step, but for Constant
    double warmupShare = 0.1, weightDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double clipNorm = 1;                         ///< global norm of the gradient; 0: never clipped
    bool packing = true;                         ///< several examples share products; false: one at a time
    ComputeType compute = ComputeType::Float32;  ///< BFloat16: products only; weights, moments, sums stay float32
    double l2ToStart = 0;                        ///< adds l2ToStart / 2 * |w - start|^2 to what is minimised
    double divergedLoss = 0;                     ///< a step's loss above it ends the run; 0: twice that of a uniform guess
    std::int64_t gradientLanes = 1;              ///< parts of a batch that may run on different threads
    // What follows is no part of the text, and so of a key, where it is not used.
    std::int64_t loraRank = 0;                     ///< rank of adapters, which alone are trained (low_rank.h); 0: all weights are
    double loraAlpha = 16;                         ///< adapters count alpha / rank times
    LoraMatrices loraMatrices = LoraMatrices::All;
    double headShare = 0; ///< share of the steps, at first, in which only the head is trained (Kumar et al. 2022, LP-FT)
    /// Weight r of pretraining text in what is minimised: (1 - r) loss of the step's examples + r loss of the step's text,
    /// which is max(1, round(r batchExamples)) windows of replayTokens tokens.
    double replayShare = 0;
    std::int64_t replayTokens = 128;
    bool operator==(const FineTuneSettings&) const = default;
};

/// Fields that are used, so that equal settings give equal text (canonicalJson).
Json toJson(const FineTuneSettings& settings);
/// Absent keys take their default. OutOfRange names the key and its range; unknown keys are errors.
Result<FineTuneSettings> fineTuneSettingsFromJson(const Json& json, const std::string& where);
/// The same checks for settings that were made in memory.
Result<void> checkFineTuneSettings(const FineTuneSettings& settings, const std::string& where);

/// The optimiser of these settings at one learning rate.
OptimizerConfig optimizerConfig(const FineTuneSettings& settings, double learningRate);

} // namespace crest::train
