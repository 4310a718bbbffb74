// SPDX-License-Identifier: Apache-2.0
// Own float32 CPU kernels for what LibTorch does slowly on small decoders: products with short inner sizes, causal
// attention with small heads, norms, gated activations and the softmax of the loss head, all without intermediate
// tensors. The same source is compiled for three instruction sets; the best one that the machine has is chosen once, at
// run time.
//
// Plain pointers and sizes, no LibTorch: core/model/ops.h checks shapes and calls these. Every function works on the
// calling thread only, writes all of its outputs and keeps no state. Strides count floats. Sums run in float32 in a
// fixed order that depends on shapes and instruction set alone, never on threads.
#pragma once

#include <cstdint>

namespace crest::model {

/// Causal attention of B sequences: query i of Tq sees keys 0 .. i + Tk - Tq. Head h of token t of sequence b is at
/// base + b * ...Batch + t * ...Token + h * ...Head, its D values side by side. Query head h reads key head h / (H /
/// K).
struct AttentionShape {
    std::int64_t batch = 0, queries = 0, keys = 0, heads = 0, kvHeads = 0, headSize = 0;
    std::int64_t qBatch = 0, qToken = 0, qHead = 0;
    std::int64_t kBatch = 0, kToken = 0, kHead = 0;
    std::int64_t vBatch = 0, vToken = 0, vHead = 0;
    std::int64_t oBatch = 0, oToken = 0, oHead = 0; ///< output and its gradient
    float scale = 1;                                ///< 1 / sqrt(D)
};

/// One token against a cache: positions [first, tokens), of which those below `prefix` lie in a stretch that several rows
/// share, the others each in the row that computed them. Position t of head h: keys at prefixKeys + h * prefixHead + t *
/// D, or, with i = t - prefix, at ownKeys + rows[i] * ownRow + h * ownHead + i * D; values likewise.
struct CachedToken {
    std::int64_t heads = 0, kvHeads = 0, headSize = 0;
    std::int64_t first = 0, prefix = 0, tokens = 0;
    const float *prefixKeys = nullptr, *prefixValues = nullptr;
    std::int64_t prefixHead = 0;
    const float *ownKeys = nullptr, *ownValues = nullptr;
    std::int64_t ownRow = 0, ownHead = 0;
    const std::int32_t* rows = nullptr; ///< [tokens - prefix]
    float scale = 1;                    ///< 1 / sqrt(D)
};

struct CpuKernels {
    const char* isa; ///< "avx512", "avx2" or "base"

    /// C[m,n] = A B, or C += A B. A(i,p) = a[i * aRow + p * aCol], B(p,j) = b[p * bRow + j * bCol]; C row-major with
    /// ldc.
    void (*gemm)(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t aRow, std::int64_t aCol,
                 const float* b, std::int64_t bRow, std::int64_t bCol, float* c, std::int64_t ldc, bool accumulate);

    /// Puts a matrix w [n, k] into the form that panelProduct takes, in its own memory. scratch: panelScratch(k) floats.
    void (*toPanels)(std::int64_t n, std::int64_t k, float* w, float* scratch);
    /// y [m, n] = x w^T + bias, or y += that; w in panels, bias may be null, rows of x and y at any stride. The bits of a
    /// row do not depend on the other rows.
    void (*panelProduct)(std::int64_t m, std::int64_t n, std::int64_t k, const float* x, std::int64_t xRow,
                         const float* w, const float* bias, float* y, std::int64_t yRow, bool accumulate,
                         float* scratch);
    /// Columns of a panel: matrices are best cut into multiples of it. 0 where panels are not worth it.
    std::int64_t panelWidth;

    /// y = x / sqrt(mean(x^2) + eps) * gain per row of E; rstd[rows] may be null.
    void (*rmsNorm)(std::int64_t rows, std::int64_t width, const float* x, const float* gain, float eps, float* y,
                    float* rstd);
    /// dx += and dGain += the gradients of rmsNorm.
    void (*rmsNormBackward)(std::int64_t rows, std::int64_t width, const float* dy, const float* x, const float* gain,
                            const float* rstd, float* dx, float* dGain);
    /// y = (x - mean) * rstd * gain + bias; mean and rstd [rows] may be null, bias may be null.
    void (*layerNorm)(std::int64_t rows, std::int64_t width, const float* x, const float* gain, const float* bias,
                      float eps, float* y, float* mean, float* rstd);
    void (*layerNormBackward)(std::int64_t rows, std::int64_t width, const float* dy, const float* x, const float* gain,
                              const float* mean, const float* rstd, float* dx, float* dGain, float* dBias);

