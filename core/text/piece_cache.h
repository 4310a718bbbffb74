// SPDX-License-Identifier: Apache-2.0
// Ids of short pre-tokens that were met before. Bounded: what does not fit is not remembered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace crest::text {

/// Any thread. A slot is replaced by the next piece that falls on it, so the cache follows a text whose words change.
class PieceCache {
public:
    PieceCache();
    ~PieceCache();
    PieceCache(PieceCache&&) noexcept;
    PieceCache& operator=(PieceCache&&) noexcept;

    /// Appends the ids of a piece that is remembered.
    bool find(std::string_view piece, std::vector<std::int32_t>& out) const;
    /// `ids` are the last `count` of a list.
    void keep(std::string_view piece, const std::vector<std::int32_t>& list, std::size_t count) const;

private:
    struct Shard;
    std::unique_ptr<Shard[]> m_shards;
};

} // namespace crest::text
