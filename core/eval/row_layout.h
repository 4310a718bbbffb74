// SPDX-License-Identifier: Apache-2.0
// Sequences laid out as rows without padding: what several sequences begin with is one run of rows, and what is asked
// twice is scored once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/eval/head_loss.h"
#include "core/eval/loss.h"
#include "core/model/row_pieces.h"

namespace crest::eval {

/// Where the scored tokens of each sequence stand among those of all; the last is their number.
std::vector<std::int64_t> firstTokens(std::span<const Sequence> sequences);

/// The order in which sequences are laid out: where beginnings are shared, in the order of a dictionary, trees of
/// sequences with a common beginning by falling length; else by falling length alone. Equal ones keep their order.
std::vector<std::size_t> layoutOrder(std::span<const Sequence> sequences, bool share);

/// Some sequences as rows.
struct RowLayout {
    std::vector<std::int32_t> inputs;    ///< one id per row
    std::vector<std::int32_t> positions; ///< of the row within its sequence, from 0
    std::vector<model::RowPiece> pieces; ///< of the rows, in order
    HeadRows head;
    /// Scored tokens that are others over again: (token, the equal one), both among all scored tokens.
    std::vector<std::pair<std::int64_t, std::int64_t>> copies;

    std::int64_t rows() const { return static_cast<std::int64_t>(inputs.size()); }
};

/// Lays out sequences order[first], order[first + 1], ... until `mostRows` rows are there (one sequence at least);
/// `next` becomes the first that is left.
RowLayout layOut(std::span<const Sequence> sequences, std::span<const std::size_t> order, std::size_t first,
                 std::int64_t mostRows, bool share, std::span<const std::int64_t> firstToken, std::size_t& next);

/// Rows [begin, begin + count) of a layout with the pieces they are: what goes through a block at a time.
struct RowChunk {
    std::int64_t begin = 0, count = 0;
    std::vector<model::RowPiece> pieces;
};

/// Cuts a layout into chunks of at most `chunkRows` rows, at the ends of pieces; one of more than `longestPiece` rows is
/// cut itself, and its parts are kept for those that follow.
std::vector<RowChunk> chunksOf(const RowLayout& layout, std::int64_t chunkRows, std::int64_t longestPiece);

/// The same chunks for the last block, after which only scored rows are read.
std::vector<RowChunk> lastChunks(const RowLayout& layout, std::vector<RowChunk> chunks);

} // namespace crest::eval
