// SPDX-License-Identifier: Apache-2.0
#include "core/series/hub_cache.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include <sys/stat.h>

#include "core/io/files.h"
#include "core/series/names.h"
#include "core/series/series.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRefs = 50'000;
constexpr int kMaxRefDepth = 4;
constexpr std::uint64_t kMaxRefBytes = 200;
constexpr std::size_t kMaxNotes = 10'000;

bool isHex(std::string_view text, std::size_t low, std::size_t high) {
    return text.size() >= low && text.size() <= high &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// The first lines of a small file, without their ends.
std::vector<std::string> firstLines(const fs::path& file, std::size_t count) {
    std::vector<std::string> lines;
    const auto head = io::readFileHead(file, 4 * kMaxRefBytes);
    if (!head)
        return lines;
    std::string_view rest = head->bytes;
    while (!rest.empty() && lines.size() < count) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
            line.remove_suffix(1);
        lines.emplace_back(line);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return lines;
}

/// How little a revision's name tells of the checkpoint.
int vagueness(const std::string& ref) {
    if (ref.starts_with("pr/"))
        return 3;
    const ParsedName parsed = parseCheckpointName(ref);
    return parsed.step || parsed.tokens ? 0 : parsed.final ? 2 : 1;
}

void readRefs(const fs::path& folder, const std::string& prefix, int depth, std::size_t& count, HubRepository& out) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        if (++count > kMaxRefs)
            return;
        std::error_code ignored;
        const std::string name = prefix + entry->path().filename().string();
        if (entry->is_directory(ignored)) {
            if (depth < kMaxRefDepth)
                readRefs(entry->path(), name + "/", depth + 1, count, out);
            continue;
        }
        const auto head = io::readFileHead(entry->path(), kMaxRefBytes);
        if (!head || head->fileSize > kMaxRefBytes)
            continue;
        std::string commit = head->bytes.substr(0, head->bytes.find_first_of(" \r\n"));
        if (isHex(commit, 40, 64))
            out.refs[commit].push_back(name);
    }
}

bool holdsIncomplete(const fs::path& folder) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".incomplete")
            return true;
    return false;
}

/// "models--ORG--NAME" to "ORG/NAME".
std::string repositoryName(const std::string& folder) {
    std::string name = folder.substr(std::string_view("models--").size());
    if (const std::size_t at = name.find("--"); at != std::string::npos)
        name.replace(at, 2, "/");
    return name;
}

/// The ETag of a note, where the file was not written after it (the client allows a second, too).
std::string notedEtag(const fs::path& note, const fs::path& file) {
    const std::vector<std::string> lines = firstLines(note, 3);
    struct stat status {};
    if (lines.size() < 3 || ::stat(file.c_str(), &status) != 0)
        return {};
    double written = 0;
    const auto [end, code] = std::from_chars(lines[2].data(), lines[2].data() + lines[2].size(), written);
    const bool unchanged = code == std::errc() && static_cast<double>(status.st_mtim.tv_sec) - 1 <= written;
    return unchanged && isHex(lines[1], 40, 64) ? lines[1] : std::string();
}

} // namespace

bool isHubRepository(const fs::path& folder) {
    return folder.filename().string().starts_with("models--");
}

std::optional<HubRepository> hubRepositoryOf(const fs::path& snapshot) {
    const fs::path snapshots = snapshot.parent_path(), folder = snapshots.parent_path();
    if (snapshots.filename() != "snapshots" || !isHubRepository(folder))
        return std::nullopt;
    HubRepository out;
    out.folder = folder;
    out.name = repositoryName(folder.filename().string());
    std::size_t count = 0;
    readRefs(folder / "refs", "", 0, count, out);
    for (auto& [commit, names] : out.refs)
        std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
            return std::make_tuple(vagueness(a), a.size(), a) < std::make_tuple(vagueness(b), b.size(), b);
        });
    out.incompleteBlobs = holdsIncomplete(folder / "blobs");
    return out;
}

LocalDownload localDownload(const fs::path& folder) {
    LocalDownload out;
    std::error_code error;
    std::size_t count = 0;
    for (fs::directory_iterator entry(folder / ".cache/huggingface/download", error), end;
         !error && entry != end && ++count < kMaxNotes; entry.increment(error)) {
        const std::string type = entry->path().extension().string();
        out.incomplete = out.incomplete || type == ".incomplete";
        if (type == ".metadata" && out.commit.empty())
            if (const auto lines = firstLines(entry->path(), 1); !lines.empty() && isHex(lines[0], 40, 40))
                out.commit = lines[0];
    }
    return out;
}

std::string hubContentId(const fs::path& file) {
    std::error_code error;
    if (fs::is_symlink(file, error)) {
        const fs::path target = fs::read_symlink(file, error);
        const std::string blob = target.filename().string();
        return target.parent_path().filename() == "blobs" && isHex(blob, 40, 64) ? blob : std::string();
    }
    return notedEtag(file.parent_path() / ".cache/huggingface/download" / (file.filename().string() + ".metadata"),
                     file);
}

} // namespace crest::series