    /// Rotates dimensions (p, p + rotated/2) of `heads` heads in place by +angle or, for the backward pass, -angle.
    /// cos, sin: [positions, rotated/2]; row r of x is at position r % positions.
    void (*rope)(std::int64_t rows, std::int64_t positions, std::int64_t heads, std::int64_t rotated, float* x,
                 std::int64_t rowStride, std::int64_t headStride, const float* cos, const float* sin, bool inverse);

    /// out and lse [B, H, Tq] (log-sum-exp of the scaled scores; may be null). scratch: attentionScratch() floats.
    void (*attention)(const AttentionShape& shape, const float* q, const float* k, const float* v, float* out,
                      float* lse, float* scratch);
    /// dq, dk, dv are overwritten; they have the strides of q, k, v.
    void (*attentionBackward)(const AttentionShape& shape, const float* q, const float* k, const float* v,
                              const float* out, const float* lse, const float* dOut, float* dq, float* dk, float* dv,
                              float* scratch);

    /// h = silu(gate) * up; row r of gate and up starts at r * stride.
    void (*siluGate)(std::int64_t rows, std::int64_t width, const float* gate, const float* up, std::int64_t stride,
                     float* h);
    /// dGate, dUp (own stride) from dh and the inputs of siluGate; may overwrite gate and up themselves.
    void (*siluGateBackward)(std::int64_t rows, std::int64_t width, const float* dh, const float* gate, const float* up,
                             std::int64_t stride, float* dGate, float* dUp, std::int64_t gradStride);
    /// y = gelu(x): erf form, or the tanh form; and dx = dy * gelu'(x) (dx may be dy).
    void (*gelu)(std::int64_t count, const float* x, bool tanhForm, float* y);
    void (*geluBackward)(std::int64_t count, const float* dy, const float* x, bool tanhForm, float* dx);

    /// Cross-entropy of each row of logits [rows, V]: loss[row] = logsumexp - logit[target], in nats. With gradScale !=
    /// 0 the logits are replaced by gradScale * (softmax - onehot). Targets below 0 are ignored: loss 0, gradient 0.
    void (*crossEntropy)(std::int64_t rows, std::int64_t vocab, float* logits, const std::int64_t* targets, float* loss,
                         float gradScale);

    /// bfloat16 (as 16-bit words), rounded to nearest even; NaN stays NaN.
    void (*toBFloat16)(std::int64_t count, const float* x, std::uint16_t* y);
    /// y = x, or y += x.
    void (*fromBFloat16)(std::int64_t count, const std::uint16_t* x, float* y, bool accumulate);

    /// y[i, j] = sum_p x[i, p] w[j, p] + bias[j], or y += that, for m rows of x (stride xStride) and n rows of w, side by
    /// side; bias may be null. For few rows: w is read once, at the speed of memory, in order. The bits of a row do not
    /// depend on the other rows, nor those of a column on the other columns.
    void (*fewRows)(std::int64_t m, std::int64_t n, std::int64_t k, const float* x, std::int64_t xStride, const float* w,
                    const float* bias, float* y, std::int64_t yStride, bool accumulate);
    /// The same with a matrix in bfloat16; x is used as it is.
    void (*fewRowsBFloat16)(std::int64_t m, std::int64_t n, std::int64_t k, const float* x, std::int64_t xStride,
                            const std::uint16_t* w, const float* bias, float* y, std::int64_t yStride, bool accumulate);
    /// out [H, D] of a token whose query head h is at q + h * qHead. scratch: tokens - first floats, up to whole vectors
    /// of 16.
    void (*cachedAttention)(const CachedToken& token, const float* q, std::int64_t qHead, float* out, float* scratch);
};

/// The table for this machine; CREST_ISA=base|avx2|avx512 lowers it (for tests and reports).
const CpuKernels& cpuKernels();
/// The table of one instruction set, or null where the machine lacks it.
const CpuKernels* cpuKernelsFor(const char* isa);

/// Floats of scratch that attention and its backward pass need.
std::int64_t attentionScratch(const AttentionShape& shape);
/// Floats of scratch that panels of a matrix [n, k] need.
std::int64_t panelScratch(std::int64_t k);

} // namespace crest::model
