// SPDX-License-Identifier: Apache-2.0
// The directory of a zip file whose members are only stored, so that their bytes can be mapped in place: the container
// of PyTorch's files (APPNOTE.TXT 6.3.10; formats.md 2.8). Nothing is unpacked and no name becomes a path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/io/byte_source.h"

namespace crest::io {

struct ZipMember {
    std::string name;        ///< UTF-8; relative, no "..", no empty part, no control character
    std::uint64_t begin = 0; ///< of its data, from the start of the file
    std::uint64_t size = 0;  ///< bytes of data
    std::uint32_t crc = 0;   ///< 0 where the writer did not compute it
};

struct ZipArchive {
    std::vector<ZipMember> members; ///< in order of `begin`; they do not overlap
    const ZipMember* find(std::string_view name) const;

private:
    friend Result<ZipArchive> readZipArchive(const ByteSource&, const std::string&);
    std::vector<std::uint32_t> m_byName;
};

/// Reads and checks end record (zip64 too), directory and local headers; no data. Refused: bytes that belong to no
/// member, comments after the end record, compressed, encrypted, overlapping or doubled members, names that lead out,
/// local headers that contradict the directory. Memory: at most 30 MB.
Result<ZipArchive> readZipArchive(const ByteSource& file, const std::string& where);

/// The bytes of a small member, its CRC checked where there is one.
Result<std::string> readZipMember(const ByteSource& file, const ZipMember& member, std::uint64_t maxBytes,
                                  const std::string& where);

} // namespace crest::io
