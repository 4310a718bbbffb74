// SPDX-License-Identifier: Apache-2.0
#include "core/train/decoder_pass.h"

#include <algorithm>

#include "core/model/pages.h"
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

/// One allocation that the tensors of a pass are parts of: large ones want huge pages, of which each by itself would leave a part unused.
class PassMemory {
public:
    PassMemory(std::int64_t bytes, const at::Device& device)
        : m_all(device.is_cpu() ? model::pages(bytes, at::kByte) : at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(device))) {}
    at::Tensor zeros(at::IntArrayRef shape, at::ScalarType type = at::kFloat) {
        const std::int64_t bytes = c10::multiply_integers(shape) * static_cast<std::int64_t>(at::elementSize(type));
        const at::Tensor part = m_all.narrow(0, m_next, bytes).view(type).view(shape);
        m_next += (bytes + kAlignment - 1) / kAlignment * kAlignment;
        return part.zero_();
    }
    static constexpr std::int64_t kAlignment = 64;

private:
    at::Tensor m_all;
    std::int64_t m_next = 0;
};

DecoderPass::DecoderPass(const series::DecoderSpec& spec, std::int64_t rows, std::int64_t longest, bool withGradients,
                         const at::Device& device, bool recompute)
    : m_spec(spec)
    , m_recompute(recompute)
    , m_longest(longest)
    , m_attention(spec, longest, device) {
    constexpr std::int64_t kMostTensors = 32; ///< of a block, of what all share
    PassMemory memory(passBytes(spec, rows, recompute, withGradients) + PassMemory::kAlignment * kMostTensors * (spec.layers + 1), device);
    allocateBlocks(rows, memory);
    allocateWork(rows, withGradients, memory);
    m_allEnd = withInput(m_allBlocks.back(), m_allWork.endX);
    m_allEnd.attendedRows = m_allWork.endAttended;
    m_logits = memory.zeros({logitRows(spec, rows), spec.vocabSize});
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
    if (!spec.normGain)
        m_ones = at::ones({spec.width}, options);
    if (withGradients)
        m_unwanted = at::zeros({std::max(spec.width, spec.heads * spec.headSize)}, options);
    use(rows);
}

DecoderPass::Saved DecoderPass::makeSaved(std::int64_t rows, PassMemory& memory) const {
    const BlockColumns c = blockColumns(m_spec);
    const auto matrix = [&](std::int64_t width) { return memory.zeros({rows, width}); };
    const auto orShared = [&](std::int64_t width, const at::Tensor& other) { return width > 0 ? matrix(width) : other; };
    const auto column = [&] { return memory.zeros({rows}); };
    Saved s;
    s.x = matrix(c.x);
    s.attentionIn = orShared(c.attentionIn, s.x);
    s.mean1 = column(), s.rstd1 = column(), s.mean2 = column(), s.rstd2 = column();
    s.qkv = matrix(c.qkv);
    if (c.clipped > 0)
        s.clipped = memory.zeros({rows, c.clipped}, at::kBool);
    if (c.queries > 0) {
        s.queries = matrix(c.queries), s.keys = matrix(c.keys);
        s.queryRstd = matrix(c.queryRstd), s.keyRstd = matrix(c.keyRstd);
    }
    s.attendedRows = matrix(c.attendedRows);
    s.lse = matrix(c.lse);
    s.middle = orShared(c.middle, s.x);
    s.mlpSource = orShared(c.mlpSource, s.middle);
    s.branch1 = orShared(c.branch1, {}), s.branch2 = orShared(c.branch2, {});
    s.mlpIn = matrix(c.mlpIn);
    s.hidden = matrix(c.hidden);
    return s;
}

void DecoderPass::allocateBlocks(std::int64_t rows, PassMemory& memory) {
    for (std::int64_t layer = 0; layer < m_spec.layers; ++layer) {
        if (layer == 0 || !m_recompute)
            m_allBlocks.push_back(makeSaved(rows, memory));
        else
            m_allBlocks.push_back(withInput(m_allBlocks.front(), memory.zeros({rows, m_spec.width})));
    }
}

