// SPDX-License-Identifier: Apache-2.0
#include "core/train/decoder_pass.h"

namespace crest::train {

using series::MlpKind;
using series::NormKind;

namespace {
/// Logits held at a time: within the cache where the head's matrix is, too; else enough rows to make reading it worth
/// while.
constexpr std::int64_t kLogitBytes = 1 << 19, kManyLogitBytes = 1 << 25, kSmallHead = 1 << 18;
} // namespace

std::int64_t DecoderPass::sequencesWithin(const series::DecoderSpec& spec, std::int64_t tokens, std::int64_t limit,
                                          std::int64_t bytes) {
    const std::int64_t perToken = 4 * (spec.layers * (5 * spec.width + (spec.heads + 2 * spec.kvHeads) * spec.headSize +
                                                      spec.heads * spec.headSize + 3 * spec.mlpWidth) +
                                       6 * spec.width);
    std::int64_t sequences = std::clamp<std::int64_t>(bytes / (perToken * tokens), 1, limit);
    while (limit % sequences != 0)
        --sequences;
    return sequences;
}

DecoderPass::DecoderPass(const series::DecoderSpec& spec, std::int64_t sequences, std::int64_t tokens,
                         at::ScalarType dtype, bool withGradients, const at::Device& device)
    : m_spec(spec)
    , m_sequences(sequences)
    , m_tokens(tokens)
    , m_rotary(model::rotaryTable(spec.ropeBase, spec.ropeDims, tokens, device)) {
    const std::int64_t rows = sequences * tokens, heads = spec.heads * spec.headSize;
    const std::int64_t qkvWidth = heads + 2 * spec.kvHeads * spec.headSize;
    const std::int64_t mlpWidth = spec.mlp == MlpKind::Gated ? 2 * spec.mlpWidth : spec.mlpWidth;
    const auto options = at::TensorOptions().dtype(dtype).device(device);
    const auto wide = options.dtype(at::kFloat);
    const auto matrix = [&](std::int64_t width) { return at::zeros({rows, width}, options); };
    const auto column = [&] { return at::zeros({rows}, wide); };
    for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
        Saved s;
        s.x = matrix(spec.width);
        s.normed1 = matrix(spec.width), s.mean1 = column(), s.rstd1 = column();
        s.qkv = matrix(qkvWidth);
        splitHeads(s.qkv, s.q, s.k, s.v);
        s.attendedRows = matrix(heads);
        s.attended = s.attendedRows.view({sequences, tokens, spec.heads, spec.headSize});
        s.lse = at::zeros({sequences, spec.heads, tokens}, wide);
        s.middle = spec.parallelResidual ? s.x : matrix(spec.width);
        s.normed2 = matrix(spec.width), s.mean2 = column(), s.rstd2 = column();
        s.mlpIn = matrix(mlpWidth), s.hidden = matrix(spec.mlpWidth);
        m_blocks.push_back(std::move(s));
    }
    m_last = matrix(spec.width), m_lastNormed = matrix(spec.width), m_lastMean = column(), m_lastRstd = column();
    const std::int64_t logitBytes = spec.vocabSize * spec.width <= kSmallHead ? kLogitBytes : kManyLogitBytes;
    const std::int64_t chunk = std::clamp<std::int64_t>(logitBytes / (4 * spec.vocabSize), 64, 512);
    m_logits = at::zeros({std::min(rows, chunk), spec.vocabSize}, options);
    m_loss = column();
    if (!withGradients)
        return;
    m_dx = matrix(spec.width), m_dNormed = matrix(spec.width), m_dNormed2 = matrix(spec.width);
    m_dQkv = matrix(qkvWidth);
    splitHeads(m_dQkv, m_dq, m_dk, m_dv);
    m_dAttendedRows = matrix(heads);
    m_dAttended = m_dAttendedRows.view({sequences, tokens, spec.heads, spec.headSize});
    m_dHidden = matrix(spec.mlpWidth);
}

void DecoderPass::splitHeads(at::Tensor& qkv, at::Tensor& q, at::Tensor& k, at::Tensor& v) const {
    const std::int64_t d = m_spec.headSize, h = m_spec.heads, g = m_spec.kvHeads;
    if (m_spec.qkv == series::QkvLayout::PerHead) {
        const at::Tensor parts = qkv.view({m_sequences, m_tokens, h, 3, d});
        q = parts.select(3, 0), k = parts.select(3, 1), v = parts.select(3, 2);
        return;
    }
    const at::Tensor all = qkv.view({m_sequences, m_tokens, h + 2 * g, d});
    q = all.narrow(2, 0, h), k = all.narrow(2, h, g), v = all.narrow(2, h + g, g);
}

void DecoderPass::norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y,
                       at::Tensor& mean, at::Tensor& rstd) {
    if (m_spec.norm == NormKind::RmsNorm)
        model::rmsNorm(x, gain, m_spec.normEps, y, rstd);
    else
        model::layerNorm(x, gain, bias, m_spec.normEps, y, mean, rstd);
}

