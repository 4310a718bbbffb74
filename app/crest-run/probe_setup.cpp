// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/probe_setup.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <set>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/counted.h"
#include "core/base/visible.h"
#include "core/model/product_rate.h"
#include "core/series/check_cache.h"
#include "core/series/series_rules.h"
#include "core/series/tokenizer_check.h"
#include "core/series/weight_check.h"
#include "core/study/kept_weights.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "core/study/study_json.h"
#include "core/study/study_series.h"
#include "core/study/usual_grid.h"
#include "core/train/planned_memory.h"

namespace crest {
namespace {
namespace fs = std::filesystem;

constexpr auto kLockWait = std::chrono::seconds(10); ///< for another command; a window holds its lock all the time

constexpr std::size_t kNamedSeries = 10; ///< of those to choose from, so that the sentence stays readable

std::string listed(const std::vector<series::Series>& all) {
    std::vector<std::string> named;
    for (const series::Series& one : all)
        if (named.size() < kNamedSeries)
            named.push_back(fmt::format("{} ({} in {})", one.name,
                                        counted(static_cast<std::int64_t>(one.checkpoints.size()), "checkpoint"),
                                        one.path.string()));
    if (all.size() > named.size())
        named.push_back(fmt::format("and {} more", all.size() - named.size()));
    return fmt::format("{}", fmt::join(named, "; "));
}

void printIssues(const std::vector<series::ScanIssue>& issues) {
    for (const series::ScanIssue& issue : issues)
        fmt::print(stderr, "crest-run probe: {}: {}\n", visible(issue.where), visible(issue.message));
}

/// The one series below `path`, or the one of this name, as it was found. Of checkpoints that cannot be read there is
/// none.
Result<series::Series> findSeries(const std::string& path, const std::string& name) {
    CREST_TRY(scan, series::findSeries(path));
    series::checkTokenizers(scan.series);
    printIssues(scan.issues);
    if (scan.series.empty())
        return fail(ErrorKind::NotFound, "There is no series of checkpoints below this folder.", path);
    std::vector<series::Series> usable = scan.series;
    std::erase_if(usable, [](const series::Series& one) { return std::ranges::none_of(one.checkpoints, series::isUsable); });
    if (usable.empty()) {
        const series::Checkpoint& first = scan.series.front().checkpoints.front();
        return fail(ErrorKind::NotFound,
                    "No checkpoint below this folder can be used; " + first.name + ": " + first.reason, path);
    }
    if (!name.empty()) {
        const std::string known = listed(usable);
        std::erase_if(usable, [&](const series::Series& one) { return one.name != name; });
        if (usable.empty())
            return fail(ErrorKind::NotFound,
                        fmt::format("There is no series \"{}\" below this folder; there are: {}", name, known), path);
    }
    if (usable.size() > 1)
        return fail(ErrorKind::OutOfRange,
                    "There are several series below this folder; choose one with --series-name or, where two have one "
                    "name, by its own folder: " +
                        listed(usable),
                    path);
    return std::move(usable.front());
}

std::string freeName(const std::string& wanted, const std::function<bool(const std::string&)>& taken) {
    for (int i = 1;; ++i)
        if (std::string name = i == 1 ? wanted : fmt::format("{} {}", wanted, i); !taken(name))
            return name;
}

/// The series of the study that lies there, added where it is new. One folder may hold several, told apart by name.
study::StudySeries& seriesInStudy(study::Study& study, const series::Series& series, bool byName) {
    const std::string path = absolutePath(series.path);
    for (study::StudySeries& known : study.series)
        if (known.path == path && (known.name == series.name || known.foundAs == series.name || !byName))
            return known;
    const auto taken = [&](const std::string& name) {
        return std::ranges::find(study.series, name, &study::StudySeries::name) != study.series.end();
    };
    study::StudySeries& added = study.series.emplace_back();
    added.name = freeName(series.name, taken);
    added.path = path;
    added.foundAs = added.name == series.name ? "" : series.name;
    return study.series.back();
}

Result<void> exclude(study::StudySeries& known, const series::Series& series, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        if (std::ranges::find(series.checkpoints, name, &series::Checkpoint::foundName) == series.checkpoints.end())
            return fail(ErrorKind::NotFound,
                        fmt::format("--exclude {}: the series \"{}\" has no such checkpoint.", name, series.name));
        if (std::ranges::find(known.excluded, name) == known.excluded.end())
            known.excluded.push_back(name);
    }
    return {};
}

bool wasRun(const study::StudyFolder& folder, const std::string& task) {
    return std::ranges::any_of(study::listRuns(folder), [&](const std::string& id) {
        const auto plan = study::readPlan(folder, id);
        return plan && std::ranges::find(plan->tasks, task, &study::Task::name) != plan->tasks.end();
    });
}

/// One of the same name is another one's as soon as it was run; before, it is a draft.
Result<void> addTask(study::Study& study, const study::StudyFolder& folder, const study::Task& task) {
    CREST_CHECK(study::checkTask(task)); // before it is called another one than the study's
    const auto known = std::ranges::find(study.tasks, task.name, &study::Task::name);
    if (known == study.tasks.end()) {
        study.tasks.push_back(task);
        return {};
    }
    study::Task same = *known;
    same.dataHash.clear();
    same.textsPath = absolutePath(folder.resolve(same.textsPath));
    if (same == task)
        return {};
    if (wasRun(folder, task.name))
        return fail(ErrorKind::Mismatch, "The study has another task of the name \"" + task.name +
                                             "\" (another file, window or definition); choose another name.");
    *known = task;
    return {};
}

/// The kind with its grid.
Result<study::Probe> emptyProbe(const ProbeOptions& options, const series::Series& series) {
    study::Probe probe = study::baseEvaluation("", "", {});
    CREST_TRY(compute, study::computeTypeFromName(options.dtype, "--dtype"));
    probe.compute = compute;
    if (options.kind == study::kBaseEvaluation)
        return probe;
    probe.kind = options.kind;
    probe.strengths = options.strengths;
    if (probe.strengths.empty() && options.kind == study::kFineTuning)
        probe.strengths = study::usualRates(series);
    std::ranges::sort(probe.strengths);
    probe.settings = options.settings;
    if (study::probeKind(options.kind).trains) {
        CREST_TRY(settings, tuningSettings(options.tuning));
        probe.settings = std::move(settings);
        probe.settings["training"]["compute"] = study::computeTypeName(probe.compute);
    }
    if (!study::probeKind(options.kind).isDrawn())
        return probe;
    probe.firstSeed = options.firstSeed;
    probe.seeds = options.seeds;
    if (options.kind == study::kGaussianNoise)
        probe.noiseScale = options.scale == "rms" ? study::NoiseScale::TensorRms : study::NoiseScale::InitStd;
    return probe;
}

/// Where no task is named: those of the study's last probe, or all as ID.
std::vector<study::TaskInProbe> usualTasks(const study::Study& study) {
    if (!study.probes.empty())
        return study.probes.back().tasks;
    std::vector<study::TaskInProbe> tasks;
    for (const study::Task& task : study.tasks)
        tasks.push_back({task.name, study::Role::InDistribution});
    return tasks;
}

/// The newest with these settings, with finer rates or without; null where there is none.
const study::Probe* newestOf(const study::Study& study, const study::Probe& probe) {
    for (auto other = study.probes.rbegin(); other != study.probes.rend(); ++other) {
        study::Probe same = study::withFinerRates(*other, {});
        same.name = probe.name;
        if (same == probe)
            return &*other;
    }
    return nullptr;
}

/// What the options describe, added to `study`, which is that of `folder`.
Result<study::Probe> probeInStudy(study::Study& study, const study::StudyFolder& folder, const series::Series& series,
                                  const ProbeOptions& options, const std::vector<ProbeTask>& tasks) {
    study::StudySeries& known = seriesInStudy(study, series, !options.seriesName.empty());
    CREST_CHECK(exclude(known, series, options.exclude));
    CREST_TRY(probe, emptyProbe(options, series));
    probe.series = known.name;
    for (const ProbeTask& one : tasks) {
        CREST_CHECK(addTask(study, folder, one.task));
        probe.tasks.push_back({one.task.name, one.role});
    }
    if (tasks.empty())
        probe.tasks = usualTasks(study);
    if (options.newestFiner)
        if (const study::Probe* newest = newestOf(study, probe))
            return *newest;
    probe = study::withFinerRates(probe, options.finer);
    for (const study::Probe& other : study.probes) {
        probe.name = other.name;
        if (other == probe)
            return probe;
    }
    probe.name = freeName(options.name + (options.finer.empty() ? "" : " finer"), [&](const std::string& name) {
        return std::ranges::find(study.probes, name, &study::Probe::name) != study.probes.end();
    });
    study.probes.push_back(probe);
    return probe;
}

/// As study::checkProbe asks for it, in the words of the options.
Result<void> checkInDistribution(const study::Probe& probe) {
    const bool named = std::ranges::any_of(probe.tasks, [](const study::TaskInProbe& one) { return one.role == study::Role::InDistribution; });
    return named || probe.tasks.empty() || probe.isBaseEvaluation()
               ? Result<void>()
               : fail(ErrorKind::OutOfRange, "No task is in-distribution (ID), held-out text of the pretraining domain: name one with --id NAME, "
                                             "or as NAME=FILE:id with --texts.");
}

/// Those that a plan would take, without those in `read`.
std::vector<series::Checkpoint*> plannedUnread(series::Series& found, const study::StudySeries& known, const std::set<fs::path>& read) {
    std::vector<series::ScanIssue> ignored;
    std::set<fs::path> planned;
    for (const series::Checkpoint& checkpoint : study::asStudied(found, known, ignored).checkpoints)
        if (series::isUsable(checkpoint) && series::canBeChecked(checkpoint) && !read.contains(checkpoint.path))
            planned.insert(checkpoint.path);
    std::vector<series::Checkpoint*> out;
    for (series::Checkpoint& checkpoint : found.checkpoints)
        if (planned.contains(checkpoint.path))
            out.push_back(&checkpoint);
    return out;
}

/// As the study has it, judged by the weights of what the plan takes, which it fingerprints anyway: copies under another name, damaged
/// files and numbers that are none are said before anything runs.
Result<series::Series> judgedByWeights(series::Series found, const study::StudySeries& known, const fs::path& study,
                                       const JobContext& job) {
    std::vector<series::ScanIssue> issues;
    std::set<fs::path> read;
    series::CheckCache checks(study::checkCacheOf(study));
    // Again where a copy takes the place of one that turned out damaged.
    for (auto unread = plannedUnread(found, known, read); !unread.empty(); unread = plannedUnread(found, known, read)) {
        CREST_CHECK(series::checkAll(unread, checks, job, issues));
        for (const series::Checkpoint* checkpoint : unread)
            read.insert(checkpoint->path);
    }
    series::Series judged = study::asStudied(std::move(found), known, issues);
    printIssues(issues);
    return judged;
}

model::Compute computeOf(const study::Probe& probe) {
    return probe.compute == study::ComputeType::BFloat16 ? model::Compute::BFloat16 : model::Compute::Float32;
}

Result<study::StudyFolder> openOrDraft(const fs::path& path) {
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored))
        return fail(ErrorKind::Malformed, "This is a file; --study names a folder, which is made where it is not there.",
                    path.string());
    if (fs::exists(path / "study.json", ignored))
        return study::StudyFolder::open(path);
    study::Study study;
    study.name = (path.has_filename() ? path : path.parent_path()).filename().string();
    return study::StudyFolder::draft(path, study);
}

} // namespace

