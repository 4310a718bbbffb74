// SPDX-License-Identifier: Apache-2.0
// Fine-tuning as a modification (Springer et al. 2025, sections 2 and 3.3): the strength is the learning rate, the seed
// orders the examples.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/data/tuning_data.h"
#include "core/probe/modification.h"
#include "core/train/fine_tune_settings.h"

namespace crest::probe {

struct FineTuningOptions {
    train::FineTuneSettings settings;
    int threads = 1;
    /// Where a training keeps its state until it is measured (Modification::done), so that what a stopped or killed runner
    /// did is taken up at the last save; "": nowhere.
    std::filesystem::path stateFolder;
    std::string identity; ///< of weights, tokenizer and data
    double saveSeconds = 30;
};

/// One strength and one seed at a time: `versions` trains, or gives what it trained last where that is asked for again (a
/// cell is measured task by task). A training that diverges gives no weights: NonFinite, with the step and the loss.
/// `reader` must outlive the result and its versions, whose weights are valid until the next training.
std::unique_ptr<Modification> makeFineTuning(const model::WeightReader& reader,
                                             std::shared_ptr<const data::TuningSet> data, FineTuningOptions options);

} // namespace crest::probe
