// SPDX-License-Identifier: Apache-2.0
// The bfloat16 forward pass of a decoder on a CPU that has the bfloat16 kernels: weights are rounded and packed as they
// are made, values between two products are bfloat16, the residual stream and every sum float32. Decoder uses it by
// itself where it fits; letters as in ops.h.
#pragma once

#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/bfloat16_forward.h"
#include "core/model/ops.h"
#include "core/model/row_pieces.h"
#include "core/model/weight_source.h"

namespace crest::model {

/// Packs rows [firstRow, firstRow + rows) of a [.., inner] tensor of versions firstVersion .. + out.size() - 1; row
/// firstRow becomes column 0 of out[k], packedWords(rows, inner) words.
void packRows(WeightSource& source, int tensor, std::int64_t firstRow, std::int64_t rows, std::int64_t inner,
              int firstVersion, std::span<Word* const> out);

class PackedDecoder {
public:
    /// True where this machine has the kernels and the decoder's sizes are whole tiles of 32 (width, head, MLP).
    static bool fits(const series::DecoderSpec& spec);

    explicit PackedDecoder(const series::DecoderSpec& spec);

    /// Makes block `layer` of versions firstVersion .. + count - 1 into buffers 0 .. count - 1.
    void loadBlock(WeightSource& source, int layer, int firstVersion, int count);
    /// x [N, E] float32, the rows of `pieces`, through the block in buffer `buffer`, in place. Whole sequences run on
    /// tiles; pieces with a shared beginning take float32 attention between the same products.
    void forwardBlock(int buffer, at::Tensor& x, std::span<const RowPiece> pieces, const RotaryTable& rotary);
    /// y [N up to whole tiles, paddedWords(E)] = the norm of x [N, E], rounded.
    void norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y) const;

private:
    struct Matrix {
        at::Tensor words, bias; ///< packed; bias up to whole panels, undefined where there is none
        std::int64_t columns = 0, inner = 0;
    };
    struct Block {
        Matrix qkv, attentionOutput, mlpIn, down; ///< q | k | v; gate and up in turns of 16, or up alone
        at::Tensor inputNorm, inputNormBias, mlpNorm, mlpNormBias;
    };
    struct Place {
        Matrix* matrix = nullptr;
        at::Tensor* vector = nullptr; ///< of a norm
    };

    Block allocateBlock() const;
    static Place placeOf(Block& block, series::TensorSlot slot, bool bias);
    /// The packed column of a stored row.
    std::int64_t columnOf(series::TensorSlot slot, std::int64_t row) const;
    void loadMatrix(WeightSource& source, int tensor, int firstVersion, std::span<Matrix* const> matrices);
    void loadBias(WeightSource& source, int tensor, int firstVersion, std::span<Matrix* const> matrices);
    void normRows(const float* x, const at::Tensor& gain, const at::Tensor& bias, std::int64_t begin, std::int64_t end,
                  Word* y) const;
    void attention(std::span<const RowPiece> pieces, const RotaryTable& rotary);
    void wideAttention(std::span<const RowPiece> pieces, std::int64_t rows, const RotaryTable& rotary);
    /// What follows attention, for the first rows of m_heads.
    void finishRows(const Block& block, at::Tensor& x);
    void mlp(const Block& block, std::int64_t begin, std::int64_t end, float* x);
    void reserve(std::int64_t rows);

    series::DecoderSpec m_spec;
    std::vector<Block> m_blocks;
    std::int64_t m_reserved = 0; ///< rows that the buffers below have room for
    at::Tensor m_words;
    at::Tensor m_wideQkv, m_wideHeads; ///< of wideAttention
    PathRows m_path;
    Word *m_normed = nullptr, *m_qkv = nullptr, *m_heads = nullptr, *m_inner = nullptr;
};

} // namespace crest::model
