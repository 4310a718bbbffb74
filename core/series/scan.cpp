// SPDX-License-Identifier: Apache-2.0
// Walks a folder for checkpoints and puts them together as series.
#include <algorithm>
#include <set>
#include <tuple>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/series/names.h"
#include "core/series/series.h"
#include "core/series/series_rules.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxFolders = 200'000;

bool isThere(const fs::path& path) {
    std::error_code error;
    return fs::exists(fs::symlink_status(path, error));
}

bool holdsWeights(const fs::path& folder) {
    for (const char* name :
         {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
        if (isThere(folder / name))
            return true;
    return false;
}

/// Finds the checkpoint folders below a folder. Links to folders are followed, each real folder once.
class Walk {
public:
    Walk(const JobContext& job, std::vector<ScanIssue>& issues)
        : m_job(job)
        , m_issues(issues) {}

    std::vector<fs::path> checkpoints;

    /// True where the folder or one below it is a checkpoint.
    bool visit(const fs::path& folder, int depth) {
        struct stat status {};
        if (m_job.stopRequested() || ::stat(folder.c_str(), &status) != 0 ||
            !m_seen.emplace(status.st_dev, status.st_ino).second)
            return false;
        if (m_seen.size() > kMaxFolders || depth > kMaxDepth) {
            m_issues.push_back(
                {folder.string(),
                 fmt::format("Not searched: it is more than {} folders deep, or there are more than {} folders.",
                             kMaxDepth, kMaxFolders)});
            return false;
        }
        m_job.report(static_cast<std::int64_t>(m_seen.size()), 0, "folders");
        bool below = false;
        for (const fs::path& child : subfolders(folder))
            below = visit(child, depth + 1) || below;
        if (!isCheckpoint(folder, below))
            return below;
        checkpoints.push_back(folder);
        return true;
    }

private:
    const JobContext& m_job;
    std::vector<ScanIssue>& m_issues;
    std::set<std::pair<dev_t, ino_t>> m_seen;

    std::vector<fs::path> subfolders(const fs::path& folder) {
        std::vector<fs::path> out;
        std::error_code error;
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
            std::error_code ignored;
            const std::string name = entry->path().filename().string();
            if (!name.starts_with('.') && name != "blobs" && entry->is_directory(ignored))
                out.push_back(entry->path());
        }
        if (error)
            m_issues.push_back({folder.string(), io::systemError(error.value(), "search", folder).message});
        std::sort(out.begin(), out.end(), [](const fs::path& a, const fs::path& b) {
            return naturalLess(a.filename().string(), b.filename().string());
        });
        return out;
    }

    /// Weights make a checkpoint. Without them a folder is one that lost them if its record or name says so, or if it
    /// is a model's folder with nothing below it.
    static bool isCheckpoint(const fs::path& folder, bool checkpointsBelow) {
        if (holdsWeights(folder))
            return true;
        if (isThere(folder / "crest.json"))
            return true;
        if (!isThere(folder / "config.json") || checkpointsBelow)
            return false;
        const ParsedName parsed = parseCheckpointName(folder.filename().string());
        const auto head = io::readFileHead(folder / "config.json", 1'000'000);
        return parsed.step || parsed.tokens || (head && head->bytes.find("\"model_type\"") != std::string::npos);
    }
};

/// The folder that all checkpoints of a series lie below.
fs::path commonFolder(const Series& series) {
    fs::path common = series.checkpoints.front().path.parent_path();
    for (const Checkpoint& checkpoint : series.checkpoints)
        while (std::mismatch(common.begin(), common.end(), checkpoint.path.begin(), checkpoint.path.end()).first !=
               common.end())
            common = common.parent_path();
    return series.checkpoints.size() == 1 ? series.checkpoints.front().path : common;
}

/// Folders of replicates often bear the same names (seed1/step100, seed2/step100): then the names say the way from the
/// series' folder, so that a name means one checkpoint.
void nameApart(Series& series) {
    std::set<std::string> names;
    for (const Checkpoint& checkpoint : series.checkpoints)
        names.insert(checkpoint.name);
    if (names.size() == series.checkpoints.size())
        return;
    for (Checkpoint& checkpoint : series.checkpoints)
        checkpoint.name = checkpoint.path.lexically_relative(series.path).string();
}

/// What must agree for two checkpoints to be of one series.
struct GroupKey {
    std::string folder; ///< "" where crest.json names the series
    std::string name;
    bool operator<(const GroupKey& other) const { return std::tie(folder, name) < std::tie(other.folder, other.name); }
};

GroupKey keyOf(const CheckpointRead& read) {
    if (!read.recordedSeries.empty())
        return {"", read.recordedSeries};
    const fs::path parent = read.checkpoint.path.parent_path();
    std::string name = seriesPartOfName(read.checkpoint.name);
    if (name.empty())
        name = parent.filename().empty() ? "checkpoints" : parent.filename().string();
    return {parent.string(), name};
}

/// A model alone, whose name says nothing of a series.
bool isNoPoint(const Checkpoint& checkpoint) {
    const ParsedName name = parseCheckpointName(checkpoint.name);
    return !name.step && !name.tokens && !name.final;
}

/// Splits a group by config. Checkpoints whose config cannot be read stay with the largest part.
std::vector<Series> splitByConfig(const std::string& name, std::vector<Checkpoint> checkpoints) {
    std::vector<Series> parts;
    std::vector<Checkpoint> unreadable;
    for (Checkpoint& checkpoint : checkpoints) {
        if (!checkpoint.spec) {
            unreadable.push_back(std::move(checkpoint));
            continue;
        }
        const auto same = [&](const Series& part) { return *part.checkpoints.front().spec == *checkpoint.spec; };
        auto part = std::find_if(parts.begin(), parts.end(), same);
        if (part == parts.end())
            part = parts.insert(parts.end(), Series{name, {}, {}});
        part->checkpoints.push_back(std::move(checkpoint));
    }
    if (parts.empty())
        parts.push_back(Series{name, {}, {}});
    auto& largest = *std::max_element(parts.begin(), parts.end(), [](const Series& a, const Series& b) {
        return a.checkpoints.size() < b.checkpoints.size();
    });
    std::move(unreadable.begin(), unreadable.end(), std::back_inserter(largest.checkpoints));
    // Parts that share a name are told apart by size.
    if (parts.size() > 1)
        for (Series& part : parts)
            if (const auto& spec = part.checkpoints.front().spec)
                part.name += fmt::format(" ({}x{}, {} heads)", spec->layers, spec->width, spec->heads);
    return parts;
}

} // namespace

