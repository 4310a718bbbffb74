// SPDX-License-Identifier: Apache-2.0
#include "core/train/decoder_pass.h"

#include <algorithm>

#include "core/train/training_memory.h"

namespace crest::train {

using series::MlpKind;
using series::NormKind;
using series::NormPlacement;
using series::QkNorm;

std::int64_t DecoderPass::sequencesWithin(const series::DecoderSpec& spec, std::int64_t tokens, std::int64_t limit,
                                          std::int64_t bytes) {
    std::int64_t sequences = std::clamp<std::int64_t>(bytes / (roughBytesPerRow(spec) * tokens), 1, limit);
    while (limit % sequences != 0)
        --sequences;
    return sequences;
}

DecoderPass::DecoderPass(const series::DecoderSpec& spec, std::int64_t rows, std::int64_t longest, at::ScalarType dtype,
                         bool withGradients, const at::Device& device, bool recompute)
    : m_spec(spec)
    , m_recompute(recompute)
    , m_longest(longest)
    , m_attention(spec, longest, device) {
    const auto options = at::TensorOptions().dtype(dtype).device(device);
    allocateBlocks(rows, options);
    allocateWork(rows, options, withGradients);
    m_logits = at::zeros({logitRows(spec, rows), spec.vocabSize}, options);
    if (!spec.normGain)
        m_ones = at::ones({spec.width}, options);
    if (withGradients)
        m_unwanted = at::zeros({std::max(spec.width, spec.heads * spec.headSize)}, options);
    use(rows);
}

DecoderPass::Saved DecoderPass::makeSaved(std::int64_t rows, const at::TensorOptions& options) const {
    const BlockColumns c = blockColumns(m_spec);
    const auto wide = options.dtype(at::kFloat);
    const auto matrix = [&](std::int64_t width) { return at::zeros({rows, width}, options); };
    const auto orShared = [&](std::int64_t width, const at::Tensor& other) { return width > 0 ? matrix(width) : other; };
    const auto column = [&] { return at::zeros({rows}, wide); };
    Saved s;
    s.x = matrix(c.x);
    s.attentionIn = orShared(c.attentionIn, s.x);
    s.mean1 = column(), s.rstd1 = column(), s.mean2 = column(), s.rstd2 = column();
    s.qkv = matrix(c.qkv);
    if (c.clipped > 0)
        s.clipped = at::zeros({rows, c.clipped}, options.dtype(at::kBool));
    if (c.queries > 0) {
        s.queries = matrix(c.queries), s.keys = matrix(c.keys);
        s.queryRstd = at::zeros({rows, c.queryRstd}, wide), s.keyRstd = at::zeros({rows, c.keyRstd}, wide);
    }
    s.attendedRows = matrix(c.attendedRows);
    s.lse = at::zeros({rows, c.lse}, wide);
    s.middle = orShared(c.middle, s.x);
    s.mlpSource = orShared(c.mlpSource, s.middle);
    s.branch1 = orShared(c.branch1, {}), s.branch2 = orShared(c.branch2, {});
    s.mlpIn = matrix(c.mlpIn);
    s.hidden = matrix(c.hidden);
    return s;
}

void DecoderPass::allocateBlocks(std::int64_t rows, const at::TensorOptions& options) {
    for (std::int64_t layer = 0; layer < m_spec.layers; ++layer) {
        if (layer == 0 || !m_recompute) {
            m_allBlocks.push_back(makeSaved(rows, options));
            continue;
        }
        Saved s = m_allBlocks.front(); // all of it, but for the input and what is the input
        const at::Tensor shared = s.x, own = at::zeros({rows, m_spec.width}, options);
        for (at::Tensor* const tensor : {&s.x, &s.attentionIn, &s.middle, &s.mlpSource})
            if (tensor->is_same(shared))
                *tensor = own;
        m_allBlocks.push_back(std::move(s));
    }
}

void DecoderPass::allocateWork(std::int64_t rows, const at::TensorOptions& options, bool withGradients) {
    const WorkColumns c = workColumns(m_spec, withGradients);
    const auto wide = options.dtype(at::kFloat);
    const auto matrix = [&](std::int64_t width) { return width > 0 ? at::zeros({rows, width}, options) : at::Tensor(); };
    const auto column = [&] { return at::zeros({rows}, wide); };
    Work& w = m_allWork;
    w.last = matrix(c.last), w.headIn = matrix(c.headIn), w.lastNormed = matrix(c.lastNormed);
    w.lastMean = column(), w.lastRstd = column(), w.loss = column(), w.headLoss = column();
    w.embedded = matrix(c.embedded), w.projected = matrix(c.projected), w.heads = matrix(c.heads);
    w.dx = matrix(c.dx), w.dNormed = matrix(c.dNormed), w.dNormed2 = matrix(c.dNormed2);
    w.dHeadIn = matrix(c.dHeadIn), w.dBranch = matrix(c.dBranch);
    w.dEmbedded = matrix(c.dEmbedded), w.dProjected = matrix(c.dProjected), w.dHeads = matrix(c.dHeads);
    w.dQkv = matrix(c.dQkv), w.dAttendedRows = matrix(c.dAttendedRows), w.dHidden = matrix(c.dHidden);
}

/// Points everything at the first `rows` rows.
void DecoderPass::use(std::int64_t rows) {
    if (rows == m_rows)
        return;
    m_rows = rows;
    static constexpr at::Tensor Saved::* kSaved[] = {
        &Saved::x,       &Saved::attentionIn,  &Saved::mean1, &Saved::rstd1,  &Saved::qkv,       &Saved::clipped,
        &Saved::lse,     &Saved::attendedRows, &Saved::mean2, &Saved::middle, &Saved::mlpSource, &Saved::rstd2,
        &Saved::mlpIn,   &Saved::hidden,       &Saved::keys,  &Saved::branch1, &Saved::branch2,
        &Saved::queries, &Saved::queryRstd,    &Saved::keyRstd};
    static constexpr at::Tensor Work::* kWork[] = {
        &Work::embedded, &Work::last,     &Work::headIn,  &Work::lastNormed, &Work::lastMean,   &Work::lastRstd,
        &Work::loss,     &Work::headLoss, &Work::dx,      &Work::projected,  &Work::dBranch,    &Work::dNormed,
        &Work::dNormed2, &Work::dHeadIn,  &Work::dHidden, &Work::dProjected, &Work::dEmbedded,  &Work::dQkv,
        &Work::heads,    &Work::dHeads,   &Work::dAttendedRows};
    m_blocks.resize(m_allBlocks.size());
    for (std::size_t i = 0; i < m_blocks.size(); ++i) {
        Saved& s = m_blocks[i];
        for (const auto member : kSaved)
            if ((m_allBlocks[i].*member).defined())
                s.*member = (m_allBlocks[i].*member).narrow(0, 0, rows);
        splitHeads(s.qkv, s.q, s.k, s.v);
        s.attended = s.attendedRows.view({rows, m_spec.heads, m_spec.headSize});
    }
    for (const auto member : kWork)
        if ((m_allWork.*member).defined())
            m_work.*member = (m_allWork.*member).narrow(0, 0, rows);
    if (!m_work.dQkv.defined())
        return;
    splitHeads(m_work.dQkv, m_work.dq, m_work.dk, m_work.dv);
    m_work.dAttended = m_work.dAttendedRows.view({rows, m_spec.heads, m_spec.headSize});
}

void DecoderPass::splitHeads(at::Tensor& qkv, at::Tensor& q, at::Tensor& k, at::Tensor& v) const {
    const std::int64_t d = m_spec.headSize, h = m_spec.heads, g = m_spec.kvHeads, rows = qkv.size(0);
    if (m_spec.qkv == series::QkvLayout::PerHead) {
        const at::Tensor parts = qkv.view({rows, h, 3, d});
        q = parts.select(2, 0), k = parts.select(2, 1), v = parts.select(2, 2);
        return;
    }
    const at::Tensor all = qkv.view({rows, h + 2 * g, d});
    q = all.narrow(1, 0, h), k = all.narrow(1, h, g), v = all.narrow(1, h + g, g);
}

/// Takes note of documents and of the rows that have a target.
void DecoderPass::start(const at::Tensor& ids, const at::Tensor& targets, std::span<const std::int64_t> documents) {
    use(ids.numel());
    if (documents.empty())
        m_groups.assign(1, {0, m_rows / m_longest, m_longest});
    else
        m_groups = groupDocuments(documents);
    if (m_spec.positions == series::Positions::Learned) {
        std::vector<at::Tensor> positions;
        for (const DocumentGroup& group : m_groups)
            positions.push_back(at::arange(group.length, ids.options()).repeat({group.count}));
        m_positions = at::cat(positions) + m_spec.positionOffset;
    }
    m_learned = at::nonzero(targets.ge(0)).squeeze(1);
    m_allLearned = m_learned.numel() == m_rows;
    m_targets = m_allLearned ? targets : targets.index_select(0, m_learned);
}

void DecoderPass::embed(const DecoderTensors& weights, const at::Tensor& ids) {
    at::Tensor& x = m_blocks[0].x;
    if (weights.projectIn.defined()) {
        model::embedding(ids, weights.embedding, m_work.embedded);
        model::linear(m_work.embedded, weights.projectIn, {}, x);
    } else {
        model::embedding(ids, weights.embedding, x);
    }
    if (weights.position.defined())
        x.add_(weights.position.index_select(0, m_positions));
}

void DecoderPass::norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y,
                       at::Tensor& mean, at::Tensor& rstd) {
    const at::Tensor& factor = gain.defined() ? gain : m_ones;
    if (m_spec.norm == NormKind::RmsNorm)
        model::rmsNorm(x, factor, m_spec.normEps, y, rstd);
    else
        model::layerNorm(x, factor, bias, m_spec.normEps, y, mean, rstd);
}

