// SPDX-License-Identifier: Apache-2.0
// The weights of one checkpoint as mapped, named, read-only tensors, however they are sharded; and their fingerprint.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/io/safetensors.h"
#include "core/series/decoder_spec.h"
#include "core/series/series.h"

namespace crest::series {

/// A view of one stored tensor; valid as long as its CheckpointWeights lives.
struct StoredTensor {
    io::DType dtype = io::DType::Other;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes; ///< little-endian, row-major; not necessarily aligned for dtype
};

/// Opens the weights below `folder`: safetensors or pytorch_model.bin, whole or in shards with an index; mapped, but
/// for tensors that a torch file stores with strides, which are copied. Checks headers, index and names (canonical
/// names of `spec`; known prefixes stripped, known buffers ignored; tied heads as formats.md 2.1) and shapes against
/// `spec`. Any thread may read.
class CheckpointWeights {
public:
    static Result<CheckpointWeights> open(const std::filesystem::path& folder, const DecoderSpec& spec);
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

/// Content identity of a checkpoint's weights: SHA-256 over the canonical tensors in order of name (name, dtype, shape,
/// bytes) and the numbers of `spec` that change results; a re-sharded copy has the same. 64 hex digits. Reads every
/// byte once.
Result<std::string> fingerprintWeights(const CheckpointWeights& weights, const DecoderSpec& spec,
                                       const JobContext& job = {});

/// What reading every byte tells.
struct CheckedWeights {
    std::string fingerprint;
    /// NaN, infinities and matrices of nothing but zeros: counts and the first tensor, as a sentence. "" where sound.
    std::string unsound;
    bool operator==(const CheckedWeights&) const = default;
};
/// Makes a checkpoint whose weights are unsound Suspect, before judgeSeries.
void markUnsound(Checkpoint& checkpoint, const CheckedWeights& weights);
Result<CheckedWeights> checkWeights(const CheckpointWeights& weights, const DecoderSpec& spec, const JobContext& job = {});

/// The same of a checkpoint, remembered in `cacheFile` by (device, inode, size, mtime, ctime) of the files, so that an unchanged
/// checkpoint is not read again.
Result<CheckedWeights> checkCheckpoint(const std::filesystem::path& folder, const DecoderSpec& spec,
                                       const std::filesystem::path& cacheFile, const JobContext& job = {});
/// Its fingerprint alone.
Result<std::string> fingerprintCheckpoint(const std::filesystem::path& folder, const DecoderSpec& spec,
                                          const std::filesystem::path& cacheFile, const JobContext& job = {});

} // namespace crest::series
