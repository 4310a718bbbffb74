// SPDX-License-Identifier: Apache-2.0
#include "core/train/document_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/model/decoder.h"
#include "core/model/ops_detail.h"
#include "core/train/plain_workspace.h"

namespace crest::train {

std::vector<DocumentGroup> groupDocuments(std::span<const std::int64_t> lengths) {
    std::vector<DocumentGroup> groups;
    std::int64_t row = 0;
    for (const std::int64_t length : lengths) {
        if (groups.empty() || groups.back().length != length)
            groups.push_back({row, 0, length});
        ++groups.back().count;
        row += length;
    }
    return groups;
}

DocumentAttention::DocumentAttention(const series::DecoderSpec& spec, std::int64_t longest, const at::Device& device)
    : m_windows(static_cast<std::size_t>(spec.layers), 0)
    , m_scores(scoresAtATime(spec, longest)) {
    for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
        const std::int64_t window = spec.window(layer);
        m_windows[static_cast<std::size_t>(layer)] = window;
        model::RotaryTable& table = window > 0 ? m_windowRotary : m_rotary;
        if (spec.positions == series::Positions::Rotary && !table.cos.defined())
            table = model::layerRotaryTable(spec, layer, longest, longest, device);
    }
}

const model::RotaryTable& DocumentAttention::rotary(std::int64_t layer) const {
    return m_windows[static_cast<std::size_t>(layer)] > 0 ? m_windowRotary : m_rotary;
}

/// LibTorch's form holds scores, so that documents go through it in parts; the kernels hold a few rows of them.
template<class F>
void DocumentAttention::eachPart(const at::Tensor& q, std::int64_t window, const DocumentGroup& group, const F& f) const {
    const bool windowed = window > 0 && window < group.length;
    std::int64_t most = group.count;
    if (windowed || !model::detail::fusable(q))
        most = std::max<std::int64_t>(1, m_scores / (q.size(1) * group.length * group.length));
    for (std::int64_t first = 0; first < group.count; first += most)
        f(DocumentGroup{group.row + first * group.length, std::min(most, group.count - first), group.length}, windowed);
}

namespace {

/// [N, H, D] -> the group's [documents, length, H, D].
at::Tensor cut(const at::Tensor& rows, const DocumentGroup& group) {
    return rows.narrow(0, group.row, group.count * group.length).unflatten(0, {group.count, group.length});
}
/// [N, H] -> the group's [documents, H, length], which lie there one after the other.
at::Tensor cutStatistics(const at::Tensor& lse, const DocumentGroup& group) {
    return lse.narrow(0, group.row, group.count * group.length).view({group.count, lse.size(1), group.length});
}

/// [B, T, K, D] -> [B, H, T, D] with each key head repeated for its group.
at::Tensor headsFirst(const at::Tensor& x, std::int64_t heads) {
    const at::Tensor turned = x.transpose(1, 2);
    return heads == x.size(2) ? turned : turned.repeat_interleave(heads / x.size(2), 1);
}
at::Tensor sumGroups(const at::Tensor& x, std::int64_t kvHeads) {
    return x.view({x.size(0), kvHeads, x.size(1) / kvHeads, x.size(2), x.size(3)}).sum(2).transpose(1, 2);
}

/// Gradients of model::windowedAttention.
void windowedBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t window,
                      const at::Tensor& out, const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk, at::Tensor& dv) {
    const std::int64_t tokens = q.size(1), heads = q.size(2), kvHeads = k.size(2);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    const at::Tensor all = at::ones({tokens, tokens}, q.options().dtype(at::kBool));
    const at::Tensor hidden = all.triu(1).logical_or_(all.tril(-window));
    const at::Tensor qh = headsFirst(q, heads), kh = headsFirst(k, heads), vh = headsFirst(v, heads);
    const at::Tensor dOuth = dOut.transpose(1, 2);
    const at::Tensor scores = (at::matmul(qh, kh.transpose(2, 3)) * scale)
                                  .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
    const at::Tensor weights = at::softmax(scores, -1);
    const at::Tensor delta = (dOuth * out.transpose(1, 2)).sum(-1, true);
    const at::Tensor dScores = weights * (at::matmul(dOuth, vh.transpose(2, 3)) - delta) * scale;
    dq.copy_(at::matmul(dScores, kh).transpose(1, 2));
    dk.copy_(sumGroups(at::matmul(dScores.transpose(2, 3), qh), kvHeads));
    dv.copy_(sumGroups(at::matmul(weights.transpose(2, 3), dOuth), kvHeads));
}

} // namespace

void DocumentAttention::forward(std::int64_t layer, std::span<const DocumentGroup> groups, bool rounded, at::Tensor& q,
                                at::Tensor& k, const at::Tensor& v, at::Tensor& out, at::Tensor& lse) const {
    const std::int64_t window = m_windows[static_cast<std::size_t>(layer)];
    const auto attend = [&](const DocumentGroup& part, bool windowed) {
        at::Tensor queries = cut(q, part), keys = cut(k, part), result = cut(out, part);
        at::Tensor statistics = cutStatistics(lse, part);
        model::rope(queries, rotary(layer));
        model::rope(keys, rotary(layer));
        if (windowed)
            model::windowedAttention(queries, keys, cut(v, part), window, result);
        else if (rounded && model::roundsAttention(queries, keys, result))
            model::roundedAttention(queries, keys, cut(v, part), result, statistics);
        else
            model::causalAttention(queries, keys, cut(v, part), result, statistics);
    };
    for (const DocumentGroup& group : groups)
        eachPart(q, window, group, attend);
}

void DocumentAttention::backward(std::int64_t layer, std::span<const DocumentGroup> groups, bool rounded, const at::Tensor& q,
                                 const at::Tensor& k, const at::Tensor& v, const at::Tensor& out, const at::Tensor& lse,
                                 const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk, at::Tensor& dv) const {
    const std::int64_t window = m_windows[static_cast<std::size_t>(layer)];
    const auto attend = [&](const DocumentGroup& part, bool windowed) {
        at::Tensor dQueries = cut(dq, part), dKeys = cut(dk, part), dValues = cut(dv, part);
        if (windowed)
            windowedBackward(cut(q, part), cut(k, part), cut(v, part), window, cut(out, part), cut(dOut, part),
                             dQueries, dKeys, dValues);
        else if (rounded && model::roundsAttention(dQueries, dKeys, cut(out, part)))
            model::roundedAttentionBackward(cut(q, part), cut(k, part), cut(v, part), cut(out, part), cutStatistics(lse, part),
                                            cut(dOut, part), dQueries, dKeys, dValues);
        else
            model::causalAttentionBackward(cut(q, part), cut(k, part), cut(v, part), cut(out, part),
                                           cutStatistics(lse, part), cut(dOut, part), dQueries, dKeys, dValues);
        model::rope(dQueries, rotary(layer), true);
        model::rope(dKeys, rotary(layer), true);
    };
    for (const DocumentGroup& group : groups)
        eachPart(q, window, group, attend);
}

} // namespace crest::train
