// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <functional>
#include <queue>

#include "core/text/subword_model.h"

namespace crest::text {
namespace {

constexpr std::size_t kCachedPieceBytes = 48;
constexpr std::size_t kCacheShards = 16;
constexpr std::size_t kShardWords = 8192;

std::uint64_t pairKey(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

/// The finalizer of SplitMix64 (Steele et al. 2014): spreads neighbouring pairs over the table.
std::size_t spread(std::uint64_t key) {
    key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ULL;
    key = (key ^ (key >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::size_t>(key ^ (key >> 31));
}

struct ViewHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// A pair that may be merged: its rank and where its left symbol stands, so that the least is the next one to merge.
using Candidate = std::uint64_t;

Candidate candidate(std::uint32_t rank, std::uint32_t left) {
    return (static_cast<std::uint64_t>(rank) << 32) | left;
}

/// Candidates in ascending order. Those of the start are sorted once, so that the heap holds only what merging adds:
/// half the time of one heap on a long run.
class MergeQueue {
public:
    explicit MergeQueue(std::vector<Candidate> initial)
        : m_initial(std::move(initial)) {
        std::ranges::sort(m_initial);
    }

    void push(Candidate next) { m_added.push(next); }
    std::optional<Candidate> pop() {
        const bool fromInitial = m_taken < m_initial.size() && (m_added.empty() || m_initial[m_taken] < m_added.top());
        if (fromInitial)
            return m_initial[m_taken++];
        if (m_added.empty())
            return std::nullopt;
        const Candidate top = m_added.top();
        m_added.pop();
        return top;
    }

private:
    std::vector<Candidate> m_initial;
    std::size_t m_taken = 0;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> m_added;
};

constexpr std::uint32_t kNone = 0xFFFFFFFFU;

} // namespace

/// A symbol of a pre-token in a doubly linked list.
struct ByteBpe::Symbol {
    std::int32_t id;        ///< -1 once it is merged into its left neighbour
    std::uint32_t previous; ///< kNone at the ends
    std::uint32_t next;
};

/// Ids of short pre-tokens that were met before; sharded so that threads rarely wait. Bounded: what does not fit is not
/// remembered.
struct ByteBpe::Cache {
    struct Shard {
        std::mutex mutex;
        std::unordered_map<std::string, std::vector<std::int32_t>, ViewHash, std::equal_to<>> words;
    };
    std::array<Shard, kCacheShards> shards;

    Shard& shardOf(std::string_view piece) { return shards[(ViewHash{}(piece) >> 16) % kCacheShards]; }
    bool find(std::string_view piece, std::vector<std::int32_t>& out) {
        Shard& shard = shardOf(piece);
        const std::lock_guard lock(shard.mutex);
        const auto found = shard.words.find(piece);
        if (found == shard.words.end())
            return false;
        out.insert(out.end(), found->second.begin(), found->second.end());
        return true;
    }
    void keep(std::string_view piece, std::vector<std::int32_t> ids) {
        Shard& shard = shardOf(piece);
        const std::lock_guard lock(shard.mutex);
        if (shard.words.size() < kShardWords)
            shard.words.emplace(piece, std::move(ids));
    }
};

ByteBpe::ByteBpe(BpeFacts facts)
    : m_facts(std::move(facts))
    , m_cache(std::make_unique<Cache>()) {
    buildTable();
}

ByteBpe::~ByteBpe() = default;

void ByteBpe::buildTable() {
    m_table.assign(std::bit_ceil(2 * m_facts.merges.size() + 2), Rank{});
    const std::size_t mask = m_table.size() - 1;
    for (std::size_t rank = 0; rank < m_facts.merges.size(); ++rank) {
        const BpeMerge& merge = m_facts.merges[rank];
        const std::uint64_t key = pairKey(merge.left, merge.right);
        std::size_t slot = spread(key) & mask;
        while (m_table[slot].result >= 0 && m_table[slot].pair != key)
            slot = (slot + 1) & mask;
        m_table[slot] = {key, static_cast<std::uint32_t>(rank), merge.result};
    }
    m_facts.merges = {};
}

const ByteBpe::Rank* ByteBpe::find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = pairKey(left, right);
    const std::size_t mask = m_table.size() - 1;
    for (std::size_t slot = spread(key) & mask; m_table[slot].result >= 0; slot = (slot + 1) & mask)
        if (m_table[slot].pair == key)
            return &m_table[slot];
    return nullptr;
}

std::vector<ByteBpe::Symbol> ByteBpe::symbolsOf(std::string_view piece) const {
    std::vector<Symbol> symbols;
    symbols.reserve(piece.size());
    bool afterUnknown = false;
    for (const char byte : piece) {
        std::int32_t id = m_facts.idOfByte[static_cast<unsigned char>(byte)];
        const bool unknown = id < 0;
        if (unknown) {
            if (!m_facts.unknown || (afterUnknown && m_facts.fuseUnknown))
                continue;
            id = *m_facts.unknown;
        }
        afterUnknown = unknown;
        const auto index = static_cast<std::uint32_t>(symbols.size());
        symbols.push_back({id, index == 0 ? kNone : index - 1, index + 1});
    }
    if (!symbols.empty())
        symbols.back().next = kNone;
    return symbols;
}

void ByteBpe::mergeAll(std::vector<Symbol>& symbols) const {
    std::vector<Candidate> initial;
    for (std::uint32_t i = 0; i + 1 < symbols.size(); ++i)
        if (const Rank* found = find(symbols[i].id, symbols[i + 1].id))
            initial.push_back(candidate(found->rank, i));
    MergeQueue queue(std::move(initial));
    const auto offer = [&](std::uint32_t left) {
        if (const Rank* found = find(symbols[left].id, symbols[symbols[left].next].id))
            queue.push(candidate(found->rank, left));
    };
    while (const std::optional<Candidate> top = queue.pop()) {
        const auto at = static_cast<std::uint32_t>(*top);
        Symbol& left = symbols[at];
        if (left.id < 0 || left.next == kNone)
            continue;
        Symbol& right = symbols[left.next];
        // The pair may have changed since it was offered.
        const Rank* now = find(left.id, right.id);
        if (now == nullptr || now->rank != static_cast<std::uint32_t>(*top >> 32))
            continue;
        left.id = now->result;
        right.id = -1;
        left.next = right.next;
        if (left.next != kNone) {
            symbols[left.next].previous = at;
            offer(at);
        }
        if (left.previous != kNone)
            offer(left.previous);
    }
}

void ByteBpe::encodePiece(std::string_view piece, std::vector<std::int32_t>& out) const {
    if (!m_facts.wholeWords.empty())
        if (const auto whole = m_facts.wholeWords.find(std::string(piece)); whole != m_facts.wholeWords.end()) {
            out.push_back(whole->second);
            return;
        }
    const bool cached = piece.size() <= kCachedPieceBytes;
    if (cached && m_cache->find(piece, out))
        return;
    std::vector<Symbol> symbols = symbolsOf(piece);
    if (symbols.size() > 1)
        mergeAll(symbols);
    const std::size_t before = out.size();
    for (const Symbol& symbol : symbols)
        if (symbol.id >= 0)
            out.push_back(symbol.id);
    if (cached)
        m_cache->keep(piece, {out.begin() + static_cast<std::ptrdiff_t>(before), out.end()});
}

} // namespace crest::text
