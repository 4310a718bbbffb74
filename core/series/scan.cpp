// SPDX-License-Identifier: Apache-2.0
// Puts the checkpoints below a folder together as series.
#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/series/find_checkpoints.h"
#include "core/series/names.h"
#include "core/series/series.h"
#include "core/series/series_rules.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

/// The folder that all checkpoints of a series lie below.
fs::path commonFolder(const Series& series) {
    fs::path common = series.checkpoints.front().path.parent_path();
    for (const Checkpoint& checkpoint : series.checkpoints)
        while (std::mismatch(common.begin(), common.end(), checkpoint.path.begin(), checkpoint.path.end()).first !=
               common.end())
            common = common.parent_path();
    if (common.filename() == "snapshots" && isHubRepository(common.parent_path()))
        return common.parent_path();
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
        checkpoint.name = checkpoint.foundName = checkpoint.path.lexically_relative(series.path).string();
}

/// What must agree for two checkpoints to be of one series.
struct GroupKey {
    std::string folder; ///< "" where crest.json names the series
    std::string name;
    bool operator<(const GroupKey& other) const { return std::tie(folder, name) < std::tie(other.folder, other.name); }
};

/// A model alone, whose name says nothing of a series.
bool isNoPoint(const Checkpoint& checkpoint) {
    return !checkpoint.step && !checkpoint.tokens && !checkpoint.isFinal;
}

/// The model that a Trainer saves above its checkpoints when it ends, with the trainer_state.json of its last step (save_state)
/// or without. A step in the name makes a folder a point of a series, whatever was trained below it.
bool isTrainersLast(const FoundCheckpoint& place, const Checkpoint& checkpoint) {
    return place.holdsOthers && (checkpoint.isFinal || !parseCheckpointName(checkpoint.name).step);
}

GroupKey keyOf(const FoundCheckpoint& place, const CheckpointRead& read) {
    if (!read.recordedSeries.empty())
        return {"", read.recordedSeries};
    const Checkpoint& checkpoint = read.checkpoint;
    fs::path folder = checkpoint.path.parent_path();
    std::string name = seriesPartOfName(checkpoint.name);
    if (place.repository && checkpoint.name == place.repository->shortName()) {
        folder = place.repository->folder.parent_path(); // one repository for each checkpoint
    } else if (place.repository) {
        folder = place.repository->folder;
        name = place.repository->shortName();
    } else if (place.isFile && checkpoint.name != checkpoint.path.filename()) {
        folder = folder.parent_path(); // step100/ckpt.pt, step200/ckpt.pt
    } else if (isTrainersLast(place, checkpoint)) {
        folder = checkpoint.path; // beside its checkpoints
    }
    if (name.empty())
        name = folder.filename().empty() ? "checkpoints" : folder.filename().string();
    // Branches of a stage are parallel runs: a series each, so that they are never averaged.
    if (checkpoint.branch)
        name += fmt::format(" stage {} ingredient {}", checkpoint.stage.value_or(2), *checkpoint.branch);
    return {folder.string(), name};
}

/// The record of a Trainer above its checkpoints tells where training ended. The model beside it may be an earlier one (the
/// best): where that step has its own checkpoint, this is a final model, known by its weights or unordered.
void unplaceTrainersLast(std::vector<Checkpoint>& group) {
    std::set<std::pair<std::string, std::int64_t>> below; ///< folder and step
    for (const Checkpoint& one : group)
        if (one.step)
            below.emplace(one.path.parent_path().string(), *one.step);
    for (Checkpoint& last : group)
        if (last.step && below.contains({last.path.string(), *last.step})) {
            last.step.reset();
            last.stepRecorded = false;
            last.tokens.reset();
            last.tokensSource = TokensSource::Unknown;
            last.isFinal = true;
        }
}

/// What tells the parts of a group apart, as short as it can be said.
void nameParts(std::vector<Series>& parts) {
    using Say = std::string (*)(const DecoderSpec&);
    static constexpr Say kFacts[] = {
        [](const DecoderSpec& s) { return fmt::format("{}x{}, {} heads", s.layers, s.width, s.heads); },
        [](const DecoderSpec& s) { return s.family; },
        [](const DecoderSpec& s) { return fmt::format("MLP {}", s.mlpWidth); },
        [](const DecoderSpec& s) { return fmt::format("vocabulary {}", s.vocabSize); },
        [](const DecoderSpec& s) { return fmt::format("context {}", s.contextLength); }};
    std::vector<std::string> said(parts.size());
    for (const Say fact : kFacts) {
        std::set<std::string> values;
        for (const Series& part : parts)
            values.insert(part.checkpoints.front().spec ? fact(*part.checkpoints.front().spec) : "");
        const bool first = fact == kFacts[0];
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (const auto& spec = parts[i].checkpoints.front().spec; spec && (first || values.size() > 1))
                said[i] = said[i].empty() ? fact(*spec) : fmt::format("{}, {}", said[i], fact(*spec));
        if (std::set<std::string>(said.begin(), said.end()).size() == parts.size())
            break;
    }
    std::set<std::string> taken;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        std::string name = fmt::format("{} ({})", parts[i].name, said[i]);
        for (int number = 2; !taken.insert(name).second; ++number)
            name = fmt::format("{} ({}, {})", parts[i].name, said[i], number);
        parts[i].name = name;
    }
}

