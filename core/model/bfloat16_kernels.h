// SPDX-License-Identifier: Apache-2.0
// bfloat16 CPU kernels: products, causal attention and the row operations between them, with bfloat16 in memory and every
// sum in float32. Blocks of 32 x 32 results are multiplied by AMX (Intel's matrix unit) or by AVX512_BF16 (vectors; AMD
// from Zen 4 on, Intel from Cooper Lake on). For shapes of whole blocks: rows, widths, tokens and head sizes are multiples
// of kTile; the caller checks (other shapes take core/model/ops.h).
//
// bfloat16 values are 16-bit words. A "packed" factor is the right-hand side of a product, k x n, in panels of kTile
// columns: panel j at words j * k * kTile, in it pairs of rows side by side, [k / 2][kTile][2]. n is rounded up to
// whole panels (the rest is zero). Every function works on the calling thread only; sums run in an order that depends
// on shapes alone. The layout is that of Intel's intrinsics guide, TDPBF16PS; VDPBF16PS reads the same.
#pragma once

#include <cstdint>

namespace crest::model {

using Word = std::uint16_t;

/// Where a product goes: to bfloat16 `words`, or to `floats` = addend + product (addend may be floats, or null).
struct ProductTarget {
    Word* words = nullptr;
    float* floats = nullptr;
    const float* addend = nullptr;
    std::int64_t stride = 0; ///< elements from row to row, of all three
};

/// One sequence of causal attention: H query heads over K key heads, T tokens, head size D; token t of head h is at
/// base + t * stride + h * D. Queries, keys and values share `stride`, as do output and its gradient `outStride`.
struct TileAttention {
    std::int64_t tokens = 0, heads = 0, kvHeads = 0, headSize = 0, stride = 0, outStride = 0;
    float scale = 1;
};

struct BFloat16Kernels {
    static constexpr std::int64_t kTile = 32;

    const char* isa; ///< "amx" or "avx512_bf16"

    /// m x n product of a [m, k] (row stride lda) and packed b (k x n). Rows from m and columns from n on are not
    /// written; a is read up to whole tiles of rows.
    void (*product)(std::int64_t m, std::int64_t n, std::int64_t k, const Word* a, std::int64_t lda, const Word* packed,
                    const ProductTarget& target);
    /// Packs x [k, n], row stride lds.
    void (*pack)(std::int64_t k, std::int64_t n, const Word* x, std::int64_t lds, Word* packed);
    /// Packs the transpose of x [n, k].
    void (*packTurned)(std::int64_t n, std::int64_t k, const Word* x, std::int64_t lds, Word* packed);
    /// y [columns, ldy] = x [rows, columns] transposed.
    void (*turn)(std::int64_t rows, std::int64_t columns, const Word* x, std::int64_t lds, Word* y, std::int64_t ldy);

    /// out [T, H D] words and lse [H, T]; scratch: attentionScratch() bytes.
    void (*attention)(const TileAttention& shape, const Word* q, const Word* k, const Word* v, Word* out, float* lse,
                      void* scratch);
    /// dq, dk, dv (stride as q, k, v) are overwritten.
    void (*attentionBackward)(const TileAttention& shape, const Word* q, const Word* k, const Word* v, const Word* out,
                              const float* lse, const Word* dOut, Word* dq, Word* dk, Word* dv, void* scratch);
    std::int64_t (*attentionScratch)(const TileAttention& shape);

    void (*toWords)(std::int64_t count, const float* x, Word* y);
    /// y = x / rms(x) * gain per row, rstd [rows].
    void (*rmsNorm)(std::int64_t rows, std::int64_t width, const float* x, const float* gain, float eps, Word* y,
                    float* rstd);
    /// dx += and dGain += the gradients; rounded = the new dx.
    void (*rmsNormBackward)(std::int64_t rows, std::int64_t width, const float* dy, const float* x, const float* gain,
                            const float* rstd, float* dx, Word* rounded, float* dGain);
    /// Rotates (p, p + rotated / 2) of each of `heads` heads in place; cos, sin [positions, rotated / 2].
    void (*rope)(std::int64_t rows, std::int64_t positions, std::int64_t heads, std::int64_t headSize,
                 std::int64_t rotated, Word* x, std::int64_t stride, const float* cos, const float* sin, bool inverse);
    /// h [rows, F] = silu(gate) * up of gateUp [rows, 2 F]; and the gradient, written over gateUp.
    void (*siluGate)(std::int64_t rows, std::int64_t width, const Word* gateUp, Word* h);
    void (*siluGateBackward)(std::int64_t rows, std::int64_t width, const Word* dh, Word* gateUp);
    /// Losses in nats of rows of V logits (row stride lds), which become gradScale * (softmax - onehot); columns from V
    /// to lds become 0. Targets below 0 are ignored: loss 0, gradient 0.
    void (*crossEntropy)(std::int64_t rows, std::int64_t vocab, Word* logits, std::int64_t lds,
                         const std::int64_t* targets, float* loss, float gradScale);
};

/// The kernels of the best instruction set that processor and system have, or null where they have neither.
/// CREST_ISA=avx512_bf16 takes that one where AMX is there, too; a lower name (kernels.h) takes none.
const BFloat16Kernels* bfloat16Kernels();

} // namespace crest::model
