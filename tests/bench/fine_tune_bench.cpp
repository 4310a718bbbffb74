// SPDX-License-Identifier: Apache-2.0
// Fine-tuning steps, driven by fine_tune_bench.py: reads a checkpoint and examples, then for each number of steps on
// standard input prints the CPU seconds they took and the tokens in them. One thread.
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>

#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/series/series.h"
#include "core/train/fine_tune.h"

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Most resident memory so far, in MB.
double peakMegabytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmHWM:")
            return status >> word ? std::stod(word) / 1024 : 0;
    return 0;
}

int complain(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    using namespace crest;
    if (argc != 5)
        return complain("usage: fine_tune_bench CHECKPOINT EXAMPLES.json BATCH float32|bfloat16");
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
    train::FineTuneSettings settings;
    settings.maxSteps = 1'000'000;
    settings.batchExamples = std::stoll(argv[3]);
    settings.compute = std::string_view(argv[4]) == "bfloat16" ? train::ComputeType::BFloat16 : train::ComputeType::Float32;
    const auto tune = train::FineTune::create(*reader, settings, 1e-5, 1, examples, 1);
    if (!tune)
        return complain(tune.error().text());
    std::cout << (*tune)->instructions() << std::endl;
    for (int steps = 0; std::cin >> steps;) {
        const double start = cpuSeconds();
        std::int64_t tokens = 0;
        for (int i = 0; i < steps; ++i) {
            const auto report = (*tune)->step();
            if (!report)
                return complain(report.error().text());
            tokens += report->tokens;
        }
        std::cout << cpuSeconds() - start << " " << tokens << " " << peakMegabytes() << std::endl;
    }
    return 0;
}
