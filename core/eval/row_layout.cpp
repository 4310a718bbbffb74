// SPDX-License-Identifier: Apache-2.0
#include "core/eval/row_layout.h"

#include <algorithm>
#include <numeric>

namespace crest::eval {

using model::RowPiece;

namespace {

/// A beginning shorter than this is computed again: copying its keys would cost more, and whole sequences of one length
/// go side by side.
constexpr std::int64_t kLeastShared = 16;

std::int64_t commonLength(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
    return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

/// Inputs that b has in common with a, the sequence before it; 0 where they are too few to share.
std::int64_t sharedInputs(const Sequence& a, const Sequence& b) {
    const std::int64_t shared = std::min({commonLength(a.ids, b.ids), a.inputs(), b.inputs()});
    return shared >= std::min(kLeastShared, b.inputs()) ? shared : 0;
}

/// Runs of `order` in which each shares its beginning with the one before.
struct Tree {
    std::size_t begin = 0, end = 0;
    std::int64_t longest = 0;
    std::size_t first = 0; ///< smallest index of its sequences
};

std::vector<Tree> treesOf(std::span<const Sequence> sequences, std::span<const std::size_t> order) {
    std::vector<Tree> trees;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == 0 || sharedInputs(sequences[order[i - 1]], sequences[order[i]]) == 0)
            trees.push_back({i, i, 0, order[i]});
        Tree& tree = trees.back();
        tree.end = i + 1;
        tree.longest = std::max(tree.longest, sequences[order[i]].inputs());
        tree.first = std::min(tree.first, order[i]);
    }
    return trees;
}

/// Lays sequences out one by one; remembers the path that the last one took.
class Walk {
public:
    Walk(RowLayout& layout, std::span<const std::int64_t> firstToken, bool share)
        : m_layout(layout)
        , m_firstToken(firstToken)
        , m_share(share) {}

    std::int64_t newRows(const Sequence& sequence) const { return sequence.inputs() - shared(sequence); }

    void add(const Sequence& sequence, std::size_t index) {
        const std::int64_t start = shared(sequence), inputs = sequence.inputs();
        const std::int64_t same = start > 0 ? commonLength(m_last->ids, sequence.ids) : 0; ///< the target counts, too
        if (start > 0)
            keep(start);
        addRows(sequence, start);
        m_scoredAs.resize(static_cast<std::size_t>(std::max<std::int64_t>(same, 1)), -1);
        m_scoredAs.resize(static_cast<std::size_t>(inputs) + 1, -1);
        for (std::int64_t i = sequence.firstScored; i <= inputs; ++i)
            score(sequence, i, m_firstToken[index] + i - sequence.firstScored);
        m_last = &sequence;
    }

private:
    std::int64_t shared(const Sequence& sequence) const {
        return m_share && m_last ? sharedInputs(*m_last, sequence) : 0;
    }

    /// Marks the pieces that hold rows before `start` of the current path.
    void keep(std::int64_t start) {
        while (!m_path.empty() && m_layout.pieces[m_path.back()].start >= start)
            m_path.pop_back();
        for (const std::size_t piece : m_path)
            m_layout.pieces[piece].kept = true;
    }

    void addRows(const Sequence& sequence, std::int64_t start) {
        const std::int64_t inputs = sequence.inputs();
        m_rowAt.resize(static_cast<std::size_t>(start));
        if (start == 0)
            m_path.clear();
        if (start == inputs)
            return;
        m_path.push_back(m_layout.pieces.size());
        m_layout.pieces.push_back({inputs - start, start, false});
        for (std::int64_t i = start; i < inputs; ++i) {
            m_rowAt.push_back(m_layout.rows());
            m_layout.inputs.push_back(sequence.ids[static_cast<std::size_t>(i)]);
            m_layout.positions.push_back(static_cast<std::int32_t>(i));
        }
    }

