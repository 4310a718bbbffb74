// SPDX-License-Identifier: Apache-2.0
// The weights of one checkpoint as float32, read stretch by stretch from the read-only map. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/series/decoder_spec.h"
#include "core/series/weights.h"

namespace crest::model {

/// Reads canonical tensors of a checkpoint. Nothing here can write to the map. Any thread may read.
class WeightReader {
public:
    /// Maps the files. Errors as series::CheckpointWeights::open; Unsupported where a tensor is stored in a type other
    /// than F32, F16, BF16.
    static Result<WeightReader> open(const std::filesystem::path& folder, const series::DecoderSpec& spec);

    const series::DecoderSpec& spec() const { return m_spec; }
    /// expectedTensors(spec): what `tensor` indexes below.
    const std::vector<series::TensorInfo>& tensors() const { return m_tensors; }
    std::int64_t elements(int tensor) const { return m_elements[static_cast<std::size_t>(tensor)]; }
    /// Index of a slot's weight (or bias) in a layer (-1: outside the layers); -1 where the decoder has none.
    int find(series::TensorSlot slot, int layer, bool bias) const;

    /// out[j] = element first + j, converted exactly to float32.
    void read(int tensor, std::int64_t first, std::span<float> out) const;

    /// Takes these elements out of the process's resident memory: they were read, and will not be for a while. Reading
    /// them again gives the same.
    void release(int tensor, std::int64_t first, std::int64_t count) const;

    /// Root mean square of every tensor, by name. NonFinite, naming the tensor and the element, where one holds NaN or
    /// infinity.
    Result<std::map<std::string, double>> checkedRms(const JobContext& job = {}) const;

    const series::CheckpointWeights& weights() const { return m_weights; }
    /// Asks the kernel to read the files ahead.
    void willNeed() const { m_weights.willNeed(); }

private:
    WeightReader(series::CheckpointWeights weights, series::DecoderSpec spec, std::string where);

    series::CheckpointWeights m_weights;
    series::DecoderSpec m_spec;
    std::string m_where;
    std::vector<series::TensorInfo> m_tensors;
    std::vector<const series::StoredTensor*> m_stored;
    std::vector<std::int64_t> m_elements;
};

} // namespace crest::model
