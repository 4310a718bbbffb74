// SPDX-License-Identifier: Apache-2.0
// Weights in the flat buffer of parameters.h, to and from the order in which a checkpoint's files hold them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/weight_source.h"
#include "core/train/parameters.h"

namespace crest::train {

/// Fills one slot of `flat` from tensor `tensor` of the reader, which is the slot's.
void fillSlot(const model::WeightReader& reader, int tensor, const ParameterSlot& slot, at::Tensor& flat);

/// Fills `flat` [layout.total] with a checkpoint's weights.
void fillFrom(const model::WeightReader& reader, const ParameterLayout& layout, at::Tensor& flat);

/// A buffer's weights as a checkpoint: one version, in the files' order. Sees changes of the buffer.
class FlatWeights final : public model::WeightSource {
public:
    FlatWeights(const model::WeightReader& reader, const ParameterLayout& layout, const at::Tensor& flat);

    const model::WeightReader& reader() const override { return m_reader; }
    int versions() const override { return 1; }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override;
    /// Writes a file of all tensors in float32.
    Result<void> writeFile(const std::filesystem::path& file);

private:
    /// The whole tensor where the buffer holds it as files do; else null.
    const float* asStored(int tensor) const;

    const model::WeightReader& m_reader;
    at::Tensor m_flat;
    std::vector<ParameterSlot> m_slots; ///< by index of the reader's tensors
};

} // namespace crest::train
