// SPDX-License-Identifier: Apache-2.0
// crest-run work STUDY: runs what is queued in a study. crest-run publish STUDY (hidden): writes results.h5, in a
// process of its own.
#include "app/crest-run/work.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/crest-run/commands.h"
#include "app/run_progress.h"
#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/probe/probe_runner.h"
#include "core/run/runner_registration.h"
#include "core/run/supervise.h"
#include "core/study/results.h"
#include "core/study/runs.h"

namespace crest {
namespace {

using study::RunState;
using study::RunStatus;

/// Whether this process is at work on the run, maybe with others.
bool isAtWork(const RunStatus& status) {
    const std::string own = run::ownWriterPrefix();
    return std::ranges::any_of(status.writers, [&](const std::string& writer) { return writer.starts_with(own); });
}

/// Shows where this process's run is, from the study folder as everyone sees it.
class ProgressLine {
public:
    /// `runId`: which run, "" for whichever is computed.
    ProgressLine(const study::StudyFolder& folder, std::string runId, bool shown)
        : m_folder(folder)
        , m_runId(std::move(runId)) {
        if (shown)
            m_thread = std::jthread([this](std::stop_token stop) { show(stop); });
    }

private:
    const study::StudyFolder& m_folder;
    std::string m_runId;
    std::jthread m_thread;

    void show(const std::stop_token& stop) {
        std::map<std::string, study::RunFollower> followers;
        PassingLine line;
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(250));
            for (const std::string& id : m_runId.empty() ? study::listRuns(m_folder) : std::vector{m_runId}) {
                const auto status = followers.try_emplace(id, m_folder, id).first->second.poll();
                const bool going = status && (status->state == RunState::Running || status->state == RunState::Paused ||
                                              status->state == RunState::Stopping);
                if (!going || !isAtWork(*status) || !line.isDue())
                    continue;
                line.show(runProgress(*status));
                break;
            }
        }
    }
};

Json toJson(const RunStatus& status) {
    Json failed = Json::array();
    for (const study::FailedCell& cell : status.failed)
        failed.push_back({{"cell", cell.cell}, {"message", cell.message}});
    return {{"run", status.id},
            {"state", study::runStateName(status.state)},
            {"cells", status.totalCells},
            {"done", status.doneCells},
            {"cached", status.cachedCells},
            {"failed", failed},
            {"seconds", status.secondsElapsed},
            {"tokens_per_second", status.tokensPerSecond},
            {"message", status.message},
            {"notes", status.notes}};
}

/// False where a run has failed cells, or cannot be read. `said`: what stands on stderr already, each sentence once.
bool report(const study::StudyFolder& folder, const std::string& id, bool json, std::set<std::string>& said) {
    study::RunFollower follower(folder, id);
    const auto status = follower.poll();
    if (!status) {
        fmt::print(stderr, "crest-run: {}\n", status.error().text());
        return false;
    }
    if (json) {
        fmt::print("{}\n", canonicalJson(toJson(*status)));
        return status->failed.empty();
    }
    fmt::print("{}  {}: {} of {} stored ({} of them before), {}\n", id, study::runStateName(status->state),
               status->doneCells, counted(status->totalCells, "cell"), status->cachedCells,
               formatDuration(status->secondsElapsed));
    for (const study::FailedCell& cell : status->failed)
        if (said.insert(cell.message).second)
            fmt::print(stderr, "crest-run: failed: {}\n", cell.message);
    for (const std::string& note : status->notes)
        if (said.insert(note).second)
            fmt::print(stderr, "crest-run: {}\n", note);
    if (!status->message.empty() && said.insert(status->message).second)
        fmt::print(stderr, "crest-run: {}\n", status->message);
    return status->failed.empty();
}

Result<void> parseShard(const std::string& text, run::WorkOptions& options) {
    if (text.empty())
        return {};
    const auto read = [](std::string_view part, int& value) {
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        return error == std::errc() && end == part.data() + part.size();
    };
    const auto slash = text.find('/');
    if (slash == std::string::npos || !read(std::string_view(text).substr(0, slash), options.shard) ||
        !read(std::string_view(text).substr(slash + 1), options.shards))
        return fail(ErrorKind::OutOfRange, "--shard must be k/n with k from 0 to n-1, for instance 0/4.");
    return {};
}

