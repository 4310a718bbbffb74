// SPDX-License-Identifier: Apache-2.0
#include "core/model/decoder.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "core/model/pages.h"

namespace crest::model {

using series::DecoderSpec;
using series::MlpKind;
using series::NormKind;
using series::NormPlacement;
using series::QkNorm;
using series::QkvLayout;

namespace {

constexpr std::int64_t kCacheBytes = 2 << 20;               ///< what intermediate values of one chunk should fit in
constexpr std::int64_t kChunkLow = 1024, kChunkHigh = 2048; ///< below, products spend a tenth on packing weights
constexpr std::int64_t kHugeFloats = 1 << 19;               ///< of a buffer that may end in half a huge page
constexpr std::int64_t kPackedChunk = 512;                  ///< rows of a block of the packed products
constexpr std::int64_t kNearRows = 192;                     ///< whose values stay near the core between products

} // namespace

Decoder::Decoder(const DecoderSpec& spec, const DecoderOptions& options)
    : m_spec(spec)
    , m_options(options) {
    if (options.device.is_cpu() && options.compute == Compute::BFloat16 && PackedDecoder::fits(spec))
        m_packed.emplace(spec);
}

std::int64_t Decoder::blockBytes() const {
    const std::int64_t qkv = (m_spec.heads + 2 * m_spec.kvHeads) * m_spec.headSize;
    const std::int64_t mlpIn = (m_spec.mlp == MlpKind::Gated ? 2 : 1) * m_spec.mlpWidth;
    const std::int64_t products = m_spec.width * (qkv + m_spec.heads * m_spec.headSize + mlpIn + m_spec.mlpWidth);
    return products * (m_options.compute == Compute::BFloat16 ? 2 : 4);
}

std::int64_t Decoder::chunkTokens() const {
    if (m_packed)
        return kPackedChunk;
    const std::int64_t qkv = (m_spec.heads + 2 * m_spec.kvHeads) * m_spec.headSize;
    const std::int64_t mlp = (m_spec.mlp == MlpKind::Gated ? 3 : 2) * m_spec.mlpWidth;
    const std::int64_t widest = 2 * m_spec.width + std::max(qkv + m_spec.heads * m_spec.headSize, mlp);
    return std::clamp(kCacheBytes / (4 * widest), kChunkLow, kChunkHigh);
}

at::Tensor Decoder::buffer(const char* name, std::int64_t rows, std::int64_t columns, at::ScalarType type) {
    at::Tensor& kept = m_buffers[name];
    if (!kept.defined() || kept.numel() < rows * columns || kept.scalar_type() != type) {
        kept = at::Tensor(); // not beside the larger one
        kept = m_options.device.is_cpu() && (type == at::kBFloat16 || rows * columns >= kHugeFloats)
                   ? pages(rows * columns, type)
                   : at::empty({rows * columns}, at::TensorOptions().device(m_options.device).dtype(type));
    }
    return kept.narrow(0, 0, rows * columns).view({rows, columns});
}

void Decoder::blockProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
                           bool accumulate) {
    if (m_inPanels)
        panelLinear(x, weight, bias, y, accumulate);
    else
        linear(x, weight, bias, y, accumulate);
}

std::int64_t Decoder::rowsAtATime(std::int64_t rows) const {
    // As even as can be: the last part would be slow if it were short.
    const std::int64_t most = m_inPanels ? kNearRows * at::get_num_threads() : rows;
    const std::int64_t parts = (rows + most - 1) / most;
    return m_inPanels ? ((rows + parts - 1) / parts + 7) / 8 * 8 : rows;
}

void Decoder::norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y) {
    at::Tensor noMean, noScale;
    if (m_spec.norm == NormKind::RmsNorm)
        rmsNorm(x, gain, m_spec.normEps, y, noScale);
    else
        layerNorm(x, gain, bias, m_spec.normEps, y, noMean, noScale);
}

