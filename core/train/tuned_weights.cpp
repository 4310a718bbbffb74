// SPDX-License-Identifier: Apache-2.0
#include "core/train/tuned_weights.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/io/safetensors.h"

namespace crest::train {

using series::TensorSlot;

namespace {

constexpr std::int64_t kLarge = 1 << 18; ///< elements of the file that are worth giving back once they were read

/// Slots of the layout by index of the reader's tensors.
std::vector<ParameterSlot> slotsByTensor(const model::WeightReader& reader, const ParameterLayout& layout) {
    std::map<std::string, const ParameterSlot*> byName;
    for (const ParameterSlot& slot : layout.slots)
        byName[slot.info.name] = &slot;
    std::vector<ParameterSlot> slots;
    for (const series::TensorInfo& info : reader.tensors())
        slots.push_back(*byName.at(info.name));
    return slots;
}

} // namespace

void fillSlot(const model::WeightReader& reader, int tensor, const ParameterSlot& slot, at::Tensor& flat) {
    float* to = flat.mutable_data_ptr<float>() + slot.offset;
    const std::int64_t half = slot.elements / 2;
    if (slot.info.slot == TensorSlot::UpGate) {
        reader.read(tensor, 0, {to + half, static_cast<std::size_t>(half)});
        reader.read(tensor, half, {to, static_cast<std::size_t>(half)});
    } else if (slot.info.transposed) {
        at::Tensor stored = at::empty({slot.info.shape[1], slot.info.shape[0]}, at::kFloat);
        reader.read(tensor, 0, {stored.mutable_data_ptr<float>(), static_cast<std::size_t>(slot.elements)});
        parameterView(slot, flat).copy_(stored.t());
    } else {
        reader.read(tensor, 0, {to, static_cast<std::size_t>(slot.elements)});
    }
    if (slot.elements >= kLarge)
        reader.release(tensor, 0, slot.elements);
}

void fillFrom(const model::WeightReader& reader, const ParameterLayout& layout, at::Tensor& flat) {
    const std::vector<ParameterSlot> slots = slotsByTensor(reader, layout);
    for (std::size_t i = 0; i < slots.size(); ++i)
        fillSlot(reader, static_cast<int>(i), slots[i], flat);
}

FlatWeights::FlatWeights(const model::WeightReader& reader, const ParameterLayout& layout, const at::Tensor& flat)
    : m_reader(reader)
    , m_flat(flat)
    , m_slots(slotsByTensor(reader, layout)) {}

const float* FlatWeights::asStored(int tensor) const {
    const ParameterSlot& slot = m_slots[static_cast<std::size_t>(tensor)];
    const bool moved = slot.info.transposed || slot.info.slot == TensorSlot::UpGate;
    return moved ? nullptr : m_flat.const_data_ptr<float>() + slot.offset;
}

void FlatWeights::make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
                       std::span<float* const> out) {
    (void)firstVersion;
    const ParameterSlot& slot = m_slots[static_cast<std::size_t>(tensor)];
    const float* from = m_flat.const_data_ptr<float>() + slot.offset;
    float* to = out[0];
    if (slot.info.transposed) { // [in, out] in the file, [out, in] here
        const std::int64_t outs = slot.info.shape[0], ins = slot.info.shape[1];
        for (std::int64_t j = 0; j < count; ++j)
            to[j] = from[(first + j) % outs * ins + (first + j) / outs];
        return;
    }
    if (slot.info.slot == TensorSlot::UpGate) { // up | gate in the file, gate | up here
        const std::int64_t half = slot.elements / 2;
        for (std::int64_t j = 0; j < count; ++j)
            to[j] = from[first + j < half ? first + j + half : first + j - half];
        return;
    }
    std::memcpy(to, from + first, static_cast<std::size_t>(count) * sizeof(float));
}

Result<void> FlatWeights::writeFile(const std::filesystem::path& file) {
    std::vector<io::TensorToWrite> tensors;
    std::vector<std::vector<float>> made; // of tensors that lie otherwise in the buffer
    made.reserve(m_slots.size());
    for (std::size_t i = 0; i < m_slots.size(); ++i) {
        const int tensor = static_cast<int>(i);
        const float* values = asStored(tensor);
        if (!values) {
            float* const to[] = {made.emplace_back(static_cast<std::size_t>(m_slots[i].elements)).data()};
            make(tensor, 0, m_slots[i].elements, 0, to);
            values = to[0];
        }
        tensors.push_back({m_slots[i].info.name,
                           io::DType::F32,
                           m_reader.tensors()[i].shape,
                           {reinterpret_cast<const std::byte*>(values), static_cast<std::size_t>(m_slots[i].elements) * 4}});
    }
    return io::writeSafetensors(file, std::move(tensors));
}

} // namespace crest::train
