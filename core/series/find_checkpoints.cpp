// SPDX-License-Identifier: Apache-2.0
#include "core/series/find_checkpoints.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/series/names.h"
#include "core/series/nanogpt.h"
#include "core/text/unicode.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxFolders = 200'000;
constexpr std::size_t kNamedRefs = 3;

bool saysStep(const std::string& name) {
    const ParsedName parsed = parseCheckpointName(name);
    return parsed.step || parsed.tokens;
}

bool holdsText(const fs::path& file, std::string_view part) {
    const auto head = io::readFileHead(file, 1'000'000);
    return head && head->bytes.find(part) != std::string::npos;
}

/// What a folder holds, by name.
struct Listing {
    std::vector<fs::path> folders, torchFiles;
    std::set<std::string> names;
    bool has(const char* name) const { return names.contains(name); }
    bool hasWeights() const {
        return has("model.safetensors") || has("model.safetensors.index.json") || has("pytorch_model.bin") ||
               has("pytorch_model.bin.index.json") || (has("model.pt") && has("config.yaml"));
    }
};

class Walk {
public:
    Walk(const JobContext& job, std::vector<ScanIssue>& issues, const std::function<void(FoundCheckpoint)>& found)
        : m_job(job)
        , m_issues(issues)
        , m_found(found) {}

    /// Links that lead to a folder above `root` are not followed: what lies beside it was not asked for.
    void start(const fs::path& root) {
        std::error_code error;
        for (fs::path above = fs::canonical(root, error); above.has_relative_path();) {
            above = above.parent_path();
            struct stat status {};
            if (::stat(above.c_str(), &status) == 0)
                m_above.emplace(status.st_dev, status.st_ino);
        }
        visit(root, 0);
    }

private:
    using Inode = std::pair<dev_t, ino_t>;

    const JobContext& m_job;
    std::vector<ScanIssue>& m_issues;
    const std::function<void(FoundCheckpoint)>& m_found;
    std::set<Inode> m_above, m_seen;
    std::shared_ptr<const HubRepository> m_repository; ///< the last one: its snapshots come one after the other