void Decoder::finalNorm(int buffer, at::Tensor& x) {
    if (!m_spec.finalNorm)
        return;
    const FinalNorm& weights = m_finalNorms[static_cast<std::size_t>(buffer)];
    norm(x, weights.gain, weights.bias, x);
}
void Decoder::finalNorm(int buffer, const at::Tensor& x, at::Tensor& words) {
    const FinalNorm& weights = m_finalNorms[static_cast<std::size_t>(buffer)];
    m_packed->norm(x, weights.gain, weights.bias, words);
}

namespace {

bool hasWindowTable(const DecoderSpec& spec, std::int64_t layer) {
    return spec.windowRopeBase > 0 && spec.window(layer) > 0;
}

} // namespace

RotaryTable layerRotaryTable(const DecoderSpec& spec, std::int64_t layer, std::int64_t tokens, std::int64_t positions,
                             const at::Device& device) {
    const bool windowed = hasWindowTable(spec, layer);
    if (!windowed && spec.ropeScaling.kind != series::RopeScaling::Kind::None)
        return rotaryTable(series::ropeFrequencies(spec, layer, tokens), series::ropeAttentionFactor(spec, layer),
                           positions, device);
    return rotaryTable(windowed ? spec.windowRopeBase : spec.ropeBase, spec.ropeDims, positions, device);
}

const RotaryTable& Decoder::rotaryFor(std::int64_t tokens) {
    const bool windowed = hasWindowTable(m_spec, m_layer);
    const bool dynamic = !windowed && m_spec.ropeScaling.kind == series::RopeScaling::Kind::Dynamic;
    const std::int64_t stretch = dynamic ? std::max(tokens, m_spec.contextLength) : 0;
    Rotary& kept = windowed ? m_windowRotary : m_rotary;
    if (kept.table.cos.defined() && kept.table.cos.size(0) >= tokens && kept.stretchedFor == stretch)
        return kept.table;
    const std::int64_t positions = std::max<std::int64_t>(tokens, std::min<std::int64_t>(m_spec.contextLength, 4096));
    kept.stretchedFor = stretch;
    kept.table = layerRotaryTable(m_spec, m_layer, tokens, positions, m_options.device);
    return kept.table;
}

/// x [B, T, H, D] in place: each head by itself, or all heads of a token together.
void Decoder::normHeads(at::Tensor& x, const at::Tensor& gain) {
    const std::int64_t rows = x.numel() / gain.size(0);
    at::Tensor packed = buffer("heads to norm", rows, gain.size(0));
    packed.view(x.sizes()).copy_(x);
    at::Tensor noScale;
    rmsNorm(packed, gain, m_spec.normEps, packed, noScale);
    x.copy_(packed.view(x.sizes()));
}

at::Tensor Decoder::attended(const BlockWeights& w, const at::Tensor& x, std::span<const RowPiece> pieces) {
    const std::int64_t heads = m_spec.heads, kvHeads = m_spec.kvHeads, size = m_spec.headSize, rows = x.size(0);
    const std::int64_t row = (heads + 2 * kvHeads) * size;
    at::Tensor qkv = buffer("wide", rows, row); // which the MLP uses again
    for (std::int64_t first = 0; first < rows; first += rowsAtATime(rows)) {
        const std::int64_t count = std::min(rowsAtATime(rows), rows - first);
        at::Tensor in = x.narrow(0, first, count), part = qkv.narrow(0, first, count);
        if (m_spec.normPlacement == NormPlacement::BeforeBranch) {
            at::Tensor normed = buffer("normed", count, m_spec.width);
            norm(in, w.inputNorm, w.inputNormBias, normed);
            in = normed;
        }
        blockProduct(in, w.qkv, w.qkvBias, part);
    }
    if (m_spec.clipQkv > 0)
        qkv.clamp_(-m_spec.clipQkv, m_spec.clipQkv);
    const bool perHead = m_spec.qkv == QkvLayout::PerHead;
    const std::int64_t head = perHead ? 3 * size : size; ///< from one head to the next
    const std::int64_t keys = perHead ? size : heads * size, values = perHead ? 2 * size : (heads + kvHeads) * size;
    at::Tensor q = qkv.as_strided({rows, heads, size}, {row, head, 1}, 0);
    at::Tensor k = qkv.as_strided({rows, kvHeads, size}, {row, head, 1}, keys);
    const at::Tensor v = qkv.as_strided({rows, kvHeads, size}, {row, head, 1}, values);
    if (m_spec.qkNorm != QkNorm::None) {
        normHeads(q, w.queryNorm);
        normHeads(k, w.keyNorm);
    }
    if (m_spec.attentionScaleByLayer)
        q.div_(static_cast<double>(m_layer + 1));
    const at::Tensor joined = buffer("heads", rows, heads * size);
    at::Tensor each = joined.view({rows, heads, size});
    const bool rotary = m_spec.positions == series::Positions::Rotary;
    attendPieces(q, k, v, each, pieces, rotary ? &rotaryFor(reach(pieces)) : nullptr, m_spec.window(m_layer), m_path);
    return joined;
}

