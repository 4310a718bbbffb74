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

void DecoderPass::mlpBackward(const BlockTensors& w, BlockTensors& g, Saved& s, Work& work, const at::Tensor& dOut) {
    model::linearBackward(dOut, s.hidden, w.down, work.dHidden, g.down, g.downBias);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivationBackward(work.dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    else
        model::activationBackward(work.dHidden, s.mlpIn, m_spec.activation, s.mlpIn);
    model::linearBackward(s.mlpIn, s.mlpSource, w.mlpIn, work.dNormed2, g.mlpIn, g.mlpInBias);
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

void DecoderPass::attentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s, std::int64_t layer) {
    m_attention.backward(layer, m_groups, roundsProducts(w), s.q, s.k, s.v, s.attended, s.lse, m_work.dAttended, m_work.dq,
                         m_work.dk, m_work.dv);
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

void DecoderPass::blockBackward(const BlockTensors& w, BlockTensors& g, std::int64_t layer) {
    // m_work.dx holds the gradient of the block's output, of the last block m_endWork.dx, and it ends as that of its input.
    Saved& s = m_blocks[static_cast<std::size_t>(layer)];
    const bool isLast = layer + 1 == m_spec.layers;
    afterAttentionBackward(w, g, isLast ? m_end : s, isLast ? m_endWork : m_work);
    if (isLast && !m_allLearned) {
        m_work.dx.zero_().index_copy_(0, m_learned, m_endWork.dx);
        m_work.dAttendedRows.zero_().index_copy_(0, m_learned, m_endWork.dAttendedRows);
    }
    attentionBackward(w, g, s, layer);
    if (m_spec.normPlacement == NormPlacement::BeforeBranch)
        normBackward(m_work.dNormed, s.x, w.inputNorm, s.mean1, s.rstd1, m_work.dx, g.inputNorm, g.inputNormBias);
    else
        m_work.dx.add_(m_work.dNormed);
}

/// From work.dx, the gradient of the block's output, to that of what was attended, and of the input but for what comes by attention.
void DecoderPass::afterAttentionBackward(const BlockTensors& w, BlockTensors& g, Saved& s, Work& work) {
    at::Tensor &dx = work.dx, &dBranch = work.dBranch;
    const auto norm1 = [&](const at::Tensor& dy, const at::Tensor& x, at::Tensor& dIn) {
        normBackward(dy, x, w.inputNorm, s.mean1, s.rstd1, dIn, g.inputNorm, g.inputNormBias);
    };
    const auto norm2 = [&](const at::Tensor& dy, const at::Tensor& x, at::Tensor& dIn) {
        normBackward(dy, x, w.mlpNorm, s.mean2, s.rstd2, dIn, g.mlpNorm, g.mlpNormBias);
    };
    const auto leaveAttention = [&](const at::Tensor& dOut) {
        model::linearBackward(dOut, s.attendedRows, w.attentionOut, work.dAttendedRows, g.attentionOut, g.attentionOutBias);
    };
    switch (m_spec.normPlacement) {
    case NormPlacement::BeforeBranch:
        mlpBackward(w, g, s, work, dx);
        if (m_spec.parallelResidual)
            leaveAttention(dx);
        norm2(work.dNormed2, s.middle, dx);
        if (!m_spec.parallelResidual)
            leaveAttention(dx);
        return;
    case NormPlacement::AfterBranch:
        dBranch.zero_();
        norm2(dx, s.branch2, dBranch);
        mlpBackward(w, g, s, work, dBranch);
        dx.add_(work.dNormed2);
        dBranch.zero_();
        norm1(dx, s.branch1, dBranch);
        leaveAttention(dBranch);
        return;
    case NormPlacement::AfterSum:
        dBranch.zero_();
        norm2(dx, s.branch2, dBranch);
        mlpBackward(w, g, s, work, dBranch);
        dBranch.add_(work.dNormed2);
        dx.zero_();
        norm1(dBranch, s.branch1, dx);
        leaveAttention(dx);
        return;
    }
}

/// From the losses to the gradient of the last block's output.
void DecoderPass::headBackward(const DecoderTensors& weights, DecoderTensors& gradients, double gradScale) {
    Work& end = m_endWork;
    at::Tensor none;
    if (weights.projectOut.defined()) {
        model::headLossBackward(end.projected, weights.head, m_targets, gradScale, m_logits, end.headLoss, end.dProjected,
                                gradients.head);
        model::linearBackward(end.dProjected, end.lastNormed, weights.projectOut, end.dNormed, gradients.projectOut, none);
    } else {
        model::headLossBackward(end.lastNormed, weights.head, m_targets, gradScale, m_logits, end.headLoss, end.dNormed,
                                gradients.head);
    }
    if (!m_spec.finalNorm) {
        end.dx.copy_(end.dNormed);
        return;
    }
    end.dx.zero_();
    normBackward(end.dNormed, end.last, weights.finalNorm, end.lastMean, end.lastRstd, end.dx, gradients.finalNorm,
                 gradients.finalNormBias);
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
            block(weights.blocks[i], layer);
        blockBackward(weights.blocks[i], gradients.blocks[i], layer);
    }
    embedBackward(weights, gradients, ids);
    return m_work.loss;
}

} // namespace crest::train