void DecoderPass::normBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain,
                               const at::Tensor& mean, const at::Tensor& rstd, at::Tensor& dGain, at::Tensor& dBias) {
    if (m_spec.norm == NormKind::RmsNorm)
        model::rmsNormBackward(dy, x, gain, rstd, m_dx, dGain);
    else
        model::layerNormBackward(dy, x, gain, mean, rstd, m_dx, dGain, dBias);
}

void DecoderPass::block(const BlockTensors& w, Saved& s, at::Tensor& next) {
    norm(s.x, w.inputNorm, w.inputNormBias, s.normed1, s.mean1, s.rstd1);
    model::linear(s.normed1, w.qkv, w.qkvBias, s.qkv);
    model::rope(s.q, m_rotary);
    model::rope(s.k, m_rotary);
    model::causalAttention(s.q, s.k, s.v, s.attended, s.lse);
    if (!m_spec.parallelResidual) {
        s.middle.copy_(s.x);
        model::linear(s.attendedRows, w.attentionOut, w.attentionOutBias, s.middle, true);
    }
    norm(s.middle, w.mlpNorm, w.mlpNormBias, s.normed2, s.mean2, s.rstd2);
    model::linear(s.normed2, w.mlpIn, w.mlpInBias, s.mlpIn);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivation(s.mlpIn, m_spec.activation, s.hidden);
    else
        model::activation(s.mlpIn, m_spec.activation, s.hidden);
    next.copy_(s.middle);
    if (m_spec.parallelResidual)
        model::linear(s.attendedRows, w.attentionOut, w.attentionOutBias, next, true);
    model::linear(s.hidden, w.down, w.downBias, next, true);
}

void DecoderPass::body(const DecoderTensors& weights, const at::Tensor& ids) {
    model::embedding(ids, weights.embedding, m_blocks[0].x);
    for (std::size_t layer = 0; layer < m_blocks.size(); ++layer)
        block(weights.blocks[layer], m_blocks[layer], layer + 1 < m_blocks.size() ? m_blocks[layer + 1].x : m_last);
    norm(m_last, weights.finalNorm, weights.finalNormBias, m_lastNormed, m_lastMean, m_lastRstd);
}

const at::Tensor& DecoderPass::forward(const DecoderTensors& weights, const at::Tensor& ids,
                                       const at::Tensor& targets) {
    body(weights, ids);
    model::headLoss(m_lastNormed, weights.head, targets, m_logits, m_loss);
    return m_loss;
}

void DecoderPass::mlpBackward(const BlockTensors& w, BlockTensors& g, Saved& s, at::Tensor& dNormed) {
    model::linearBackward(m_dx, s.hidden, w.down, m_dHidden, g.down, g.downBias);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivationBackward(m_dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    else
        model::activationBackward(m_dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    model::linearBackward(s.mlpIn, s.normed2, w.mlpIn, dNormed, g.mlpIn, g.mlpInBias);
}

void DecoderPass::attentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s) {
    model::linearBackward(m_dx, s.attendedRows, w.attentionOut, m_dAttendedRows, g.attentionOut, g.attentionOutBias);
    model::causalAttentionBackward(s.q, s.k, s.v, s.attended, s.lse, m_dAttended, m_dq, m_dk, m_dv);
    model::rope(m_dq, m_rotary, true);
    model::rope(m_dk, m_rotary, true);
    model::linearBackward(m_dQkv, s.normed1, w.qkv, m_dNormed, g.qkv, g.qkvBias);
}

void DecoderPass::blockBackward(const BlockTensors& w, BlockTensors& g, Saved& s) {
    // m_dx holds the gradient of the block's output and ends as the gradient of its input.
    mlpBackward(w, g, s, m_dNormed2);
    if (m_spec.parallelResidual) {
        attentionBackward(w, g, s);
        normBackward(m_dNormed2, s.x, w.mlpNorm, s.mean2, s.rstd2, g.mlpNorm, g.mlpNormBias);
    } else {
        normBackward(m_dNormed2, s.middle, w.mlpNorm, s.mean2, s.rstd2, g.mlpNorm, g.mlpNormBias);
        attentionBackward(w, g, s);
    }
    normBackward(m_dNormed, s.x, w.inputNorm, s.mean1, s.rstd1, g.inputNorm, g.inputNormBias);
}

const at::Tensor& DecoderPass::forwardBackward(const DecoderTensors& weights, DecoderTensors& gradients,
                                               const at::Tensor& ids, const at::Tensor& targets, double gradScale) {
    body(weights, ids);
    model::headLossBackward(m_lastNormed, weights.head, targets, gradScale, m_logits, m_loss, m_dNormed,
                            gradients.head);
    m_dx.zero_();
    normBackward(m_dNormed, m_last, weights.finalNorm, m_lastMean, m_lastRstd, gradients.finalNorm,
                 gradients.finalNormBias);
    for (std::size_t layer = m_blocks.size(); layer-- > 0;)
        blockBackward(weights.blocks[layer], gradients.blocks[layer], m_blocks[layer]);
    model::embeddingBackward(ids, m_dx, gradients.embedding);
    return m_loss;
}

} // namespace crest::train
