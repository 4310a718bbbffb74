// SPDX-License-Identifier: Apache-2.0
// crest-run probe base, noise, finetune, interpolate, quantise, prune: plan a probe on a series, say what it costs, run it.
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/command_line.h"
#include "app/crest-run/commands.h"
#include "app/crest-run/probe_run.h"
#include "core/run/supervise.h"
#include "core/study/usual_grid.h"

namespace crest {
namespace {

void addSeriesOptions(CLI::App& command, ProbeOptions& options) {
    command.add_option("--series", options.series, "Folder of the series")->required();
    command.add_option("--series-name", options.seriesName, "Which series, where the folder holds several");
    command.add_option("--exclude", options.exclude,
                       "Name of a checkpoint to leave out, as often as wanted; the study remembers it");
    command.add_option("--study", options.study, "Study folder; made where it is not there")->required();
    command.add_option("--dtype", options.dtype, "float32 or bfloat16")->capture_default_str();
    command.add_option("--name", options.name, "Name of the probe")->capture_default_str();
}

void addTaskOptions(CLI::App& command, ProbeTaskOptions& options) {
    command.add_option(
        "--texts", options.texts,
        "NAME=FILE:id or NAME=FILE:ood, as often as wanted (where no task is named: those of the study's "
        "last probe)");
    command.add_option("--window", options.window, "Tokens of a window of texts")
        ->check(wholeNumber())
        ->capture_default_str();
    command.add_option("--stride", options.stride, "Tokens from one window to the next (default: the window)")
        ->check(CLI::Range(1, 1'000'000));
    command.add_option("--max-windows", options.maxWindows, "The first so many windows of each text; 0 for all")
        ->check(wholeNumber())
        ->capture_default_str();
    command.add_option("--suite", options.suites, "Suite file (resources/suites), as often as wanted");
    command.add_option("--data", options.data, "Folder of the suites' data");
    command.add_option("--tasks", options.only, "Just these tasks of the suites")->delimiter(',');
    command.add_flag("--skip-missing", options.skipMissing, "Leave out tasks whose data are not there, and say so");
    command.add_option("--shots", options.shots, "Examples before each question (default: the suite's own number)");
    command.add_option("--limit", options.limit, "The first so many items of each task; 0 for all");
    addChatOptions(command, options.chat);
    command.add_option("--id", options.inDistribution, "Tasks that are in-distribution (others: ood)")->delimiter(',');
    command.add_option("--samples", options.samples,
                       "NAME=FILE.jsonl: prompts (\"text\") that every checkpoint continues; the texts are kept");
    command.add_option("--max-new", options.maxNew, "Most new tokens of a sample")->capture_default_str();
    command.add_option("--temperature", options.temperature, "Of samples; 0: greedy")->capture_default_str();
    command.add_option("--top-k", options.topK, "Of samples; 0: all tokens")->capture_default_str();
    command.add_option("--top-p", options.topP, "Of samples; 1: all tokens")->capture_default_str();
}

void addWorkOptions(CLI::App& command, ProbeRequest& request) {
    command.add_flag("--plan-only", request.planOnly, "Say what it costs, write and run nothing");
    command.add_option("--device", request.work.device, "cpu or cuda:0")->capture_default_str();
    command.add_option("--workers", request.work.workers, "Batches side by side (default: by model size and cores)")
        ->check(CLI::Range(1, 4096));
    command.add_option("--threads", request.work.threads, "Threads of each worker")->check(CLI::Range(1, 4096));
    command.add_flag("--json", request.work.json, "JSON lines: the cost, then how the run ended");
}

void addStrengths(CLI::App& command, const char* name, ProbeOptions& options, const char* about) {
    command.add_option(name, options.strengths, about)->delimiter(',')->check(anyNumber())->capture_default_str();
}

void addSeeds(CLI::App& command, ProbeOptions& options, const char* about, const char* aboutFirst) {
    command.add_option("--seeds", options.seeds, about)->check(wholeNumber())->capture_default_str();
    command.add_option("--first-seed", options.firstSeed, aboutFirst)->check(wholeNumber())->capture_default_str();
}

void addNoiseOptions(CLI::App& command, ProbeOptions& options) {
    addStrengths(command, "--gammas", options, "Strengths, in units of the noise scale");
    addSeeds(command, options, "Draws; each is an antithetic pair", "The first draw's seed");
    command
        .add_option("--scale", options.scale,
                    "init: the std each tensor was initialised with; rms: its root mean square, another quantity")
        ->check(CLI::IsMember({"init", "rms"}))
        ->capture_default_str();
}

void addFineTuningOptions(CLI::App& command, ProbeRequest& request) {
    ProbeOptions& options = request.probe;
    addStrengths(command, "--rates", options, "Peak learning rates (default: as usual for models of this size)");
    addSeeds(command, options, "Trainings at each rate, in different orders of the data", "The first training's seed");
    command
        .add_option("--refine", request.refine,
                    "After the rates so many finer ones on each side of each checkpoint's best, up to its neighbours, and beyond the "
                    "last where that is best; given again, finer still")
        ->check(CLI::Range(1, 100));
    addTuningOptions(command, options.tuning);
}

void addInterpolationOptions(CLI::App& command, ProbeRequest& request) {
    ProbeOptions& options = request.probe;
    addStrengths(command, "--alphas", options, "Shares of the tuned weights, above 0 and at most 1");
    command.add_option("--rate", options.tuning.interpolatedRate, "Peak learning rate of the training")
        ->check(anyNumber())
        ->required();
    addSeeds(command, options, "Trainings of each checkpoint, in different orders of the data",
             "The first training's seed");
    addTuningOptions(command, options.tuning);
}

void addQuantisationOptions(CLI::App& command, ProbeRequest& request) {
    ProbeOptions& options = request.probe;
    options.settings = {{"group", 128}};
    addStrengths(command, "--bits", options, "Bits of a weight, 2 to 8");
    command
        .add_option_function<std::int64_t>(
            "--group", [&options](std::int64_t group) { options.settings["group"] = group; },
            "Weights along the input that share a scale")
        ->default_str("128");
}

void addPruningOptions(CLI::App& command, ProbeRequest& request) {
    addStrengths(command, "--shares", request.probe, "Shares of each matrix that are set to zero");
}

void runOnCall(CLI::App& command, const std::shared_ptr<ProbeRequest>& request, int& exitCode) {
    command.callback([request, &exitCode] {
        exitCode = run::supervise([&](bool again) {
            request->work.again = again;
            const auto done = runProbe(*request);
            if (!done)
                fmt::print(stderr, "crest-run probe: {}\n", done.error().text());
            return done ? *done : 1;
        });
    });
}

} // namespace

void addProbeCommand(CLI::App& app, int& exitCode) {
    CLI::App* command = app.add_subcommand("probe", "Plan and run a probe on a series")->require_subcommand(1);
    struct Kind {
        const char *name, *kind, *about;
        void (*addOptions)(CLI::App&, ProbeRequest&);
    };
    const Kind kinds[] = {
        {"base", study::kBaseEvaluation,
         "Base evaluation: suites, texts and samples on the checkpoints as they are", [](CLI::App&, ProbeRequest&) {}},
        {"noise", study::kGaussianNoise,
         "Gaussian noise: tasks on each checkpoint with N(0, (gamma x std)^2) added to its weights",
         [](CLI::App& one, ProbeRequest& request) { addNoiseOptions(one, request.probe); }},
        {"finetune", study::kFineTuning,
         "Fine-tuning: tasks on each checkpoint after training it on the same data, at every learning rate and seed",
         addFineTuningOptions},
        {"interpolate", study::kInterpolation,
         "Interpolation: tasks on mixtures of each checkpoint with its tuned weights, trained once for all of them",
         addInterpolationOptions},
        {"quantise", study::kQuantisation,
         "Weight quantisation: tasks on each checkpoint with its matrices rounded to few bits, group by group",
         addQuantisationOptions},
        {"prune", study::kPruning,
         "Magnitude pruning: tasks on each checkpoint with the smallest weights of its matrices set to zero",
         addPruningOptions}};
    for (const Kind& kind : kinds) {
        const auto request = std::make_shared<ProbeRequest>();
        request->probe.kind = kind.kind;
        request->probe.name = kind.name;
        study::UsualGrid grid = study::usualGrid(kind.kind);
        request->probe.strengths = std::move(grid.strengths);
        request->probe.seeds = grid.seeds;
        CLI::App* one = command->add_subcommand(kind.name, kind.about);
        addSeriesOptions(*one, request->probe);
        addTaskOptions(*one, request->probe.tasks);
        kind.addOptions(*one, *request);
        addWorkOptions(*one, *request);
        runOnCall(*one, request, exitCode);
    }
}

} // namespace crest
