// SPDX-License-Identifier: Apache-2.0
// Crest's side of the generation benchmark; tests/bench/generation_bench.py is the other side and the referee.
//
//   generation_bench MODEL float32|bfloat16
// For every line {"prompts": [[id, ...], ...], "beams": B, "new": N} on standard input one line {"cpu", "ids", "scores"}: CPU
// seconds of a whole call of generate(), making of the weights included. A line {"read": BYTES} gives the bytes a second
// at which this thread reads that much memory, huge pages where the system lends them.
#include <algorithm>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>

#include "core/base/json.h"
#include "core/eval/generation.h"
#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/series/series.h"

using namespace crest;

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The best of five passes over `bytes` bytes by the widest kernel there is: a product with one row.
double readSpeed(std::int64_t bytes) {
    constexpr std::int64_t inner = 1024;
    const std::int64_t rows = bytes / (4 * inner);
    const at::Tensor matrix = model::zeroPages({rows, inner}, at::kFloat);
    const at::Tensor x = at::ones({inner});
    at::Tensor y = at::empty({rows});
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
        const double start = cpuSeconds();
        model::cpuKernels().fewRows(1, rows, inner, x.const_data_ptr<float>(), inner, matrix.const_data_ptr<float>(), nullptr,
                                    y.mutable_data_ptr<float>(), rows, false);
        best = std::max(best, static_cast<double>(rows * inner * 4) / (cpuSeconds() - start));
    }
    return best;
}

Result<Json> answer(model::Decoder& decoder, model::WeightSource& source, const Json& asked) {
    if (asked.contains("read"))
        return Json{{"bytes_per_second", readSpeed(asked["read"].get<std::int64_t>())}};
    eval::GenerationOptions options;
    options.maxNewTokens = asked["new"].get<std::int64_t>();
    options.beams = asked["beams"].get<int>();
    const auto prompts = asked["prompts"].get<std::vector<std::vector<std::int32_t>>>();
    const double start = cpuSeconds();
    CREST_TRY(answers, eval::generate(decoder, source, prompts, options));
    Json result{{"cpu", cpuSeconds() - start}, {"ids", Json::array()}, {"scores", Json::array()}};
    for (const eval::Generated& one : answers) {
        result["ids"].push_back(one.ids);
        result["scores"].push_back(one.score);
    }
    return result;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "generation_bench MODEL float32|bfloat16\n";
        return 2;
    }
    at::set_num_threads(1);
    const series::Checkpoint checkpoint = series::readCheckpoint(argv[1]).checkpoint;
    if (!checkpoint.spec) {
        std::cerr << checkpoint.reason << "\n";
        return 1;
    }
    const auto reader = model::WeightReader::open(argv[1], *checkpoint.spec);
    if (!reader) {
        std::cerr << reader.error().text() << "\n";
        return 1;
    }
    model::PristineWeights source(*reader);
    const bool words = std::string(argv[2]) == "bfloat16";
    model::Decoder decoder(*checkpoint.spec,
                           {at::kCPU, words ? model::Compute::BFloat16 : model::Compute::Float32});
    for (std::string line; std::getline(std::cin, line);) {
        const auto result = answer(decoder, source, Json::parse(line));
        if (!result) {
            std::cerr << result.error().text() << "\n";
            return 1;
        }
        std::cout << result->dump() << std::endl;
    }
    return 0;
}
