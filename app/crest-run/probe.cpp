// SPDX-License-Identifier: Apache-2.0
// crest-run probe noise: plan a Gaussian noise probe on a series, say what it costs, run it.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/probe_setup.h"
#include "app/crest-run/progress_line.h"
#include "app/crest-run/work.h"
#include "core/base/units.h"
#include "core/probe/noise_runner.h"
#include "core/run/supervise.h"
#include "core/study/queueing.h"
#include "core/study/runs.h"

namespace crest {
namespace {

struct ProbeRequest {
    ProbeOptions probe;
    WorkRequest work;
    bool planOnly = false;
};

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

Result<int> probeNoise(ProbeRequest request) {
    const run::StopSignals signals;
    CREST_CHECK(probe::makeNoiseRunner({request.work.device, 1}).map([](const auto&) {})); // is there such a device?
    CREST_TRY(planned,
              planOptions(request.probe, JobContext(signals.token(), progressSink("checking", !request.work.json))));
    printCost(planned.cost, request.work.json);
    if (request.planOnly)
        return 0;
    CREST_TRY(folder, keepInStudy(request.probe, planned));
    study::ResultReader reader(folder);
    CREST_TRY(id, study::queueOnce(folder, planned.plan, reader));
    request.work.runId = id;
    const int code = workOnStudy(folder, request.work, signals);
    return code != 0 ? code : waitForOthers(folder, id, signals) ? 0 : 1;
}

} // namespace

void addProbeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ProbeRequest>();
    CLI::App* command = app.add_subcommand("probe", "Plan and run a probe on a series")->require_subcommand(1);
    CLI::App* noise = command->add_subcommand(
        "noise", "Gaussian noise: loss of each checkpoint with N(0, (gamma x std)^2) added to its weights");
    noise->add_option("--series", options->probe.series, "Folder of the series")->required();
    noise->add_option("--series-name", options->probe.seriesName, "Which series, where the folder holds several");
    noise->add_option("--exclude", options->probe.exclude,
                      "Name of a checkpoint to leave out, as often as wanted; the study remembers it");
    noise->add_option("--study", options->probe.study, "Study folder; made where it is not there")->required();
    noise->add_option("--gammas", options->probe.gammas, "Strengths, in units of the noise scale")
        ->delimiter(',')
        ->capture_default_str();
    noise->add_option("--seeds", options->probe.seeds, "Draws; each is an antithetic pair")->capture_default_str();
    noise->add_option("--first-seed", options->probe.firstSeed, "The first draw's seed")->capture_default_str();
    noise->add_option(
        "--texts", options->probe.texts,
        "NAME=FILE:id or NAME=FILE:ood, as often as wanted (default: the tasks of the study's last probe)");
    noise->add_option("--window", options->probe.window, "Tokens of a window")->capture_default_str();
    noise->add_option("--stride", options->probe.stride, "Tokens from one window to the next (default: the window)");
    noise->add_option("--max-windows", options->probe.maxWindows, "The first so many windows of each text; 0 for all")
        ->capture_default_str();
    noise->add_option("--dtype", options->probe.dtype, "float32 or bfloat16")->capture_default_str();
    noise
        ->add_option("--scale", options->probe.scale,
                     "init: the std each tensor was initialised with; rms: its root mean square, another quantity")
        ->check(CLI::IsMember({"init", "rms"}))
        ->capture_default_str();
    noise->add_option("--name", options->probe.name, "Name of the probe")->capture_default_str();
    noise->add_flag("--plan-only", options->planOnly, "Say what it costs, write and run nothing");
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
