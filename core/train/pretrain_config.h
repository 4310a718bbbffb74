// SPDX-License-Identifier: Apache-2.0
// The settings of a controlled pretraining series: what `crest-run pretrain CONFIG` reads. Torch-free. Every key, its
// meaning and default: README.md beside this file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/series/decoder_spec.h"
#include "core/train/optimizer_config.h"

namespace crest::train {

enum class SaveType { Float32, Float16, BFloat16 };

struct InitRule {
    double embeddingStd = 0.02;
    double linearStd = 0;   ///< 0: 1 / sqrt(fan_in)
    double outputScale = 0; ///< 0: 1 / sqrt(2 L)
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

} // namespace crest::train
