// SPDX-License-Identifier: Apache-2.0
// crest-pretend-run work|supervised STUDY [--workers N] [--micros N] [--fail CHECKPOINT] [--die-cell N] [--die-signal
// N]
//   [--run ID] [--shards N] [--shard K]; publish STUDY
// The executor of crest-run around the pretending runner, to be killed by tests. Prints the key of each stored result
// on a line.
#include <cstdio>
#include <string>

#include <unistd.h>

#include "core/run/executor.h"
#include "core/run/stop_signals.h"
#include "core/run/supervise.h"
#include "core/study/results.h"
#include "tests/support/pretend_runner.h"

using namespace crest;

namespace {

int publish(const std::string& path) {
    const auto folder = study::StudyFolder::open(path);
    const auto published = folder ? study::publishResults(*folder) : Result<void>(fail(folder.error()));
    if (!published)
        std::fprintf(stderr, "%s\n", published.error().text().c_str());
    std::fflush(nullptr);
    ::_exit(published ? 0 : 1);
}

int work(int argc, char** argv, bool again) {
    run::WorkOptions options;
    options.workers = 2;
    options.threadsPerWorker = 1;
    pretend::Behaviour behaviour;
    for (int i = 3; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--workers")
            options.workers = std::stoi(value);
        else if (name == "--micros")
            behaviour.microsPerResult = std::stoi(value);
        else if (name == "--fail")
            behaviour.failCheckpoint = value;
        else if (name == "--die-cell")
            behaviour.dieCell = std::stoi(value);
        else if (name == "--die-signal")
            behaviour.dieSignal = std::stoi(value);
        else if (name == "--device")
            options.device = value;
        else if (name == "--run")
            options.runId = value;
        else if (name == "--shards")
            options.shards = std::stoi(value);
        else if (name == "--shard")
            options.shard = std::stoi(value);
        else
            return 2;
    }
    options.retryFailed = !again;
    run::StopSignals signals;
    options.publishCommand = {"/proc/self/exe", "publish", argv[2]};
    options.abandon = [] { ::_exit(75); };
    options.onStored = [](const std::vector<std::string>& keys) {
        std::string text;
        for (const std::string& key : keys)
            text += key + "\n";
        (void)!::write(STDOUT_FILENO, text.data(), text.size());
    };
    const auto folder = study::StudyFolder::open(argv[2]);
    const auto summary =
        folder ? run::workStudy(*folder, options, pretend::makeFactory(behaviour), JobContext(signals.token()))
               : Result<run::RunSummary>(fail(folder.error()));
    if (!summary) {
        std::fprintf(stderr, "%s\n", summary.error().text().c_str());
        return 1;
    }
    if (!summary->message.empty())
        std::fprintf(stderr, "%s\n", summary->message.c_str());
    return summary->stopped ? 75 : summary->failedCells > 0 ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::string command = argc > 2 ? argv[1] : "";
    if (command == "publish")
        return publish(argv[2]);
    if (command == "work")
        return work(argc, argv, false);
    if (command == "supervised")
        return run::supervise([&](bool again) { return work(argc, argv, again); });
    return 2;
}