std::set<std::string> runsNotDone(const study::StudyFolder& folder) {
    std::set<std::string> ids;
    for (const std::string& id : study::listRuns(folder)) {
        study::RunFollower follower(folder, id);
        if (const auto status = follower.poll(); status && status->state != RunState::Done)
            ids.insert(id);
    }
    return ids;
}

int work(const std::string& path, const WorkRequest& request) {
    const run::StopSignals signals;
    const auto folder = study::StudyFolder::open(path);
    if (!folder) {
        fmt::print(stderr, "crest-run work: {}\n", folder.error().text());
        return 1;
    }
    return workOnStudy(*folder, request, signals);
}

int publish(const std::string& path) {
    const auto folder = study::StudyFolder::open(path);
    const auto published = folder ? study::publishResults(*folder) : Result<void>(fail(folder.error()));
    if (!published)
        fmt::print(stderr, "crest-run publish: {}\n", published.error().text());
    std::fflush(nullptr);
    ::_exit(published ? 0 : 1); // no exit handlers: HDF5's own can crash after a failed write
}

} // namespace

int workOnStudy(const study::StudyFolder& folder, const WorkRequest& request, const run::StopSignals& signals) {
    run::WorkOptions options;
    options.device = request.device;
    options.workers = request.workers;
    options.threadsPerWorker = request.threads;
    options.runId = request.runId;
    options.retryFailed = !request.again;
    options.publishCommand = {"/proc/self/exe", "publish", folder.path().string()};
    options.abandon = [] { ::_exit(kExitStopped); };
    if (const auto parsed = parseShard(request.shard, options); !parsed) {
        fmt::print(stderr, "crest-run: {}\n", parsed.error().text());
        return 1;
    }
    run::lowerPriority();
    const std::set<std::string> waiting =
        request.runId.empty() ? runsNotDone(folder) : std::set<std::string>{request.runId};
    Result<run::RunSummary> summary;
    {
        const ProgressLine progress(folder, request.runId, !request.json);
        summary = run::workStudy(folder, options, probe::makeProbeRunner, JobContext(signals.token()));
    }
    const std::vector<std::string> known = study::listRuns(folder);
    std::set<std::string> said;
    bool whole = true; // also of a run that had failed before and is not computed again
    for (const std::string& id : waiting)
        if (std::ranges::find(known, id) != known.end())
            whole = report(folder, id, request.json, said) && whole;
    if (!summary) {
        if (said.insert(summary.error().text()).second)
            fmt::print(stderr, "crest-run: {}\n", summary.error().text());
        return 1;
    }
    if (!summary->message.empty())
        fmt::print(stderr, "crest-run: {}\n", summary->message);
    if (summary->othersWorking)
        fmt::print(stderr, "crest-run: the rest of a run is with another runner.\n");
    if (summary->runs == 0 && !request.json)
        fmt::print("Nothing is queued in this study.\n");
    return summary->stopped ? kExitStopped : summary->failedCells > 0 || !whole ? 1 : 0;
}

void addWorkCommand(CLI::App& app, int& exitCode) {
    struct Options {
        std::string study;
        WorkRequest request;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("work", "Run what is queued in a study");
    command->add_option("study", options->study, "Study folder")->required();
    command->add_option("--device", options->request.device, "cpu or cuda:0")->capture_default_str();
    command->add_option("--workers", options->request.workers,
                        "Batches side by side (default: by model size and cores)")
        ->check(CLI::Range(1, 4096));
    command->add_option("--threads", options->request.threads, "Threads of each worker")->check(CLI::Range(1, 4096));
    command->add_option("--shard", options->request.shard,
                        "k/n: the k-th of n parts (k from 0), for a cluster's job array");
    command->add_option("--run", options->request.runId,
                        "Just this run, also where it was stopped or had failed cells");
    command->add_flag("--json", options->request.json, "One JSON object for each run");
    command->callback([options, &exitCode] {
        exitCode = run::supervise([&](bool again) {
            options->request.again = again;
            return work(options->study, options->request);
        });
    });

    const auto published = std::make_shared<std::string>();
    CLI::App* publisher = app.add_subcommand("publish", "Write results.h5 from the journals")->group("");
    publisher->add_option("study", *published)->required();
    publisher->callback([published, &exitCode] { exitCode = publish(*published); });
}

} // namespace crest
