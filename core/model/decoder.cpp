// SPDX-License-Identifier: Apache-2.0
#include "core/model/decoder.h"

#include <algorithm>

#include "core/model/pages.h"

namespace crest::model {

using series::DecoderSpec;
using series::MlpKind;
using series::NormKind;
using series::NormPlacement;
using series::QkNorm;
using series::QkvLayout;
using series::TensorSlot;

namespace {

constexpr std::int64_t kStagingElements = 1 << 16;
constexpr std::int64_t kCacheBytes = 2 << 20;               ///< what intermediate values of one chunk should fit in
constexpr std::int64_t kChunkLow = 1024, kChunkHigh = 2048; ///< below, products spend a tenth on packing weights
constexpr std::int64_t kHugeFloats = 1 << 22;               ///< of a buffer that may end in half a huge page
constexpr std::int64_t kPackedChunk = 512;                  ///< rows of a block of the packed products

at::Tensor none() {
    return {};
}

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

BlockWeights Decoder::allocateBlock(const MatrixMaker& matrix) const {
    const DecoderSpec& s = m_spec;
    const auto vector = at::TensorOptions().device(m_options.device).dtype(at::kFloat);
    const std::int64_t query = s.heads * s.headSize, qkv = query + 2 * s.kvHeads * s.headSize;
    const std::int64_t mlpIn = (s.mlp == MlpKind::Gated ? 2 : 1) * s.mlpWidth;
    const auto bias = [&](bool wanted, std::int64_t size) { return wanted ? at::empty({size}, vector) : none(); };
    BlockWeights w;
    w.qkv = matrix(qkv, s.width);
    w.attentionOutput = matrix(s.width, query);
    w.mlpIn = matrix(mlpIn, s.width);
    w.down = matrix(s.width, s.mlpWidth);
    w.qkvBias = bias(s.qkvBias, qkv);
    w.attentionOutputBias = bias(s.attentionOutputBias, s.width);
    w.mlpInBias = bias(s.mlpBias, mlpIn);
    w.downBias = bias(s.mlpBias, s.width);
    // Norms without weights multiply by one.
    w.inputNorm = at::ones({s.width}, vector);
    w.mlpNorm = at::ones({s.width}, vector);
    w.inputNormBias = bias(s.normBias, s.width);
    w.mlpNormBias = bias(s.normBias, s.width);
    const bool each = s.qkNorm == QkNorm::EachHead;
    w.queryNorm = bias(s.qkNorm != QkNorm::None, each ? s.headSize : query);
    w.keyNorm = bias(s.qkNorm != QkNorm::None, each ? s.headSize : s.kvHeads * s.headSize);
    return w;
}

namespace {

/// The part of a block's buffers that holds one tensor of the checkpoint.
at::Tensor partOf(const BlockWeights& w, const DecoderSpec& s, TensorSlot slot, bool bias) {
    const std::int64_t query = s.heads * s.headSize, keyValue = s.kvHeads * s.headSize;
    switch (slot) {
    case TensorSlot::InputNorm:
        return bias ? w.inputNormBias : w.inputNorm;
    case TensorSlot::MlpNorm:
        return bias ? w.mlpNormBias : w.mlpNorm;
    case TensorSlot::Query:
        return (bias ? w.qkvBias : w.qkv).narrow(0, 0, query);
    case TensorSlot::Key:
        return (bias ? w.qkvBias : w.qkv).narrow(0, query, keyValue);
    case TensorSlot::Value:
        return (bias ? w.qkvBias : w.qkv).narrow(0, query + keyValue, keyValue);
    case TensorSlot::QueryKeyValue:
        return bias ? w.qkvBias : w.qkv;
    case TensorSlot::AttentionOutput:
        return bias ? w.attentionOutputBias : w.attentionOutput;
    case TensorSlot::Gate:
        return (bias ? w.mlpInBias : w.mlpIn).narrow(0, 0, s.mlpWidth);
    case TensorSlot::Up: {
        const at::Tensor& all = bias ? w.mlpInBias : w.mlpIn;
        return all.narrow(0, all.size(0) - s.mlpWidth, s.mlpWidth);
    }
    case TensorSlot::UpGate:
        return bias ? w.mlpInBias : w.mlpIn;
    case TensorSlot::Down:
        return bias ? w.downBias : w.down;
    case TensorSlot::QueryNorm:
        return w.queryNorm;
    case TensorSlot::KeyNorm:
        return w.keyNorm;
    case TensorSlot::Embedding:
    case TensorSlot::Position:
    case TensorSlot::ProjectIn:
    case TensorSlot::ProjectOut:
    case TensorSlot::FinalNorm:
    case TensorSlot::Head:
        break;
    }
    return none();
}

} // namespace

void Decoder::makeInto(WeightSource& source, int tensor, std::int64_t first, int firstVersion,
                       std::span<at::Tensor> out) {
    const std::int64_t count = out[0].numel();
    std::vector<float*> pointers(out.size());
    if (m_options.device.is_cpu() && out[0].scalar_type() == at::kFloat) {
        for (std::size_t k = 0; k < out.size(); ++k)
            pointers[k] = out[k].mutable_data_ptr<float>();
        source.make(tensor, first, count, firstVersion, pointers);
        return;
    }
    m_staging.resize(std::max(m_staging.size(), out.size()));
    for (std::size_t k = 0; k < out.size(); ++k) {
        m_staging[k].resize(static_cast<std::size_t>(kStagingElements));
        pointers[k] = m_staging[k].data();
    }
    for (std::int64_t done = 0; done < count; done += kStagingElements) {
        const std::int64_t part = std::min(kStagingElements, count - done);
        source.make(tensor, first + done, part, firstVersion, pointers);
        for (std::size_t k = 0; k < out.size(); ++k)
            out[k].view({-1}).narrow(0, done, part).copy_(at::from_blob(pointers[k], {part}, at::kFloat));
    }
}

void Decoder::makeTransposed(WeightSource& source, int tensor, int firstVersion, std::span<at::Tensor> out) {
    const std::int64_t columns = out[0].size(0), rows = out[0].size(1); ///< as stored: [in, out]
    const std::int64_t stripe = std::max<std::int64_t>(1, kStagingElements / columns);
    m_staging.resize(std::max(m_staging.size(), out.size()));
    std::vector<float*> pointers(out.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
        m_staging[k].resize(static_cast<std::size_t>(std::max(kStagingElements, stripe * columns)));
        pointers[k] = m_staging[k].data();
    }
    for (std::int64_t row = 0; row < rows; row += stripe) {
        const std::int64_t count = std::min(stripe, rows - row);
        source.make(tensor, row * columns, count * columns, firstVersion, pointers);
        for (std::size_t k = 0; k < out.size(); ++k)
            out[k].narrow(1, row, count).copy_(at::from_blob(pointers[k], {count, columns}, at::kFloat).t());
    }
}

void Decoder::makePart(WeightSource& source, int tensor, int firstVersion, std::span<at::Tensor> parts) {
    const series::TensorInfo& info = source.reader().tensors()[static_cast<std::size_t>(tensor)];
    if (info.transposed)
        return makeTransposed(source, tensor, firstVersion, parts);
    if (info.slot != TensorSlot::UpGate)
        return makeInto(source, tensor, 0, firstVersion, parts);
    // The file has up | gate, the buffers gate | up.
    for (const bool gate : {false, true}) {
        std::vector<at::Tensor> halves;
        for (const at::Tensor& part : parts)
            halves.push_back(part.narrow(0, gate ? 0 : m_spec.mlpWidth, m_spec.mlpWidth));
        makeInto(source, tensor, gate ? halves[0].numel() : 0, firstVersion, halves);
    }
}

void Decoder::loadBlock(WeightSource& source, int layer, int firstVersion, int count) {
    m_layer = layer;
    if (m_packed)
        return m_packed->loadBlock(source, layer, firstVersion, count);
    const auto matrix = at::TensorOptions().device(m_options.device).dtype(weightType());
    while (static_cast<int>(m_blocks.size()) < count)
        m_blocks.push_back(allocateBlock(
            [&](std::int64_t rows, std::int64_t columns) { return at::empty({rows, columns}, matrix); }));
    fillBlocks(source, layer, firstVersion, std::span(m_blocks).first(static_cast<std::size_t>(count)));
}

BlockWeights Decoder::makeBlock(WeightSource& source, int layer, int version, const MatrixMaker& matrix) {
    BlockWeights block = allocateBlock(matrix);
    fillBlocks(source, layer, version, {&block, 1});
    return block;
}

void Decoder::fillBlocks(WeightSource& source, int layer, int firstVersion, std::span<const BlockWeights> blocks) {
    const auto& tensors = source.reader().tensors();
    std::vector<at::Tensor> parts(blocks.size());
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        if (tensors[t].layer != layer)
            continue;
        for (std::size_t k = 0; k < parts.size(); ++k)
            parts[k] = partOf(blocks[k], m_spec, tensors[t].slot, tensors[t].isBias);
        makePart(source, static_cast<int>(t), firstVersion, parts);
    }
}

void Decoder::loadFinalNorm(WeightSource& source, int firstVersion, int count) {
    const auto vector = at::TensorOptions().device(m_options.device).dtype(at::kFloat);
    m_finalNorms.resize(std::max(m_finalNorms.size(), static_cast<std::size_t>(count)));
    std::vector<at::Tensor> parts(static_cast<std::size_t>(count));
    if (m_spec.finalNorm && !m_spec.normGain)
        for (FinalNorm& norm : m_finalNorms)
            norm.gain = at::ones({m_spec.width}, vector);
    for (const bool bias : {false, true}) {
        const int tensor = source.reader().find(TensorSlot::FinalNorm, -1, bias);
        if (tensor < 0)
            continue;
        for (std::size_t k = 0; k < parts.size(); ++k) {
            at::Tensor& kept = bias ? m_finalNorms[k].bias : m_finalNorms[k].gain;
            if (!kept.defined())
                kept = at::empty({m_spec.width}, vector);
            parts[k] = kept;
        }
        makeInto(source, tensor, 0, firstVersion, parts);
    }
}

at::Tensor Decoder::buffer(const char* name, std::int64_t rows, std::int64_t columns, at::ScalarType type) {
    at::Tensor& kept = m_buffers[name];
    if (!kept.defined() || kept.numel() < rows * columns || kept.scalar_type() != type)
        kept = m_options.device.is_cpu() && (type == at::kBFloat16 || rows * columns >= kHugeFloats)
                   ? pages(rows * columns, type)
                   : at::empty({rows * columns}, at::TensorOptions().device(m_options.device).dtype(type));
    return kept.narrow(0, 0, rows * columns).view({rows, columns});
}

void Decoder::product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
                      bool accumulate) {
    if (m_options.compute == Compute::Float32) {
        linear(x, weight, bias, y, accumulate);
        return;
    }
    at::Tensor in = buffer("product in", x.size(0), x.size(1), at::kBFloat16);
    at::Tensor out = buffer("product out", y.size(0), y.size(1), at::kBFloat16);
    in.copy_(x);
    at::mm_out(out, in, weight.t());
    if (accumulate)
        y.add_(out);
    else
        y.copy_(out);
    if (bias.defined())
        y.add_(bias);
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

void Decoder::attention(const BlockWeights& w, const at::Tensor& in, at::Tensor& out, bool add,
                        std::span<const RowPiece> pieces) {
    const std::int64_t heads = m_spec.heads, kvHeads = m_spec.kvHeads, size = m_spec.headSize, rows = in.size(0);
    const std::int64_t row = (heads + 2 * kvHeads) * size;
    at::Tensor qkv = buffer("wide", rows, row); // which the MLP uses again
    product(in, w.qkv, w.qkvBias, qkv);
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
    product(joined, w.attentionOutput, w.attentionOutputBias, out, add);
}

void Decoder::mlp(const BlockWeights& w, const at::Tensor& in, at::Tensor& out, bool add) {
    at::Tensor inner = buffer("wide", in.size(0), w.mlpIn.size(0));
    product(in, w.mlpIn, w.mlpInBias, inner);
    if (m_spec.mlp == MlpKind::Gated) {
        at::Tensor h = buffer("mlp", in.size(0), m_spec.mlpWidth);
        gatedActivation(inner, m_spec.activation, h);
        product(h, w.down, w.downBias, out, add);
        return;
    }
    activation(inner, m_spec.activation, inner);
    product(inner, w.down, w.downBias, out, add);
}

void Decoder::forwardBlock(int buffer, at::Tensor& x, std::int64_t batch, std::int64_t tokens) {
    const std::vector<RowPiece> pieces(static_cast<std::size_t>(batch), RowPiece{tokens});
    forwardBlock(buffer, x, pieces);
}

void Decoder::forwardBlock(int buffer, at::Tensor& x, std::span<const RowPiece> pieces) {
    if (m_packed)
        return m_packed->forwardBlock(buffer, x, pieces, rotaryFor(reach(pieces)));
    const BlockWeights& w = m_blocks[static_cast<std::size_t>(buffer)];
    at::Tensor aside = this->buffer("normed", x.size(0), m_spec.width);
    if (m_spec.normPlacement == NormPlacement::AfterBranch) {
        attention(w, x, aside, false, pieces);
        norm(aside, w.inputNorm, w.inputNormBias, aside);
        x.add_(aside);
        mlp(w, x, aside, false);
        norm(aside, w.mlpNorm, w.mlpNormBias, aside);
        x.add_(aside);
        return;
    }
    if (m_spec.normPlacement == NormPlacement::AfterSum) {
        attention(w, x, x, true, pieces);
        norm(x, w.inputNorm, w.inputNormBias, x);
        mlp(w, x, x, true);
        norm(x, w.mlpNorm, w.mlpNormBias, x);
        return;
    }
    norm(x, w.inputNorm, w.inputNormBias, aside);
    if (m_spec.parallelResidual) {
        at::Tensor second = this->buffer("second norm", x.size(0), m_spec.width);
        norm(x, w.mlpNorm, w.mlpNormBias, second);
        attention(w, aside, x, true, pieces);
        mlp(w, second, x, true);
        return;
    }
    attention(w, aside, x, true, pieces);
    norm(x, w.mlpNorm, w.mlpNormBias, aside);
    mlp(w, aside, x, true);
}

} // namespace crest::model
