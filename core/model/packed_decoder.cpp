// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed_decoder.h"

#include <algorithm>
#include <cstring>

#include "core/model/ops_detail.h"
#include "core/model/pages.h"

namespace crest::model {

using detail::data;
using detail::overRows;
using series::Activation;
using series::DecoderSpec;
using series::MlpKind;
using series::NormKind;
using series::TensorSlot;

namespace {

constexpr std::int64_t kTile = BFloat16Forward::kTile, kStrip = BFloat16Forward::kStrip;
constexpr std::int64_t kStagedColumns = 1024; ///< of a strip: 64 KB of float32 for each version

std::int64_t wholeTiles(std::int64_t size) {
    return (size + kTile - 1) / kTile * kTile;
}

Word* wordData(const at::Tensor& t) {
    return static_cast<Word*>(t.mutable_data_ptr());
}

Curve curveOf(Activation activation) {
    switch (activation) {
    case Activation::Silu:
        return Curve::Silu;
    case Activation::GeluErf:
        return Curve::GeluErf;
    case Activation::GeluTanh:
        return Curve::GeluTanh;
    case Activation::Relu:
        break;
    }
    return Curve::Relu;
}

/// Packs `count` stored rows from `row` on as strip `strip` of every version.
void packStripOf(WeightSource& source, int tensor, std::int64_t row, std::int64_t count, std::int64_t inner,
                 int firstVersion, std::span<Word* const> out, std::int64_t strip) {
    static thread_local std::vector<float> staging;
    static thread_local std::vector<float*> pointers;
    const std::int64_t columns = std::min(inner, kStagedColumns);
    staging.resize(out.size() * static_cast<std::size_t>(kStrip * columns));
    pointers.resize(out.size());
    const auto make = [&](std::int64_t at, std::int64_t size, std::int64_t offset) {
        for (std::size_t k = 0; k < out.size(); ++k)
            pointers[k] = staging.data() + static_cast<std::int64_t>(k) * kStrip * columns + offset;
        source.make(tensor, at, size, firstVersion, pointers);
    };
    for (std::int64_t first = 0; first < inner; first += columns) {
        const std::int64_t wide = std::min(columns, inner - first);
        if (wide == inner)
            make(row * inner, count * inner, 0);
        else
            for (std::int64_t r = 0; r < count; ++r)
                make((row + r) * inner + first, wide, r * columns);
        for (std::size_t k = 0; k < out.size(); ++k)
            bfloat16Forward()->packStrip(staging.data() + static_cast<std::int64_t>(k) * kStrip * columns, columns, count,
                                    wide, out[k], inner, strip, first);
    }
}

} // namespace

void packRows(WeightSource& source, int tensor, std::int64_t firstRow, std::int64_t rows, std::int64_t inner,
              int firstVersion, std::span<Word* const> out) {
    for (std::int64_t row = 0; row < wholeTiles(rows); row += kStrip)
        packStripOf(source, tensor, firstRow + std::min(row, rows), std::clamp<std::int64_t>(rows - row, 0, kStrip),
                    inner, firstVersion, out, row / kStrip);
}

bool PackedDecoder::fits(const DecoderSpec& s) {
    DecoderSpec usual; // the blocks of llama and gpt_neox; what a spec says beyond these facts runs unpacked
    usual.family = s.family, usual.vocabSize = s.vocabSize, usual.width = s.width, usual.layers = s.layers;
    usual.heads = s.heads, usual.kvHeads = s.kvHeads, usual.headSize = s.headSize, usual.mlpWidth = s.mlpWidth;
    usual.contextLength = s.contextLength, usual.norm = s.norm, usual.normEps = s.normEps, usual.mlp = s.mlp;
    usual.activation = s.activation, usual.parallelResidual = s.parallelResidual, usual.qkvBias = s.qkvBias;
    usual.attentionOutputBias = s.attentionOutputBias, usual.mlpBias = s.mlpBias, usual.normBias = s.normBias;
    usual.tiedHead = s.tiedHead, usual.ropeBase = s.ropeBase, usual.ropeDims = s.ropeDims;
    usual.ropeScaling = s.ropeScaling;
    usual.qkv = s.qkv == series::QkvLayout::PerHead ? s.qkv : series::QkvLayout::Separate;
    return s == usual && bfloat16Forward() && !detail::referenceOps() && s.width % kTile == 0 && s.headSize % kTile == 0 &&
           s.mlpWidth % kTile == 0;
}

PackedDecoder::PackedDecoder(const DecoderSpec& spec)
    : m_spec(spec) {}

PackedDecoder::Block PackedDecoder::allocateBlock() const {
    const DecoderSpec& s = m_spec;
    const std::int64_t query = s.heads * s.headSize, qkv = query + 2 * s.kvHeads * s.headSize;
    const std::int64_t mlpIn = (s.mlp == MlpKind::Gated ? 2 : 1) * s.mlpWidth;
    const at::Tensor all = pages(s.width * (qkv + query + mlpIn + s.mlpWidth), at::kBFloat16);
    std::int64_t used = 0;
    const auto matrix = [&](std::int64_t columns, std::int64_t inner, bool bias) {
        Matrix m{all.narrow(0, used, packedWords(columns, inner)), {}, columns, inner};
        used += packedWords(columns, inner);
        if (bias)
            m.bias = at::zeros({wholeTiles(columns)}, at::kFloat);
        return m;
    };
    Block b;
    b.qkv = matrix(qkv, s.width, s.qkvBias);
    b.attentionOutput = matrix(s.width, query, s.attentionOutputBias);
    b.mlpIn = matrix(mlpIn, s.width, s.mlpBias);
    b.down = matrix(s.width, s.mlpWidth, s.mlpBias);
    for (at::Tensor* gain : {&b.inputNorm, &b.mlpNorm})
        *gain = at::empty({s.width}, at::kFloat);
    if (s.normBias)
        for (at::Tensor* bias : {&b.inputNormBias, &b.mlpNormBias})
            *bias = at::empty({s.width}, at::kFloat);
    return b;
}

PackedDecoder::Place PackedDecoder::placeOf(Block& b, TensorSlot slot, bool bias) {
    switch (slot) {
    case TensorSlot::InputNorm:
        return {nullptr, bias ? &b.inputNormBias : &b.inputNorm};
    case TensorSlot::MlpNorm:
        return {nullptr, bias ? &b.mlpNormBias : &b.mlpNorm};
    case TensorSlot::Query:
    case TensorSlot::Key:
    case TensorSlot::Value:
    case TensorSlot::QueryKeyValue:
        return {&b.qkv, nullptr};
    case TensorSlot::AttentionOutput:
        return {&b.attentionOutput, nullptr};
    case TensorSlot::Gate:
    case TensorSlot::Up:
        return {&b.mlpIn, nullptr};
    case TensorSlot::Down:
        return {&b.down, nullptr};
    case TensorSlot::QueryNorm: // not of the decoders that fit
    case TensorSlot::KeyNorm:
    case TensorSlot::UpGate:
    case TensorSlot::Embedding: // not of a block
    case TensorSlot::Position:
    case TensorSlot::ProjectIn:
    case TensorSlot::ProjectOut:
    case TensorSlot::FinalNorm:
    case TensorSlot::Head:
        break;
    }
    return {};
}

std::int64_t PackedDecoder::columnOf(TensorSlot slot, std::int64_t row) const {
    const std::int64_t size = m_spec.headSize, query = m_spec.heads * size;
    const bool gated = m_spec.mlp == MlpKind::Gated;
    switch (slot) {
    case TensorSlot::Key:
        return query + row;
    case TensorSlot::Value:
        return query + m_spec.kvHeads * size + row;
    case TensorSlot::QueryKeyValue: // stored head by head, [H, 3, D]
        return row / size % 3 * query + row / (3 * size) * size + row % size;
    case TensorSlot::Gate:
        return row / kStrip * 2 * kStrip + row % kStrip;
    case TensorSlot::Up:
        return gated ? row / kStrip * 2 * kStrip + kStrip + row % kStrip : row;
    default:
        return row;
    }
}

void PackedDecoder::loadMatrix(WeightSource& source, int tensor, int firstVersion, std::span<Matrix* const> matrices) {
    const series::TensorInfo& info = source.reader().tensors()[static_cast<std::size_t>(tensor)];
    const std::int64_t inner = matrices[0]->inner, rows = source.reader().elements(tensor) / inner;
    std::vector<Word*> out;
    for (const Matrix* m : matrices)
        out.push_back(wordData(m->words));
    for (std::int64_t row = 0; row < rows; row += kStrip)
        packStripOf(source, tensor, row, kStrip, inner, firstVersion, out, columnOf(info.slot, row) / kStrip);
}

void PackedDecoder::loadBias(WeightSource& source, int tensor, int firstVersion, std::span<Matrix* const> matrices) {
    const series::TensorInfo& info = source.reader().tensors()[static_cast<std::size_t>(tensor)];
    const std::int64_t count = source.reader().elements(tensor);
    std::vector<std::vector<float>> values(matrices.size(), std::vector<float>(static_cast<std::size_t>(count)));
    std::vector<float*> pointers;
    for (std::vector<float>& v : values)
        pointers.push_back(v.data());
    source.make(tensor, 0, count, firstVersion, pointers);
    for (std::size_t k = 0; k < matrices.size(); ++k)
        for (std::int64_t row = 0; row < count; ++row)
            data(matrices[k]->bias)[columnOf(info.slot, row)] = pointers[k][row];
}

void PackedDecoder::loadBlock(WeightSource& source, int layer, int firstVersion, int count) {
    while (static_cast<int>(m_blocks.size()) < count)
        m_blocks.push_back(allocateBlock());
    const auto& tensors = source.reader().tensors();
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        if (tensors[t].layer != layer)
            continue;
        std::vector<Matrix*> matrices;
        std::vector<float*> vectors;
        for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
            const Place place = placeOf(m_blocks[k], tensors[t].slot, tensors[t].isBias);
            if (place.matrix)
                matrices.push_back(place.matrix);
            else if (place.vector)
                vectors.push_back(data(*place.vector));
        }
        const int tensor = static_cast<int>(t);
        if (!vectors.empty())
            source.make(tensor, 0, source.reader().elements(tensor), firstVersion, vectors);
        else if (tensors[t].isBias)
            loadBias(source, tensor, firstVersion, matrices);
        else
            loadMatrix(source, tensor, firstVersion, matrices);
    }
}

