// SPDX-License-Identifier: Apache-2.0
// What was found in checkpoints, remembered by what tells that their files are unchanged. Only for fingerprint.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/base/json.h"
#include "core/series/weight_check.h"

namespace crest::series {

/// All that is remembered; an unreadable file is an empty one.
Json readCheckCache(const std::filesystem::path& cacheFile);

/// What is remembered of an identity. Older versions kept the fingerprint alone: then it is read again.
std::optional<CheckedWeights> rememberedCheck(const Json& cache, const std::string& identity);

/// Best effort: a cache that cannot be written only costs time.
void rememberCheck(const std::filesystem::path& cacheFile, const std::string& identity, const CheckedWeights& weights);

} // namespace crest::series
