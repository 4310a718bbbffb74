// SPDX-License-Identifier: Apache-2.0
// Files of torch.save in zip form (torch 1.6 and newer): pytorch_model.bin, a Trainer's .bin, nanoGPT's ckpt.pt. The
// container and the pickle are read as data by readers of our own that can call nothing (zip_archive.h,
// pickle_reader.h); tensors are described with their place in the file, so that they can be mapped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/io/byte_source.h"
#include "core/io/safetensors.h"

namespace crest::io {

struct TorchTensor {
    std::vector<std::string> path; ///< keys from the root: {"lm_head.weight"}, {"model", "transformer.wte.weight"}
    TensorEntry entry;             ///< its name is the last key; begin and end count from the start of the file
};

struct TorchFile {
    Json values; ///< all that is no tensor: {"iter_num": 2000, "config": {...}, ...}
    std::vector<TorchTensor> tensors;
};

/// Opens a file of torch.save without reading a byte of its tensors. Older forms (before 1.6), TorchScript programs,
/// git-lfs pointers and everything outside the readers' rules are refused with the rule that is broken. CRCs of
/// tensors are not checked here. Memory: at most the file's size + 64 MB.
Result<TorchFile> readTorchFile(const std::filesystem::path& file);
Result<TorchFile> readTorchFile(const ByteSource& file, const std::string& where);

/// The tensors of a state dict in the form of a safetensors header (dataStart 0): those directly below `key`
/// ("model" of nanoGPT), or below the root where it is "". A dict that holds anything but tensors is refused.
Result<SafetensorsHeader> stateDict(const TorchFile& file, std::string_view key, const std::string& where);

/// Copies a tensor with strides into row-major order. `source` begins at entry.begin; `target` is as long as shape and
/// dtype say.
void gatherStrided(const TensorEntry& entry, std::span<const std::byte> source, std::span<std::byte> target);

} // namespace crest::io