/// All of it, but for the input and what is the input.
DecoderPass::Saved DecoderPass::withInput(Saved block, const at::Tensor& input) {
    const at::Tensor shared = block.x;
    for (at::Tensor* const tensor : {&block.x, &block.attentionIn, &block.middle, &block.mlpSource})
        if (tensor->is_same(shared))
            *tensor = input;
    return block;
}

void DecoderPass::allocateWork(std::int64_t rows, bool withGradients, PassMemory& memory) {
    const WorkColumns c = workColumns(m_spec, withGradients);
    const auto matrix = [&](std::int64_t width) { return width > 0 ? memory.zeros({rows, width}) : at::Tensor(); };
    const auto column = [&] { return memory.zeros({rows}); };
    Work& w = m_allWork;
    w.last = matrix(c.last), w.lastNormed = matrix(c.lastNormed);
    w.endX = matrix(c.endX), w.endAttended = matrix(c.endAttended);
    w.dEnd = matrix(c.dEnd), w.dEndAttended = matrix(c.dEndAttended);
    w.lastMean = column(), w.lastRstd = column(), w.loss = column(), w.headLoss = column();
    w.embedded = matrix(c.embedded), w.projected = matrix(c.projected), w.heads = matrix(c.heads);
    w.dx = matrix(c.dx), w.dNormed = matrix(c.dNormed), w.dNormed2 = matrix(c.dNormed2);
    w.dBranch = matrix(c.dBranch);
    w.dEmbedded = matrix(c.dEmbedded), w.dProjected = matrix(c.dProjected), w.dHeads = matrix(c.dHeads);
    w.dQkv = matrix(c.dQkv), w.dAttendedRows = matrix(c.dAttendedRows), w.dHidden = matrix(c.dHidden);
}

/// Points everything at the first `rows` rows.
void DecoderPass::use(std::int64_t rows) {
    if (rows == m_rows)
        return;
    m_rows = rows;
    m_blocks.clear();
    for (const Saved& all : m_allBlocks)
        m_blocks.push_back(firstRows(all, rows));
    m_work = firstRows(m_allWork, rows);
}

void DecoderPass::useAtEnd(std::int64_t wanted) {
    if (m_allLearned) {
        m_end = m_blocks.back(), m_endWork = m_work;
        return;
    }
    m_end = firstRows(m_allEnd, wanted), m_endWork = firstRows(m_allWork, wanted);
    m_endWork.dx = m_endWork.dEnd, m_endWork.dAttendedRows = m_endWork.dEndAttended;
}

DecoderPass::Saved DecoderPass::firstRows(const Saved& all, std::int64_t rows) const {
    static constexpr at::Tensor Saved::* kMembers[] = {
        &Saved::x,       &Saved::attentionIn,  &Saved::mean1, &Saved::rstd1,   &Saved::qkv,       &Saved::clipped,
        &Saved::lse,     &Saved::attendedRows, &Saved::mean2, &Saved::middle,  &Saved::mlpSource, &Saved::rstd2,
        &Saved::mlpIn,   &Saved::hidden,       &Saved::keys,  &Saved::branch1, &Saved::branch2,
        &Saved::queries, &Saved::queryRstd,    &Saved::keyRstd};
    Saved s;
    for (const auto member : kMembers)
        if ((all.*member).defined())
            s.*member = (all.*member).narrow(0, 0, rows);
    splitHeads(s.qkv, s.q, s.k, s.v);
    s.attended = s.attendedRows.view({rows, m_spec.heads, m_spec.headSize});
    return s;
}

