// SPDX-License-Identifier: Apache-2.0
#include "core/train/parameters.h"

#include <algorithm>

namespace crest::train {

using series::TensorInfo;
using series::TensorSlot;

ParameterLayout parameterLayout(const series::DecoderSpec& spec) {
    ParameterLayout layout;
    const std::vector<TensorInfo> tensors = series::expectedTensors(spec);
    const auto add = [&](bool matrices) {
        for (const TensorInfo& info : tensors) {
            if ((info.shape.size() == 2) != matrices)
                continue;
            std::int64_t elements = 1;
            for (const std::int64_t size : info.shape)
                elements *= size;
            layout.slots.push_back({info, layout.total, elements});
            if (info.transposed)
                std::swap(layout.slots.back().info.shape[0], layout.slots.back().info.shape[1]);
            layout.total += elements;
        }
    };
    add(true);
    layout.decayed = layout.total;
    add(false);
    return layout;
}

ParameterLayout partOf(const ParameterLayout& layout, const std::function<bool(const TensorInfo&)>& wanted) {
    ParameterLayout part;
    for (ParameterSlot slot : layout.slots) {
        if (!wanted(slot.info))
            continue;
        const bool decays = slot.offset < layout.decayed;
        slot.offset = part.total;
        part.total += slot.elements;
        part.decayed += decays ? slot.elements : 0;
        part.slots.push_back(std::move(slot));
    }
    return part;
}

at::Tensor parameterView(const ParameterSlot& slot, const at::Tensor& flat) {
    return flat.narrow(0, slot.offset, slot.elements).view(slot.info.shape);
}

namespace {

/// Finds tensors of one layer by slot; neighbours are joined along their first dimension.
class Finder {
public:
    Finder(const ParameterLayout& layout, const at::Tensor& flat)
        : m_layout(layout)
        , m_flat(flat) {}

    at::Tensor one(int layer, TensorSlot slot, bool bias) const {
        const ParameterSlot* found = find(layer, slot, bias);
        return found ? parameterView(*found, m_flat) : at::Tensor();
    }
    /// From `first` to `last`, which lie side by side (parameterLayout keeps the order of expectedTensors).
    at::Tensor joined(int layer, TensorSlot first, TensorSlot last, bool bias) const {
        const ParameterSlot* from = find(layer, first, bias);
        const ParameterSlot* to = find(layer, last, bias);
        if (!from || !to)
            return {};
        const at::Tensor all = m_flat.narrow(0, from->offset, to->offset + to->elements - from->offset);
        return bias ? all : all.view({-1, from->info.shape[1]});
    }

private:
    const ParameterSlot* find(int layer, TensorSlot slot, bool bias) const {
        for (const ParameterSlot& s : m_layout.slots)
            if (s.info.layer == layer && s.info.slot == slot && s.info.isBias == bias)
                return &s;
        return nullptr;
    }
    const ParameterLayout& m_layout;
    const at::Tensor& m_flat;
};

} // namespace

DecoderTensors decoderTensors(const series::DecoderSpec& spec, const ParameterLayout& layout, const at::Tensor& flat) {
    const Finder find(layout, flat);
    DecoderTensors all;
    all.embedding = find.one(-1, TensorSlot::Embedding, false);
    all.head = spec.tiedHead ? all.embedding : find.one(-1, TensorSlot::Head, false);
    all.finalNorm = find.one(-1, TensorSlot::FinalNorm, false);
    all.finalNormBias = find.one(-1, TensorSlot::FinalNorm, true);
    all.position = find.one(-1, TensorSlot::Position, false);
    all.projectIn = find.one(-1, TensorSlot::ProjectIn, false);
    all.projectOut = find.one(-1, TensorSlot::ProjectOut, false);
    const bool separate = spec.qkv == series::QkvLayout::Separate;
    const TensorSlot query = separate ? TensorSlot::Query : TensorSlot::QueryKeyValue;
    const TensorSlot value = separate ? TensorSlot::Value : TensorSlot::QueryKeyValue;
    const TensorSlot up = spec.fusedUpGate ? TensorSlot::UpGate : TensorSlot::Up;
    const TensorSlot gate = spec.mlp == series::MlpKind::Gated && !spec.fusedUpGate ? TensorSlot::Gate : up;
    for (int layer = 0; layer < static_cast<int>(spec.layers); ++layer) {
        BlockTensors b;
        b.qkv = find.joined(layer, query, value, false);
        b.qkvBias = find.joined(layer, query, value, true);
        b.attentionOut = find.one(layer, TensorSlot::AttentionOutput, false);
        b.attentionOutBias = find.one(layer, TensorSlot::AttentionOutput, true);
        b.mlpIn = find.joined(layer, gate, up, false);
        b.mlpInBias = find.joined(layer, gate, up, true);
        b.down = find.one(layer, TensorSlot::Down, false);
        b.downBias = find.one(layer, TensorSlot::Down, true);
        b.inputNorm = find.one(layer, TensorSlot::InputNorm, false);
        b.inputNormBias = find.one(layer, TensorSlot::InputNorm, true);
        b.mlpNorm = find.one(layer, TensorSlot::MlpNorm, false);
        b.mlpNormBias = find.one(layer, TensorSlot::MlpNorm, true);
        b.queryNorm = find.one(layer, TensorSlot::QueryNorm, false);
        b.keyNorm = find.one(layer, TensorSlot::KeyNorm, false);
        all.blocks.push_back(std::move(b));
    }
    return all;
}

DecoderTensors withMatrices(DecoderTensors weights, const DecoderTensors& matrices) {
    weights.head = matrices.head; // rows of the embedding are looked up, not multiplied
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
        weights.blocks[i].qkv = matrices.blocks[i].qkv;
        weights.blocks[i].attentionOut = matrices.blocks[i].attentionOut;
        weights.blocks[i].mlpIn = matrices.blocks[i].mlpIn;
        weights.blocks[i].down = matrices.blocks[i].down;
    }
    return weights;
}

} // namespace crest::train
