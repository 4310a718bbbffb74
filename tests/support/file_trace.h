// SPDX-License-Identifier: Apache-2.0
// What a program did to its files, call by call, as the shim (fault_shim.cpp) records it. One record in the trace file:
// this header, the path, the second path, the bytes.
#pragma once

#include <cstdint>

namespace crest::trace {

enum class Call : std::uint32_t {
    Create,   ///< a file that was not there
    Write,    ///< `bytes` at `offset`
    Truncate, ///< to `offset` bytes
    Sync,     ///< a file's data, or a folder's entries
    Rename,   ///< path to second path
    Remove,   ///< of a file
    MakeFolder
};

struct Record {
    Call call = Call::Write;
    std::uint32_t path = 0, secondPath = 0, bytes = 0; ///< lengths
    std::uint64_t offset = 0;
};

} // namespace crest::trace
