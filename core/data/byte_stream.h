// SPDX-License-Identifier: Apache-2.0
// Bytes of a data file in order: as they lie there, unpacked from .gz, or of a member of a zip or tar archive
// (libarchive; nothing is written to disk and no name in an archive becomes a path). What unpacks to far more than the
// file is refused.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/rows.h"

namespace crest::data {

/// Not shared between threads.
class ByteStream {
public:
    virtual ~ByteStream() = default;
    /// Fills the front of `into` and says how many bytes; 0 at the end.
    virtual Result<std::size_t> read(std::span<char> into) = 0;
};

Result<std::unique_ptr<ByteStream>> openByteStream(const DataFile& file);

/// True for .zip, .tar, .tar.gz, .tgz.
bool isArchiveName(const std::string& name);
/// Names of the regular files in an archive, in its order; Malformed above 200,000.
Result<std::vector<std::string>> archiveMembers(const std::filesystem::path& archive);

} // namespace crest::data