    /// The token at index i of the sequence is scored token `token` of all.
    void score(const Sequence& sequence, std::int64_t i, std::int64_t token) {
        std::int64_t& known = m_scoredAs[static_cast<std::size_t>(i)];
        HeadRows& head = m_layout.head;
        if (known < 0) {
            known = static_cast<std::int64_t>(head.rows.size());
            head.rows.push_back(m_rowAt[static_cast<std::size_t>(i) - 1]);
            head.targets.push_back(sequence.ids[static_cast<std::size_t>(i)]);
            head.output.push_back(token);
            head.greedy.push_back(sequence.greedy ? 1 : 0);
            return;
        }
        std::uint8_t& greedy = head.greedy[static_cast<std::size_t>(known)];
        greedy = greedy || sequence.greedy ? 1 : 0;
        m_layout.copies.emplace_back(token, head.output[static_cast<std::size_t>(known)]);
    }

    RowLayout& m_layout;
    std::span<const std::int64_t> m_firstToken;
    bool m_share;
    const Sequence* m_last = nullptr;
    std::vector<std::int64_t> m_rowAt;    ///< row of each position of the path
    std::vector<std::int64_t> m_scoredAs; ///< index in HeadRows of the path's token i as a target, or -1
    std::vector<std::size_t> m_path;      ///< pieces that hold the path
};

} // namespace

std::vector<std::int64_t> firstTokens(std::span<const Sequence> sequences) {
    std::vector<std::int64_t> first{0};
    for (const Sequence& sequence : sequences)
        first.push_back(first.back() + sequence.scored());
    return first;
}

std::vector<std::size_t> layoutOrder(std::span<const Sequence> sequences, bool share) {
    std::vector<std::size_t> order(sequences.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (!share) {
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return sequences[a].inputs() > sequences[b].inputs(); });
        return order;
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::lexicographical_compare(sequences[a].ids.begin(), sequences[a].ids.end(), sequences[b].ids.begin(),
                                            sequences[b].ids.end());
    });
    std::vector<Tree> trees = treesOf(sequences, order);
    std::stable_sort(trees.begin(), trees.end(), [](const Tree& a, const Tree& b) {
        return a.longest != b.longest ? a.longest > b.longest : a.first < b.first;
    });
    std::vector<std::size_t> sorted;
    sorted.reserve(order.size());
    for (const Tree& tree : trees)
        sorted.insert(sorted.end(), order.begin() + static_cast<std::ptrdiff_t>(tree.begin),
                      order.begin() + static_cast<std::ptrdiff_t>(tree.end));
    return sorted;
}

RowLayout layOut(std::span<const Sequence> sequences, std::span<const std::size_t> order, std::size_t first,
                 std::int64_t mostRows, bool share, std::span<const std::int64_t> firstToken, std::size_t& next) {
    RowLayout layout;
    Walk walk(layout, firstToken, share);
    next = first;
    while (next < order.size() &&
           (next == first || layout.rows() + walk.newRows(sequences[order[next]]) <= mostRows)) {
        walk.add(sequences[order[next]], order[next]);
        ++next;
    }
    return layout;
}

std::vector<RowChunk> chunksOf(const RowLayout& layout, std::int64_t chunkRows, std::int64_t longestPiece) {
    std::vector<RowChunk> chunks;
    std::int64_t row = 0;
    const auto add = [&](const RowPiece& piece) {
        if (chunks.empty() || chunks.back().count + piece.count > chunkRows)
            chunks.push_back({row, 0, {}});
        chunks.back().count += piece.count;
        chunks.back().pieces.push_back(piece);
        row += piece.count;
    };
    for (const RowPiece& piece : layout.pieces) {
        RowPiece rest = piece;
        for (; rest.count > longestPiece; rest.start += longestPiece, rest.count -= longestPiece)
            add({longestPiece, rest.start, true});
        add(rest);
    }
    return chunks;
}

std::vector<RowChunk> lastChunks(const RowLayout& layout, std::vector<RowChunk> chunks) {
    std::vector<std::uint8_t> scored(layout.inputs.size());
    for (const std::int64_t row : layout.head.rows)
        scored[static_cast<std::size_t>(row)] = 1;
    auto row = scored.begin();
    for (RowChunk& chunk : chunks)
        for (RowPiece& piece : chunk.pieces) {
            const auto end = row + piece.count;
            piece.unread = std::find(row, end, 1) - row;
            row = end;
        }
    return chunks;
}

} // namespace crest::eval
