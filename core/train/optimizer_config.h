// SPDX-License-Identifier: Apache-2.0
// What decides the numbers of an optimiser, for pretraining and fine-tuning alike. Torch-free.
#pragma once

#include <cstdint>

namespace crest::train {

enum class Schedule { Cosine, Linear, Constant };
enum class ComputeType { Float32, BFloat16 };

struct OptimizerConfig {
    double learningRate = 6e-3, warmupShare = 0.05, finalShare = 0;
    Schedule schedule = Schedule::Cosine;
    double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1, clipNorm = 1;
};

/// Learning rate of step `step` (0-based) of `steps`: linear over ceil(warmupShare * steps) steps, reaching the peak at
/// the last of them, then the schedule, which would reach finalShare * peak at step `steps`, just after the last one.
double learningRateAt(const OptimizerConfig& config, std::int64_t step, std::int64_t steps);

/// What one optimiser step reports.
struct StepReport {
    double loss = 0;         ///< mean nats per predicted token of the step's batch, before the update
    double gradientNorm = 0; ///< before clipping
    double learningRate = 0; ///< of the update
    std::int64_t tokens = 0; ///< that the model read
    std::int64_t learned = 0; ///< of these, what the loss is the mean of; 0 in pretraining, where all are
};

} // namespace crest::train
