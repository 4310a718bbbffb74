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
            layout.total += elements;
        }
    };
    add(true);
    layout.decayed = layout.total;
    add(false);
    return layout;
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
    const TensorSlot query = spec.qkv == series::QkvLayout::PerHead ? TensorSlot::QueryKeyValue : TensorSlot::Query;
    const TensorSlot value = spec.qkv == series::QkvLayout::PerHead ? TensorSlot::QueryKeyValue : TensorSlot::Value;
    const TensorSlot gate = spec.mlp == series::MlpKind::Gated ? TensorSlot::Gate : TensorSlot::Up;
    for (int layer = 0; layer < static_cast<int>(spec.layers); ++layer) {
        BlockTensors b;
        b.qkv = find.joined(layer, query, value, false);
        b.qkvBias = find.joined(layer, query, value, true);
        b.attentionOut = find.one(layer, TensorSlot::AttentionOutput, false);
        b.attentionOutBias = find.one(layer, TensorSlot::AttentionOutput, true);
        b.mlpIn = find.joined(layer, gate, TensorSlot::Up, false);
        b.mlpInBias = find.joined(layer, gate, TensorSlot::Up, true);
        b.down = find.one(layer, TensorSlot::Down, false);
        b.downBias = find.one(layer, TensorSlot::Down, true);
        b.inputNorm = find.one(layer, TensorSlot::InputNorm, false);
        b.inputNormBias = find.one(layer, TensorSlot::InputNorm, true);
        b.mlpNorm = find.one(layer, TensorSlot::MlpNorm, false);
        b.mlpNormBias = find.one(layer, TensorSlot::MlpNorm, true);
        all.blocks.push_back(std::move(b));
    }
    return all;
}

} // namespace crest::train
