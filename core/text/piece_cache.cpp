// SPDX-License-Identifier: Apache-2.0
#include "core/text/piece_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <mutex>

namespace crest::text {
namespace {

constexpr std::size_t kMaxPieceBytes = 30;
constexpr std::size_t kMaxIds = 7;
constexpr std::size_t kShards = 16;
constexpr std::size_t kSlots = 2048; // of a shard: 32,768 pieces in 2 MB all together

} // namespace

struct PieceCache::Shard {
    /// One cache line: a hit touches no other memory.
    struct alignas(64) Slot {
        std::uint8_t bytes = 0; ///< 0: free
        std::uint8_t ids = 0;
        char text[kMaxPieceBytes] = {};
        std::int32_t id[kMaxIds] = {};
    };
    std::mutex mutex;
    std::vector<Slot> slots; ///< made at the first use

    Slot& slotOf(std::size_t hash) {
        if (slots.empty())
            slots.resize(kSlots);
        return slots[(hash / kShards) % kSlots];
    }
};

PieceCache::PieceCache()
    : m_shards(new Shard[kShards]) {}
PieceCache::~PieceCache() = default;
PieceCache::PieceCache(PieceCache&&) noexcept = default;
PieceCache& PieceCache::operator=(PieceCache&&) noexcept = default;

bool PieceCache::find(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (piece.size() > kMaxPieceBytes)
        return false;
    const std::size_t hash = std::hash<std::string_view>{}(piece);
    Shard& shard = m_shards[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    const Shard::Slot& slot = shard.slotOf(hash);
    if (slot.bytes != piece.size() || std::memcmp(slot.text, piece.data(), piece.size()) != 0)
        return false;
    out.insert(out.end(), slot.id, slot.id + slot.ids);
    return true;
}

void PieceCache::keep(std::string_view piece, const std::vector<std::int32_t>& list, std::size_t count) const {
    if (piece.size() > kMaxPieceBytes || count > kMaxIds)
        return;
    const std::size_t hash = std::hash<std::string_view>{}(piece);
    Shard& shard = m_shards[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    Shard::Slot& slot = shard.slotOf(hash);
    slot.bytes = static_cast<std::uint8_t>(piece.size());
    slot.ids = static_cast<std::uint8_t>(count);
    std::memcpy(slot.text, piece.data(), piece.size());
    std::copy(list.end() - static_cast<std::ptrdiff_t>(count), list.end(), slot.id);
}

} // namespace crest::text
