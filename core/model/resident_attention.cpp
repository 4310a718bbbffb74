// SPDX-License-Identifier: Apache-2.0
// Attention of ResidentDecoder: a chunk of a prompt, or one token of each row, over what the cache holds.
#include <algorithm>

#include "core/model/ops_detail.h"
#include "core/model/resident_branch.h"

namespace crest::model {

using series::DecoderSpec;
using series::QkNorm;
using series::QkvLayout;

namespace {

/// The first position that a token sees.
std::int64_t firstSeen(const DecoderSpec& spec, int layer, std::int64_t position) {
    const std::int64_t window = spec.window(layer);
    return window > 0 ? std::max<std::int64_t>(0, position + 1 - window) : 0;
}

/// Scores of one token, up to whole vectors of the widest kind.
float* scoreScratch(std::int64_t tokens) {
    static thread_local std::vector<float> scratch;
    scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(tokens) + 16));
    return scratch.data();
}

} // namespace

void ResidentDecoder::normHeads(at::Tensor& x, const at::Tensor& gain) {
    at::Tensor packed = m_decoder->buffer("heads to norm", x.numel() / gain.size(0), gain.size(0));
    packed.view(x.sizes()).copy_(x);
    at::Tensor noScale;
    rmsNorm(packed, gain, spec().normEps, packed, noScale);
    x.copy_(packed.view(x.sizes()));
}

at::Tensor ResidentDecoder::attended(int layer, const at::Tensor& x, std::int64_t unread, const Branch& branch) {
    const DecoderSpec& s = spec();
    const BlockWeights& w = m_blocks[static_cast<std::size_t>(layer)];
    const std::int64_t tokens = x.size(0), read = tokens - unread, row = (s.heads + 2 * s.kvHeads) * s.headSize;
    at::Tensor in = x;
    if (s.normPlacement == series::NormPlacement::BeforeBranch) {
        in = m_decoder->buffer("normed", tokens, s.width);
        norm(x, w.inputNorm, w.inputNormBias, in);
    }
    at::Tensor qkv = m_decoder->buffer("wide", tokens, row);
    product(in, w.qkv, w.qkvBias, qkv);
    if (s.clipQkv > 0)
        qkv.clamp_(-s.clipQkv, s.clipQkv);
    const bool perHead = s.qkv == QkvLayout::PerHead;
    const std::int64_t head = perHead ? 3 * s.headSize : s.headSize; ///< from one head to the next
    const std::int64_t keys = perHead ? s.headSize : s.heads * s.headSize;
    const std::int64_t values = perHead ? 2 * s.headSize : (s.heads + s.kvHeads) * s.headSize;
    const auto part = [&](std::int64_t heads, std::int64_t offset) {
        return qkv.as_strided({1, tokens, heads, s.headSize}, {tokens * row, row, head, 1},
                              qkv.storage_offset() + offset);
    };
    at::Tensor q = part(s.heads, 0), k = part(s.kvHeads, keys);
    const at::Tensor v = part(s.kvHeads, values);
    if (s.qkNorm != QkNorm::None) {
        normHeads(q, w.queryNorm);
        normHeads(k, w.keyNorm);
    }
    if (s.attentionScaleByLayer)
        q.div_(static_cast<double>(layer + 1));
    q = q.narrow(1, unread, read);
    at::Tensor joined = m_decoder->buffer("heads", read, s.heads * s.headSize);
    if (branch.rows.empty())
        attendPrompt(layer, q, k, v, joined, branch);
    else
        attendStep(layer, q, k, v, joined, branch);
    return joined;
}

void ResidentDecoder::attendPrompt(int layer, at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& heads,
                                   const Branch& branch) {
    const std::int64_t read = q.size(1), tokens = k.size(1), end = branch.first + tokens;
    const bool rotated = spec().positions == series::Positions::Rotary;
    if (rotated)
        rope(k, rotary(layer).from(branch.first, tokens));
    at::Tensor keys = branch.cache.promptKeys(layer, branch.slot), values = branch.cache.promptValues(layer, branch.slot);
    keys.narrow(0, branch.first, tokens).copy_(k[0]);
    values.narrow(0, branch.first, tokens).copy_(v[0]);
    if (read == 0)
        return;
    if (rotated)
        rope(q, rotary(layer).from(end - read, read));
    const std::int64_t seen = firstSeen(spec(), layer, end - read);
    keys = keys.narrow(0, seen, end - seen).unsqueeze(0);
    values = values.narrow(0, seen, end - seen).unsqueeze(0);
    at::Tensor each = heads.view({1, read, spec().heads, spec().headSize}), noStatistics;
    if (const std::int64_t window = spec().window(layer); window > 0 && window < end - seen)
        windowedAttention(q, keys, values, window, each);
    else
        causalAttention(q, keys, values, each, noStatistics);
}

