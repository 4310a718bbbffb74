// SPDX-License-Identifier: Apache-2.0
// crest-run probe noise: plan a Gaussian noise probe on a series, say what it costs, run it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/work.h"
#include "core/base/units.h"
#include "core/run/supervise.h"
#include "core/series/series.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "core/study/study_json.h"

namespace crest {
namespace {
namespace fs = std::filesystem;

struct ProbeOptions {
    std::string series, study, name = "noise", dtype = "float32", scale = "init";
    std::vector<double> gammas = {0.05, 0.1, 0.2, 0.3, 0.4};
    std::vector<std::string> texts;
    std::int64_t seeds = 16, firstSeed = 1, window = 128, stride = 0, maxWindows = 128;
    bool planOnly = false;
    WorkRequest work;
};

struct TextOption {
    study::Task task;
    study::Role role = study::Role::InDistribution;
};

/// Never throws; an empty path stays empty.
std::string absolutePath(const fs::path& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    return error ? path.string() : absolute.lexically_normal().string();
}

/// NAME=FILE:id or NAME=FILE:ood.
Result<TextOption> parseText(const std::string& text, const ProbeOptions& options) {
    const auto equals = text.find('='), colon = text.rfind(':');
    if (equals == std::string::npos || equals == 0 || colon == std::string::npos || colon < equals + 2)
        return fail(ErrorKind::OutOfRange, "--texts must be NAME=FILE:id or NAME=FILE:ood, but is \"" + text + "\".");
    TextOption option;
    CREST_TRY(role, study::roleFromName(text.substr(colon + 1), "--texts " + text));
    option.role = role;
    option.task.name = text.substr(0, equals);
    option.task.textsPath = absolutePath(text.substr(equals + 1, colon - equals - 1));
    option.task.windowTokens = options.window;
    option.task.strideTokens = options.stride > 0 ? options.stride : options.window;
    option.task.maxWindows = options.maxWindows;
    return option;
}

Result<series::Series> findSeries(const std::string& path) {
    CREST_TRY(scan, series::scanFolder(path));
    for (const series::ScanIssue& issue : scan.issues)
        fmt::print(stderr, "{}: {}\n", issue.where, issue.message);
    if (scan.series.empty())
        return fail(ErrorKind::NotFound, "There is no series of checkpoints below this folder.", path);
    if (scan.series.size() > 1) {
        std::string names;
        for (const series::Series& one : scan.series)
            names += "\n  " + one.path.string() + "  (" + one.name + ")";
        return fail(ErrorKind::OutOfRange, "There are several series below this folder; name one of them:" + names,
                    path);
    }
    return std::move(scan.series.front());
}

std::string freeName(const std::string& wanted, const std::function<bool(const std::string&)>& taken) {
    for (int i = 1;; ++i)
        if (std::string name = i == 1 ? wanted : fmt::format("{} {}", wanted, i); !taken(name))
            return name;
}

/// The series of the study that lies there, added where it is new.
std::string seriesInStudy(study::Study& study, const series::Series& series) {
    const std::string path = absolutePath(series.path);
    for (const study::StudySeries& known : study.series)
        if (known.path == path)
            return known.name;
    study.series.push_back({freeName(series.name,
                                     [&](const std::string& name) {
                                         return std::ranges::find(study.series, name, &study::StudySeries::name) !=
                                                study.series.end();
                                     }),
                            path,
                            {}});
    return study.series.back().name;
}

Result<void> addTask(study::Study& study, const study::Task& task) {
    const auto known = std::ranges::find(study.tasks, task.name, &study::Task::name);
    if (known == study.tasks.end()) {
        study.tasks.push_back(task);
        return {};
    }
    study::Task same = *known;
    same.dataHash.clear();
    if (same == task)
        return {};
    return fail(ErrorKind::Mismatch, "The study has another task of the name \"" + task.name +
                                         "\" (another file or window); choose another name.");
}

/// What the options describe, added to `study`.
Result<study::Probe> probeInStudy(study::Study& study, const series::Series& series, const ProbeOptions& options) {
    study::Probe probe;
    probe.series = seriesInStudy(study, series);
    probe.strengths = options.gammas;
    std::ranges::sort(probe.strengths);
    probe.firstSeed = options.firstSeed;
    probe.seeds = options.seeds;
    CREST_TRY(compute, study::computeTypeFromName(options.dtype, "--dtype"));
    probe.compute = compute;
    probe.noiseScale = options.scale == "rms" ? study::NoiseScale::TensorRms : study::NoiseScale::InitStd;
    for (const std::string& text : options.texts) {
        CREST_TRY(option, parseText(text, options));
        CREST_CHECK(addTask(study, option.task));
        probe.tasks.push_back({option.task.name, option.role});
    }
    if (options.texts.empty()) { // the tasks of the study's last probe, or all as ID
        if (!study.probes.empty())
            probe.tasks = study.probes.back().tasks;
        else
            for (const study::Task& task : study.tasks)
                probe.tasks.push_back({task.name, study::Role::InDistribution});
    }
    for (const study::Probe& known : study.probes) {
        probe.name = known.name;
        if (known == probe)
            return probe;
    }
    probe.name = freeName(options.name, [&](const std::string& name) {
        return std::ranges::find(study.probes, name, &study::Probe::name) != study.probes.end();
    });
    study.probes.push_back(probe);
    return probe;
}

Result<study::StudyFolder> openOrCreate(const std::string& path) {
    std::error_code ignored;
    if (fs::exists(fs::path(path) / "study.json", ignored))
        return study::StudyFolder::open(path);
    study::Study study;
    const fs::path absolute = absolutePath(path);
    study.name = (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
    return study::StudyFolder::create(path, study);
}

/// A run of the same plan that is there already: it is gone on with instead of queued once more.
std::string sameRun(const study::StudyFolder& folder, const study::Plan& plan) {
    const std::vector<std::string> ids = study::listRuns(folder);
    for (auto id = ids.rbegin(); id != ids.rend(); ++id)
        if (const auto other = study::readPlan(folder, *id))
            if (other->probe == plan.probe && other->tasks == plan.tasks && other->checkpoints == plan.checkpoints)
                return *id;
    return {};
}

struct Planned {
    study::Plan plan;
    study::PlanCost cost;
};

Result<Planned> planOn(study::StudyFolder& folder, const ProbeOptions& options, const run::StopSignals& signals) {
    CREST_TRY(series, findSeries(options.series));
    study::Study study = folder.study();
    CREST_TRY(probe, probeInStudy(study, series, options));
    CREST_CHECK(study::checkProbe(probe, study));
    if (study != folder.study()) {
        CREST_TRY(lock, study::WindowLock::tryLock(folder));
        CREST_CHECK(folder.save(study));
    }
    study::ResultReader reader(folder);
    CREST_CHECK(reader.poll());
    for (const study::ReadProblem& problem : reader.problems())
        fmt::print(stderr, "{}: {}\n", problem.where, problem.message);
    const bool terminal = ::isatty(STDERR_FILENO) == 1 && !options.work.json;
    const JobContext job(signals.token(), [&](const Progress& progress) {
        if (terminal)
            fmt::print(stderr, "\r\x1b[Kchecking {} of {} {}{}", progress.done, progress.total, progress.what,
                       progress.done == progress.total ? "\r\x1b[K" : "");
    });
    Planned planned;
    CREST_TRY(plan, study::planProbe(
                        folder, probe, series, [&](const std::string& key) { return reader.has(key); }, job));
    planned.plan = std::move(plan);
    std::vector<series::DecoderSpec> specs;
    for (const study::PlannedCheckpoint& pinned : planned.plan.checkpoints)
        for (const series::Checkpoint& checkpoint : series.checkpoints)
            if (checkpoint.path == pinned.path)
                specs.push_back(*checkpoint.spec);
    const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    planned.cost = study::planCost(planned.plan, specs, study::measuredRate(folder), threads);
    return planned;
}

void printCost(const study::PlanCost& cost, bool json) {
    if (json)
        fmt::print("{}\n", canonicalJson({{"cells", cost.cells},
                                          {"cached", cost.cached},
                                          {"new", cost.fresh},
                                          {"forward_tokens", cost.forwardTokens},
                                          {"seconds", cost.seconds},
                                          {"memory_bytes", cost.memoryBytes}}));
    else
        fmt::print("{} cells: {} cached, {} new; about {} and {} of memory\n", cost.cells, cost.cached, cost.fresh,
                   formatDuration(cost.seconds), formatBytes(cost.memoryBytes));
    std::fflush(stdout);
}

/// Waits for the other runners of a run; true where it is done in the end.
bool waitForOthers(const study::StudyFolder& folder, const std::string& id, const run::StopSignals& signals) {
    study::RunFollower follower(folder, id);
    for (;;) {
        const auto status = follower.poll();
        if (!status || status->state != study::RunState::Running || signals.received())
            return status && status->state == study::RunState::Done;
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}

Result<int> probeNoise(ProbeOptions options) {
    const run::StopSignals signals;
    CREST_TRY(folder, openOrCreate(options.study));
    CREST_TRY(planned, planOn(folder, options, signals));
    printCost(planned.cost, options.work.json);
    if (options.planOnly)
        return 0;
    options.work.runId = sameRun(folder, planned.plan);
    if (options.work.runId.empty()) {
        CREST_TRY(queued, study::queueRun(folder, planned.plan));
        options.work.runId = queued;
    }
    const int code = workOnStudy(folder, options.work, signals);
    return code != 0 ? code : waitForOthers(folder, options.work.runId, signals) ? 0 : 1;
}

} // namespace

void addProbeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ProbeOptions>();
    CLI::App* command = app.add_subcommand("probe", "Plan and run a probe on a series")->require_subcommand(1);
    CLI::App* noise = command->add_subcommand(
        "noise", "Gaussian noise: loss of each checkpoint with N(0, (gamma x std)^2) added to its weights");
    noise->add_option("--series", options->series, "Folder of the series")->required();
    noise->add_option("--study", options->study, "Study folder; made where it is not there")->required();
    noise->add_option("--gammas", options->gammas, "Strengths, in units of the noise scale")
        ->delimiter(',')
        ->capture_default_str();
    noise->add_option("--seeds", options->seeds, "Draws; each is an antithetic pair")->capture_default_str();
    noise->add_option("--first-seed", options->firstSeed, "The first draw's seed")->capture_default_str();
    noise->add_option(
        "--texts", options->texts,
        "NAME=FILE:id or NAME=FILE:ood, as often as wanted (default: the tasks of the study's last probe)");
    noise->add_option("--window", options->window, "Tokens of a window")->capture_default_str();
    noise->add_option("--stride", options->stride, "Tokens from one window to the next (default: the window)");
    noise->add_option("--max-windows", options->maxWindows, "The first so many windows of each text; 0 for all")
        ->capture_default_str();
    noise->add_option("--dtype", options->dtype, "float32 or bfloat16")->capture_default_str();
    noise
        ->add_option("--scale", options->scale,
                     "init: the std each tensor was initialised with; rms: its root mean square, another quantity")
        ->check(CLI::IsMember({"init", "rms"}))
        ->capture_default_str();
    noise->add_option("--name", options->name, "Name of the probe")->capture_default_str();
    noise->add_flag("--plan-only", options->planOnly, "Say what it costs, run nothing");
    noise->add_option("--device", options->work.device, "cpu or cuda:0")->capture_default_str();
    noise->add_option("--workers", options->work.workers, "Batches side by side (default: by model size and cores)");
    noise->add_option("--threads", options->work.threads, "Threads of each worker");
    noise->add_flag("--json", options->work.json, "JSON lines: the cost, then how the run ended");
    noise->callback([options, &exitCode] {
        exitCode = run::supervise([&](bool again) {
            options->work.again = again;
            const auto done = probeNoise(*options);
            if (!done)
                fmt::print(stderr, "crest-run probe: {}\n", done.error().text());
            return done ? *done : 1;
        });
    });
}

} // namespace crest
