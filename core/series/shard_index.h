// SPDX-License-Identifier: Apache-2.0
// The index beside weights in shards: which file holds which tensor (formats.md 2.1).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace crest::series {

inline constexpr std::size_t kMaxIndexBytes = 1'500'000; ///< more than the largest decoder needs

struct ShardIndex {
    std::map<std::string, std::string> weightMap; ///< tensor to file
    std::set<std::string> shards;                 ///< relative paths that do not climb out of the folder
};

/// Reads the text of an index. "metadata" may be wrong or absent and is ignored. Malformed where there is no weight_map
/// of texts, or where a file's name leads out of the folder.
Result<ShardIndex> parseShardIndex(std::string_view text, const std::string& where);

} // namespace crest::series
