// SPDX-License-Identifier: Apache-2.0
// safetensors: 8 bytes little-endian header length, a JSON header, the data. The reader treats every file as hostile
// (formats.md 2.7): bounded header, checked products, offsets that cover the file without hole or overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::io {

/// Those the engine computes with; other dtypes of the format are refused by name when a tensor is asked for.
enum class DType { F32, F16, BF16, F64, I64, I32, I16, I8, U8, Bool, Other };

std::size_t dtypeSize(DType dtype); ///< bytes of an element; 0 for Other
const char* dtypeName(DType dtype); ///< as in the header: "F32", "BF16", ...

struct TensorEntry {
    std::string name;
    DType dtype = DType::Other;
    std::string dtypeText; ///< as the file says it
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0; ///< bytes within the data part
    std::vector<std::int64_t> strides; ///< in elements; empty for row-major order, the only one that safetensors has
    std::int64_t elements() const;
};

struct SafetensorsHeader {
    std::vector<TensorEntry> tensors; ///< in order of `begin`
    std::map<std::string, std::string> metadata;
    std::uint64_t dataStart = 0; ///< offset of the data part in the file
    const TensorEntry* find(std::string_view name) const;
};

/// Parses and checks a header. `head` is the beginning of the file (at least 8 bytes + header; more is ignored),
/// `fileSize` the size of the whole file. A header of more than 50 MB, or larger than the file, is refused before it
/// is read; one of more than 131,072 tensors or that holds texts of megabytes while it is. So it takes its own size
/// and less than 64 MB.
Result<SafetensorsHeader> parseSafetensorsHeader(std::span<const std::byte> head, std::uint64_t fileSize,
                                                 const std::string& where);
/// Reads just the header of a file (no map of the data).
Result<SafetensorsHeader> readSafetensorsHeader(const std::filesystem::path& file);

/// One tensor to write; `bytes` little-endian row-major, as long as shape x dtype says.
struct TensorToWrite {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;
};
/// Writes a file that the safetensors library reads: `__metadata__` {"format":"pt"} + `metadata`, tensors sorted by
/// dtype size then name, data 8-aligned. Temporary + fsync + rename.
Result<void> writeSafetensors(const std::filesystem::path& file, std::vector<TensorToWrite> tensors,
                              const std::map<std::string, std::string>& metadata = {});

} // namespace crest::io
