// SPDX-License-Identifier: Apache-2.0
#include "core/model/row_pieces.h"

#include <algorithm>
#include <vector>

namespace crest::model {

namespace {

/// `kept` with room for `rows` rows of the shape of `like`; what is there stays.
void grow(at::Tensor& kept, std::int64_t rows, const at::Tensor& like) {
    if (kept.defined() && kept.size(0) >= rows)
        return;
    const std::int64_t room = kept.defined() ? std::max(rows, 2 * kept.size(0)) : rows;
    at::Tensor larger = at::empty({room, like.size(1), like.size(2)}, like.options());
    if (kept.defined())
        larger.narrow(0, 0, kept.size(0)).copy_(kept);
    kept = larger;
}

} // namespace

void PathRows::put(std::int64_t start, const at::Tensor& keys, const at::Tensor& values) {
    const std::int64_t count = keys.size(0);
    grow(m_keys, start + count, keys);
    grow(m_values, start + count, values);
    m_keys.narrow(0, start, count).copy_(keys);
    m_values.narrow(0, start, count).copy_(values);
}

at::Tensor readRows(std::span<const RowPiece> pieces, const at::Device& device) {
    if (std::all_of(pieces.begin(), pieces.end(), [](const RowPiece& piece) { return piece.unread == 0; }))
        return {};
    std::vector<std::int64_t> rows;
    std::int64_t first = 0;
    for (const RowPiece& piece : pieces) {
        for (std::int64_t row = piece.unread; row < piece.count; ++row)
            rows.push_back(first + row);
        first += piece.count;
    }
    return at::tensor(rows, at::kLong).to(device);
}

std::int64_t reach(std::span<const RowPiece> pieces) {
    std::int64_t longest = 0;
    for (const RowPiece& piece : pieces)
        longest = std::max(longest, piece.start + piece.count);
    return longest;
}

namespace {

/// `batch` pieces like `piece`, whose first row is `row`; more than one only of whole sequences.
void attendPiece(at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& out, const RowPiece& piece,
                 std::int64_t row, std::int64_t batch, const RotaryTable* rotary, std::int64_t window, PathRows& path) {
    const auto cut = [&](const at::Tensor& t) { // [N, H, D] -> [B, T, H, D]
        return t.narrow(0, row, batch * piece.count).unflatten(0, {batch, piece.count});
    };
    at::Tensor keys = cut(k), values = cut(v);
    if (rotary)
        rope(keys, rotary->from(piece.start, piece.count));
    if (piece.kept || piece.start > 0)
        path.put(piece.start, keys[0], values[0]);
    const std::int64_t read = piece.count - piece.unread;
    if (read == 0)
        return;
    at::Tensor queries = cut(q).narrow(1, piece.unread, read), result = cut(out).narrow(1, piece.unread, read);
    if (rotary)
        rope(queries, rotary->from(piece.start + piece.unread, read));
    if (piece.start > 0) {
        keys = path.keys(piece.start + piece.count).unsqueeze(0);
        values = path.values(piece.start + piece.count).unsqueeze(0);
    }
    at::Tensor noStatistics;
    if (window > 0 && window < keys.size(1))
        windowedAttention(queries, keys, values, window, result);
    else
        causalAttention(queries, keys, values, result, noStatistics);
}

} // namespace

void attendPieces(at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& out, std::span<const RowPiece> pieces,
                  const RotaryTable* rotary, std::int64_t window, PathRows& path) {
    std::int64_t row = 0;
    for (std::size_t i = 0; i < pieces.size();) {
        std::size_t same = i + 1;
        while (same < pieces.size() && pieces[i].isWhole() && pieces[same] == pieces[i])
            ++same;
        const auto batch = static_cast<std::int64_t>(same - i);
        attendPiece(q, k, v, out, pieces[i], row, batch, rotary, window, path);
        row += batch * pieces[i].count;
        i = same;
    }
}

} // namespace crest::model
