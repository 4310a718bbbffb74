// SPDX-License-Identifier: Apache-2.0
#include "core/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/_fused_adamw.h>

namespace crest::train {

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
    const double norm = gradients.is_cpu() ? std::sqrt(at::dot(gradients, gradients).item<double>())
                                           : at::linalg_vector_norm(gradients).item<double>();
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
