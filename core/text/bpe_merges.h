// SPDX-License-Identifier: Apache-2.0
// The merging of byte pair encoding (Sennrich et al. 2016): the pair of lowest rank first, the leftmost among equals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace crest::text {

/// Two neighbouring ids become one.
struct BpeMerge {
    std::int32_t left = 0;
    std::int32_t right = 0;
    std::int32_t result = 0;
    bool sameRank = false; ///< ranks with the merge before it, so that the leftmost of both comes first (SentencePiece)
};

/// A symbol of a pre-token in a doubly linked list.
struct BpeSymbol {
    std::int32_t id = 0;        ///< -1 once it is merged into its left neighbour
    std::uint32_t previous = 0; ///< kNoSymbol at the ends
    std::uint32_t next = 0;
};
inline constexpr std::uint32_t kNoSymbol = 0xFFFFFFFFU;

/// Appends a symbol behind the others.
void appendSymbol(std::int32_t id, std::vector<BpeSymbol>& symbols);

class BpeMerges {
public:
    BpeMerges() = default;
    /// Lowest rank first; of two with the same pair the later counts.
    explicit BpeMerges(std::span<const BpeMerge> merges);
    /// Merges in place: n log n for n symbols.
    void apply(std::vector<BpeSymbol>& symbols) const;

private:
    struct Rank {
        std::uint64_t pair = 0;
        std::uint32_t rank = 0;
        std::int32_t result = -1; ///< -1: the slot is free
    };
    const Rank* find(std::int32_t left, std::int32_t right) const;
    void applyShort(std::vector<BpeSymbol>& symbols) const;

    std::vector<Rank> m_table{Rank{}}; ///< open addressing, size a power of two, at most half full
};

} // namespace crest::text
