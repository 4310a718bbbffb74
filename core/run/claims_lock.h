// SPDX-License-Identifier: Apache-2.0
// The lock of a folder of claims, a run's or that of all runs.
#pragma once

#include <chrono>
#include <filesystem>

#include "core/base/result.h"
#include "core/io/files.h"

namespace crest::run {

inline constexpr const char* kClaimsLockName = "lock";

/// Claims are looked at and changed under it: a dead runner's claim is taken over by exactly one other. Waits for other runners, which hold it
/// for moments only.
inline Result<io::FileLock> lockClaims(const std::filesystem::path& claims) {
    return io::FileLock::waitFor(claims / kClaimsLockName, std::chrono::seconds(10));
}

} // namespace crest::run