void Decoder::mlp(const BlockWeights& w, const at::Tensor& in, at::Tensor& out, bool add) {
    at::Tensor inner = buffer("wide", in.size(0), w.mlpIn.size(0));
    blockProduct(in, w.mlpIn, w.mlpInBias, inner);
    if (m_spec.mlp == MlpKind::Gated) {
        at::Tensor h = buffer("mlp", in.size(0), m_spec.mlpWidth);
        gatedActivation(inner, m_spec.activation, h);
        blockProduct(h, w.down, w.downBias, out, add);
        return;
    }
    activation(inner, m_spec.activation, inner);
    blockProduct(inner, w.down, w.downBias, out, add);
}

void Decoder::finishRows(const BlockWeights& w, const at::Tensor& joined, at::Tensor& x) {
    at::Tensor aside = buffer("normed", x.size(0), m_spec.width);
    const auto attentionTo = [&](at::Tensor& out, bool add) {
        blockProduct(joined, w.attentionOutput, w.attentionOutputBias, out, add);
    };
    switch (m_spec.normPlacement) {
    case NormPlacement::AfterBranch:
        attentionTo(aside, false);
        norm(aside, w.inputNorm, w.inputNormBias, aside);
        x.add_(aside);
        mlp(w, x, aside, false);
        norm(aside, w.mlpNorm, w.mlpNormBias, aside);
        x.add_(aside);
        return;
    case NormPlacement::AfterSum:
        attentionTo(x, true);
        norm(x, w.inputNorm, w.inputNormBias, x);
        mlp(w, x, x, true);
        norm(x, w.mlpNorm, w.mlpNormBias, x);
        return;
    case NormPlacement::BeforeBranch:
        if (m_spec.parallelResidual)
            norm(x, w.mlpNorm, w.mlpNormBias, aside);
        attentionTo(x, true);
        if (!m_spec.parallelResidual)
            norm(x, w.mlpNorm, w.mlpNormBias, aside);
        mlp(w, aside, x, true);
        return;
    }
}

void Decoder::forwardBlock(int buffer, at::Tensor& x, std::int64_t batch, std::int64_t tokens) {
    const std::vector<RowPiece> pieces(static_cast<std::size_t>(batch), RowPiece{tokens});
    forwardBlock(buffer, x, pieces);
}

void Decoder::forwardBlock(int buffer, at::Tensor& x, std::span<const RowPiece> pieces) {
    if (m_packed)
        return m_packed->forwardBlock(buffer, x, pieces, rotaryFor(reach(pieces)));
    const BlockWeights& w = m_blocks[static_cast<std::size_t>(buffer)];
    const at::Tensor joined = attended(w, x, pieces);
    const at::Tensor read = readRows(pieces, x.device());
    if (!read.defined())
        return finish(w, joined, x);
    at::Tensor rest = x.index_select(0, read);
    finish(w, joined.index_select(0, read), rest);
    x.index_copy_(0, read, rest);
}

void Decoder::finish(const BlockWeights& w, const at::Tensor& joined, at::Tensor& x) {
    const std::int64_t rows = x.size(0);
    for (std::int64_t first = 0; first < rows; first += rowsAtATime(rows)) {
        const std::int64_t count = std::min(rowsAtATime(rows), rows - first);
        at::Tensor part = x.narrow(0, first, count);
        finishRows(w, joined.narrow(0, first, count), part);
    }
}

} // namespace crest::model