void PackedDecoder::reserve(std::int64_t rows) {
    if (rows <= m_reserved)
        return;
    const std::int64_t query = m_spec.heads * m_spec.headSize, qkv = query + 2 * m_spec.kvHeads * m_spec.headSize;
    const std::int64_t height = wholeTiles(rows);
    m_words.reset(); // given back before the next is asked for
    const std::int64_t width = paddedWords(m_spec.width), heads = paddedWords(query),
                       inner = paddedWords(m_spec.mlpWidth);
    m_words = pages(height * (width + qkv + heads + inner), at::kBFloat16);
    Word* next = wordData(m_words);
    for (const auto& [buffer, columns] : {std::pair(&m_normed, width), std::pair(&m_qkv, qkv),
                                          std::pair(&m_heads, heads), std::pair(&m_inner, inner)}) {
        *buffer = next;
        next += height * columns;
    }
    m_reserved = rows;
}

void PackedDecoder::normRows(const float* x, const at::Tensor& gain, const at::Tensor& bias, std::int64_t begin,
                             std::int64_t end, Word* y) const {
    const std::int64_t width = m_spec.width, stride = paddedWords(width);
    const auto eps = static_cast<float>(m_spec.normEps);
    float scale = 0; // which only a backward pass would need
    for (std::int64_t row = begin; row < end; ++row)
        if (m_spec.norm == NormKind::LayerNorm)
            bfloat16Forward()->layerNorm(1, width, x + row * width, data(gain), data(bias), eps, y + row * stride);
        else
            bfloat16Kernels()->rmsNorm(1, width, x + row * width, data(gain), eps, y + row * stride, &scale);
}

