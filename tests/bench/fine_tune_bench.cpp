// SPDX-License-Identifier: Apache-2.0
// Fine-tuning steps, driven by fine_tune_bench.py and tuning_bench.py: reads a checkpoint and examples, says what instructions it
// uses, what memory it holds before it starts and what is planned, then for each number of steps on standard input the CPU
// seconds they took, the tokens in them and the most memory so far (MB); for 0 the seconds of the clock that saving the state
// takes, and its MB. One thread.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>

#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/series/series.h"
#include "core/train/fine_tune.h"
#include "core/train/training_memory.h"

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Resident memory in MB: "VmRSS:", now; "VmHWM:", most so far.
double megabytes(const char* name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == name)
            return status >> word ? 1024 * std::stod(word) / 1e6 : 0;
    return 0;
}

int complain(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    using namespace crest;
    if (argc != 5 && argc != 6)
        return complain("usage: fine_tune_bench CHECKPOINT EXAMPLES.json BATCH float32|bfloat16 [SETTINGS]");
    at::set_num_threads(1);
    const series::Checkpoint checkpoint = series::readCheckpoint(argv[1]).checkpoint;
    if (!checkpoint.spec)
        return complain(checkpoint.reason);
    const auto reader = model::WeightReader::open(argv[1], *checkpoint.spec);
    if (!reader)
        return complain(reader.error().text());
    std::vector<data::TuningExample> examples;
    for (const Json& example : Json::parse(std::ifstream(argv[2])))
        examples.push_back({example["ids"], example["learned"]});
    Json given = argc == 6 ? Json::parse(argv[5]) : Json::object();
    const bool recompute = given.value("recompute_activations", false);
    given.erase("recompute_activations");
    given["max_steps"] = 1'000'000, given["batch_examples"] = std::stoll(argv[3]), given["compute"] = argv[4];
    const auto settings = train::fineTuneSettingsFromJson(given, "settings");
    if (!settings)
        return complain(settings.error().text());
    const double before = megabytes("VmRSS:");
    const auto tune = train::FineTune::create(*reader, *settings, 1e-5, 1, examples, 1, {}, recompute);
    if (!tune)
        return complain(tune.error().text());
    std::size_t longest = 2;
    for (const data::TuningExample& example : examples)
        longest = std::max(longest, example.ids.size());
    const double planned =
        train::trainingMemory(*checkpoint.spec, *settings, static_cast<std::int64_t>(longest) - 1, 1, recompute).peak();
    std::cout << (*tune)->instructions() << "\n" << before << " " << planned / 1e6 << std::endl;
    const std::filesystem::path states = std::filesystem::path(argv[2]).parent_path() / "states";
    for (int steps = 0; std::cin >> steps;) {
        if (steps == 0) {
            const auto begin = std::chrono::steady_clock::now();
            if (const auto saved = (*tune)->saveState(states, "bench"); !saved)
                return complain(saved.error().text());
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
            std::cout << took.count() << " " << (*tune)->stateBytes() / 1e6 << std::endl;
            continue;
        }
        const double start = cpuSeconds();
        std::int64_t tokens = 0;
        for (int i = 0; i < steps; ++i) {
            const auto report = (*tune)->step();
            if (!report)
                return complain(report.error().text());
            tokens += report->tokens;
        }
        std::cout << cpuSeconds() - start << " " << tokens << " " << megabytes("VmHWM:") << std::endl;
    }
    return 0;
}