/// x [N, H, D] in place: each head by itself, or all heads of a row together. `before` keeps x.
void DecoderPass::normHeads(at::Tensor& x, const at::Tensor& gain, at::Tensor& before, at::Tensor& rstd) {
    before.view(x.sizes()).copy_(x);
    at::Tensor normed = m_work.heads.flatten().narrow(0, 0, x.numel()).view({-1, gain.size(0)});
    at::Tensor scale = rstd.flatten();
    model::rmsNorm(before.view({-1, gain.size(0)}), gain, m_spec.normEps, normed, scale);
    x.copy_(normed.view(x.sizes()));
}

void DecoderPass::attention(const BlockTensors& w, Saved& s, std::int64_t layer) {
    model::linear(s.attentionIn, w.qkv, w.qkvBias, s.qkv);
    if (m_spec.clipQkv > 0) {
        at::gt_out(s.clipped, s.qkv.abs(), m_spec.clipQkv);
        s.qkv.clamp_(-m_spec.clipQkv, m_spec.clipQkv);
    }
    if (w.queryNorm.defined()) {
        normHeads(s.q, w.queryNorm, s.queries, s.queryRstd);
        normHeads(s.k, w.keyNorm, s.keys, s.keyRstd);
    }
    if (m_spec.attentionScaleByLayer)
        s.q.div_(static_cast<double>(layer + 1));
    m_attention.forward(layer, m_groups, s.q, s.k, s.v, s.attended, s.lse);
}

