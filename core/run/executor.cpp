// SPDX-License-Identifier: Apache-2.0
#include "core/run/executor.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "core/run/publish_child.h"
#include "core/run/run_session.h"
#include "core/run/runner_registration.h"
#include "core/study/kept_weights.h"
#include "core/study/planner.h"

namespace crest::run {
namespace fs = std::filesystem;
namespace {

/// Of the runs that will be worked on, as the one with the fewest workers has them.
study::Workers chooseWorkers(const study::StudyFolder& folder, const WorkOptions& options) {
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const study::Workers asked{options.workers, options.threadsPerWorker};
    study::Workers chosen = study::workersFor({}, options.device, cores, asked);
    for (const std::string& id : study::listRuns(folder))
        if (const auto plan = study::readPlan(folder, id);
            plan && !plan->checkpoints.empty() && (options.runId.empty() || options.runId == id)) {
            const study::Workers ofRun = study::workersFor(plan->checkpoints, options.device, cores, asked);
            if (ofRun.count < chosen.count)
                chosen = ofRun;
        }
    return chosen;
}

/// The oldest run that waits for a runner, or that others are at; "" where there is none.
std::string nextRun(const study::StudyFolder& folder, const WorkOptions& options,
                    const std::set<std::string>& visited) {
    for (const std::string& id : study::listRuns(folder)) {
        if (visited.contains(id) || (!options.runId.empty() && id != options.runId))
            continue;
        if (!options.runId.empty())
            return id;
        study::RunFollower follower(folder, id);
        const auto status = follower.poll();
        using study::RunState;
        if (status &&
            (status->state == RunState::Queued || status->state == RunState::Interrupted ||
             status->state == RunState::Running))
            return id;
    }
    return {};
}

Result<void> checkOptions(const study::StudyFolder& folder, const WorkOptions& options) {
    if (!folder.writable())
        return fail(ErrorKind::Io, "This study folder cannot be written, so nothing can be run in it.",
                    folder.path().string());
    if (options.shards < 1 || options.shard < 0 || options.shard >= options.shards)
        return fail(ErrorKind::OutOfRange, fmt::format("Shard {}/{}: the first number must be from 0 to {}.",
                                                       options.shard, options.shards, options.shards - 1));
    if (options.workers < 0 || options.workers > 4096 || options.threadsPerWorker < 0 ||
        options.threadsPerWorker > 4096)
        return fail(ErrorKind::OutOfRange, "Workers and threads must be from 1 to 4096.");
    CREST_CHECK(study::anyRunnerLives(folder)); // not beside one that cannot be looked at
    const auto ids = study::listRuns(folder);
    if (!options.runId.empty() && std::ranges::find(ids, options.runId) == ids.end())
        return fail(ErrorKind::NotFound, fmt::format("The study has no run \"{}\".", options.runId),
                    folder.path().string());
    return {};
}

void publish(const study::StudyFolder& folder, const WorkOptions& options, RunSummary& summary) {
    const auto published =
        options.publishCommand.empty() ? study::publishResults(folder) : runPublisher(options.publishCommand);
    if (!published)
        summary.message = published.error().text();
}

} // namespace

Result<RunSummary> workStudy(const study::StudyFolder& folder, const WorkOptions& options,
                             const BatchRunnerFactory& factory, const JobContext& job) {
    CREST_CHECK(checkOptions(folder, options));
    const study::Workers workers = chooseWorkers(folder, options);
    std::int64_t gone = 0; // of weights that are kept: they are optional
    const auto needed = [&](const auto& act) {
        return study::withRoom(study::KeptWeights(folder.keptFolder()), act, [&](std::int64_t bytes) { gone += bytes; });
    };
    CREST_TRY(registration, needed([&] { return RunnerRegistration::make(folder, options.device, workers.count, workers.threads); }));
    RunnerState state{.folder = folder,
                      .options = options,
                      .factory = factory,
                      .writer = registration.writer(),
                      .workers = workers.count,
                      .threads = workers.threads,
                      .reader = study::ResultReader(folder),
                      .readerMutex = {},
                      .journal =
                          study::JournalWriter(folder.journalFolder(), registration.writer(), options.journalCalls),
                      .keys = KeyClaims(folder, registration.writer()),
                      .runners = {},
                      .gone = 0};
    state.runners.resize(static_cast<std::size_t>(workers.count));

    RunSummary summary;
    std::set<std::string> visited;
    while (!job.stopRequested()) {
        const std::string id = nextRun(folder, options, visited);
        if (id.empty())
            break;
        visited.insert(id);
        CREST_TRY(plan, study::readPlan(folder, id));
        if (options.runId.empty() && !plan.device.empty() && plan.device != options.device)
            continue; // another runner's
        if (const auto present = study::checkPresentKeys(plan, folder.path()); !present) {
            if (!options.runId.empty())
                return fail(present.error());
            summary.message = present.error().text(); // those after it can be run
            continue;
        }
        if (!options.runId.empty())
            CREST_CHECK(needed([&] { return study::controlRun(folder, id, study::RunCommand::Run); }));
        state.gone += std::exchange(gone, 0);
        CREST_TRY(outcome, RunSession::run(state, id, std::move(plan), job));
        ++summary.runs;
        summary.freshCells += outcome.freshCells;
        summary.storedCells += outcome.storedCells;
        summary.failedCells += outcome.failedCells;
        summary.stopped = summary.stopped || outcome.stopped;
        summary.othersWorking = summary.othersWorking || outcome.othersWorking;
    }
    summary.stopped = summary.stopped || job.stopRequested();
    std::error_code ignored;
    // After a signal there may be little time; the journals hold everything, and the next run publishes.
    if (!job.stopRequested() && (summary.freshCells > 0 || !fs::exists(folder.resultsFile(), ignored)))
        publish(folder, options, summary);
    return summary;
}

} // namespace crest::run
