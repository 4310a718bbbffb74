// SPDX-License-Identifier: Apache-2.0
// The backward half of DecoderPass.
#include <utility>

#include "core/train/decoder_pass.h"

namespace crest::train {

using series::MlpKind;
using series::NormKind;
using series::NormPlacement;

void DecoderPass::normBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain,
                               const at::Tensor& mean, const at::Tensor& rstd, at::Tensor& dx, at::Tensor& dGain,
                               at::Tensor& dBias) {
    const at::Tensor& factor = gain.defined() ? gain : m_ones;
    at::Tensor unwanted = m_unwanted.narrow(0, 0, m_spec.width);
    at::Tensor& dFactor = dGain.defined() ? dGain : unwanted;
    if (m_spec.norm == NormKind::RmsNorm)
        model::rmsNormBackward(dy, x, factor, rstd, dx, dFactor);
    else
        model::layerNormBackward(dy, x, factor, mean, rstd, dx, dFactor, dBias);
}

void DecoderPass::mlpBackward(const BlockTensors& w, BlockTensors& g, Saved& s, const at::Tensor& dOut) {
    model::linearBackward(dOut, s.hidden, w.down, m_work.dHidden, g.down, g.downBias);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivationBackward(m_work.dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    else
        model::activationBackward(m_work.dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    model::linearBackward(s.mlpIn, s.mlpSource, w.mlpIn, m_work.dNormed2, g.mlpIn, g.mlpInBias);
}

void DecoderPass::normHeadsBackward(at::Tensor& dx, const at::Tensor& gain, const at::Tensor& before,
                                    const at::Tensor& rstd, at::Tensor& dGain) {
    at::Tensor dNormed = m_work.heads.flatten().narrow(0, 0, dx.numel()).view({-1, gain.size(0)});
    at::Tensor dBefore = m_work.dHeads.flatten().narrow(0, 0, dx.numel()).view({-1, gain.size(0)});
    dNormed.view(dx.sizes()).copy_(dx);
    dBefore.zero_();
    at::Tensor unwanted = m_unwanted.narrow(0, 0, gain.size(0));
    model::rmsNormBackward(dNormed, before.view({-1, gain.size(0)}), gain, rstd.flatten(), dBefore,
                           dGain.defined() ? dGain : unwanted);
    dx.copy_(dBefore.view(dx.sizes()));
}

void DecoderPass::attentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s, const at::Tensor& dOut,
                                    std::int64_t layer) {
    model::linearBackward(dOut, s.attendedRows, w.attentionOut, m_work.dAttendedRows, g.attentionOut,
                          g.attentionOutBias);
    m_attention.backward(layer, m_groups, s.q, s.k, s.v, s.attended, s.lse, m_work.dAttended, m_work.dq, m_work.dk,
                         m_work.dv);
    if (m_spec.attentionScaleByLayer)
        m_work.dq.div_(static_cast<double>(layer + 1));
    if (w.queryNorm.defined()) {
        normHeadsBackward(m_work.dq, w.queryNorm, s.queries, s.queryRstd, g.queryNorm);
        normHeadsBackward(m_work.dk, w.keyNorm, s.keys, s.keyRstd, g.keyNorm);
    }
    if (m_spec.clipQkv > 0)
        m_work.dQkv.masked_fill_(s.clipped, 0);
    model::linearBackward(m_work.dQkv, s.attentionIn, w.qkv, m_work.dNormed, g.qkv, g.qkvBias);
}

void DecoderPass::blockBackward(const BlockTensors& w, BlockTensors& g, Saved& s, std::int64_t layer) {
    // m_work.dx holds the gradient of the block's output and ends as the gradient of its input.
    at::Tensor &dx = m_work.dx, &dBranch = m_work.dBranch;
    const auto norm1 = [&](const at::Tensor& dy, const at::Tensor& x, at::Tensor& dIn) {
        normBackward(dy, x, w.inputNorm, s.mean1, s.rstd1, dIn, g.inputNorm, g.inputNormBias);
    };
    const auto norm2 = [&](const at::Tensor& dy, const at::Tensor& x, at::Tensor& dIn) {
        normBackward(dy, x, w.mlpNorm, s.mean2, s.rstd2, dIn, g.mlpNorm, g.mlpNormBias);
    };
    switch (m_spec.normPlacement) {
    case NormPlacement::BeforeBranch:
        mlpBackward(w, g, s, dx);
        if (m_spec.parallelResidual) {
            attentionBackward(w, g, s, dx, layer);
            norm2(m_work.dNormed2, s.x, dx);
        } else {
            norm2(m_work.dNormed2, s.middle, dx);
            attentionBackward(w, g, s, dx, layer);
        }
        norm1(m_work.dNormed, s.x, dx);
        return;
    case NormPlacement::AfterBranch:
        dBranch.zero_();
        norm2(dx, s.branch2, dBranch);
        mlpBackward(w, g, s, dBranch);
        dx.add_(m_work.dNormed2);
        dBranch.zero_();
        norm1(dx, s.branch1, dBranch);
        attentionBackward(w, g, s, dBranch, layer);
        dx.add_(m_work.dNormed);
        return;
    case NormPlacement::AfterSum:
        dBranch.zero_();
        norm2(dx, s.branch2, dBranch);
        mlpBackward(w, g, s, dBranch);
        dBranch.add_(m_work.dNormed2);
        dx.zero_();
        norm1(dBranch, s.branch1, dx);
        attentionBackward(w, g, s, dx, layer);
        dx.add_(m_work.dNormed);
        return;
    }
}

/// From the losses to the gradient of the last block's output.
void DecoderPass::headBackward(const DecoderTensors& weights, DecoderTensors& gradients, double gradScale) {
    const std::int64_t wanted = m_learned.numel();
    at::Tensor dNormed = m_work.dNormed.narrow(0, 0, wanted), none;
    if (weights.projectOut.defined()) {
        at::Tensor dProjected = m_work.dProjected.narrow(0, 0, wanted);
        model::headLossBackward(m_work.projected, weights.head, m_targets, gradScale, m_logits, m_work.headLoss,
                                dProjected, gradients.head);
        model::linearBackward(dProjected, m_work.lastNormed, weights.projectOut, dNormed, gradients.projectOut, none);
    } else {
        model::headLossBackward(m_work.lastNormed, weights.head, m_targets, gradScale, m_logits, m_work.headLoss,
                                dNormed, gradients.head);
    }
    at::Tensor dIn = m_allLearned ? m_work.dx : m_work.dHeadIn.narrow(0, 0, wanted);
    if (m_spec.finalNorm) {
        dIn.zero_();
        normBackward(dNormed, m_allLearned ? m_work.last : m_work.headIn, weights.finalNorm, m_work.lastMean,
                     m_work.lastRstd, dIn, gradients.finalNorm, gradients.finalNormBias);
    } else {
        dIn.copy_(dNormed);
    }
    if (m_allLearned)
        return;
    m_work.dx.zero_();
    m_work.dx.index_copy_(0, m_learned, dIn);
}

void DecoderPass::embedBackward(const DecoderTensors& weights, DecoderTensors& gradients, const at::Tensor& ids) {
    at::Tensor none;
    if (gradients.position.defined())
        model::embeddingBackward(m_positions, m_work.dx, gradients.position);
    if (!gradients.embedding.defined())
        return;
    if (!weights.projectIn.defined()) {
        model::embeddingBackward(ids, m_work.dx, gradients.embedding);
        return;
    }
    model::linearBackward(m_work.dx, m_work.embedded, weights.projectIn, m_work.dEmbedded, gradients.projectIn, none);
    model::embeddingBackward(ids, m_work.dEmbedded, gradients.embedding);
}

const at::Tensor& DecoderPass::forwardBackward(const DecoderTensors& weights, DecoderTensors& gradients,
                                               const at::Tensor& ids, const at::Tensor& targets, double gradScale,
                                               std::span<const std::int64_t> documents) {
    start(ids, targets, documents);
    if (m_learned.numel() == 0)
        return m_work.loss.zero_();
    body(weights, ids);
    headBackward(weights, gradients, gradScale);
    spreadLosses();
    if (!gradients.blocks.front().qkv.defined() && !gradients.embedding.defined())
        return m_work.loss; // nothing below the head is asked for
    for (std::size_t i = m_blocks.size(); i-- > 0;) {
        const auto layer = static_cast<std::int64_t>(i);
        if (m_recompute && i + 1 < m_blocks.size()) // the blocks after it took its place; their inputs are done with
            block(weights.blocks[i], m_blocks[i], m_blocks[i + 1].x, layer);
        blockBackward(weights.blocks[i], gradients.blocks[i], m_blocks[i], layer);
    }
    embedBackward(weights, gradients, ids);
    return m_work.loss;
}

} // namespace crest::train