Result<ScanResult> scanFolder(const fs::path& folder, const JobContext& job,
                              const std::function<void(const Checkpoint&)>& found) {
    std::error_code error;
    if (!fs::is_directory(folder, error))
        return fail(error || !isThere(folder) ? io::systemError(error ? error.value() : ENOENT, "open", folder)
                                              : Error{ErrorKind::Io, "This is no folder.", folder.string()});
    fs::directory_iterator readable(folder, error);
    if (error)
        return fail(io::systemError(error.value(), "search", folder));

    ScanResult result;
    Walk walk(job, result.issues);
    walk.visit(fs::absolute(folder, error).lexically_normal(), 0);
    std::map<GroupKey, std::vector<Checkpoint>> groups;
    for (std::size_t i = 0; i < walk.checkpoints.size() && !job.stopRequested(); ++i) {
        CheckpointRead read = readCheckpoint(walk.checkpoints[i]);
        applyTokenRules(read.checkpoint, result.issues);
        if (found)
            found(read.checkpoint);
        job.report(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(walk.checkpoints.size()), "checkpoints");
        groups[keyOf(read)].push_back(std::move(read.checkpoint));
    }
    if (job.stopRequested())
        return stopped();
    for (auto& [key, checkpoints] : groups)
        for (Series& series : splitByConfig(key.name, std::move(checkpoints))) {
            series.path = commonFolder(series);
            if (!key.folder.empty() && series.checkpoints.size() == 1 && isNoPoint(series.checkpoints.front()))
                series.name = series.checkpoints.front().name;
            nameApart(series);
            orderSeries(series, result.issues);
            result.series.push_back(std::move(series));
        }
    for (const Series& series : result.series)
        for (const Checkpoint& checkpoint : series.checkpoints)
            if (checkpoint.state != CheckpointState::Ok)
                result.issues.push_back({checkpoint.path.string(), checkpoint.reason});
    if (result.series.empty())
        result.issues.push_back(
            {folder.string(), fs::is_empty(folder, error)
                                  ? "The folder is empty."
                                  : "There are no checkpoints below this folder: none holds model.safetensors "
                                    "or pytorch_model.bin (or their indexes) beside a config.json."});
    return result;
}

} // namespace crest::series
