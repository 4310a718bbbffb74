// SPDX-License-Identifier: Apache-2.0
// crest-run pretrain: a controlled series from scratch.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <thread>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "app/crest-run/commands.h"
#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/train/pretrain.h"

namespace crest {
namespace {

struct PretrainArguments {
    std::string config, out, texts;
    int jobs = 1, threads = 1;
    bool json = false;
};

volatile std::sig_atomic_t g_signals = 0;
void countSignal(int number) {
    if (g_signals > 0)
        _exit(128 + number);
    g_signals = 1;
}

/// While it lives, the first SIGINT or SIGTERM asks the job to stop and the second ends the program at once.
class StopOnSignal {
public:
    explicit StopOnSignal(std::stop_source source)
        : m_watcher([source](const std::stop_token& done) mutable {
            while (!done.stop_requested()) {
                if (g_signals > 0 && source.request_stop())
                    std::fputs("\nStopping after this step; a second signal ends at once.\n", stderr);
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
            }
        }) {
        struct sigaction action {};
        action.sa_handler = countSignal;
        sigaction(SIGINT, &action, nullptr);
        sigaction(SIGTERM, &action, nullptr);
    }

private:
    std::jthread m_watcher;
};

Json eventJson(const train::PretrainEvent& e) {
    Json json = {{"event", e.kind}, {"tokens_done", e.tokensDone}, {"tokens_total", e.tokensTotal}};
    if (!e.run.empty())
        json["run"] = e.run;
    if (e.steps > 0)
        json.update({{"step", e.step}, {"steps", e.steps}, {"loss", numberToJson(e.loss)}});
    if (e.tokensPerSecond > 0)
        json.update({{"tokens_per_second", e.tokensPerSecond}, {"seconds_left", e.secondsLeft}});
    if (!e.heldout.empty())
        json["heldout"] = e.heldout;
    if (!e.message.empty())
        json["message"] = e.message;
    return json;
}

std::string eventLine(const train::PretrainEvent& e) {
    std::string line = e.run.empty() ? "" : e.run + ": ";
    if (e.kind == "progress") {
        line += "step " + std::to_string(e.step) + "/" + std::to_string(e.steps) + ", loss " + formatNumber(e.loss, 4) +
                "; all: " + formatTokens(static_cast<double>(e.tokensDone)) + " of " +
                formatTokens(static_cast<double>(e.tokensTotal)) + " tokens, " + formatTokens(e.tokensPerSecond) +
                " tokens/s, " + formatDuration(e.secondsLeft) + " left";
        return line;
    }
    if (e.kind == "finish") {
        line += "finished";
        for (const auto& [name, loss] : e.heldout)
            line += ", " + name + " " + formatNumber(loss, 4);
        return line + (e.heldout.empty() ? "" : " nats per token");
    }
    if (e.kind == "resume")
        return line + "goes on after step " + std::to_string(e.step);
    if (e.kind == "skip")
        return line + "is finished already";
    return line + (e.message.empty() ? e.kind : e.message);
}

/// Events as JSON, or in words on stderr: on a terminal progress is a line that changes, elsewhere a line now and then.
class EventPrinter {
public:
    explicit EventPrinter(bool json)
        : m_json(json) {}
    void print(const train::PretrainEvent& event) {
        if (m_json) {
            std::cout << canonicalJson(eventJson(event)) << std::endl;
            return;
        }
        const bool passing = event.kind == "progress";
        if (m_terminal) {
            std::fprintf(stderr, "\r\033[K%s%s", eventLine(event).c_str(), passing ? "" : "\n");
            return;
        }
        const auto now = std::chrono::steady_clock::now();
        if (passing && now - m_last < std::chrono::seconds(10))
            return;
        m_last = passing ? now : m_last;
        std::fprintf(stderr, "%s\n", eventLine(event).c_str());
    }

private:
    bool m_json, m_terminal = ::isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point m_last = std::chrono::steady_clock::now();
};

int runCommand(const PretrainArguments& arguments) {
    const auto give = [](const Error& error) {
        std::fprintf(stderr, "crest-run pretrain: %s\n", error.text().c_str());
        return 1;
    };
    auto config = train::readPretrainConfig(arguments.config, arguments.texts);
    if (!config)
        return give(config.error());
    train::PretrainOptions options;
    options.outFolder = arguments.out.empty() ? config->series : arguments.out;
    options.jobs = arguments.jobs;
    options.threads = arguments.threads;
    EventPrinter printer(arguments.json);
    options.onEvent = [&](const train::PretrainEvent& event) { printer.print(event); };
    std::stop_source source;
    const StopOnSignal watch(source);
    const auto summary = train::runPretrain(std::move(*config), options, JobContext(source.get_token()));
    if (!summary)
        return give(summary.error());
    std::fprintf(stderr, "%s finished, %d were there already, %d failed%s.\n", counted(summary->finished, "run").c_str(),
                 summary->skipped, summary->failed, summary->stopped ? "; stopped, call again to go on" : "");
    return summary->failed > 0 || summary->stopped ? 1 : 0;
}

} // namespace

void addPretrainCommand(CLI::App& app, int& exitCode) {
    auto arguments = std::make_shared<PretrainArguments>();
    CLI::App* command = app.add_subcommand("pretrain", "Train a controlled series of checkpoints from text");
    command->add_option("config", arguments->config, "Settings (JSON; keys: core/train/README.md)")->required();
    command->add_option("--out", arguments->out, "Output folder (default: the name of the series)");
    command->add_option("--texts", arguments->texts, "Folder in which the config's texts are looked up first");
    command->add_option("--jobs", arguments->jobs, "Runs side by side")->check(CLI::Range(1, 256));
    command->add_option("--threads", arguments->threads, "Threads of each run; never changes results")
        ->check(CLI::Range(1, 256));
    command->add_flag("--json", arguments->json, "One JSON object per event on stdout (keys: core/train/pretrain.h)");
    command->footer(
        "SIGINT and SIGTERM stop after the step at hand and keep what is finished; a second signal ends at once. The "
        "same call goes\non, to the same bits. Exit code: 0 when every run is finished, 1 when one failed or it was "
        "stopped.");
    command->callback([arguments, &exitCode] { exitCode = runCommand(*arguments); });
}

} // namespace crest
