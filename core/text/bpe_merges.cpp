// SPDX-License-Identifier: Apache-2.0
#include "core/text/bpe_merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <optional>
#include <queue>

namespace crest::text {
namespace {

constexpr std::size_t kShortPiece = 24;

std::uint64_t pairKey(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

/// The finalizer of SplitMix64 (Steele et al. 2014): spreads neighbouring pairs over the table.
std::size_t spread(std::uint64_t key) {
    key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ULL;
    key = (key ^ (key >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::size_t>(key ^ (key >> 31));
}

/// A pair that may be merged: its rank and where its left symbol stands, so that the least is the next one to merge;
/// and what it gave when it was found.
struct Candidate {
    std::uint64_t order = 0;
    std::int32_t result = 0;
    friend auto operator<=>(const Candidate& a, const Candidate& b) { return a.order <=> b.order; }
};

Candidate candidate(std::uint32_t rank, std::uint32_t left, std::int32_t result) {
    return {(static_cast<std::uint64_t>(rank) << 32) | left, result};
}

/// Candidates in ascending order. Those of the start are sorted once, and what merging adds in order is appended to
/// them, so that the heap holds only the rest and a run of one character takes linear time.
class MergeQueue {
public:
    explicit MergeQueue(std::vector<Candidate> initial)
        : m_sorted(std::move(initial)) {
        if (!std::ranges::is_sorted(m_sorted, {}, &Candidate::order))
            std::ranges::sort(m_sorted, {}, &Candidate::order);
    }

    void push(Candidate next) {
        if (m_sorted.empty() || m_sorted.back().order <= next.order)
            m_sorted.push_back(next);
        else
            m_added.push(next);
    }
    std::optional<Candidate> pop() {
        const bool fromSorted = m_taken < m_sorted.size() && (m_added.empty() || m_sorted[m_taken] < m_added.top());
        if (fromSorted)
            return m_sorted[m_taken++];
        if (m_added.empty())
            return std::nullopt;
        const Candidate top = m_added.top();
        m_added.pop();
        return top;
    }

private:
    std::vector<Candidate> m_sorted;
    std::size_t m_taken = 0;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> m_added;
};

} // namespace

void appendSymbol(std::int32_t id, std::vector<BpeSymbol>& symbols) {
    const auto index = static_cast<std::uint32_t>(symbols.size());
    if (index > 0)
        symbols.back().next = index;
    symbols.push_back({id, index == 0 ? kNoSymbol : index - 1, kNoSymbol});
}

BpeMerges::BpeMerges(std::span<const BpeMerge> merges)
    : m_table(std::bit_ceil(2 * merges.size() + 2)) {
    const std::size_t mask = m_table.size() - 1;
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < merges.size(); ++i) {
        const BpeMerge& merge = merges[i];
        rank += i > 0 && !merge.sameRank ? 1U : 0U;
        const std::uint64_t key = pairKey(merge.left, merge.right);
        std::size_t slot = spread(key) & mask;
        while (m_table[slot].result >= 0 && m_table[slot].pair != key)
            slot = (slot + 1) & mask;
        m_table[slot] = {key, rank, merge.result};
    }
}

const BpeMerges::Rank* BpeMerges::find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = pairKey(left, right);
    const std::size_t mask = m_table.size() - 1;
    for (std::size_t slot = spread(key) & mask; m_table[slot].result >= 0; slot = (slot + 1) & mask)
        if (m_table[slot].pair == key)
            return &m_table[slot];
    return nullptr;
}

/// A word: the ranks of all pairs side by side, the least looked for anew after each merge.
void BpeMerges::applyShort(std::vector<BpeSymbol>& symbols) const {
    std::array<const Rank*, kShortPiece> pairs{};
    std::size_t count = symbols.size();
    const auto pairAt = [&](std::size_t i) { return i + 1 < count ? find(symbols[i].id, symbols[i + 1].id) : nullptr; };
    for (std::size_t i = 0; i < count; ++i)
        pairs[i] = pairAt(i);
    while (true) {
        std::size_t best = count;
        for (std::size_t i = 0; i + 1 < count; ++i)
            if (pairs[i] != nullptr && (best == count || pairs[i]->rank < pairs[best]->rank))
                best = i;
        if (best == count)
            break;
        symbols[best].id = pairs[best]->result;
        for (std::size_t i = best + 1; i + 1 < count; ++i) {
            symbols[i].id = symbols[i + 1].id;
            pairs[i] = pairs[i + 1];
        }
        --count;
        pairs[best] = pairAt(best);
        if (best > 0)
            pairs[best - 1] = pairAt(best - 1);
    }
    symbols.resize(count);
}

void BpeMerges::apply(std::vector<BpeSymbol>& symbols) const {
    if (symbols.size() <= kShortPiece) {
        applyShort(symbols);
        return;
    }
    std::vector<Candidate> initial;
    for (std::uint32_t i = 0; i + 1 < symbols.size(); ++i)
        if (const Rank* found = find(symbols[i].id, symbols[i + 1].id))
            initial.push_back(candidate(found->rank, i, found->result));
    MergeQueue queue(std::move(initial));
    const auto offer = [&](std::uint32_t left) {
        if (const Rank* found = find(symbols[left].id, symbols[symbols[left].next].id))
            queue.push(candidate(found->rank, left, found->result));
    };
    while (const std::optional<Candidate> top = queue.pop()) {
        const auto at = static_cast<std::uint32_t>(top->order);
        BpeSymbol& left = symbols[at];
        if (left.id < 0 || left.next == kNoSymbol)
            continue;
        BpeSymbol& right = symbols[left.next];
        // The pair may have changed since it was offered; the reference goes by what it would become.
        const Rank* now = find(left.id, right.id);
        if (now == nullptr || now->result != top->result)
            continue;
        left.id = now->result;
        right.id = -1;
        left.next = right.next;
        if (left.next != kNoSymbol) {
            symbols[left.next].previous = at;
            offer(at);
        }
        if (left.previous != kNoSymbol)
            offer(left.previous);
    }
}

} // namespace crest::text
