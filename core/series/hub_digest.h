// SPDX-License-Identifier: Apache-2.0
// The hub's hashes against the bytes. Its client trusts a blob by its name once it is there; a disk or a copy that lost
// bytes shows only here.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"

namespace crest::series {

/// A file whose hash the hub's client noted: the SHA-256 of its bytes (64 digits; files in LFS or Xet), or git's SHA-1 of
/// them as a blob (40 digits; small ones).
struct HubFile {
    std::filesystem::path path;
    std::string digest;
};

/// Of the files of a checkpoint's folder that Crest may read, `weights`, configs, indexes and tokenizer files, those with a hash
/// (hubContentId), by name.
std::vector<HubFile> hubFiles(const std::filesystem::path& folder, const std::vector<std::filesystem::path>& weights);

/// How the bytes of a file are not those of the hub.
struct HubDifference {
    std::string text;      ///< a sentence that names the file; "" where they have the hash
    bool isUsable = false; ///< a config or the like that still parses: people edit those, and lost bytes seldom leave them whole
};
/// Reads all of the bytes once, at about the speed of fingerprints.
Result<HubDifference> hubDifference(const HubFile& file, const JobContext& job = {});

} // namespace crest::series
