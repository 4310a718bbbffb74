// SPDX-License-Identifier: Apache-2.0
// What a FineTune holds, and how it steps (fine_tune_steps.cpp). Private to fine_tune*.cpp.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/model/bfloat16_kernels.h"
#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/train/decoder_pass.h"
#include "core/train/fine_tune.h"
#include "core/train/gradient_lanes.h"
#include "core/train/low_rank.h"
#include "core/train/optimizer.h"
#include "core/train/out_of_memory.h"
#include "core/train/plain_workspace.h"
#include "core/train/training_memory.h"
#include "core/train/tuned_weights.h"
#include "core/train/tuning_batches.h"
#include "core/train/tuning_stages.h"

namespace crest::train {

inline Operations operationsOn(const at::Device& device) {
    return device.is_cpu() ? Operations::Fused : Operations::Plain;
}

struct FineTune::Impl {
    Impl(const model::WeightReader& weights, const FineTuneSettings& fineTune, double rate, std::int64_t runSeed,
         TuningBatches data, std::optional<TuningBatches> ofReplay, int threadCount, bool recomputed, at::Device on)
        : reader(weights)
        , settings(fineTune)
        , optimizer(optimizerConfig(fineTune, rate))
        , seed(runSeed)
        , threads(threadCount)
        , recompute(recomputed)
        , device(on)
        , batches(std::move(data))
        , replay(std::move(ofReplay))
        , layout(parameterLayout(weights.spec()))
        , stages(stagesOf(fineTune, weights.spec(), layout, batches.steps())) {
        makeState();
        current = stepWeights = decoderTensors(reader.spec(), layout, flat);
        if (settings.compute == ComputeType::BFloat16) {
            rounded = model::zeroPages({layout.total}, at::kBFloat16, device);
            stepWeights = withMatrices(current, decoderTensors(reader.spec(), layout, rounded));
        }
        if (settings.l2ToStart > 0 && !lowRank)
            start = flat.clone();
        longest = std::max(batches.longest(), replay ? replay->longest() : 0);
        passRows = rowsOfPass(reader.spec(), settings, longest);
        source.emplace(reader, layout, host);
        enterStage();
    }

    /// The weights, and what is trained of them or beside them, with its moments.
    void makeState() {
        if (settings.loraRank > 0) {
            lowRank.emplace(reader, layout, stages.front().part, settings);
            const std::int64_t adapters = lowRank->layout().total;
            state = model::zeroPages({3, adapters}, at::kFloat, device);
            ofAdapters = at::zeros_like(state.select(0, 0));
            at::Tensor trained = state.select(0, 0);
            lowRank->begin(trained, seed);
            flat = model::zeroPages({layout.total}, at::kFloat, device);
        } else {
            state = model::zeroPages({3, layout.total}, at::kFloat, device);
            flat = state.select(0, 0);
        }
        host = device.is_cpu() ? flat : model::zeroPages({layout.total}, at::kFloat);
        fillFrom(reader, layout, host);
        if (device.is_cpu())
            return;
        flat.copy_(host);
        if (lowRank)
            lowRank->keepStart(flat);
    }

    /// What files and measurements read, as the weights are now.
    void bringToHost() {
        if (device.is_cpu() || hostSteps == done)
            return;
        host.copy_(flat);
        hostSteps = done;
    }

    std::string instructions() const {
        std::string text = device.is_cpu() ? model::cpuKernels().isa : c10::DeviceTypeName(device.type(), true);
        if (settings.compute == ComputeType::Float32)
            return text;
        text += ", bfloat16 products";
        return device.is_cpu() && model::bfloat16Kernels() ? text + " by " + model::bfloat16Kernels()->isa : text;
    }
    std::string identityOf(const std::string& outer) const {
        const Json own = {{"settings", toJson(settings)},
                          {"learning_rate", optimizer.learningRate},
                          {"seed", seed},
                          {"steps", batches.steps()},
                          {"instructions", instructions()}};
        return outer + "|" + canonicalJson(own);
    }
    double lossBound() const {
        return settings.divergedLoss > 0 ? settings.divergedLoss
                                         : 2 * std::log(static_cast<double>(reader.spec().vocabSize));
    }

    /// Of one thread's, with what its operations take for a while on another device.
    std::int64_t bytesOfPass(std::int64_t rows) const {
        return passBytes(reader.spec(), rows, recompute) +
               (device.is_cpu() ? 0 : plainWorkspace(reader.spec(), settings, rows, longest));
    }
    void enterStage();
    void requireRoom(std::int64_t bytes) const;
    void makePasses();
    double runLane(DecoderPass& pass, DecoderTensors& gradients, const TuningBatches& from,
                   std::span<const std::int64_t> examples, double scale);
    StepReport gradientOf(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed);
    bool halveRows();
    StepReport gradientInMemory(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed);
    at::Tensor& gradientOfTrained();
    StepReport step();
    void letGo();
    Error noMemory() const {
        const TrainingMemory needed = trainingMemory(reader.spec(), settings, longest, threads, recompute, operationsOn(device));
        return noMemoryForStep(done + 1, longest, bytesOfPass(longest), needed, recompute);
    }

    const model::WeightReader& reader;
    FineTuneSettings settings;
    OptimizerConfig optimizer;
    std::int64_t seed;
    int threads;
    bool recompute; ///< activations
    at::Device device;
    TuningBatches batches;
    std::optional<TuningBatches> replay;
    ParameterLayout layout;
    std::vector<TuningStage> stages;
    const TuningStage* stage = nullptr; ///< that `lanes` are of
    std::optional<GradientLanes> lanes;
    std::optional<LowRank> lowRank;
    at::Tensor flat;                      ///< the weights as they are now; of full tuning the first row of `state`
    at::Tensor host;                      ///< `flat` itself on the CPU, else its copy after hostSteps steps
    std::int64_t hostSteps = 0;
    at::Tensor state, ofAdapters;         ///< [3, trained]; the gradient of adapters
    at::Tensor rounded, start;
    DecoderTensors current, stepWeights;  ///< what is trained, and what a step multiplies with
    std::optional<FlatWeights> source;
    std::vector<std::unique_ptr<DecoderPass>> workers; ///< what each thread computes with
    std::int64_t done = 0, passRows = 0, longest = 0;
    bool diverged = false;
    std::string note;
};

} // namespace crest::train
