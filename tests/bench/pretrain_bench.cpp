// SPDX-License-Identifier: Apache-2.0
// Training steps on random ids, driven by pretrain_bench.py: reads a shape, then for each number of steps on standard
// input prints the CPU seconds they took. One thread.
#include <cstdio>
#include <ctime>
#include <iostream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/train/trainer.h"

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

} // namespace

int main(int argc, char** argv) {
    using namespace crest::train;
    if (argc != 9 && argc != 10) {
        std::fputs("usage: pretrain_bench VOCAB WIDTH LAYERS HEADS MLP TOKENS SEQUENCES float32|bfloat16 [MICRO]\n",
                   stderr);
        return 1;
    }
    at::set_num_threads(1);
    PretrainConfig config;
    crest::series::DecoderSpec& spec = config.spec;
    spec.family = "llama";
    spec.vocabSize = std::stoll(argv[1]), spec.width = std::stoll(argv[2]), spec.layers = std::stoll(argv[3]);
    spec.heads = spec.kvHeads = std::stoll(argv[4]);
    spec.headSize = spec.ropeDims = spec.width / spec.heads;
    spec.mlpWidth = std::stoll(argv[5]);
    spec.contextLength = config.sequenceLength = std::stoll(argv[6]);
    config.batchSequences = std::stoll(argv[7]);
    config.compute = std::string_view(argv[8]) == "bfloat16" ? ComputeType::BFloat16 : ComputeType::Float32;
    config.gradientLanes = config.batchSequences % 2 == 0 ? 2 : 1;
    config.microSequences = argc == 10 ? std::stoll(argv[9]) : 0;
    spec.tiedHead = true;
    spec.normEps = 1e-5;
    Trainer trainer(config, 1'000'000, 1);
    const at::Tensor ids = at::randint(spec.vocabSize, {config.batchSequences, config.sequenceLength + 1}, at::kLong);
    const std::span<const std::int64_t> batch(ids.const_data_ptr<std::int64_t>(),
                                              static_cast<std::size_t>(ids.numel()));
    std::cout << instructionsOf(config) << std::endl;
    for (int steps = 0; std::cin >> steps;) {
        const double start = cpuSeconds();
        for (int i = 0; i < steps; ++i)
            trainer.step(batch, 1);
        std::cout << cpuSeconds() - start << std::endl;
    }
    return 0;
}
