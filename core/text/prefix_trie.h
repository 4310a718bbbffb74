// SPDX-License-Identifier: Apache-2.0
// All tokens that a text begins with, shortest first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace crest::text {

/// A trie of bytes whose edges lie in one hash table.
class PrefixTrie {
public:
    /// Bytes of all tokens together that a trie can hold.
    static constexpr std::size_t kMaxBytes = 8'000'000;
    /// Tokens are not empty; of two equal ones the later counts.
    void insert(std::string_view token, std::int32_t id);

    /// Calls found(length, id) for each token that stands at `at`.
    template<class Found> void visit(std::string_view text, std::size_t at, Found&& found) const {
        std::uint32_t node = 0;
        for (std::size_t i = at; i < text.size(); ++i) {
            node = child(node, static_cast<unsigned char>(text[i]));
            if (node == 0)
                return;
            if (m_ids[node] >= 0)
                found(i + 1 - at, m_ids[node]);
        }
    }

private:
    struct Edge {
        std::uint32_t key = 0; ///< (node << 8 | byte) + 1; 0: free
        std::uint32_t to = 0;
    };
    std::size_t slotOf(std::uint32_t key) const;
    std::uint32_t child(std::uint32_t node, unsigned char byte) const {
        return m_edges[slotOf(((node << 8) | byte) + 1)].to;
    }
    void grow();

    std::vector<Edge> m_edges = std::vector<Edge>(64); ///< open addressing, size a power of two, at most half full
    std::vector<std::int32_t> m_ids{-1};               ///< by node; -1 where no token ends
};

inline std::size_t PrefixTrie::slotOf(std::uint32_t key) const {
    const std::size_t mask = m_edges.size() - 1;
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, section 6.4), the upper bits.
    std::size_t slot = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 32) & mask;
    while (m_edges[slot].key != 0 && m_edges[slot].key != key)
        slot = (slot + 1) & mask;
    return slot;
}

} // namespace crest::text