void ResidentDecoder::attendStep(int layer, at::Tensor& q, at::Tensor& k, const at::Tensor& v, at::Tensor& heads,
                                 const Branch& branch) {
    const DecoderSpec& s = spec();
    const bool rotated = s.positions == series::Positions::Rotary;
    if (!detail::fusable(q)) {
        for (std::size_t n = 0; n < branch.rows.size(); ++n) {
            const StepRow& row = branch.rows[n];
            const auto at = static_cast<std::int64_t>(n), index = static_cast<std::int64_t>(row.history.size()) - 1;
            at::Tensor oneQ = q.narrow(1, at, 1), oneK = k.narrow(1, at, 1);
            if (rotated) {
                const RotaryTable table = rotary(layer).from(row.position(), 1);
                rope(oneQ, table);
                rope(oneK, table);
            }
            branch.cache.rowKeys(layer, row.row)[index].copy_(oneK[0][0]);
            branch.cache.rowValues(layer, row.row)[index].copy_(v[0][at]);
            at::Tensor out = heads.narrow(0, at, 1);
            attendRow(layer, row, branch.cache, oneQ, out);
        }
        return;
    }
    const float* cos = rotated ? rotary(layer).cos.const_data_ptr<float>() : nullptr;
    const float* sin = rotated ? rotary(layer).sin.const_data_ptr<float>() : nullptr;
    float *qs = detail::data(q), *ks = detail::data(k), *out = detail::data(heads);
    const float* vs = detail::data(v);
    detail::overRows(static_cast<std::int64_t>(branch.rows.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n) {
            const StepRow& row = branch.rows[static_cast<std::size_t>(n)];
            const std::int64_t position = row.position(), at = n * q.stride(1);
            if (rotated) {
                const std::int64_t turn = position * (s.ropeDims / 2);
                cpuKernels().rope(1, 1, s.heads, s.ropeDims, qs + at, 0, q.stride(2), cos + turn, sin + turn, false);
                cpuKernels().rope(1, 1, s.kvHeads, s.ropeDims, ks + at, 0, k.stride(2), cos + turn, sin + turn, false);
            }
            branch.cache.store(layer, row.row, static_cast<std::int64_t>(row.history.size()) - 1, ks + at, vs + at,
                               k.stride(2));
            CachedToken token;
            branch.cache.locate(layer, row.slot, token);
            token.heads = s.heads;
            token.first = firstSeen(s, layer, position);
            token.prefix = row.prefix;
            token.tokens = position + 1;
            token.rows = row.history.data();
            cpuKernels().cachedAttention(token, qs + at, q.stride(2), out + n * s.heads * s.headSize,
                                         scoreScratch(token.tokens - token.first));
        }
    });
}

/// The same by LibTorch's operations, on any device: the tests' second opinion.
void ResidentDecoder::attendRow(int layer, const StepRow& row, const KvCache& cache, const at::Tensor& q,
                                at::Tensor& heads) {
    const auto own = static_cast<std::int64_t>(row.history.size());
    const at::Tensor rows =
        at::tensor(std::vector<std::int64_t>(row.history.begin(), row.history.end()), at::kLong).to(q.device());
    const auto all = [&](const at::Tensor& prompt, const at::Tensor& after) {
        return at::cat({prompt.narrow(0, 0, row.prefix), after}).unsqueeze(0);
    };
    at::Tensor keys = all(cache.promptKeys(layer, row.slot), cache.gatheredKeys(layer, rows));
    at::Tensor values = all(cache.promptValues(layer, row.slot), cache.gatheredValues(layer, rows));
    const std::int64_t first = firstSeen(spec(), layer, row.position()), seen = row.prefix + own - first;
    at::Tensor each = heads.view({1, 1, spec().heads, spec().headSize}), noStatistics;
    causalAttention(q, keys.narrow(1, first, seen), values.narrow(1, first, seen), each, noStatistics);
}

} // namespace crest::model