/// Splits a group by config. A checkpoint that is broken makes no part of its own: like those whose config cannot be
/// read it stays with its siblings, since its config may be what is broken.
std::vector<Series> splitByConfig(const std::string& name, std::vector<Checkpoint> checkpoints) {
    const auto isSound = [](const Checkpoint& one) { return one.spec && one.state != CheckpointState::Broken; };
    const bool anySound = std::any_of(checkpoints.begin(), checkpoints.end(), isSound);
    std::stable_partition(checkpoints.begin(), checkpoints.end(), isSound);
    std::vector<Series> parts;
    std::vector<Checkpoint> unreadable;
    for (Checkpoint& checkpoint : checkpoints) {
        const auto same = [&](const Series& part) { return part.checkpoints.front().spec == checkpoint.spec; };
        auto part = checkpoint.spec ? std::find_if(parts.begin(), parts.end(), same) : parts.end();
        if (part == parts.end() && (!checkpoint.spec || (anySound && !isSound(checkpoint)))) {
            unreadable.push_back(std::move(checkpoint));
            continue;
        }
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
    if (parts.size() > 1)
        nameParts(parts);
    return parts;
}

Result<void> checkReadable(const fs::path& folder) {
    std::error_code error;
    if (fs::is_regular_file(folder, error) && (folder.extension() == ".pt" || folder.extension() == ".pth"))
        return {};
    if (!fs::is_directory(folder, error)) {
        const bool there = fs::exists(fs::symlink_status(folder, error));
        return fail(error || !there ? io::systemError(error ? error.value() : ENOENT, "open", folder)
                                    : Error{ErrorKind::Io, "This is no folder.", folder.string()});
    }
    fs::directory_iterator readable(folder, error);
    if (error)
        return fail(io::systemError(error.value(), "search", folder));
    return {};
}

using Groups = std::map<GroupKey, std::vector<Checkpoint>>;

/// Reads every place as it is found and deals the checkpoints out to groups.
Groups readAll(const fs::path& folder, const JobContext& job, const FoundCallback& found,
               std::vector<ScanIssue>& issues) {
    Groups groups;
    std::int64_t count = 0;
    findCheckpoints(folder, job, issues, [&](const FoundCheckpoint& place) {
        CheckpointRead read = readPlace(place);
        if (read.isNone)
            return;
        applyTokenRules(read.checkpoint, issues);
        if (read.checkpoint.state == CheckpointState::Ok && !read.checkpoint.reason.empty())
            issues.push_back({read.checkpoint.path.string(), read.checkpoint.reason});
        const GroupKey key = keyOf(place, read);
        if (found)
            found(key.name, read.checkpoint);
        job.report(++count, 0, "checkpoints");
        groups[key].push_back(std::move(read.checkpoint));
    });
    return groups;
}

} // namespace

Result<ScanResult> findSeries(const fs::path& folder, const JobContext& job, const FoundCallback& found) {
    CREST_CHECK(checkReadable(folder));
    ScanResult result;
    Groups groups = readAll(folder, job, found, result.issues);
    if (job.stopRequested())
        return stopped();
    for (auto& [key, checkpoints] : groups) {
        unplaceTrainersLast(checkpoints);
        for (Series& series : splitByConfig(key.name, std::move(checkpoints))) {
            series.path = commonFolder(series);
            const Checkpoint& first = series.checkpoints.front();
            if (!key.folder.empty() && series.checkpoints.size() == 1 && isNoPoint(first) && !first.unnamedRevision &&
                first.format != "ckpt.pt")
                series.name = first.name;
            nameApart(series);
            result.series.push_back(std::move(series));
        }
    }
    std::error_code error;
    if (result.series.empty())
        result.issues.push_back(
            {folder.string(),
             fs::is_empty(folder, error)
                 ? "The folder is empty."
                 : "There are no checkpoints below this folder: none holds model.safetensors or pytorch_model.bin (or "
                   "their indexes) beside a config.json, and there is no ckpt.pt of nanoGPT and no model.pt of OLMo's trainer."});
    return result;
}

Result<ScanResult> scanFolder(const fs::path& folder, const JobContext& job,
                              const std::function<void(const Checkpoint&)>& found) {
    FoundCallback tell;
    if (found)
        tell = [&](const std::string&, const Checkpoint& checkpoint) { found(checkpoint); };
    CREST_TRY(result, findSeries(folder, job, tell));
    for (Series& series : result.series)
        judgeSeries(series, result.issues);
    return result;
}

} // namespace crest::series
