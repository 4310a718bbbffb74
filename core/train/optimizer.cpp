// SPDX-License-Identifier: Apache-2.0
#include "core/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adamw.h>

#include "core/base/sum_of_squares.h"

namespace crest::train {
namespace {

/// Sums of stretches are added in order: the same bits with every number of threads, which MKL's product of two vectors has not.
double normOnCpu(const at::Tensor& gradients) {
    constexpr std::size_t kStretch = 1 << 16;
    const std::span<const float> all(gradients.const_data_ptr<float>(), static_cast<std::size_t>(gradients.numel()));
    std::vector<double> sums((all.size() + kStretch - 1) / kStretch);
    at::parallel_for(0, static_cast<std::int64_t>(sums.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
            sums[i] = sumOfSquares(all.subspan(i * kStretch, std::min(kStretch, all.size() - i * kStretch)));
    });
    return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

} // namespace

double learningRateAt(const OptimizerConfig& config, std::int64_t step, std::int64_t steps) {
    const auto warmup = static_cast<std::int64_t>(std::ceil(config.warmupShare * static_cast<double>(steps)));
    if (step < warmup)
        return config.learningRate * static_cast<double>(step + 1) / static_cast<double>(warmup);
    const double done =
        static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(steps - warmup, 1));
    double share = 1;
    if (config.schedule == Schedule::Cosine)
        share = config.finalShare + (1 - config.finalShare) * 0.5 * (1 + std::cos(std::numbers::pi * done));
    else if (config.schedule == Schedule::Linear)
        share = 1 - (1 - config.finalShare) * done;
    return config.learningRate * share;
}

double clipGradients(at::Tensor& gradients, double clipNorm) {
    const double norm = gradients.is_cpu() ? normOnCpu(gradients) : at::linalg_vector_norm(gradients).item<double>();
    if (clipNorm > 0 && clipNorm / (norm + 1e-6) < 1)
        gradients.mul_(clipNorm / (norm + 1e-6));
    return norm;
}

void updateAdamW(const OptimizerConfig& config, const ParameterLayout& layout, at::Tensor& state,
                 const at::Tensor& gradients, double rate, std::int64_t step) {
    const std::int64_t borders[] = {0, layout.decayed, layout.total};
    for (int part = 0; part < 2; ++part) {
        const std::int64_t begin = borders[part], count = borders[part + 1] - begin;
        if (count == 0)
            continue;
        const at::Tensor mine = state.narrow(1, begin, count);
        const std::vector<at::Tensor> weights{mine.select(0, 0)}, grads{gradients.narrow(0, begin, count)},
            first{mine.select(0, 1)}, second{mine.select(0, 2)},
            steps{at::scalar_tensor(static_cast<double>(step), gradients.options())};
        at::_fused_adamw_(weights, grads, first, second, {}, steps, rate, config.beta1, config.beta2,
                          part == 0 ? config.weightDecay : 0.0, config.epsilon, /*amsgrad=*/false, /*maximize=*/false);
    }
}

} // namespace crest::train
