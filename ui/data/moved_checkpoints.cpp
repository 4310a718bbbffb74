// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/moved_checkpoints.h"

#include <algorithm>
#include <system_error>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/check_cache.h"
#include "core/series/find_checkpoints.h"
#include "core/series/weight_check.h"

namespace crest::ui {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = 16'000'000;

fs::path movedFile(const fs::path& studyFolder) {
    return studyFolder / "moved.json";
}

} // namespace

MovedCheckpoints readMovedCheckpoints(const fs::path& studyFolder) {
    MovedCheckpoints moved;
    std::error_code error;
    const fs::path file = movedFile(studyFolder);
    if (!fs::exists(file, error))
        return moved;
    const auto text = io::readTextFile(file, kLargestFile);
    const auto json = text ? parseJson(*text, file.string()) : Result<Json>(fail(text.error()));
    if (!json || !json->is_object() || !json->contains("checkpoints") || !(*json)["checkpoints"].is_object())
        return moved;
    for (const auto& [series, places] : (*json)["checkpoints"].items())
        if (places.is_object())
            for (const auto& [name, path] : places.items())
                if (path.is_string())
                    moved[series][name] = path.get<std::string>();
    return moved;
}

Result<void> writeMovedCheckpoints(const fs::path& studyFolder, const MovedCheckpoints& moved) {
    Json checkpoints = Json::object();
    for (const auto& [series, places] : moved)
        for (const auto& [name, path] : places)
            checkpoints[series][name] = path;
    return io::writeFileAtomic(movedFile(studyFolder),
                               canonicalJson({{"format", 1}, {"checkpoints", checkpoints}}) + "\n");
}

void addMovedCheckpoints(series::Series& found, const std::map<std::string, std::string>& moved) {
    for (const auto& [name, path] : moved) {
        const auto known = std::ranges::find_if(found.checkpoints, [&](const series::Checkpoint& checkpoint) {
            return checkpoint.name == name || checkpoint.path == fs::path(path);
        });
        if (known != found.checkpoints.end()) { // it came back, or the scan found it there by itself
            if (known->name != name && std::ranges::find(known->aliases, name) == known->aliases.end())
                known->aliases.push_back(name);
            continue;
        }
        std::error_code error;
        if (!fs::exists(path, error))
            continue;
        series::CheckpointRead read = series::readPlace(series::placeOf(path));
        if (read.isNone)
            continue;
        read.checkpoint.name = read.checkpoint.foundName = name;
        series::readName(read.checkpoint); // what its name says, its folder's may not
        found.checkpoints.push_back(std::move(read.checkpoint));
    }
}

Result<std::map<std::string, std::string>> findMovedCheckpoints(const fs::path& folder,
                                                                const std::map<std::string, std::string>& missing,
                                                                series::CheckCache& cache, const JobContext& job) {
    CREST_TRY(scanned, series::findSeries(folder, JobContext(job.token())));
    std::vector<const series::Checkpoint*> candidates;
    for (const series::Series& one : scanned.series)
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (series::canBeChecked(checkpoint))
                candidates.push_back(&checkpoint);
    // Those with a name that is missed first: weights are read only until all are found.
    std::ranges::stable_sort(candidates, [&](const series::Checkpoint* a, const series::Checkpoint* b) {
        return missing.contains(a->name) > missing.contains(b->name);
    });
    std::map<std::string, std::string> places;
    std::int64_t looked = 0;
    for (const series::Checkpoint* candidate : candidates) {
        if (job.stopRequested())
            return stopped();
        if (places.size() == missing.size())
            break;
        const auto fingerprint =
            series::fingerprintCheckpoint(candidate->path, *candidate->spec, cache, JobContext(job.token()));
        job.report(++looked, static_cast<std::int64_t>(candidates.size()), "checkpoints");
        if (!fingerprint)
            continue; // it cannot be read: it is not the one
        for (const auto& [name, wanted] : missing)
            if (wanted == *fingerprint)
                places.emplace(name, candidate->path.string());
    }
    return places;
}

} // namespace crest::ui
