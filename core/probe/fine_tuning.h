// SPDX-License-Identifier: Apache-2.0
// Fine-tuning as a modification (Springer et al. 2025, sections 2 and 3.3): the strength is the learning rate, the seed
// orders the examples.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data/tuning_data.h"
#include "core/probe/modification.h"
#include "core/study/kept_weights.h"
#include "core/study/training_log.h"
#include "core/train/fine_tune_settings.h"

namespace crest::probe {

/// Tuned weights that are kept for tasks of later runs.
struct KeepOptions {
    study::KeptWeights kept{std::filesystem::path()};
    std::int64_t bytes = 0; ///< room for all that the study keeps; 0: what is there is used, nothing is added
    /// Names a training (study::trainingKey); absent: nothing is kept or used.
    std::function<std::string(double rate, std::int64_t seed)> key = {};
    std::filesystem::path origin;      ///< the checkpoint, for config.json and tokenizer
    Json provenance = Json::object();  ///< for crest.json; rate and seed are added
};

struct FineTuningOptions {
    train::FineTuneSettings settings;
    int threads = 1;
    std::string device = "cpu"; ///< model::deviceFromName
    /// Where a training keeps its state until it is measured (Modification::done), so that what a stopped or killed runner
    /// did is taken up at the last save; "": nowhere.
    std::filesystem::path stateFolder;
    std::string identity; ///< of weights, tokenizer and data
    double saveSeconds = 30; ///< between two saves, at least (train::SavePace); 0: after every step
    bool recompute = false;  ///< activation checkpointing
    /// Pretraining text, where the settings replay some.
    std::shared_ptr<const std::vector<data::TuningExample>> replay = {};
    KeepOptions keep = {};
    /// Where a training of this rate and seed logs its steps; absent: nowhere.
    std::function<study::TrainingPlace(double rate, std::int64_t seed)> logPlace = {};
};

/// One strength and one seed at a time: `versions` trains, or gives what it trained last where that is asked for again (a
/// cell is measured task by task), or what is kept of an earlier run. A training that diverges gives no weights: NonFinite,
/// with the step and the loss. Weights that cannot be kept (takeNote) are measured all the same.
/// `reader` must outlive the result and its versions, whose weights are valid until the next training.
std::unique_ptr<Modification> makeFineTuning(const model::WeightReader& reader,
                                             std::shared_ptr<const data::TuningSet> data, FineTuningOptions options);

} // namespace crest::probe