void PackedDecoder::norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y) const {
    overRows(x.size(0), kTile,
             [&](std::int64_t begin, std::int64_t end) { normRows(data(x), gain, bias, begin, end, wordData(y)); });
}

namespace {

/// One sequence of a head group, with its tokens filled up to whole tiles: what the kernel takes.
struct FilledSequence {
    std::vector<Word> q, k, v, out;

    void copy(std::vector<Word>& to, const Word* from, std::int64_t tokens, std::int64_t stride, std::int64_t columns,
              std::int64_t row) const {
        to.assign(static_cast<std::size_t>(wholeTiles(tokens) * row), 0);
        for (std::int64_t t = 0; t < tokens; ++t)
            std::memcpy(to.data() + t * row, from + t * stride, static_cast<std::size_t>(columns) * sizeof(Word));
    }
};

/// Attention of one key head and its group of query heads over one sequence.
void headGroup(TileAttention shape, Word* q, Word* k, const Word* v, Word* out, const RotaryTable& rotary) {
    const std::int64_t tokens = shape.tokens, size = shape.headSize, columns = shape.heads * size;
    for (const auto& [first, heads] : {std::pair(q, shape.heads), std::pair(k, shape.kvHeads)})
        if (rotary.rotated > 0)
            bfloat16Kernels()->rope(tokens, tokens, heads, size, rotary.rotated, first, shape.stride, data(rotary.cos),
                               data(rotary.sin), false);
    static thread_local std::vector<std::byte> scratch;
    static thread_local std::vector<float> lse;
    const std::int64_t given = shape.stride, outStride = shape.outStride;
    static thread_local FilledSequence filled;
    Word* to = out;
    if (tokens % kTile != 0) {
        filled.copy(filled.q, q, tokens, given, columns, columns);
        filled.copy(filled.k, k, tokens, given, size, columns);
        filled.copy(filled.v, v, tokens, given, size, columns);
        filled.out.resize(filled.q.size());
        shape.tokens = wholeTiles(tokens), shape.stride = shape.outStride = columns;
        q = filled.q.data(), k = filled.k.data(), v = filled.v.data(), to = filled.out.data();
    }
    scratch.resize(std::max(scratch.size(), static_cast<std::size_t>(bfloat16Kernels()->attentionScratch(shape))));
    lse.resize(std::max(lse.size(), static_cast<std::size_t>(shape.heads * shape.tokens)));
    bfloat16Kernels()->attention(shape, q, k, v, to, lse.data(), scratch.data());
    if (to != out)
        for (std::int64_t t = 0; t < tokens; ++t)
            std::memcpy(out + t * outStride, to + t * columns, static_cast<std::size_t>(columns) * sizeof(Word));
}

} // namespace

