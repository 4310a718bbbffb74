// SPDX-License-Identifier: Apache-2.0
// Causal attention and the loss head.
#include <cmath>
#include <limits>

#include "core/model/ops.h"
#include "core/model/ops_detail.h"

namespace crest::model {

using detail::data;
using detail::fusable;
using detail::overRows;

namespace {

AttentionShape attentionShape(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out) {
    AttentionShape s;
    s.batch = q.size(0), s.queries = q.size(1), s.heads = q.size(2), s.headSize = q.size(3);
    s.keys = k.size(1), s.kvHeads = k.size(2);
    s.qBatch = q.stride(0), s.qToken = q.stride(1), s.qHead = q.stride(2);
    s.kBatch = k.stride(0), s.kToken = k.stride(1), s.kHead = k.stride(2);
    s.vBatch = v.stride(0), s.vToken = v.stride(1), s.vHead = v.stride(2);
    s.oBatch = out.stride(0), s.oToken = out.stride(1), s.oHead = out.stride(2);
    s.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.headSize)));
    return s;
}

/// Scratch of the calling thread, kept between calls.
float* scratchFloats(std::int64_t count) {
    static thread_local at::Tensor scratch;
    if (!scratch.defined() || scratch.numel() < count)
        scratch = at::empty({count}, at::kFloat);
    return scratch.mutable_data_ptr<float>();
}

/// [B, T, K, D] -> [B, H, T, D] with each key head repeated for its group.
at::Tensor headsFirst(const at::Tensor& x, std::int64_t heads) {
    const at::Tensor t = x.transpose(1, 2);
    return heads == x.size(2) ? t : t.repeat_interleave(heads / x.size(2), 1);
}

at::Tensor maskedScores(const at::Tensor& q, const at::Tensor& k, float scale) {
    const std::int64_t queries = q.size(2), keys = k.size(2);
    at::Tensor scores = at::matmul(q, k.transpose(2, 3)).to(at::kFloat) * scale;
    const at::Tensor future = at::ones({queries, keys}, scores.options().dtype(at::kBool)).triu(keys - queries + 1);
    return scores.masked_fill_(future, -std::numeric_limits<float>::infinity());
}

/// [B, H, T, D] -> [B, T, K, D], groups summed.
at::Tensor sumGroups(const at::Tensor& x, std::int64_t kvHeads) {
    const at::Tensor t = x.view({x.size(0), kvHeads, x.size(1) / kvHeads, x.size(2), x.size(3)}).sum(2);
    return t.transpose(1, 2);
}

} // namespace

void causalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor& out, at::Tensor& lse) {
    const AttentionShape s = attentionShape(q, k, v, out);
    if (fusable(q) && q.stride(3) == 1 && k.stride(3) == 1 && v.stride(3) == 1 && out.stride(3) == 1) {
        const std::int64_t group = s.heads / s.kvHeads;
        overRows(s.batch * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
            AttentionShape one = s;
            one.batch = one.heads = one.kvHeads = 1;
            float* scratch = scratchFloats(attentionScratch(one));
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t b = i / s.heads, h = i % s.heads;
                cpuKernels().attention(
                    one, data(q) + b * s.qBatch + h * s.qHead, data(k) + b * s.kBatch + (h / group) * s.kHead,
                    data(v) + b * s.vBatch + (h / group) * s.vHead, data(out) + b * s.oBatch + h * s.oHead,
                    lse.defined() ? data(lse) + i * s.queries : nullptr, scratch);
            }
        });
        return;
    }
    const at::Tensor scores = maskedScores(headsFirst(q, s.heads), headsFirst(k, s.heads), s.scale);
    const at::Tensor weights = at::softmax(scores, -1).to(q.scalar_type());
    out.copy_(at::matmul(weights, headsFirst(v, s.heads)).transpose(1, 2));
    if (lse.defined())
        lse.copy_(at::logsumexp(scores, -1));
}

void windowedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t window,
                       at::Tensor& out) {
    const std::int64_t queries = q.size(1), keys = k.size(1), heads = q.size(2), offset = keys - queries;
    const at::Tensor all = at::ones({queries, keys}, q.options().dtype(at::kBool));
    const at::Tensor seen = all.tril(offset).logical_and_(all.triu(offset - window + 1));
    out.copy_(at::scaled_dot_product_attention(headsFirst(q, heads), headsFirst(k, heads), headsFirst(v, heads), seen)
                  .transpose(1, 2));
}

void causalAttentionBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                             const at::Tensor& lse, const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk,
                             at::Tensor& dv) {
    const AttentionShape s = attentionShape(q, k, v, out);
    if (fusable(q) && q.stride(3) == 1 && out.stride(3) == 1) {
        const std::int64_t group = s.heads / s.kvHeads;
        overRows(s.batch * s.kvHeads, 1, [&](std::int64_t begin, std::int64_t end) {
            AttentionShape one = s;
            one.batch = one.kvHeads = 1;
            one.heads = group;
            float* scratch = scratchFloats(attentionScratch(one));
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t b = i / s.kvHeads, h = i % s.kvHeads;
                const std::int64_t qAt = b * s.qBatch + h * group * s.qHead, oAt = b * s.oBatch + h * group * s.oHead;
                const std::int64_t kAt = b * s.kBatch + h * s.kHead, vAt = b * s.vBatch + h * s.vHead;
                cpuKernels().attentionBackward(one, data(q) + qAt, data(k) + kAt, data(v) + vAt, data(out) + oAt,
                                               data(lse) + i * group * s.queries, data(dOut) + oAt, data(dq) + qAt,
                                               data(dk) + kAt, data(dv) + vAt, scratch);
            }
        });
        return;
    }
    const at::Tensor qh = headsFirst(q, s.heads).to(at::kFloat), kh = headsFirst(k, s.heads).to(at::kFloat),
                     vh = headsFirst(v, s.heads).to(at::kFloat), gh = dOut.transpose(1, 2).to(at::kFloat);
    const at::Tensor weights = at::exp(maskedScores(qh, kh, s.scale) - lse.unsqueeze(-1));
    const at::Tensor delta = (gh * out.transpose(1, 2)).sum(-1, true);
    const at::Tensor ds = weights * (at::matmul(gh, vh.transpose(2, 3)) - delta) * s.scale;
    dq.copy_(at::matmul(ds, kh).transpose(1, 2));
    dk.copy_(sumGroups(at::matmul(ds.transpose(2, 3), qh), s.kvHeads));
    dv.copy_(sumGroups(at::matmul(weights.transpose(2, 3), gh), s.kvHeads));
}

namespace {

/// Losses of one chunk of logits in place; gradScale 0: the logits stay.
void chunkLoss(at::Tensor& logits, const at::Tensor& targets, at::Tensor& loss, double gradScale) {
    const std::int64_t rows = logits.size(0), vocab = logits.size(1);
    if (fusable(logits) && logits.is_contiguous()) {
        overRows(rows, 16, [&](std::int64_t begin, std::int64_t end) {
            cpuKernels().crossEntropy(end - begin, vocab, data(logits) + begin * vocab,
                                      targets.const_data_ptr<std::int64_t>() + begin, data(loss) + begin,
                                      static_cast<float>(gradScale));
        });
        return;
    }
    const at::Tensor counted = targets.ge(0);
    const at::Tensor index = targets.clamp_min(0).unsqueeze(1);
    const at::Tensor logp = at::log_softmax(logits.to(at::kFloat), 1);
    loss.copy_(at::where(counted, -logp.gather(1, index).squeeze(1), at::zeros({}, loss.options())));
    if (gradScale == 0)
        return;
    at::Tensor grad = logp.exp();
    grad.scatter_add_(1, index, at::full({rows, 1}, -1.0, grad.options()));
    logits.copy_(grad * (counted.to(at::kFloat) * gradScale).unsqueeze(1));
}

} // namespace

void headLoss(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets, at::Tensor& scratch,
              at::Tensor& loss) {
    const std::int64_t chunk = scratch.size(0);
    for (std::int64_t row = 0; row < x.size(0); row += chunk) {
        const std::int64_t n = std::min(chunk, x.size(0) - row);
        at::Tensor logits = scratch.narrow(0, 0, n), part = loss.narrow(0, row, n);
        linear(x.narrow(0, row, n), weight, {}, logits);
        chunkLoss(logits, targets.narrow(0, row, n), part, 0);
    }
}

void headLossBackward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets, double gradScale,
                      at::Tensor& scratch, at::Tensor& loss, at::Tensor& dx, at::Tensor& dWeight) {
    const std::int64_t chunk = scratch.size(0);
    at::Tensor noBias;
    for (std::int64_t row = 0; row < x.size(0); row += chunk) {
        const std::int64_t n = std::min(chunk, x.size(0) - row);
        at::Tensor logits = scratch.narrow(0, 0, n), part = loss.narrow(0, row, n), dPart = dx.narrow(0, row, n);
        const at::Tensor rows = x.narrow(0, row, n);
        linear(rows, weight, {}, logits);
        chunkLoss(logits, targets.narrow(0, row, n), part, gradScale);
        linearBackward(logits, rows, weight, dPart, dWeight, noBias);
    }
}

} // namespace crest::model
