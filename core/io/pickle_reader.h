// SPDX-License-Identifier: Apache-2.0
// The pickle inside a file of torch.save, read as data: a machine with the opcodes that torch.save writes (pickle
// protocol 2; formats.md 2.8) and a fixed table of names. It calls nothing: a name stands for building a tensor
// description, an ordered dict or a plain value here, or the file is refused with opcode, name and byte offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/io/safetensors.h"

namespace crest::io {

inline constexpr std::size_t kMaxPickleBytes = 8'000'000; ///< a longer one is refused

/// One storage that tensors view; several may share one (tied weights, views).
struct PickledStorage {
    std::string key;       ///< digits: its bytes are the member data/<key>
    std::string dtypeText; ///< "F32", ...; "" for untyped bytes
    std::uint64_t bytes = 0;
};

struct PickledTensor {
    std::vector<std::string> path; ///< keys and list positions from the root; empty where the root is the tensor
    DType dtype = DType::Other;
    std::string dtypeText;                    ///< as in safetensors headers: "F32", "BF16", ...
    std::vector<std::int64_t> shape, strides; ///< strides in elements, not negative
    std::size_t storage = 0;                  ///< index into PickledObject::storages
    std::uint64_t begin = 0, end = 0;         ///< bytes of the storage from the first to past the last element used
    bool contiguous = false;                  ///< row-major without gaps: begin to end is the whole of it
};

/// Tensors are described, never read. Everything else is plain: `values` has the root's dicts, lists, texts, numbers
/// (tuples and sets as arrays, whole-number keys as text, dtypes and devices as text). A tensor is left out of a dict
/// and is null in a list.
struct PickledObject {
    Json values;
    std::vector<PickledTensor> tensors; ///< in order of the file; one object under two names is there twice
    std::vector<PickledStorage> storages;
};

/// Opcodes and names outside the list are Unsupported, everything else that is wrong is Malformed. Every tensor lies
/// within its storage. Limits: 8 MB of pickle, 20 MB of values while reading, 20 MB of result, 32 levels.
Result<PickledObject> readTorchPickle(std::span<const std::byte> pickle, const std::string& where);

} // namespace crest::io