DecoderPass::Work DecoderPass::firstRows(const Work& all, std::int64_t rows) const {
    static constexpr at::Tensor Work::* kMembers[] = {
        &Work::embedded, &Work::last,        &Work::lastNormed, &Work::lastMean,   &Work::lastRstd, &Work::endX,
        &Work::loss,     &Work::headLoss,    &Work::dx,         &Work::projected,  &Work::dBranch,  &Work::dNormed,
        &Work::dNormed2, &Work::endAttended, &Work::dHidden,    &Work::dProjected, &Work::dQkv,     &Work::dEmbedded,
        &Work::heads,    &Work::dHeads,      &Work::dEnd,       &Work::dAttendedRows, &Work::dEndAttended};
    Work w;
    for (const auto member : kMembers)
        if ((all.*member).defined())
            w.*member = (all.*member).narrow(0, 0, rows);
    if (!w.dQkv.defined())
        return w;
    splitHeads(w.dQkv, w.dq, w.dk, w.dv);
    w.dAttended = w.dAttendedRows.view({rows, m_spec.heads, m_spec.headSize});
    return w;
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
    useAtEnd(m_learned.numel());
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
    m_attention.forward(layer, m_groups, roundsProducts(w), s.q, s.k, s.v, s.attended, s.lse);
}

void DecoderPass::mlp(const BlockTensors& w, Saved& s) {
    model::linear(s.mlpSource, w.mlpIn, w.mlpInBias, s.mlpIn);
    if (m_spec.mlp == MlpKind::Gated)
        model::gatedActivation(s.mlpIn, m_spec.activation, s.hidden);
    else
        model::activation(s.mlpIn, m_spec.activation, s.hidden);
}

void DecoderPass::block(const BlockTensors& w, std::int64_t layer) {
    Saved& s = m_blocks[static_cast<std::size_t>(layer)];
    if (m_spec.normPlacement == NormPlacement::BeforeBranch)
        norm(s.x, w.inputNorm, w.inputNormBias, s.attentionIn, s.mean1, s.rstd1);
    attention(w, s, layer);
    if (layer + 1 < m_spec.layers) {
        afterAttention(w, s, m_blocks[static_cast<std::size_t>(layer + 1)].x);
        return;
    }
    if (!m_allLearned) {
        at::index_select_out(m_end.x, s.x, 0, m_learned);
        at::index_select_out(m_end.attendedRows, s.attendedRows, 0, m_learned);
    }
    afterAttention(w, m_end, m_endWork.last);
}

void DecoderPass::afterAttention(const BlockTensors& w, Saved& s, at::Tensor& next) {
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
        leaveAttention(s.branch1, false);
        norm1(s.branch1, s.middle);
        s.middle.add_(s.x);
        mlp(w, s);
        leaveMlp(s.branch2, false);
        norm2(s.branch2, next);
        next.add_(s.middle);
        return;
    case NormPlacement::AfterSum:
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
    for (std::int64_t layer = 0; layer < m_spec.layers; ++layer)
        block(weights.blocks[static_cast<std::size_t>(layer)], layer);
    Work& end = m_endWork;
    if (m_spec.finalNorm)
        norm(end.last, weights.finalNorm, weights.finalNormBias, end.lastNormed, end.lastMean, end.lastRstd);
    else
        end.lastNormed.copy_(end.last);
    if (!weights.projectOut.defined())
        return end.lastNormed;
    model::linear(end.lastNormed, weights.projectOut, {}, end.projected);
    return end.projected;
}

void DecoderPass::spreadLosses() {
    if (m_allLearned) {
        m_work.loss.copy_(m_endWork.headLoss);
        return;
    }
    m_work.loss.zero_();
    m_work.loss.index_copy_(0, m_learned, m_endWork.headLoss);
}

const at::Tensor& DecoderPass::forward(const DecoderTensors& weights, const at::Tensor& ids, const at::Tensor& targets,
                                       std::span<const std::int64_t> documents) {
    start(ids, targets, documents);
    if (m_learned.numel() == 0)
        return m_work.loss.zero_();
    const at::Tensor& last = body(weights, ids);
    model::headLoss(last, weights.head, m_targets, m_logits, m_endWork.headLoss);
    spreadLosses();
    return m_work.loss;
}

} // namespace crest::train