void DecoderPass::mlp(const BlockTensors& w, Saved& s) {
    model::linear(s.mlpSource, w.mlpIn, w.mlpInBias, s.mlpIn);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivation(s.mlpIn, m_spec.activation, s.hidden);
    else
        model::activation(s.mlpIn, m_spec.activation, s.hidden);
}

void DecoderPass::block(const BlockTensors& w, Saved& s, at::Tensor& next, std::int64_t layer) {
    const auto norm1 = [&](const at::Tensor& x, at::Tensor& y) {
        norm(x, w.inputNorm, w.inputNormBias, y, s.mean1, s.rstd1);
    };
    const auto norm2 = [&](const at::Tensor& x, at::Tensor& y) {
        norm(x, w.mlpNorm, w.mlpNormBias, y, s.mean2, s.rstd2);
    };
    const auto leaveAttention = [&](at::Tensor& y, bool add) {
        model::linear(s.attendedRows, w.attentionOut, w.attentionOutBias, y, add);
    };
    const auto leaveMlp = [&](at::Tensor& y, bool add) { model::linear(s.hidden, w.down, w.downBias, y, add); };
    switch (m_spec.normPlacement) {
    case NormPlacement::BeforeBranch:
        norm1(s.x, s.attentionIn);
        attention(w, s, layer);
        if (!m_spec.parallelResidual) {
            s.middle.copy_(s.x);
            leaveAttention(s.middle, true);
        }
        norm2(s.middle, s.mlpSource);
        mlp(w, s);
        next.copy_(s.middle);
        if (m_spec.parallelResidual)
            leaveAttention(next, true);
        leaveMlp(next, true);
        return;
    case NormPlacement::AfterBranch:
        attention(w, s, layer);
        leaveAttention(s.branch1, false);
        norm1(s.branch1, s.middle);
        s.middle.add_(s.x);
        mlp(w, s);
        leaveMlp(s.branch2, false);
        norm2(s.branch2, next);
        next.add_(s.middle);
        return;
    case NormPlacement::AfterSum:
        attention(w, s, layer);
        s.branch1.copy_(s.x);
        leaveAttention(s.branch1, true);
        norm1(s.branch1, s.middle);
        mlp(w, s);
        s.branch2.copy_(s.middle);
        leaveMlp(s.branch2, true);
        norm2(s.branch2, next);
        return;
    }
}

