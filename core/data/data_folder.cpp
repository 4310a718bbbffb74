// SPDX-License-Identifier: Apache-2.0
#include "core/data/data_folder.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/data/byte_stream.h"
#include "core/data/py_text.h"
#include "core/io/files.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 300'000, kMostLinks = 1'000;
constexpr std::size_t kDeepest = 16;
constexpr std::size_t kHubParts = 3; ///< datasets--org--name, snapshots, hash

std::vector<std::string> partsOf(const std::string& path) {
    std::vector<std::string> parts = pySplit(pyLower(path), "/");
    std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "."; });
    return parts;
}

/// datasets--org--name/snapshots/hash/... as org/name/...
std::vector<std::string> withoutHub(std::vector<std::string> parts) {
    for (std::size_t i = 0; i + kHubParts <= parts.size(); ++i) {
        if (!parts[i].starts_with("datasets--") || parts[i + 1] != "snapshots")
            continue;
        std::vector<std::string> names = pySplit(parts[i], "--");
        names.erase(names.begin());
        const auto at = parts.begin() + static_cast<std::ptrdiff_t>(i);
        parts.erase(at, at + kHubParts);
        parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(i), names.begin(), names.end());
        break;
    }
    return parts;
}

/// `*` and `?`, without backtracking into more than the last star.
bool matchesPart(std::string_view text, std::string_view pattern) {
    std::size_t t = 0, p = 0, star = std::string_view::npos, from = 0;
    while (t < text.size()) {
        if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++t;
            ++p;
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            from = t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

/// The same over parts of a path, `**` for any number of them; a path matches from its end.
bool matchesPath(const std::vector<std::string>& parts, std::vector<std::string> pattern) {
    pattern.insert(pattern.begin(), "**");
    std::size_t t = 0, p = 0, star = std::string::npos, from = 0;
    while (t < parts.size()) {
        if (p < pattern.size() && pattern[p] == "**") {
            star = p++;
            from = t;
        } else if (p < pattern.size() && matchesPart(parts[t], pattern[p])) {
            ++t;
            ++p;
        } else if (star != std::string::npos) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == "**")
        ++p;
    return p == pattern.size();
}

/// "name-00002-of-00005.parquet": 2 and 5.
bool shardOf(const std::string& name, int& index, int& count) {
    const std::size_t at = name.rfind("-of-");
    if (at == std::string::npos || at < 6 || name[at - 6] != '-' || name.size() < at + 9)
        return false;
    const std::string digits = name.substr(at - 5, 5) + name.substr(at + 4, 5);
    if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
        return false;
    index = std::stoi(digits.substr(0, 5));
    count = std::stoi(digits.substr(5));
    return true;
}

tl::unexpected<Error> tooMany(const char* what, std::size_t most, const fs::path& folder) {
    return fail(ErrorKind::OutOfRange,
                fmt::format("holds more than {} {}; choose the folder of the data sets themselves", most, what),
                folder.string());
}

Result<void> checkShards(const std::vector<DataFile>& files, bool whole) {
    std::set<int> there;
    int most = 0;
    for (const DataFile& file : files) {
        int index = 0, count = 0;
        if (!shardOf(file.path.filename().string(), index, count))
            return {};
        there.insert(index);
        most = std::max(most, count);
    }
    for (int i = 0; i < most && whole; ++i)
        if (!there.contains(i))
            return fail(
                ErrorKind::Mismatch,
                fmt::format("part {} of {} is missing beside this one; the download is not complete", i + 1, most),
                files.front().name());
    return {};
}

} // namespace

Result<void> checkPattern(const std::string& pattern) {
    const std::vector<std::string> parts = pySplit(pattern, "/");
    const bool leadsOut = pattern.starts_with('/') || std::ranges::find(parts, "..") != parts.end();
    if (pattern.empty() || pattern.size() > 1000 || leadsOut || pattern.find('\\') != std::string::npos)
        return fail(
            ErrorKind::Malformed,
            fmt::format("\"{}\" is no pattern of a data file: a path below the data folder, without \"..\"", pattern));
    return {};
}

Result<DataFolder> DataFolder::open(const fs::path& folder) {
    DataFolder opened;
    std::error_code problem;
    opened.m_root = fs::canonical(folder, problem);
    if (!problem && fs::is_regular_file(opened.m_root, problem)) {
        const fs::path file = opened.m_root;
        opened.m_root = file.parent_path();
        CREST_CHECK(opened.indexFile(file));
        return opened;
    }
    if (problem || !fs::is_directory(opened.m_root, problem))
        return fail(ErrorKind::NotFound, "there is no such folder of data sets", folder.string());
    std::vector<fs::path> above;
    CREST_CHECK(opened.index(opened.m_root, above));
    std::ranges::sort(opened.m_entries, {}, &Entry::shown);
    return opened;
}

/// `above`: the folders on the way here, without links: one that leads back to them is not followed.
Result<void> DataFolder::index(const fs::path& folder, std::vector<fs::path>& above) {
    std::error_code problem;
    const fs::path real = fs::canonical(folder, problem);
    if (problem || above.size() > kDeepest || std::ranges::find(above, real) != above.end())
        return {};
    if (fs::is_symlink(folder, problem) && ++m_links > kMostLinks)
        return tooMany("linked folders", kMostLinks, m_root);
    above.push_back(real);
    fs::path only; // of a hub cache's snapshots the one that main names
    if (folder.filename() == "snapshots" && folder.parent_path().filename().string().starts_with("datasets--"))
        if (const auto main = io::readTextFile(folder.parent_path() / "refs" / "main", 1000))
            only = folder / std::string(pyStrip(*main));
    if (!fs::is_directory(only, problem))
        only.clear();
    problem.clear();
    fs::directory_iterator files(folder, fs::directory_options::skip_permission_denied, problem);
    for (; !problem && files != fs::directory_iterator(); files.increment(problem)) {
        std::error_code ignored;
        const std::string name = files->path().filename().string();
        if (files->is_directory(ignored)) {
            if (name != "blobs" && name != ".git" && (only.empty() || files->path() == only))
                CREST_CHECK(index(files->path(), above));
        } else if (files->is_regular_file(ignored)) {
            CREST_CHECK(indexFile(files->path()));
        }
    }
    above.pop_back();
    return {};
}

Result<void> DataFolder::indexFile(const fs::path& file) {
    std::error_code problem;
    const fs::path resolved = fs::canonical(file, problem);
    if (problem)
        return {};
    if (m_entries.size() >= kMostFiles)
        return tooMany("files", kMostFiles, m_root);
    m_entries.push_back({withoutHub(partsOf(file.string())), file, resolved, file.lexically_relative(m_root).string()});
    return {};
}

std::vector<fs::path> DataFolder::files() const {
    std::vector<fs::path> paths;
    for (const Entry& entry : m_entries)
        paths.push_back(entry.path);
    return paths;
}

Result<void> DataFolder::addMembers(const Entry& archive, const std::string& pattern, std::vector<DataFile>& found) {
    const std::string key = archive.path.string();
    if (!m_members.contains(key)) {
        CREST_TRY(names, archiveMembers(archive.path));
        std::ranges::sort(names);
        m_members[key] = std::move(names);
    }
    for (const std::string& name : m_members[key]) {
        const std::vector<std::string> parts = partsOf(name);
        if (std::ranges::find(parts, "..") == parts.end() && matchesPath(parts, partsOf(pattern)))
            found.push_back({archive.path, name});
    }
    return {};
}

Result<std::vector<DataFile>> DataFolder::find(const std::string& pattern) {
    CREST_CHECK(checkPattern(pattern));
    const std::size_t mark = pattern.find('!');
    const std::vector<std::string> wanted = partsOf(pattern.substr(0, mark));
    std::vector<DataFile> found;
    std::set<std::string> seen, folders;
    std::string firstShown;
    for (const Entry& entry : m_entries) {
        if (!matchesPath(entry.parts, wanted) || !seen.insert(entry.resolved.string()).second)
            continue;
        const std::size_t before = found.size();
        if (mark == std::string::npos)
            found.push_back({entry.path, ""});
        else
            CREST_CHECK(addMembers(entry, pattern.substr(mark + 1), found));
        if (found.size() == before)
            continue;
        folders.insert(fs::path(entry.shown).parent_path().string());
        if (folders.size() > 1 || (mark != std::string::npos && found.size() > 1))
            return fail(ErrorKind::Mismatch,
                        fmt::format("{} and {} both fit \"{}\"; choose a folder that holds one of them",
                                    firstShown.empty() ? found[before > 0 ? 0 : before].name() : firstShown,
                                    mark == std::string::npos ? entry.shown : found.back().name(), pattern),
                        m_root.string());
        firstShown = entry.shown;
    }
    CREST_CHECK(checkShards(found, pattern.find("-of-") == std::string::npos));
    return found;
}

} // namespace crest::data
