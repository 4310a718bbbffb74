// SPDX-License-Identifier: Apache-2.0
// Making the weights, and the blocks; attention over the cache: resident_attention.cpp.
#include "core/model/resident_decoder.h"

#include <algorithm>

#include "core/model/ops_detail.h"
#include "core/model/pages.h"
#include "core/model/resident_branch.h"

namespace crest::model {

using series::DecoderSpec;
using series::MlpKind;
using series::NormPlacement;
using series::TensorSlot;

namespace {

constexpr std::int64_t kAlign = 64;     ///< elements: matrices start on whole cache lines
constexpr std::int64_t kFewTokens = 16; ///< of a prompt's chunk, below which reading the weights is what takes time
constexpr std::int64_t kColumnBlock = 64;
constexpr std::int64_t kFirstPositions = 512;

std::int64_t aligned(std::int64_t count) {
    return (count + kAlign - 1) / kAlign * kAlign;
}

/// Elements of all matrices.
std::int64_t matrixElements(const DecoderSpec& s) {
    const std::int64_t query = s.heads * s.headSize, qkv = query + 2 * s.kvHeads * s.headSize;
    const std::int64_t mlpIn = (s.mlp == MlpKind::Gated ? 2 : 1) * s.mlpWidth;
    const std::int64_t block =
        aligned(qkv * s.width) + aligned(query * s.width) + aligned(mlpIn * s.width) + aligned(s.mlpWidth * s.width);
    return s.layers * block + aligned(s.vocabSize * s.tableWidth()) + 2 * aligned(s.width * s.embeddingWidth);
}

} // namespace

std::int64_t ResidentDecoder::bytes(const DecoderSpec& spec, Compute compute) {
    return matrixElements(spec) * (compute == Compute::BFloat16 ? 2 : 4);
}

ResidentDecoder::ResidentDecoder(Decoder& decoder, WeightSource& source, int version)
    : m_decoder(&decoder)
    , m_source(&source)
    , m_version(version) {}

Result<ResidentDecoder> ResidentDecoder::make(Decoder& decoder, WeightSource& source, int version,
                                              const JobContext& job) {
    ResidentDecoder resident(decoder, source, version);
    const DecoderSpec& spec = decoder.spec();
    const std::int64_t elements = matrixElements(spec);
    const at::Device& device = decoder.options().device;
    resident.m_arena =
        device.is_cpu() ? pages(elements, decoder.weightType())
                        : at::empty({elements}, at::TensorOptions().device(device).dtype(decoder.weightType()));
    const auto matrix = [&](std::int64_t rows, std::int64_t columns) { return resident.matrix(rows, columns); };
    for (int layer = 0; layer < spec.layers; ++layer) {
        if (job.stopRequested())
            return stopped();
        resident.m_blocks.push_back(decoder.makeBlock(source, layer, version, matrix));
    }
    resident.makeEnds();
    return resident;
}

at::Tensor ResidentDecoder::matrix(std::int64_t rows, std::int64_t columns) {
    const at::Tensor part = m_arena.narrow(0, m_used, rows * columns).view({rows, columns});
    m_used += aligned(rows * columns);
    return part;
}

void ResidentDecoder::makeEnds() {
    const DecoderSpec& s = spec();
    const WeightReader& reader = m_source->reader();
    const auto fill = [&](int tensor, at::Tensor& out) {
        m_decoder->makeInto(*m_source, tensor, 0, m_version, {&out, 1});
        reader.release(tensor, 0, reader.elements(tensor));
    };
    const auto vector = at::TensorOptions().device(m_decoder->options().device);
    if (s.finalNorm)
        m_finalGain = at::ones({s.width}, vector);
    if (const int gain = reader.find(TensorSlot::FinalNorm, -1, false); gain >= 0)
        fill(gain, m_finalGain);
    if (const int bias = reader.find(TensorSlot::FinalNorm, -1, true); bias >= 0) {
        m_finalBias = at::empty({s.width}, vector);
        fill(bias, m_finalBias);
    }
    if (s.embeddingWidth > 0) {
        m_projectIn = matrix(s.width, s.embeddingWidth);
        m_projectOut = matrix(s.embeddingWidth, s.width);
        fill(reader.find(TensorSlot::ProjectIn, -1, false), m_projectIn);
        fill(reader.find(TensorSlot::ProjectOut, -1, false), m_projectOut);
    }
    const int head = reader.find(TensorSlot::Head, -1, false);
    m_head = matrix(s.vocabSize, s.tableWidth());
    fill(head >= 0 ? head : reader.find(TensorSlot::Embedding, -1, false), m_head);
}

void ResidentDecoder::reservePositions(std::int64_t tokens) {
    const DecoderSpec& s = spec();
    if (s.positions != series::Positions::Rotary || tokens <= m_positions)
        return;
    m_positions = std::max({tokens, 2 * m_positions, std::min(kFirstPositions, s.contextLength)});
    const auto table = [&](std::int64_t layer) {
        return layerRotaryTable(s, layer, s.contextLength, m_positions, m_decoder->options().device);
    };
    for (std::int64_t layer = 0; layer < s.layers; ++layer) {
        RotaryTable& kept = hasWindowRotary(s, layer) ? m_windowRotary : m_rotary;
        if (!kept.cos.defined() || kept.cos.size(0) < m_positions)
            kept = table(layer);
    }
}

const RotaryTable& ResidentDecoder::rotary(int layer) const {
    return hasWindowRotary(spec(), layer) ? m_windowRotary : m_rotary;
}

void ResidentDecoder::prompt(KvCache& cache, std::int64_t slot, std::int64_t first, std::span<const std::int32_t> ids,
                             at::Tensor& logits) {
    const auto tokens = static_cast<std::int64_t>(ids.size());
    Branch branch{cache};
    branch.slot = slot;
    branch.first = first;
    branch.unread = logits.defined() ? tokens - 1 : tokens;
    std::vector<std::int64_t> positions(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i)
        positions[i] = first + static_cast<std::int64_t>(i);
    reservePositions(first + tokens);
    m_few = tokens < kFewTokens;
    at::Tensor x = m_decoder->buffer("resident", tokens, spec().width);
    embed(ids, positions, x);
    forward(x, branch);
    if (logits.defined())
        head(x.narrow(0, tokens - 1, 1), logits);
}

void ResidentDecoder::step(KvCache& cache, std::span<const StepRow> rows, at::Tensor& logits) {
    Branch branch{cache};
    branch.rows = rows;
    std::vector<std::int32_t> ids;
    std::vector<std::int64_t> positions;
    for (const StepRow& row : rows) {
        ids.push_back(row.id);
        positions.push_back(row.position());
    }
    reservePositions(*std::max_element(positions.begin(), positions.end()) + 1);
    m_few = true;
    at::Tensor x = m_decoder->buffer("resident", static_cast<std::int64_t>(rows.size()), spec().width);
    embed(ids, positions, x);
    forward(x, branch);
    head(x, logits);
}

void ResidentDecoder::addRows(TensorSlot slot, std::span<const std::int64_t> rows, at::Tensor& x, bool add) {
    const int tensor = m_source->reader().find(slot, -1, false);
    const std::int64_t width = x.size(1);
    at::Tensor made = at::empty({x.size(0), width}, at::kFloat);
    for (std::size_t n = 0; n < rows.size(); ++n) {
        float* out = made.mutable_data_ptr<float>() + static_cast<std::int64_t>(n) * width;
        m_source->make(tensor, rows[n] * width, width, m_version, {&out, 1});
    }
    if (add)
        x.add_(made.to(x.device()));
    else
        x.copy_(made);
}

void ResidentDecoder::embed(std::span<const std::int32_t> ids, std::span<const std::int64_t> positions, at::Tensor& x) {
    const DecoderSpec& s = spec();
    const std::vector<std::int64_t> rows(ids.begin(), ids.end());
    if (s.embeddingWidth > 0) {
        at::Tensor narrow = m_decoder->buffer("table rows", x.size(0), s.embeddingWidth);
        addRows(TensorSlot::Embedding, rows, narrow, false);
        product(narrow, m_projectIn, {}, x);
    } else {
        addRows(TensorSlot::Embedding, rows, x, false);
    }
    if (s.positions != series::Positions::Learned)
        return;
    std::vector<std::int64_t> places(positions.begin(), positions.end());
    for (std::int64_t& place : places)
        place += s.positionOffset;
    addRows(TensorSlot::Position, places, x, true);
}

void ResidentDecoder::head(const at::Tensor& x, at::Tensor& logits) {
    const DecoderSpec& s = spec();
    at::Tensor normed = x;
    if (s.finalNorm) {
        normed = m_decoder->buffer("normed", x.size(0), s.width);
        norm(x, m_finalGain, m_finalBias, normed);
    }
    if (s.embeddingWidth > 0) {
        at::Tensor narrow = m_decoder->buffer("table rows", x.size(0), s.embeddingWidth);
        product(normed, m_projectOut, {}, narrow);
        normed = narrow;
    }
    product(normed, m_head, {}, logits);
}

void ResidentDecoder::product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
                              bool accumulate) {
    if (!m_few || !x.device().is_cpu() || detail::referenceOps())
        return linear(x, weight, bias, y, accumulate);
    const std::int64_t rows = x.size(0), inner = x.size(1), columns = weight.size(0);
    const float* in = detail::data(x);
    const bool words = weight.scalar_type() == at::kBFloat16;
    if (words) {
        at::Tensor asWords = m_decoder->buffer("few words", rows, inner, at::kBFloat16);
        at::Tensor rounded = m_decoder->buffer("few rounded", rows, inner);
        auto* packed = static_cast<std::uint16_t*>(asWords.mutable_data_ptr());
        cpuKernels().toBFloat16(rows * inner, in, packed);
        cpuKernels().fromBFloat16(rows * inner, packed, detail::data(rounded), false);
        in = detail::data(rounded);
    }
    float* out = detail::data(y);
    detail::overRows(columns, kColumnBlock, [&](std::int64_t begin, std::int64_t end) {
        const float* shift = bias.defined() ? bias.const_data_ptr<float>() + begin : nullptr;
        if (words)
            cpuKernels().fewRowsBFloat16(rows, end - begin, inner, in, inner,
                                         static_cast<const std::uint16_t*>(weight.const_data_ptr()) + begin * inner,
                                         shift, out + begin, columns, accumulate);
        else
            cpuKernels().fewRows(rows, end - begin, inner, in, inner, detail::data(weight) + begin * inner, shift,
                                 out + begin, columns, accumulate);
    });
}