const at::Tensor& DecoderPass::body(const DecoderTensors& weights, const at::Tensor& ids) {
    embed(weights, ids);
    for (std::size_t layer = 0; layer < m_blocks.size(); ++layer)
        block(weights.blocks[layer], m_blocks[layer], layer + 1 < m_blocks.size() ? m_blocks[layer + 1].x : m_work.last,
              static_cast<std::int64_t>(layer));
    // The head sees only rows that have a target.
    const std::int64_t wanted = m_learned.numel();
    if (!m_allLearned) {
        m_work.headIn = m_allWork.headIn.narrow(0, 0, wanted);
        at::index_select_out(m_work.headIn, m_work.last, 0, m_learned);
    }
    const at::Tensor& in = m_allLearned ? m_work.last : m_work.headIn;
    m_work.lastMean = m_allWork.lastMean.narrow(0, 0, wanted);
    m_work.lastRstd = m_allWork.lastRstd.narrow(0, 0, wanted);
    m_work.headLoss = m_allWork.headLoss.narrow(0, 0, wanted);
    m_work.lastNormed = m_allWork.lastNormed.narrow(0, 0, wanted);
    if (m_spec.finalNorm)
        norm(in, weights.finalNorm, weights.finalNormBias, m_work.lastNormed, m_work.lastMean, m_work.lastRstd);
    else
        m_work.lastNormed.copy_(in);
    if (!weights.projectOut.defined())
        return m_work.lastNormed;
    m_work.projected = m_allWork.projected.narrow(0, 0, wanted);
    model::linear(m_work.lastNormed, weights.projectOut, {}, m_work.projected);
    return m_work.projected;
}

void DecoderPass::spreadLosses() {
    if (m_allLearned) {
        m_work.loss.copy_(m_work.headLoss);
        return;
    }
    m_work.loss.zero_();
    m_work.loss.index_copy_(0, m_learned, m_work.headLoss);
}

const at::Tensor& DecoderPass::forward(const DecoderTensors& weights, const at::Tensor& ids, const at::Tensor& targets,
                                       std::span<const std::int64_t> documents) {
    start(ids, targets, documents);
    if (m_learned.numel() == 0)
        return m_work.loss.zero_();
    const at::Tensor& last = body(weights, ids);
    model::headLoss(last, weights.head, m_targets, m_logits, m_work.headLoss);
    spreadLosses();
    return m_work.loss;
}

} // namespace crest::train