    /// True where the folder or one below it is a checkpoint.
    bool visit(const fs::path& folder, int depth) {
        if (m_job.stopRequested())
            return false;
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0) {
            if (errno != ENOENT) // gone since its parent was listed
                m_issues.push_back({folder.string(), io::systemError(errno, "search", folder).message});
            return false;
        }
        const Inode own(status.st_dev, status.st_ino);
        if (m_above.contains(own) || !m_seen.insert(own).second)
            return false;
        if (m_seen.size() > kMaxFolders || depth > kMaxDepth) {
            m_issues.push_back(
                {folder.string(),
                 fmt::format("Not searched: it is more than {} folders deep, or there are more than {} folders.",
                             kMaxDepth, kMaxFolders)});
            return false;
        }
        m_job.report(static_cast<std::int64_t>(m_seen.size()), 0, "folders");
        const Listing listing = list(folder);
        bool below = false;
        for (const fs::path& child : listing.folders)
            below = visit(child, depth + 1) || below;
        if (isHubRepository(folder))
            tellMissingSnapshots(folder);
        if (isCheckpoint(folder, listing, below)) {
            tell({folder, false, false, below, repositoryOf(folder)});
            return true;
        }
        for (const fs::path& file : listing.torchFiles)
            tell({file, true, !isNamedCheckpoint(file), false, nullptr});
        return below || !listing.torchFiles.empty();
    }

    void tell(FoundCheckpoint place) {
        if (m_job.stopRequested())
            return;
        // Names are kept in JSON, which has no other texts: such a checkpoint could not be found again.
        if (!text::isValidUtf8(place.path.string()))
            return m_issues.push_back({place.path.string(), "This checkpoint is left out: a name in its path is no UTF-8 (from an "
                                                            "older system, say). Rename it, as convmv does."});
        m_found(std::move(place));
    }

    /// Revisions whose names are there and whose files are not.
    void tellMissingSnapshots(const fs::path& folder) {
        std::optional<HubRepository> read;
        if (!m_repository || m_repository->folder != folder)
            read = hubRepositoryOf(folder / "snapshots" / "any");
        const auto& refs = read ? read->refs : m_repository->refs;
        std::vector<std::string> missing;
        for (const auto& [commit, names] : refs) {
            std::error_code error;
            const fs::path snapshot = folder / "snapshots" / commit;
            if (!fs::is_directory(snapshot, error) ? !error || error == std::errc::no_such_file_or_directory
                                                   : fs::is_empty(snapshot, error) && !error)
                missing.push_back(names.front());
        }
        if (missing.empty())
            return;
        std::sort(missing.begin(), missing.end(), naturalLess);
        std::string named;
        for (std::size_t i = 0; i < missing.size() && i < kNamedRefs; ++i)
            named += (i == 0 ? "" : ", ") + missing[i];
        if (missing.size() > kNamedRefs)
            named += fmt::format(" and {} more", missing.size() - kNamedRefs);
        m_issues.push_back({folder.string(),
                            fmt::format("Of {} {} the cache has the name and no files: the download was not begun, or its files "
                                        "were deleted. Download again what is wanted.",
                                        missing.size() == 1 ? "the revision" : "the revisions", named)});
    }

    /// A link that should be a checkpoint and leads nowhere, or in a circle.
    void tellDanglingLink(const fs::directory_entry& entry, const std::string& name) {
        std::error_code error;
        if (!entry.is_symlink(error) || fs::exists(entry.path(), error))
            return;
        if (saysStep(name) || parseCheckpointName(name).final)
            m_issues.push_back({entry.path().string(), error && error != std::errc::no_such_file_or_directory
                                                           ? io::systemError(error.value(), "open", entry.path()).message
                                                           : "This link leads to a folder or file that is not there; copy the "
                                                             "checkpoint itself."});
    }

    Listing list(const fs::path& folder) {
        Listing out;
        const bool repository = isHubRepository(folder);
        std::error_code error;
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
            std::error_code ignored;
            const std::string name = entry->path().filename().string();
            out.names.insert(name);
            if (name.starts_with('.') || (repository && name != "snapshots"))
                continue;
            if (entry->is_directory(ignored)) {
                if (!name.starts_with("datasets--") && !name.starts_with("spaces--"))
                    out.folders.push_back(entry->path());
            } else if (mayBeNanoGpt(entry->path())) {
                out.torchFiles.push_back(entry->path());
            } else {
                tellDanglingLink(*entry, name);
            }
        }
        if (error)
            m_issues.push_back({folder.string(), io::systemError(error.value(), "search", folder).message});
        for (std::vector<fs::path>* paths : {&out.folders, &out.torchFiles})
            std::sort(paths->begin(), paths->end(), [](const fs::path& a, const fs::path& b) {
                return naturalLess(a.filename().string(), b.filename().string());
            });
        return out;
    }

    /// Weights make a checkpoint. Without them a folder is one that lost them if its record or name says so, or if it
    /// is a model's folder with nothing below it.
    static bool isCheckpoint(const fs::path& folder, const Listing& listing, bool checkpointsBelow) {
        if (listing.hasWeights() || listing.has("crest.json") || listing.has("adapter_config.json"))
            return true;
        const bool named = saysStep(folder.filename().string());
        if (named && listing.has("config.yaml") && holdsText(folder / "config.yaml", "d_model:"))
            return true; // of OLMo's trainer, in parts that are not read
        if (!listing.has("config.json") || checkpointsBelow)
            return false;
        const auto head = io::readFileHead(folder / "config.json", 1'000'000);
        return named || !head ||
               head->bytes.find("\"model_type\"") != std::string::npos || io::isGitLfsPointer(head->bytes);
    }

    std::shared_ptr<const HubRepository> repositoryOf(const fs::path& folder) {
        if (m_repository && m_repository->folder == folder.parent_path().parent_path() &&
            folder.parent_path().filename() == "snapshots")
            return m_repository;
        if (auto repository = hubRepositoryOf(folder)) {
            m_repository = std::make_shared<HubRepository>(std::move(*repository));
            return m_repository;
        }
        return nullptr;
    }
};

} // namespace

bool isNamedCheckpoint(const fs::path& file) {
    const std::string name = file.filename().string();
    return name.starts_with("ckpt") || name.starts_with("checkpoint") || saysStep(name);
}

FoundCheckpoint placeOf(const fs::path& path) {
    FoundCheckpoint place;
    std::error_code error;
    place.path = fs::absolute(path, error).lexically_normal();
    if (!place.path.has_filename())
        place.path = place.path.parent_path();
    place.isFile = fs::is_regular_file(place.path, error) || place.path.extension() == ".pt";
    if (!place.isFile)
        if (auto repository = hubRepositoryOf(place.path))
            place.repository = std::make_shared<HubRepository>(std::move(*repository));
    return place;
}

void findCheckpoints(const fs::path& folder, const JobContext& job, std::vector<ScanIssue>& issues,
                     const std::function<void(FoundCheckpoint)>& found) {
    std::error_code error;
    const fs::path root = fs::absolute(folder, error).lexically_normal();
    if (fs::is_regular_file(root, error))
        return found(placeOf(root));
    Walk(job, issues, found).start(root.has_filename() ? root : root.parent_path());
}

} // namespace crest::series
