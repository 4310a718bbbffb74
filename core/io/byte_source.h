// SPDX-License-Identifier: Apache-2.0
// Bytes by position, read and not mapped: a file that is cut short while its directory is parsed is an error, no crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/base/result.h"

namespace crest::io {

/// Any thread may read.
class ByteSource {
public:
    virtual ~ByteSource() = default;
    virtual std::uint64_t size() const = 0;
    /// Fills `into` with the bytes from `offset` on; a source that ends before is an error.
    virtual Result<void> read(std::uint64_t offset, std::span<std::byte> into) const = 0;
    /// The same as a string of `count` bytes; nothing is allocated where the source is shorter.
    Result<std::string> text(std::uint64_t offset, std::uint64_t count) const;
};

/// A regular file; pipes, devices and folders are refused.
Result<std::unique_ptr<ByteSource>> openByteSource(const std::filesystem::path& file);
/// A view of memory that must outlive the source.
std::unique_ptr<ByteSource> memorySource(std::span<const std::byte> bytes);

} // namespace crest::io
