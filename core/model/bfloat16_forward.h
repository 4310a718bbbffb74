// SPDX-License-Identifier: Apache-2.0
// Products of a forward pass (bfloat16_kernels.h), each finished while its results are still in the first-level cache: with
// bias, activation, gate, residual sum or log-sum-exp, so that no float32 result is written only to be read again.
//
// The left-hand side are words (bfloat16) [rows, inner], readable up to whole tiles of 32 rows; the weight [columns,
// inner] is packed as core/model/bfloat16_kernels.h says, by packStrip(); inner is a multiple of 32. Factors are bfloat16, sums
// float32 in an order that depends on shapes alone; results do not depend on how rows are shared among calls.
#pragma once

#include "core/model/bfloat16_kernels.h"

namespace crest::model {

enum class Curve { None, Silu, GeluErf, GeluTanh, Relu };

struct PackedProduct {
    std::int64_t rows = 0, columns = 0, inner = 0;
    std::int64_t stride = 0; ///< words from row to row of x: paddedWords(inner) is fastest
    const Word* x = nullptr;
    const Word* weight = nullptr; ///< packed
    const float* bias = nullptr;  ///< [columns], up to whole panels of 32; may be null
};

/// What is known of each row after some columns of its logits. `best` and `bestId` may both be null.
struct LogitRows {
    const std::int64_t* targets = nullptr; ///< column of the target, below 0 or past the end where it is elsewhere
    float* logSum = nullptr;               ///< log-sum-exp of these columns; not finite where a logit is not
    float* target = nullptr;               ///< the target's logit, untouched where it is elsewhere
    float* best = nullptr;                 ///< the largest logit, and its first column
    std::int32_t* bestId = nullptr;
};

struct BFloat16Forward {
    static constexpr std::int64_t kTile = BFloat16Kernels::kTile;
    static constexpr std::int64_t kStrip = 16; ///< columns (rows of the stored weight) that are packed at a time

    /// Rounds and packs rows [0, count), count <= kStrip, of `inner` floats (a multiple of 32) that lie `stride` apart,
    /// as strip number `strip` of a weight of `depth` inner elements, from inner element `first` (a multiple of 32) on.
    /// Missing rows become zero.
    void (*packStrip)(const float* rows, std::int64_t stride, std::int64_t count, std::int64_t inner, Word* packed,
                      std::int64_t depth, std::int64_t strip, std::int64_t first);
    /// y [rows, columns] += x weight^T + bias.
    void (*addTo)(const PackedProduct& product, float* y);
    /// y [rows, columns], rows `stride` words apart, = curve(x weight^T + bias), rounded.
    void (*toWords)(const PackedProduct& product, Curve curve, Word* y, std::int64_t stride);
    /// y [rows, columns / 2] = curve(gate) * up, where even strips of the weight (and bias) are gate and odd ones up.
    void (*toGated)(const PackedProduct& product, Curve curve, Word* y, std::int64_t stride);
    /// The logits x weight^T, reduced.
    void (*toLogits)(const PackedProduct& product, const LogitRows& rows);
    /// y = (x - mean) / sqrt(variance + eps) * gain + bias per row, rounded; bias may be null; width a multiple of 16.
    void (*layerNorm)(std::int64_t rows, std::int64_t width, const float* x, const float* gain, const float* bias,
                      float eps, Word* y);
};

/// Words from row to row of a left-hand side: rows of a size that is a power of two would share a few cache sets, and
/// evict each other.
inline std::int64_t paddedWords(std::int64_t inner) {
    return inner + 32;
}
/// Words of a packed weight.
inline std::int64_t packedWords(std::int64_t columns, std::int64_t inner) {
    return (columns + BFloat16Forward::kTile - 1) / BFloat16Forward::kTile * BFloat16Forward::kTile * inner;
}

/// Null where bfloat16Kernels() is.
const BFloat16Forward* bfloat16Forward();

} // namespace crest::model