void ResidentDecoder::norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, at::Tensor& y) {
    at::Tensor noMean, noScale;
    if (spec().norm == series::NormKind::RmsNorm)
        rmsNorm(x, gain, spec().normEps, y, noScale);
    else
        layerNorm(x, gain, bias, spec().normEps, y, noMean, noScale);
}

void ResidentDecoder::mlp(int layer, const at::Tensor& in, at::Tensor& out, bool add) {
    const BlockWeights& w = m_blocks[static_cast<std::size_t>(layer)];
    at::Tensor inner = m_decoder->buffer("wide", in.size(0), w.mlpIn.size(0));
    product(in, w.mlpIn, w.mlpInBias, inner);
    if (spec().mlp == MlpKind::Gated) {
        at::Tensor h = m_decoder->buffer("mlp", in.size(0), spec().mlpWidth);
        gatedActivation(inner, spec().activation, h);
        product(h, w.down, w.downBias, out, add);
        return;
    }
    activation(inner, spec().activation, inner);
    product(inner, w.down, w.downBias, out, add);
}

void ResidentDecoder::forward(at::Tensor& x, const Branch& branch) {
    for (int layer = 0; layer < spec().layers; ++layer)
        block(layer, x, branch);
}

void ResidentDecoder::block(int layer, at::Tensor& x, const Branch& branch) {
    const bool last = layer + 1 == spec().layers;
    const std::int64_t unread = last ? branch.unread : 0, read = x.size(0) - unread;
    const at::Tensor joined = attended(layer, x, unread, branch);
    if (read == 0)
        return;
    m_few = m_few || unread > 0; // one row
    at::Tensor rest = x.narrow(0, unread, read);
    finishRows(layer, joined, rest);
}