Result<PlannedProbe> planOptions(const ProbeOptions& options, const JobContext& job, const std::string& device, study::Workers workers) {
    PlannedProbe planned;
    CREST_TRY(series, findSeries(options.series, options.seriesName));
    planned.series = std::move(series);
    CREST_TRY(tasks, tasksOf(options.tasks));
    planned.tasks = std::move(tasks);
    if (!options.tuning.data.empty()) {
        CREST_TRY(tuning, tuningTask(options.tuning, planned.series));
        ProbeTask& trained = *planned.tasks.emplace(planned.tasks.begin());
        trained.task = std::move(tuning);
        trained.role = study::Role::InDistribution;
    }
    CREST_TRY(folder, openOrDraft(absolutePath(options.study)));
    study::Study study = folder.study();
    CREST_TRY(probe, probeInStudy(study, folder, planned.series, options, planned.tasks));
    CREST_CHECK(checkInDistribution(probe));
    const study::StudySeries& known = *std::ranges::find(study.series, probe.series, &study::StudySeries::name);
    CREST_TRY(judged, judgedByWeights(std::move(planned.series), known, folder.path(), job));
    planned.series = std::move(judged);
    CREST_TRY(draft, study::StudyFolder::draft(folder.path(), study));
    study::ResultReader reader(draft);
    CREST_CHECK(reader.poll());
    for (const study::ReadProblem& problem : reader.problems())
        fmt::print(stderr, "crest-run probe: {}: {}\n", visible(problem.where), visible(problem.message));
    CREST_TRY(plan, study::planProbe(
                        draft, probe, planned.series, [&](const std::string& key) { return reader.has(key); }, job));
    planned.plan = std::move(plan);
    std::vector<series::DecoderSpec> specs;
    for (const study::PlannedCheckpoint& pinned : planned.plan.checkpoints)
        for (const series::Checkpoint& checkpoint : planned.series.checkpoints)
            if (checkpoint.path == pinned.path)
                specs.push_back(*checkpoint.spec);
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const study::KeptWeights kept(draft.keptFolder());
    const auto isKept = [&](const std::string& training) { return kept.has(training); };
    const double measured = study::measuredRate(draft, study::workOf(planned.plan, device));
    planned.cost = study::planCost(
        planned.plan, device, specs, measured, study::workersFor(planned.plan.checkpoints, device, cores, workers), isKept,
        [&](const series::DecoderSpec& spec, int ofWorker) {
            return train::plannedTrainingBytes(planned.plan, device, spec, ofWorker);
        },
        measured > 0 || planned.plan.cachedCellCount() == planned.plan.cellCount() ? 0 : model::productRate(device, computeOf(planned.plan.probe)));
    planned.repeatedTrainings = study::repeatedTrainings(planned.plan, isKept);
    return planned;
}

Result<study::StudyFolder> keepInStudy(const ProbeOptions& options, PlannedProbe& planned) {
    const fs::path path = absolutePath(options.study);
    {
        CREST_TRY(folder, openOrDraft(path));
        study::Study study = folder.study();
        CREST_TRY(probe, probeInStudy(study, folder, planned.series, options, planned.tasks));
        planned.plan.probe.name = probe.name;
        if (folder.writable() && study == folder.study())
            return folder;
    }
    std::error_code error;
    fs::create_directories(path, error);
    if (error)
        return fail(io::systemError(error.value(), "create", path));
    // Under the lock and read anew: another command may have changed it meanwhile.
    CREST_TRY(draft, study::StudyFolder::draft(path, {}));
    CREST_TRY(lock, study::WindowLock::tryLock(draft, kLockWait));
    CREST_TRY(now, openOrDraft(path));
    const bool isThere = fs::exists(path / "study.json", error);
    study::Study study = now.study();
    CREST_TRY(probe, probeInStudy(study, now, planned.series, options, planned.tasks));
    planned.plan.probe.name = probe.name;
    if (!isThere)
        return study::StudyFolder::create(path, study);
    CREST_CHECK(now.save(study));
    return now;
}

} // namespace crest
