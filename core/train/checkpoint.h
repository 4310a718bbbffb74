// SPDX-License-Identifier: Apache-2.0
// A finished run as a checkpoint folder in Hugging Face layout, with crest.json beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <ATen/ATen.h>

#include "core/base/result.h"
#include "core/train/parameters.h"
#include "core/train/pretrain_config.h"

namespace crest::train {

struct CheckpointFacts {
    std::int64_t tokens = 0, step = 0, seed = 0;
    double passes = 0;                     ///< tokens seen over tokens of the training text
    std::map<std::string, double> heldout; ///< name of the text to nats per token
    std::string configHash;                ///< identity of settings and data
};

/// Folder of a run below the output folder: <series>-seed<S>/step<NNNNNN>-tokens<label>.
std::filesystem::path checkpointFolder(const PretrainConfig& config, std::int64_t seed, std::int64_t steps);

/// Writes config.json, model.safetensors (in config.saveType), the files of `tokenizerFolder` (tokenizer.json,
/// tokenizer_config.json) and crest.json into folder.tmp, syncs and renames it. `parameters`: flat, float32.
Result<void> writeCheckpoint(const std::filesystem::path& folder, const PretrainConfig& config,
                             const ParameterLayout& layout, const at::Tensor& parameters, const CheckpointFacts& facts,
                             const std::filesystem::path& tokenizerFolder);

/// The config_hash in the folder's crest.json; "" where there is no finished checkpoint.
std::string finishedConfigHash(const std::filesystem::path& folder);

} // namespace crest::train