void ResidentDecoder::finishRows(int layer, const at::Tensor& joined, at::Tensor& x) {
    const BlockWeights& w = m_blocks[static_cast<std::size_t>(layer)];
    at::Tensor aside = m_decoder->buffer("normed", x.size(0), spec().width);
    switch (spec().normPlacement) {
    case NormPlacement::AfterBranch:
        product(joined, w.attentionOutput, w.attentionOutputBias, aside);
        norm(aside, w.inputNorm, w.inputNormBias, aside);
        x.add_(aside);
        mlp(layer, x, aside, false);
        norm(aside, w.mlpNorm, w.mlpNormBias, aside);
        x.add_(aside);
        return;
    case NormPlacement::AfterSum:
        product(joined, w.attentionOutput, w.attentionOutputBias, x, true);
        norm(x, w.inputNorm, w.inputNormBias, x);
        mlp(layer, x, x, true);
        norm(x, w.mlpNorm, w.mlpNormBias, x);
        return;
    case NormPlacement::BeforeBranch:
        if (spec().parallelResidual)
            norm(x, w.mlpNorm, w.mlpNormBias, aside);
        product(joined, w.attentionOutput, w.attentionOutputBias, x, true);
        if (!spec().parallelResidual)
            norm(x, w.mlpNorm, w.mlpNormBias, aside);
        mlp(layer, aside, x, true);
        return;
    }
}

} // namespace crest::model
