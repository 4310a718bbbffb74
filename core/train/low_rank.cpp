// SPDX-License-Identifier: Apache-2.0
#include "core/train/low_rank.h"

#include <algorithm>
#include <cmath>

#include "core/model/ops.h"
#include "core/train/random.h"
#include "core/train/tuned_weights.h"

namespace crest::train {
namespace {

using series::TensorSlot;

bool isAdapted(const series::TensorInfo& info, LoraMatrices which) {
    if (info.layer < 0 || info.shape.size() != 2)
        return false;
    switch (info.slot) {
    case TensorSlot::Query:
    case TensorSlot::Key:
    case TensorSlot::Value:
    case TensorSlot::QueryKeyValue:
    case TensorSlot::AttentionOutput:
        return which != LoraMatrices::Mlp;
    case TensorSlot::Gate:
    case TensorSlot::Up:
    case TensorSlot::UpGate:
    case TensorSlot::Down:
        return which != LoraMatrices::Attention;
    default:
        return false;
    }
}

ParameterSlot appended(ParameterLayout& layout, const series::TensorInfo& of, const char* name, std::int64_t rows,
                       std::int64_t columns) {
    ParameterSlot slot;
    slot.info.name = of.name + name;
    slot.info.layer = of.layer;
    slot.info.shape = {rows, columns};
    slot.offset = layout.total;
    slot.elements = rows * columns;
    layout.total += slot.elements;
    layout.decayed = layout.total;
    layout.slots.push_back(slot);
    return slot;
}

} // namespace

LowRank::LowRank(const model::WeightReader& reader, const ParameterLayout& weights, const ParameterLayout& gradients,
                 const FineTuneSettings& settings)
    : m_reader(reader)
    , m_scale(settings.loraAlpha / static_cast<double>(settings.loraRank)) {
    const auto slotOf = [](const ParameterLayout& layout, const std::string& name) {
        return *std::ranges::find_if(layout.slots, [&](const ParameterSlot& slot) { return slot.info.name == name; });
    };
    for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
        const series::TensorInfo& info = reader.tensors()[i];
        if (!isAdapted(info, settings.loraMatrices))
            continue;
        Adapter adapter{static_cast<int>(i), slotOf(weights, info.name), slotOf(gradients, info.name), {}, {}};
        const std::int64_t out = adapter.weight.info.shape[0], in = adapter.weight.info.shape[1];
        adapter.a = appended(m_layout, info, ".lora_A", settings.loraRank, in);
        adapter.b = appended(m_layout, info, ".lora_B", out, settings.loraRank);
        m_adapters.push_back(std::move(adapter));
    }
}

void LowRank::begin(at::Tensor& adapters, std::int64_t seed) const {
    at::Tensor drawn = at::zeros({m_layout.total}, at::kFloat);
    for (const Adapter& adapter : m_adapters) {
        at::Tensor a = parameterView(adapter.a, drawn);
        fillUniform(a, seed, adapter.a.info.name, 1 / std::sqrt(static_cast<double>(a.size(1))));
    }
    adapters.copy_(drawn);
}

/// By the own products: their bits do not depend on the number of threads.
void LowRank::addProduct(const Adapter& adapter, const at::Tensor& adapters, double scale, at::Tensor& y) const {
    at::Tensor none;
    model::linearBackward(parameterView(adapter.b, adapters) * scale, y, parameterView(adapter.a, adapters), y, none,
                          none, true);
}

void LowRank::merge(const at::Tensor& adapters, at::Tensor& flat) const {
    for (const Adapter& adapter : m_adapters) {
        at::Tensor merged = parameterView(adapter.weight, flat);
        if (m_start.defined())
            merged.copy_(parameterView(adapter.weight, m_start));
        else
            fillSlot(m_reader, adapter.tensor, adapter.weight, flat);
        addProduct(adapter, adapters, m_scale, merged);
    }
}

void LowRank::gradient(const at::Tensor& adapters, const at::Tensor& ofMatrices, double l2ToStart,
                       at::Tensor& ofAdapters) const {
    ofAdapters.zero_();
    at::Tensor none;
    for (const Adapter& adapter : m_adapters) {
        at::Tensor dWeight = parameterView(adapter.gradient, ofMatrices);
        if (l2ToStart > 0)
            addProduct(adapter, adapters, l2ToStart * m_scale, dWeight);
        const at::Tensor a = parameterView(adapter.a, adapters), b = parameterView(adapter.b, adapters);
        at::Tensor da = parameterView(adapter.a, ofAdapters), db = parameterView(adapter.b, ofAdapters);
        model::linearBackward(b, dWeight, a, none, da, none); // B^T dW
        model::linear(dWeight, a, {}, db);                    // dW A^T
    }
    ofAdapters.mul_(m_scale);
}

} // namespace crest::train
