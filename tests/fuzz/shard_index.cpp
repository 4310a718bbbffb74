// SPDX-License-Identifier: Apache-2.0
// The index of shards on arbitrary bytes: every file it names must stay below the checkpoint's folder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/series/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const auto index = series::parseShardIndex(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    if (!index)
        return 0;
    if (index->weightMap.empty() || index->shards.empty())
        std::abort();
    for (const auto& [tensor, shard] : index->weightMap)
        if (!index->shards.contains(shard))
            std::abort();
    const std::filesystem::path folder = "/checkpoints/one";
    for (const std::string& shard : index->shards) {
        const auto path = (folder / shard).lexically_normal().string();
        if (shard.empty() || shard.find('\0') != std::string::npos || !path.starts_with(folder.string() + "/"))
            std::abort();
    }
    return 0;
}
