// SPDX-License-Identifier: Apache-2.0
#include "core/series/shard_index.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/io/files.h"

namespace crest::series {
namespace {

constexpr std::size_t kMaxShardName = 255;

/// Whether a name stays below the folder it is relative to.
bool staysInside(const std::string& name) {
    const std::filesystem::path path(name);
    return !name.empty() && name.find('\0') == std::string::npos && !path.is_absolute() &&
           std::none_of(path.begin(), path.end(), [](const auto& part) { return part == ".." || part == "."; });
}

} // namespace

Result<ShardIndex> parseShardIndex(std::string_view text, const std::string& where) {
    if (io::isGitLfsPointer(text))
        return fail(ErrorKind::Malformed,
                    "This is a git-lfs pointer, not the index; run `git lfs pull` in its repository.", where);
    JsonLimits limits;
    limits.maxBytes = kMaxIndexBytes;
    limits.maxDepth = 8;
    CREST_TRY(json, parseJson(text, where, limits));
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
        json["weight_map"].empty())
        return fail(ErrorKind::Malformed, "The index has no \"weight_map\" with tensors.", where);
    ShardIndex out;
    for (const auto& [tensor, shard] : json["weight_map"].items()) {
        if (!shard.is_string())
            return fail(ErrorKind::Malformed, fmt::format("The shard of \"{}\" is no text.", tensor.substr(0, 200)),
                        where);
        const std::string& name = shard.get_ref<const std::string&>();
        if (!staysInside(name) || name.size() > kMaxShardName)
            return fail(ErrorKind::Malformed,
                        fmt::format("The index names the file \"{}\", which is outside of the checkpoint's folder.",
                                    name.substr(0, kMaxShardName)),
                        where);
        out.shards.insert(name);
        out.weightMap.emplace(tensor, name);
    }
    return out;
}

} // namespace crest::series
