// SPDX-License-Identifier: Apache-2.0
// Causal attention of float32 tensors by the bfloat16 kernels, for training: a sequence and key head at a time goes through them as
// words, with zeros up to whole tiles of tokens, which none of its own tokens sees.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/model/bfloat16_kernels.h"
#include "core/model/ops.h"
#include "core/model/ops_detail.h"

namespace crest::model {

using detail::data;
using detail::overRows;

namespace {

/// Memory of the calling thread, kept between calls.
template<class T> T* kept(int which, std::int64_t count) {
    static thread_local std::array<std::vector<T>, 4> parts;
    std::vector<T>& part = parts[static_cast<std::size_t>(which)];
    if (static_cast<std::int64_t>(part.size()) < count)
        part.resize(static_cast<std::size_t>(count));
    return part.data();
}

/// The heads of a sequence that share a key head: as tensors have them and as words.
struct HeadGroup {
    std::int64_t sequence, keyHead, heads, tokens, size, tall;
    std::int64_t row() const { return (heads + 2) * size; }       ///< queries, key, value
    std::int64_t outRow() const { return heads * size; }
    std::int64_t keys() const { return heads * size; }
    std::int64_t values() const { return keys() + size; }
    TileAttention shape() const {
        return {tall, heads, 1, size, row(), outRow(), static_cast<float>(1 / std::sqrt(static_cast<double>(size)))};
    }
    /// Of x [B, T, heads, D], where this group's part begins: `perGroup` heads of it are one group's.
    std::int64_t begin(const at::Tensor& x, std::int64_t perGroup) const {
        return sequence * x.stride(0) + keyHead * perGroup * x.stride(2);
    }
    void toRows(const at::Tensor& x, std::int64_t perGroup, Word* to, std::int64_t stride) const {
        const float* from = data(x) + begin(x, perGroup);
        for (std::int64_t t = 0; t < tokens; ++t)
            bfloat16Kernels()->toWords(perGroup * size, from + t * x.stride(1), to + t * stride);
        for (std::int64_t t = tokens; t < tall; ++t)
            std::fill_n(to + t * stride, perGroup * size, Word{0});
    }
    void fromRows(const Word* from, std::int64_t stride, at::Tensor& x, std::int64_t perGroup) const {
        float* to = data(x) + begin(x, perGroup);
        for (std::int64_t t = 0; t < tokens; ++t)
            cpuKernels().fromBFloat16(perGroup * size, from + t * stride, to + t * x.stride(1), false);
    }
    Word* inputs(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const {
        Word* rows = kept<Word>(0, tall * row());
        toRows(q, heads, rows, row());
        toRows(k, 1, rows + keys(), row());
        toRows(v, 1, rows + values(), row());
        return rows;
    }
    std::uint8_t* scratch() const { return kept<std::uint8_t>(0, bfloat16Kernels()->attentionScratch(shape())); }
};

/// f(group) for all of them, several side by side.
template<class F> void eachHeadGroup(const at::Tensor& q, const at::Tensor& k, const F& f) {
    const std::int64_t keyHeads = k.size(2), tokens = q.size(1), whole = BFloat16Kernels::kTile;
    overRows(q.size(0) * keyHeads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
            f(HeadGroup{i / keyHeads, i % keyHeads, q.size(2) / keyHeads, tokens, q.size(3), (tokens + whole - 1) / whole * whole});
    });
}

/// The part of lse [B, H, T] that is a group's.
std::int64_t statisticsOf(const HeadGroup& g, const at::Tensor& lse) {
    return (g.sequence * lse.size(1) + g.keyHead * g.heads) * g.tokens;
}

} // namespace

bool roundsAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& out) {
    const bool sideBySide = q.size(2) == k.size(2) || (q.stride(2) == q.size(3) && out.stride(2) == q.size(3));
    return detail::fusable(q) && bfloat16Kernels() && q.size(3) % BFloat16Kernels::kTile == 0 && q.stride(3) == 1 && k.stride(3) == 1 &&
           out.stride(3) == 1 && sideBySide;
}

void roundedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor& out, at::Tensor& lse) {
    eachHeadGroup(q, k, [&](const HeadGroup& g) {
        const Word* in = g.inputs(q, k, v);
        Word* result = kept<Word>(1, g.tall * g.outRow());
        float* statistics = kept<float>(0, g.heads * g.tall);
        bfloat16Kernels()->attention(g.shape(), in, in + g.keys(), in + g.values(), result, statistics, g.scratch());
        g.fromRows(result, g.outRow(), out, g.heads);
        for (std::int64_t h = 0; h < g.heads; ++h)
            std::copy_n(statistics + h * g.tall, g.tokens, data(lse) + statisticsOf(g, lse) + h * g.tokens);
    });
}

void roundedAttentionBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                              const at::Tensor& lse, const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk, at::Tensor& dv) {
    eachHeadGroup(q, k, [&](const HeadGroup& g) {
        const Word* in = g.inputs(q, k, v);
        Word *result = kept<Word>(1, g.tall * g.outRow()), *dResult = kept<Word>(2, g.tall * g.outRow());
        Word* gradients = kept<Word>(3, g.tall * g.row());
        float* statistics = kept<float>(0, g.heads * g.tall);
        g.toRows(out, g.heads, result, g.outRow());
        g.toRows(dOut, g.heads, dResult, g.outRow());
        std::fill_n(statistics, g.heads * g.tall, 0.0f);
        for (std::int64_t h = 0; h < g.heads; ++h)
            std::copy_n(data(lse) + statisticsOf(g, lse) + h * g.tokens, g.tokens, statistics + h * g.tall);
        bfloat16Kernels()->attentionBackward(g.shape(), in, in + g.keys(), in + g.values(), result, statistics, dResult, gradients,
                                             gradients + g.keys(), gradients + g.values(), g.scratch());
        g.fromRows(gradients, g.row(), dq, g.heads);
        g.fromRows(gradients + g.keys(), g.row(), dk, 1);
        g.fromRows(gradients + g.values(), g.row(), dv, 1);
    });
}

} // namespace crest::model
