// SPDX-License-Identifier: Apache-2.0
// The weights of one checkpoint as mapped, named, read-only tensors, however they are sharded.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/safetensors.h"
#include "core/series/decoder_spec.h"

namespace crest::series {

struct WeightFiles;

/// A view of one stored tensor; valid as long as its CheckpointWeights lives.
struct StoredTensor {
    io::DType dtype = io::DType::Other;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes; ///< little-endian, row-major; not necessarily aligned for dtype
};

/// Opens the weights below `folder`: safetensors or pytorch_model.bin, whole or in shards with an index; mapped, but
/// for tensors that a torch file stores with strides, which are copied. Checks headers, index and names (canonical
/// names of `spec`; known prefixes stripped, known buffers and what has no place left out; tied heads as formats.md 2.1)
/// and shapes against `spec`. Any thread may read.
class CheckpointWeights {
public:
    static Result<CheckpointWeights> open(const std::filesystem::path& folder, const DecoderSpec& spec);
    /// Of files whose headers were read; `where` is for messages.
    static Result<CheckpointWeights> open(const WeightFiles& files, const DecoderSpec& spec, const std::string& where);
    CheckpointWeights(CheckpointWeights&&) noexcept;
    CheckpointWeights& operator=(CheckpointWeights&&) noexcept;
    ~CheckpointWeights();

    /// Every tensor of expectedTensors(spec), by canonical name.
    const std::map<std::string, StoredTensor>& tensors() const;
    /// Asks the kernel to read everything ahead.
    void willNeed() const;
    /// Takes bytes of a tensor out of the process's resident memory, where they are mapped; they can be read again.
    void release(std::span<const std::byte> bytes) const;

private:
    struct Data;
    explicit CheckpointWeights(std::unique_ptr<Data> data);
    std::unique_ptr<Data> m_data;
};

} // namespace crest::series
