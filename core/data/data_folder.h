// SPDX-License-Identifier: Apache-2.0
// The files below a folder of data sets, found by patterns that a suite names: clones and downloads of hub
// repositories, the hub's cache, and the archives as their authors published them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/rows.h"

namespace crest::data {

/// A pattern is a path from its end: "hellaswag/**/validation-*.parquet" is found anywhere below the folder. `*` and
/// `?` stand for characters of one part, `**` for any number of folders (also none); case does not count; what follows
/// `!` is looked for in the archive in the same way. The hub's cache folders datasets--org--name/snapshots/hash count
/// as org/name. Links are followed, also out of the folder: whoever put them there meant them. (What a suite or an archive
/// says never leads out.) Not shared between threads.
class DataFolder {
public:
    /// Of a file it is a folder with this one. NotFound, or OutOfRange where it holds more than 300,000 files or
    /// leads through 1,000 linked folders.
    static Result<DataFolder> open(const std::filesystem::path& folder);

    /// Every file that matches, in order of their names; empty where none does. Mismatch where files of one pattern lie
    /// in several folders, or a shard of ...-00000-of-00004 is missing.
    Result<std::vector<DataFile>> find(const std::string& pattern);

    const std::filesystem::path& path() const { return m_root; }
    /// Every file, by which it is opened.
    std::vector<std::filesystem::path> files() const;

private:
    struct Entry {
        std::vector<std::string> parts; ///< of the whole path, lower case, hub cache folders shortened
        std::filesystem::path path; ///< by which it is opened: a link of the hub's cache has the name, its blob none
        std::filesystem::path resolved; ///< the file itself
        std::string shown;              ///< below the folder
    };
    std::filesystem::path m_root;
    std::vector<Entry> m_entries;
    std::map<std::string, std::vector<std::string>> m_members; ///< of archives that were looked into

    std::size_t m_links = 0; ///< to folders, that were followed: a few can lead through one another in very many ways

    Result<void> index(const std::filesystem::path& folder, std::vector<std::filesystem::path>& above);
    Result<void> indexFile(const std::filesystem::path& file);
    Result<void> addMembers(const Entry& archive, const std::string& pattern, std::vector<DataFile>& found);
};

/// Malformed for a pattern that is empty, absolute or has a part "..".
Result<void> checkPattern(const std::string& pattern);

} // namespace crest::data
