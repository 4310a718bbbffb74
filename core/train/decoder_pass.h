// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass of a decoder over a few sequences at a time, without autograd: every intermediate tensor is
// allocated once and reused, small enough that it stays in the processor's cache.
#pragma once

#include <vector>

#include <ATen/ATen.h>

#include "core/model/ops.h"
#include "core/series/decoder_spec.h"
#include "core/train/parameters.h"

namespace crest::train {

/// Not shared between threads; several passes may read the same weights at once.
class DecoderPass {
public:
    /// For batches of exactly `sequences` x `tokens` ids. `withGradients`: forwardBackward may be called.
    DecoderPass(const series::DecoderSpec& spec, std::int64_t sequences, std::int64_t tokens, at::ScalarType dtype,
                bool withGradients, const at::Device& device = at::kCPU);

    /// Losses in nats of each target, [sequences * tokens] float32, valid until the next call. ids and targets:
    /// [sequences * tokens] int64; targets below 0 are ignored (loss 0).
    const at::Tensor& forward(const DecoderTensors& weights, const at::Tensor& ids, const at::Tensor& targets);
    /// The same, and gradients += d(gradScale * sum of losses).
    const at::Tensor& forwardBackward(const DecoderTensors& weights, DecoderTensors& gradients, const at::Tensor& ids,
                                      const at::Tensor& targets, double gradScale);

    /// Sequences for one pass so that its activations stay within `bytes`: between 1 and `limit`, a divisor of `limit`.
    static std::int64_t sequencesWithin(const series::DecoderSpec& spec, std::int64_t tokens, std::int64_t limit,
                                        std::int64_t bytes);

private:
    /// What a block keeps for its backward pass.
    struct Saved {
        at::Tensor x, normed1, mean1, rstd1, qkv, q, k, v, attended, attendedRows, lse, middle, normed2, mean2, rstd2,
            mlpIn, hidden;
    };
    void body(const DecoderTensors& weights, const at::Tensor& ids);
    void block(const BlockTensors& w, Saved& s, at::Tensor& next);
    void blockBackward(const BlockTensors& w, BlockTensors& g, Saved& s);
    void attentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s);
    void mlpBackward(const BlockTensors& w, BlockTensors& g, Saved& s, at::Tensor& dNormed);
    void norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y, at::Tensor& mean,
              at::Tensor& rstd);
    void normBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& mean,
                      const at::Tensor& rstd, at::Tensor& dGain, at::Tensor& dBias);
    void splitHeads(at::Tensor& qkv, at::Tensor& q, at::Tensor& k, at::Tensor& v) const;

    series::DecoderSpec m_spec;
    std::int64_t m_sequences, m_tokens;
    model::RotaryTable m_rotary;
    std::vector<Saved> m_blocks;
    at::Tensor m_last, m_lastNormed, m_lastMean, m_lastRstd, m_logits, m_loss;
    at::Tensor m_dx, m_dNormed, m_dNormed2, m_dQkv, m_dq, m_dk, m_dv, m_dAttended, m_dAttendedRows, m_dHidden;
};

} // namespace crest::train
