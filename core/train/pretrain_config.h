// SPDX-License-Identifier: Apache-2.0
// The settings of a controlled pretraining series: what `crest-run pretrain CONFIG` reads. Torch-free.
//
// JSON keys (required unless a default is named; unknown keys are errors):
//   series               name of the series; letters, digits, '-', '_' and '.'
//   family               "llama" or "gpt_neox"
//   shape                {width, layers, heads, mlp_width, context, kv_heads (= heads), head_size (= width / heads),
//   tied_head (false),
//                        norm_eps (1e-5), rope_theta (10000), rotary_share (llama 1, gpt_neox 0.25), parallel_residual
//                        (gpt_neox true)}
//   tokenizer            {"train": "byte-level-bpe", "vocab": n, "end_token": text ("<|endoftext|>")}: trained on the
//   training texts,
//                        or {"file": path of a tokenizer.json, "end_token": text}
//   texts                list of training texts: .jsonl with a field "text", or .txt
//   heldout              {name: path}: texts whose loss is measured at the end of each run (may be empty)
//   init                 {"embedding_std": 0.02, "linear_std": number or "1/sqrt(fan_in)" (default), "output_scale":
//   number or
//                        "1/sqrt(2*layers)" (default): factor on the two projections into the residual stream}
//   batch_sequences      sequences of `sequence_length` tokens per step (32)
//   sequence_length      tokens (= shape.context)
//   budgets_tokens       list of pretraining tokens, one annealed run each; rounded down to whole steps
//   seeds                list of pretraining seeds: initialisation and order of the data
//   learning_rate        peak (6e-3); warmup_share (0.05) of the steps from 0 to the peak; schedule "cosine" (default),
//   "linear" or
//                        "constant"; final_share (0): learning rate at the end, as a share of the peak
//   betas ([0.9, 0.95]), epsilon (1e-8), weight_decay (0.1, on matrices only), clip_norm (1; 0 switches it off)
//   compute              "float32" (default) or "bfloat16" (products in bfloat16, weights, moments and sums in float32)
//   save_dtype           "float32" (default), "float16" or "bfloat16": how checkpoints are stored
//   micro_sequences      sequences per forward and backward pass (0 = by the shape, so that activations stay in cache)
//   gradient_lanes       parts of a batch that may run on different threads (2); results depend on this number, not on
//   threads state_seconds        seconds between two saved states for resuming (30) heldout_tokens       scored tokens
//   per held-out text at most (0 = all)
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/series/decoder_spec.h"

namespace crest::train {

enum class Schedule { Cosine, Linear, Constant };
enum class ComputeType { Float32, BFloat16 };
enum class SaveType { Float32, Float16, BFloat16 };

struct InitRule {
    double embeddingStd = 0.02;
    double linearStd = 0;   ///< 0: 1 / sqrt(fan_in)
    double outputScale = 0; ///< 0: 1 / sqrt(2 L)
};

/// What decides the numbers of one run.
struct OptimizerConfig {
    double learningRate = 6e-3, warmupShare = 0.05, finalShare = 0;
    Schedule schedule = Schedule::Cosine;
    double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1, clipNorm = 1;
};

struct PretrainConfig {
    std::string series;
    series::DecoderSpec spec; ///< vocabSize is set once the tokenizer is there (0 until then where it is trained)
    bool trainTokenizer = true;
    std::int32_t tokenizerVocab = 0;
    std::filesystem::path tokenizerFile;
    std::string endToken = "<|endoftext|>";
    std::vector<std::filesystem::path> texts;
    std::map<std::string, std::filesystem::path> heldout;
    InitRule init;
    std::int64_t batchSequences = 32, sequenceLength = 0;
    std::vector<std::int64_t> budgetsTokens, seeds;
    OptimizerConfig optimizer;
    ComputeType compute = ComputeType::Float32;
    SaveType saveType = SaveType::Float32;
    std::int64_t microSequences = 0, gradientLanes = 2, heldoutTokens = 0;
    double stateSeconds = 30;
    Json source; ///< the parsed file, for provenance

    std::int64_t tokensPerStep() const { return batchSequences * sequenceLength; }
    std::int64_t steps(std::int64_t budgetTokens) const { return budgetTokens / tokensPerStep(); }
};

/// Reads and checks a config. Relative paths of texts are looked up below `textsFolder` first (where given), then
/// beside the config. Errors name the key and its range.
Result<PretrainConfig> parsePretrainConfig(const Json& json, const std::filesystem::path& configFile,
                                           const std::filesystem::path& textsFolder = {});
Result<PretrainConfig> readPretrainConfig(const std::filesystem::path& file,
                                          const std::filesystem::path& textsFolder = {});

/// Learning rate of step `step` (0-based) of `steps`: linear over ceil(warmupShare * steps) steps, reaching the peak at
/// the last of them, then the schedule, which would reach finalShare * peak at step `steps`, just after the last one.
double learningRateAt(const OptimizerConfig& config, std::int64_t step, std::int64_t steps);

} // namespace crest::train
