// SPDX-License-Identifier: Apache-2.0
#include "app/crest-run/probe_run.h"

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "app/crest-run/progress_line.h"
#include "app/crest-run/tuning_task.h"
#include "core/analysis/probe_finer_rates.h"
#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/probe/probe_runner.h"
#include "core/run/stop_signals.h"
#include "core/study/kept_weights.h"
#include "core/study/queueing.h"
#include "core/study/runs.h"
#include "core/study/suite_tasks.h"

namespace crest {
namespace {

void printCost(const PlannedProbe& planned, const std::string& device, bool json) {
    const study::PlanCost& cost = planned.cost;
    const std::int64_t repeated = planned.repeatedTrainings;
    if (json)
        fmt::print("{}\n", canonicalJson({{"cells", cost.cells},
                                          {"cached", cost.cached},
                                          {"new", cost.fresh},
                                          {"trainings", cost.trainings},
                                          {"kept_trainings", cost.keptTrainings},
                                          {"repeated_trainings", repeated},
                                          {"forward_tokens", cost.forwardTokens},
                                          {"seconds", cost.seconds},
                                          {"memory_bytes", cost.memoryBytes}}));
    else
        fmt::print("{}: {} cached, {} new; about {} and {} of memory{}\n", counted(cost.cells, "cell"), cost.cached,
                   cost.fresh, formatDuration(cost.seconds), formatBytes(cost.memoryBytes),
                   device == "cpu" ? "" : " on " + device);
    if (!json && cost.trainings + cost.keptTrainings > 0)
        fmt::print("{} {} needed, the tuned weights of {} are kept{}\n", counted(cost.trainings, "training"),
                   cost.trainings == 1 ? "is" : "are", cost.keptTrainings,
                   repeated > 0 ? fmt::format("; {} done before, and the weights are gone", repeated == 1 ? "1 was" : fmt::format("{} were", repeated)) : "");
    std::fflush(stdout);
}

void say(const std::string& line) {
    fmt::print(stderr, "crest-run probe: {}\n", visible(line));
}

Result<PlannedProbe> planAndPrice(const ProbeRequest& request, const run::StopSignals& signals) {
    CREST_TRY(planned,
              planOptions(request.probe, JobContext(signals.token(), progressSink("checking", !request.work.json)),
                          request.work.device, {request.work.workers, request.work.threads}));
    printCost(planned, request.work.device, request.work.json);
    return planned;
}

/// What is left out of the data, and the like, before anything runs.
Result<void> sayNotes(const study::Plan& plan, const run::StopSignals& signals) {
    for (const study::Task& task : plan.tasks) {
        CREST_TRY(notes, study::notesOn(task, plan.checkpoints.front().path, JobContext(signals.token())));
        for (const std::string& note : notes)
            say(note);
    }
    CREST_TRY(notes, tuningNotes(plan, JobContext(signals.token())));
    for (const std::string& note : notes)
        say(note);
    return {};
}

/// How the run stands, once no other runner works on it.
Result<study::RunStatus> waitForOthers(const study::StudyFolder& folder, const std::string& id, const run::StopSignals& signals) {
    study::RunFollower follower(folder, id);
    for (;;) {
        CREST_TRY(status, follower.poll());
        if (status.state != study::RunState::Running || signals.received())
            return status;
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}

struct Worked {
    int code = 0;
    bool over = false; ///< every cell is stored or failed
};

Result<Worked> workOnPlan(ProbeRequest request, PlannedProbe& planned, const run::StopSignals& signals) {
    // The folder alone: the study need not be there yet.
    CREST_TRY(draft, study::StudyFolder::draft(absolutePath(request.probe.study), {}));
    const auto needed = [&](const auto& act) {
        return study::withRoom(study::KeptWeights(draft.keptFolder()), act, [](std::int64_t bytes) { say(study::goneWeights(bytes)); });
    };
    CREST_TRY(folder, needed([&] { return keepInStudy(request.probe, planned); }));
    study::ResultReader reader(folder);
    CREST_TRY(id, needed([&] { return study::queueOnce(folder, planned.plan, reader); }));
    request.work.runId = id;
    const int code = workOnStudy(folder, request.work, signals);
    CREST_TRY(status, waitForOthers(folder, id, signals));
    const bool done = status.state == study::RunState::Done;
    return Worked{code != 0 ? code : done ? 0 : 1, done || status.state == study::RunState::Failed};
}

/// From what is stored of a plan.
Result<analysis::Refinement> refined(const ProbeRequest& request, const study::Plan& plan) {
    CREST_TRY(folder, study::StudyFolder::open(absolutePath(request.probe.study)));
    study::ResultReader reader(folder);
    CREST_TRY(rows, reader.poll());
    analysis::ProbeResults results;
    results.plan = plan;
    results.rows = std::move(rows);
    return analysis::refineRates(results, request.refine);
}

void printRefinement(const analysis::Refinement& refinement, bool json) {
    for (const std::string& line : analysis::refinementText(refinement))
        say(line);
    Json checkpoints = Json::array();
    for (const analysis::RefinedCheckpoint& one : refinement.checkpoints) {
        checkpoints.push_back({{"checkpoint", one.name},
                               {"best", one.best ? Json(*one.best) : Json()},
                               {"rates", one.added},
                               {"why", one.why}});
        if (json || one.added.empty())
            continue;
        std::string rates;
        for (const double rate : one.added)
            rates += " " + formatNumber(rate);
        fmt::print("  {}: best {}, to be tried{} ({})\n", visible(one.name), one.best ? formatNumber(*one.best) : "none", rates, one.why);
    }
    if (json)
        fmt::print("{}\n", canonicalJson({{"refined", checkpoints}}));
    std::fflush(stdout);
}

/// The finer rates of a probe whose plan is measured, as far as it can be.
Result<int> runFiner(ProbeRequest request, const study::Plan& plan, int code, const run::StopSignals& signals) {
    CREST_TRY(refinement, refined(request, plan));
    printRefinement(refinement, request.work.json);
    if (refinement.added() == 0)
        return code;
    request.probe.newestFiner = false;
    request.probe.finer = refinement.finer;
    CREST_TRY(planned, planAndPrice(request, signals));
    if (request.planOnly)
        return code;
    CREST_TRY(worked, workOnPlan(request, planned, signals));
    return worked.code != 0 ? worked.code : code;
}

} // namespace

Result<int> runProbe(ProbeRequest request) {
    const run::StopSignals signals;
    CREST_CHECK(probe::makeProbeRunner({request.work.device, 1}).map([](const auto&) {})); // is there such a device?
    request.probe.newestFiner = request.refine > 0;
    CREST_TRY(planned, planAndPrice(request, signals));
    CREST_CHECK(sayNotes(planned.plan, signals));
    const bool refines = request.refine > 0, isNew = planned.cost.fresh > 0,
               wasRefined = !study::finerRatesOf(planned.plan.probe).empty();
    if (request.planOnly && refines && isNew)
        say("finer rates follow from the results of these cells, and are planned once they are there");
    if (request.planOnly && (!refines || isNew))
        return 0;
    int code = 0;
    if (isNew || !refines) {
        CREST_TRY(worked, workOnPlan(request, planned, signals));
        if (!refines || !worked.over)
            return worked.code;
        code = worked.code;
    }
    if (wasRefined && (isNew || request.work.again)) {
        say("the finer rates that were begun are done; the same command again tries finer ones");
        return code;
    }
    return runFiner(std::move(request), planned.plan, code, signals);
}

} // namespace crest
