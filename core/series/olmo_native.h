// SPDX-License-Identifier: Apache-2.0
// What OLMo's own trainer leaves in a folder such as step1000-unsharded: config.yaml, and the weights in model.pt or
// model.safetensors, whose names are packed (formats.md 1.1; packing: olmo/safetensors_util.py of allenai/OLMo).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::series {

struct NativeOlmo {
    Json config; ///< what a config.json of the family "hf_olmo" would say
    /// global_train_batch_size x model.max_sequence_length; published files have been wrong (OLMo-7B).
    std::optional<std::int64_t> tokensPerStep;
    std::string tokenizer; ///< its identifier, a name or path of the trainer's machine: shown, never followed
};

/// True where config.yaml stands in for config.json.
bool isNativeOlmo(const std::filesystem::path& folder);

/// Reads config.yaml. Keys that it leaves out have the trainer's defaults (olmo/config.py).
Result<NativeOlmo> readNativeOlmo(const std::filesystem::path& folder);
Result<NativeOlmo> parseNativeOlmo(std::string_view yaml, const std::string& where);

/// The tensor's name of a name that the trainer's safetensors files have: base64 of a pickle of ((name,), False), which
/// is compared with that form byte by byte and never run. Other names stay as they are.
std::string plainOlmoName(const std::string& stored);

} // namespace crest::series
