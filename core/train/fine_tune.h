// SPDX-License-Identifier: Apache-2.0
// Fine-tuning of one checkpoint at one learning rate with one seed. Deterministic: the weights depend on the checkpoint,
// the settings, the data, rate and seed, and the instruction set; not on threads, nor on where a run was interrupted.
//
// The loss of a step is the mean of nats over all learned tokens of its examples together (transformers 5 with
// num_items_in_batch), so that it does not matter how they are cut into passes.
//
// No LibTorch in this header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/tuning_example.h"
#include "core/model/weight_source.h"
#include "core/train/fine_tune_settings.h"
#include "core/train/weight_distance.h"

namespace crest::train {

/// What writeCheckpoint makes: the file of weights, and the key of its SHA-256 in crest.json.
inline constexpr const char *kTunedWeightsFile = "model.safetensors", *kTunedWeightsHash = "weights_sha256";

class FineTune {
public:
    /// `reader`, `examples` and `replay` must live on. Errors: a setting or the rate out of range; ids that the model does
    /// not know; nothing to learn; weights that are not finite; too little memory. `threads` of gradientLanes lanes run side
    /// by side. `replay`: pretraining text, where settings.replayShare is above 0. `recompute`: activation checkpointing,
    /// which changes no bit (DecoderPass). `device` as model::deviceFromName has it: elsewhere than on the CPU a step is one
    /// lane, and the last bits are those of the device's sums.
    static Result<std::unique_ptr<FineTune>> create(const model::WeightReader& reader, const FineTuneSettings& settings,
                                                    double learningRate, std::int64_t seed,
                                                    std::span<const data::TuningExample> examples, int threads,
                                                    std::span<const data::TuningExample> replay = {},
                                                    bool recompute = false, const std::string& device = "cpu");
    ~FineTune();

    /// One optimiser step. Where its loss or gradient is not finite, or the loss is above the bound, nothing is updated and
    /// the run has diverged: the report says the loss. OutOfRange after the last step or after divergence.
    ///
    /// Where memory does not suffice for a pass, this step and those after it take half as many rows at a time, and half of
    /// that again, down to one example: the batch, and so the loss curve, stays what it was, but for the order of sums
    /// (takeNote says it). OutOfRange, and nothing is updated, where memory does not suffice for one example either.
    Result<StepReport> step();
    /// What is to be said of the run since the last call; "" mostly.
    std::string takeNote();
    /// Tokens that go through the model at once, at most.
    std::int64_t passRows() const;

    std::int64_t stepsDone() const;
    std::int64_t stepsTotal() const;
    bool diverged() const;
    /// Examples that were cut to the longest row, and those that were left out for having nothing to learn.
    std::int64_t truncatedExamples() const;
    std::int64_t droppedExamples() const;
    /// Indices of the examples of a step (0-based), in order; and of what of `replay` goes with them.
    std::vector<std::int64_t> examplesOfStep(std::int64_t step) const;
    std::vector<std::int64_t> replayOfStep(std::int64_t step) const;
    /// The instructions that decide the last bits on this machine, for provenance ("avx512", "avx512, bfloat16 products by amx", "cuda").
    std::string instructions() const;

    /// Writes weights, moments and the rows of a pass as they are now, and takes them up again (run_state.h): training then
    /// goes on to the same bits. `identity` names checkpoint and data; settings, rate, seed and instructions are added. load: false where the
    /// folder has no state; Mismatch where it is another run's.
    Result<void> saveState(const std::filesystem::path& folder, const std::string& identity) const;
    Result<bool> loadState(const std::filesystem::path& folder, const std::string& identity);

    /// Of what saveState writes.
    double stateBytes() const;

    /// The weights as they are now, for scoring; valid while this object lives, not while it steps.
    model::WeightSource& weights();
    WeightDistance distanceFromStart() const;

    /// Writes the weights as they are now as a checkpoint that transformers loads: config.json and the tokenizer's files of
    /// the folder `origin`, weights in float32, crest.json with `provenance` and the weights' hash. Unsupported where `origin`
    /// is a single file.
    Result<void> writeCheckpoint(const std::filesystem::path& origin, const std::filesystem::path& folder,
                                 const Json& provenance) const;

private:
    struct Impl;
    explicit FineTune(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

} // namespace crest::train