void PackedDecoder::attention(std::span<const RowPiece> pieces, const RotaryTable& rotary) {
    const std::int64_t size = m_spec.headSize, kvHeads = m_spec.kvHeads, group = m_spec.heads / kvHeads;
    const std::int64_t query = m_spec.heads * size, row = query + 2 * kvHeads * size;
    TileAttention shape;
    shape.heads = group, shape.kvHeads = 1, shape.headSize = size;
    shape.stride = row, shape.outStride = paddedWords(query);
    shape.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)));
    std::vector<std::int64_t> firstRow;
    std::int64_t rows = 0;
    for (const RowPiece& piece : pieces) {
        firstRow.push_back(rows);
        rows += piece.count;
    }
    overRows(static_cast<std::int64_t>(pieces.size()) * kvHeads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t head = i % kvHeads;
            const auto sequence = static_cast<std::size_t>(i / kvHeads);
            TileAttention one = shape;
            one.tokens = pieces[sequence].count;
            Word* first = m_qkv + firstRow[sequence] * row;
            headGroup(one, first + head * group * size, first + query + head * size,
                      first + query + (kvHeads + head) * size,
                      m_heads + firstRow[sequence] * shape.outStride + head * group * size, rotary);
        }
    });
}

void PackedDecoder::wideAttention(std::span<const RowPiece> pieces, std::int64_t rows, const RotaryTable& rotary) {
    const std::int64_t size = m_spec.headSize, heads = m_spec.heads, kvHeads = m_spec.kvHeads;
    const std::int64_t query = heads * size, row = query + 2 * kvHeads * size, stride = paddedWords(query);
    if (!m_wideQkv.defined() || m_wideQkv.size(0) < rows) {
        m_wideQkv = at::empty({rows, row}, at::kFloat);
        m_wideHeads = at::empty({rows, query}, at::kFloat);
    }
    cpuKernels().fromBFloat16(rows * row, m_qkv, data(m_wideQkv), false);
    at::Tensor q = m_wideQkv.as_strided({rows, heads, size}, {row, size, 1}, 0);
    at::Tensor k = m_wideQkv.as_strided({rows, kvHeads, size}, {row, size, 1}, query);
    const at::Tensor v = m_wideQkv.as_strided({rows, kvHeads, size}, {row, size, 1}, query + kvHeads * size);
    at::Tensor out = m_wideHeads.as_strided({rows, heads, size}, {query, size, 1}, 0);
    attendPieces(q, k, v, out, pieces, rotary.rotated > 0 ? &rotary : nullptr, 0, m_path);
    for (std::int64_t r = 0; r < rows; ++r)
        cpuKernels().toBFloat16(query, data(m_wideHeads) + r * query, m_heads + r * stride);
}

