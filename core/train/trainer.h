// SPDX-License-Identifier: Apache-2.0
// One training run: weights, moments and the optimiser step. Deterministic: the result depends on the settings, the
// data and the instruction set, not on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/train/decoder_pass.h"
#include "core/train/gradient_lanes.h"
#include "core/train/parameters.h"
#include "core/train/pretrain_config.h"
#include "core/train/tile_pass.h"

namespace crest::train {

/// Standard deviation each tensor starts with; 0 for norms (gain 1) and biases (0).
double initialStd(const InitRule& rule, const series::DecoderSpec& spec, const series::TensorInfo& tensor);

/// Fills `flat` [layout.total] with the start of `seed`.
void initialiseParameters(const InitRule& rule, const series::DecoderSpec& spec, const ParameterLayout& layout,
                          std::int64_t seed, at::Tensor& flat);

/// The instructions that decide the last bits of a run on this machine: the name of the bfloat16 or the float32 kernels' set.
const char* instructionsOf(const PretrainConfig& config);

/// Trains by optimizer.h. Batches are cut into `gradientLanes` parts with their own gradients (gradient_lanes.h).
class Trainer {
public:
    /// `config` must live on.
    Trainer(const PretrainConfig& config, std::int64_t steps, std::int64_t seed);

    /// One step on `batch`: batchSequences rows of sequenceLength + 1 ids. `threads` lanes run side by side.
    StepReport step(std::span<const std::int64_t> batch, int threads);

    /// In float32, also where training computes in bfloat16: mean nats per token of rows of sequenceLength inputs with
    /// targets (-1: not counted), like `batch` in layout [rows, T].
    double evaluate(std::span<const std::int64_t> inputs, std::span<const std::int64_t> targets);

    std::int64_t stepsDone() const { return m_step; }
    const ParameterLayout& layout() const { return m_layout; }
    at::Tensor parameters() const { return m_state.select(0, 0); }

    /// Parameters, first and second moments as [3, total] float32: with the step, all that a resume needs.
    at::Tensor& state() { return m_state; }
    void setStepsDone(std::int64_t step) { m_step = step; }

private:
    /// What one thread computes with; made when it first works.
    struct Worker {
        std::unique_ptr<DecoderPass> pass;
        std::unique_ptr<TilePass> tiles;
        at::Tensor ids, targets;
    };
    void prepareWorkers(std::size_t count);
    double runLane(Worker& worker, DecoderTensors& gradients, std::span<const std::int64_t> rows);
    void makeStepWeights();

    const PretrainConfig& m_config;
    std::int64_t m_steps, m_step = 0, m_microSequences;
    ParameterLayout m_layout;
    at::Tensor m_state;
    DecoderTensors m_weights;
    at::Tensor m_rounded;                    ///< bfloat16 copy of the matrices, made once per step
    DecoderTensors m_stepWeights;            ///< what a step multiplies with
    std::unique_ptr<PackedWeights> m_packed; ///< in their place where TilePass runs
    GradientLanes m_lanes;
    std::vector<Worker> m_workers;
    std::unique_ptr<DecoderPass> m_evaluation;
};

} // namespace crest::train
