// SPDX-License-Identifier: Apache-2.0
// How rows of a batch belong to sequences, where sequences have any length, share a beginning, or are cut in two.
#pragma once

#include <cstdint>
#include <span>

#include "core/model/ops.h"

namespace crest::model {

/// Rows that follow each other in one sequence. Pieces come in the order of a walk: the rows at positions 0 .. start - 1
/// of a piece's sequence are those that the last `kept` pieces before it put there, so several pieces may follow one
/// beginning, each in its turn, and a piece of which only the first rows are shared may be kept whole.
struct RowPiece {
    std::int64_t count = 0; ///< rows
    std::int64_t start = 0; ///< position of the first row in its sequence
    bool kept = false;      ///< later pieces of this block and version see its rows
    /// Rows at its front that others see by keys and values alone: nobody reads what the block makes of them.
    std::int64_t unread = 0;
    bool isWhole() const { return start == 0 && !kept; } ///< a sequence that shares nothing
    bool operator==(const RowPiece&) const = default;
};

/// Keys (rotated) and values of the sequence that is being walked, by position: what one block of one version keeps
/// between pieces. Float32; grows to the longest sequence seen.
class PathRows {
public:
    /// keys, values [count, K, D] become positions start .. start + count - 1.
    void put(std::int64_t start, const at::Tensor& keys, const at::Tensor& values);
    /// The first `count` positions, [count, K, D].
    at::Tensor keys(std::int64_t count) const { return m_keys.narrow(0, 0, count); }
    at::Tensor values(std::int64_t count) const { return m_values.narrow(0, 0, count); }

private:
    at::Tensor m_keys, m_values;
};

/// Causal attention of the rows of `pieces`, one piece after the other: q, out [N, H, D], k, v [N, K, D], any strides as
/// in ops.h. q and k are rotated in place, row at position p by row p of `rotary` (null: not). A query sees the last
/// `window` keys; 0: all. Whole sequences of one length go together. Rows that nobody reads have no queries: out stays.
void attendPieces(at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& out, std::span<const RowPiece> pieces,
                  const RotaryTable* rotary, std::int64_t window, PathRows& path);

/// Indices of the rows that are read among those of all pieces, on `device`; undefined: all are.
at::Tensor readRows(std::span<const RowPiece> pieces, const at::Device& device);

/// Positions that the pieces reach: the longest start + count.
std::int64_t reach(std::span<const RowPiece> pieces);

} // namespace crest::model