namespace {

PackedProduct productOf(const at::Tensor& weight, const at::Tensor& bias, std::int64_t columns, std::int64_t inner,
                        const Word* x, std::int64_t begin, std::int64_t end) {
    const std::int64_t stride = paddedWords(inner);
    return {end - begin, columns, inner, stride, x + begin * stride, wordData(weight), data(bias)};
}

} // namespace

void PackedDecoder::mlp(const Block& b, std::int64_t begin, std::int64_t end, float* x) {
    const std::int64_t width = m_spec.width, inner = m_spec.mlpWidth;
    const std::int64_t stride = paddedWords(inner);
    Word* h = m_inner + begin * stride;
    const PackedProduct in = productOf(b.mlpIn.words, b.mlpIn.bias, b.mlpIn.columns, width, m_normed, begin, end);
    const Curve curve = curveOf(m_spec.activation);
    if (m_spec.mlp == MlpKind::Gated)
        bfloat16Forward()->toGated(in, curve, h, stride);
    else
        bfloat16Forward()->toWords(in, curve, h, stride);
    bfloat16Forward()->addTo(productOf(b.down.words, b.down.bias, width, inner, m_inner, begin, end), x + begin * width);
}

void PackedDecoder::finishRows(const Block& b, at::Tensor& x) {
    const std::int64_t width = m_spec.width, query = m_spec.heads * m_spec.headSize;
    float* stream = data(x);
    overRows(x.size(0), kTile, [&](std::int64_t begin, std::int64_t end) {
        const auto norm = [&] { normRows(stream, b.mlpNorm, b.mlpNormBias, begin, end, m_normed); };
        if (m_spec.parallelResidual)
            norm();
        bfloat16Forward()->addTo(
            productOf(b.attentionOutput.words, b.attentionOutput.bias, width, query, m_heads, begin, end),
            stream + begin * width);
        if (!m_spec.parallelResidual)
            norm();
        mlp(b, begin, end, stream);
    });
}

void PackedDecoder::forwardBlock(int buffer, at::Tensor& x, std::span<const RowPiece> pieces,
                                 const RotaryTable& rotary) {
    const Block& b = m_blocks[static_cast<std::size_t>(buffer)];
    const std::int64_t rows = x.size(0);
    reserve(rows);
    overRows(rows, kTile, [&](std::int64_t begin, std::int64_t end) {
        normRows(data(x), b.inputNorm, b.inputNormBias, begin, end, m_normed);
        bfloat16Forward()->toWords(productOf(b.qkv.words, b.qkv.bias, b.qkv.columns, m_spec.width, m_normed, begin, end),
                              Curve::None, m_qkv + begin * b.qkv.columns, b.qkv.columns);
    });
    if (std::all_of(pieces.begin(), pieces.end(), [](const RowPiece& piece) { return piece.isWhole(); }))
        attention(pieces, rotary);
    else
        wideAttention(pieces, rows, rotary);
    const at::Tensor read = readRows(pieces, x.device());
    if (!read.defined())
        return finishRows(b, x);
    at::Tensor heads = at::from_blob(m_heads, {rows, paddedWords(m_spec.heads * m_spec.headSize)}, at::kBFloat16);
    heads.narrow(0, 0, read.size(0)).copy_(heads.index_select(0, read));
    at::Tensor rest = x.index_select(0, read);
    finishRows(b, rest);
    x.index_copy_(0, read, rest);
}

} // namespace crest::model
