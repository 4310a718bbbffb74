// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass by the bfloat16 kernels, for llama-like decoders of whole tiles: what DecoderPass does for
// every shape in float32. The residual stream, norms' statistics, gradients of weights and all
// sums are float32; factors of products are rounded once, where they are made, and kept for the backward pass.
#pragma once

#include <vector>

#include <ATen/ATen.h>

#include "core/model/bfloat16_kernels.h"
#include "core/model/ops.h"
#include "core/train/parameters.h"

namespace crest::train {

/// The matrices of a decoder, rounded and packed for y = x W^T and for dx = dy W. Made once per step, read by all.
class PackedWeights {
public:
    struct Matrix {
        at::Tensor forward, backward;
    };
    struct Block {
        Matrix qkv, attentionOut, mlpIn, down;
    };

    explicit PackedWeights(const DecoderTensors& weights);
    /// Takes the values that the weights have now.
    void update(const DecoderTensors& weights);

    const std::vector<Block>& blocks() const { return m_blocks; }
    const Matrix& head() const { return m_head; }

private:
    Matrix allocate(const at::Tensor& weight);
    void fill(const at::Tensor& weight, Matrix& matrix);

    std::vector<Block> m_blocks;
    Matrix m_head;
    at::Tensor m_rounded; ///< one matrix at a time, with rows of zeros up to whole tiles
};

/// Not shared between threads; several passes may read the same weights at once.
class TilePass {
public:
    /// Whether this machine has the kernels and the shape is one of theirs: RMSNorm, SwiGLU, no biases, blocks one
    /// after the other, every width, head size and `tokens` a multiple of 32.
    static bool supports(const series::DecoderSpec& spec, std::int64_t tokens);

    /// For batches of exactly `sequences` x `tokens` ids.
    TilePass(const series::DecoderSpec& spec, std::int64_t sequences, std::int64_t tokens);

    /// Losses in nats of each target, [sequences * tokens] float32, valid until the next call; gradients +=
    /// d(gradScale * sum of losses). `weights` gives the embedding and the norms, `packed` the matrices.
    const at::Tensor& forwardBackward(const PackedWeights& packed, const DecoderTensors& weights,
                                      DecoderTensors& gradients, const at::Tensor& ids, const at::Tensor& targets,
                                      double gradScale);

private:
    struct Saved {
        at::Tensor x, normed1, rstd1, qkv, attended, lse, middle, normed2, rstd2, mlpIn, hidden;
    };
    void forwardBlock(const PackedWeights::Block& w, const BlockTensors& norms, Saved& s, at::Tensor& next);
    void backwardBlock(const PackedWeights::Block& w, const BlockTensors& norms, BlockTensors& g, Saved& s);
    void attention(Saved& s);
    void attentionBackward(Saved& s);
    void head(const PackedWeights& packed, at::Tensor& dHead, const at::Tensor& targets, double gradScale);
    /// dWeight += dy^T x, with dy [rows, out] and x [rows, in].
    void weightGradient(const at::Tensor& dy, const at::Tensor& x, at::Tensor& dWeight);
    void rope(at::Tensor& qkv, bool inverse);

    const model::BFloat16Kernels& m_kernels;
    series::DecoderSpec m_spec;
    std::int64_t m_sequences, m_tokens, m_rows, m_headRows;
    model::TileAttention m_shape;
    model::RotaryTable m_rotary;
    std::vector<Saved> m_blocks;
    at::Tensor m_last, m_lastNormed, m_lastRstd, m_logits, m_loss;
    at::Tensor m_dx, m_dxRounded, m_dNormed, m_dAttended, m_dQkv, m_dHidden;
    at::Tensor m_turned, m_packed, m_scratch;
};

} // namespace crest::train
