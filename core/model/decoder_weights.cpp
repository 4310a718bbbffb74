// SPDX-License-Identifier: Apache-2.0
// How a decoder's weights are made: blocks and the final norm, from stretches that a WeightSource gives.
#include <algorithm>

#include "core/model/decoder.h"
#include "core/model/pages.h"

namespace crest::model {

using series::DecoderSpec;
using series::MlpKind;
using series::QkNorm;
using series::TensorSlot;

namespace {

constexpr std::int64_t kStagingElements = 1 << 16;
constexpr std::int64_t kRowsForRelease = 512, kLargeBlock = 256'000'000;
constexpr std::int64_t kLeastForPanels = 64; ///< rows; with fewer, making panels takes longer than it saves

at::Tensor none() {
    return {};
}

} // namespace

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

bool Decoder::wantsPanels(std::int64_t rows) const {
    return m_options.device.is_cpu() && m_options.compute == Compute::Float32 && rows >= kLeastForPanels &&
           panelWidth() > 0;
}

BlockWeights Decoder::makeBuffers() const {
    const bool cpu = m_options.device.is_cpu();
    const std::int64_t elements = blockBytes() / static_cast<std::int64_t>(c10::elementSize(weightType()));
    const at::Tensor all = cpu ? pages(elements, weightType())
                               : at::empty({elements}, at::TensorOptions().device(m_options.device).dtype(weightType()));
    std::int64_t used = 0;
    return allocateBlock([&](std::int64_t rows, std::int64_t columns) {
        used += rows * columns;
        return all.narrow(0, used - rows * columns, rows * columns).view({rows, columns});
    });
}

bool Decoder::releases(std::int64_t rows) const {
    return rows >= kRowsForRelease || blockBytes() >= kLargeBlock;
}

void Decoder::loadBlock(WeightSource& source, int layer, int firstVersion, int count, std::int64_t rows) {
    m_layer = layer;
    if (m_packed) {
        m_packed->loadBlock(source, layer, firstVersion, count);
    } else {
        while (static_cast<int>(m_blocks.size()) < count)
            m_blocks.push_back(makeBuffers());
        fillBlocks(source, layer, firstVersion, std::span(m_blocks).first(static_cast<std::size_t>(count)));
        m_inPanels = wantsPanels(rows);
        for (int k = 0; m_inPanels && k < count; ++k) {
            BlockWeights& w = m_blocks[static_cast<std::size_t>(k)];
            for (at::Tensor* weight : {&w.qkv, &w.attentionOutput, &w.mlpIn, &w.down})
                toPanels(*weight);
        }
    }
    if (releases(rows))
        releaseLayer(source.reader(), layer);
}

void Decoder::releaseLayer(const WeightReader& reader, int layer) const {
    for (std::size_t t = 0; t < reader.tensors().size(); ++t)
        if (reader.tensors()[t].layer == layer)
            reader.release(static_cast<int>(t), 0, reader.elements(static_cast<int>(t)));
}

BlockWeights Decoder::makeBlock(WeightSource& source, int layer, int version, const MatrixMaker& matrix) {
    BlockWeights block = allocateBlock(matrix);
    fillBlocks(source, layer, version, {&block, 1});
    releaseLayer(source.reader(), layer);
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

} // namespace crest::model
