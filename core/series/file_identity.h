// SPDX-License-Identifier: Apache-2.0
// What tells that a file is unchanged, without reading it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/result.h"

namespace crest::series {

struct FileIdentity {
    std::string text; ///< device, inode, size and times
    std::int64_t changedNs = 0;
};
Result<FileIdentity> identityOf(const std::filesystem::path& file);

} // namespace crest::series
