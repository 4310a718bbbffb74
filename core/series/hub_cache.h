// SPDX-License-Identifier: Apache-2.0
// What the client of the Hugging Face hub leaves on a disk (formats.md 1.5): its cache, models--ORG--NAME with
// snapshots, refs and blobs, and the notes it keeps in a folder that was downloaded with --local-dir. Read only;
// nothing is ever written there.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::series {

/// One repository of the cache.
struct HubRepository {
    std::filesystem::path folder; ///< .../models--ORG--NAME
    std::string name;             ///< "ORG/NAME", or "NAME" of a repository without owner
    /// Revisions (branches and tags) that were downloaded, by commit; of one commit the most telling name first: with a
    /// step or tokens, then others, then "main" and the like, pull requests last.
    std::map<std::string, std::vector<std::string>> refs;
    bool incompleteBlobs = false; ///< unfinished downloads lie in blobs/

    std::string shortName() const { return name.substr(name.rfind('/') + 1); } ///< without the owner
};

/// True for a folder name "models--...".
bool isHubRepository(const std::filesystem::path& folder);
/// The repository of a folder models--X/snapshots/COMMIT; nothing for other folders. Reads refs/ (at most 50,000 of
/// them, of at most 200 bytes each; others are left out).
std::optional<HubRepository> hubRepositoryOf(const std::filesystem::path& snapshot);

/// What .cache/huggingface/download tells of a folder that `hf download --local-dir` filled.
struct LocalDownload {
    std::string commit;      ///< 40 hex digits, "" where unknown
    bool incomplete = false; ///< a file is still partial
};
LocalDownload localDownload(const std::filesystem::path& folder);

/// The files in the root folder of a commit, as the hub's client (huggingface_hub 2 and newer) noted them:
/// trees/COMMIT.json in the cache's repository, or below .cache/huggingface of a local download. Empty where there is no
/// such note, or not of this form.
std::set<std::string> committedFiles(const std::filesystem::path& folder, const std::string& commit,
                                     const HubRepository* repository);
Result<std::set<std::string>> parseHubTree(std::string_view json, const std::string& where);

/// Which of a commit's files a checkpoint needs and `folder` does not hold: config.json, a tokenizer, and the weights in
/// the form that the folder has begun with, else the one that is preferred.
std::vector<std::string> missingFiles(const std::filesystem::path& folder, const std::set<std::string>& committed);

/// The hub's hash of a file's content: the blob that a cache's link leads to, or the ETag noted beside a local download
/// where the file was not written since. "" where there is none.
std::string hubContentId(const std::filesystem::path& file);

} // namespace crest::series
