// SPDX-License-Identifier: Apache-2.0
// What ends a generation, as a checkpoint's files say it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::series {

/// eos_token_id (one or several) of generation_config.json, else of config.json; empty where neither says it.
Result<std::vector<std::int32_t>> recordedEndTokens(const std::filesystem::path& folder);
/// What generation_config.json asks for beside, as "key value", that changes even a greedy continuation: transformers' generate, and with it
/// lm-evaluation-harness, follows it where a call says nothing else.
Result<std::vector<std::string>> recordedDecoding(const std::filesystem::path& folder);
/// eos_token_id of one file. Malformed where there are other things than token ids, or more than 1,000.
Result<std::vector<std::int32_t>> parseEndTokens(const Json& config, const std::string& where);

} // namespace crest::series
