// SPDX-License-Identifier: Apache-2.0
// What is trained when: adapters, all weights, or the head first.
#pragma once

#include <cstdint>
#include <vector>

#include "core/train/fine_tune_settings.h"
#include "core/train/parameters.h"

namespace crest::train {

/// What a stretch of the steps trains: `part` are the weights whose gradients are wanted. Each stage has its own schedule
/// and begins with moments of zero.
struct TuningStage {
    std::int64_t begin = 0, end = 0;
    ParameterLayout part;
    std::int64_t first = 0; ///< of the part within all weights; what is trained lies side by side
};

/// In order, without gaps, from step 0 to `steps`. `all`: layout of the weights.
std::vector<TuningStage> stagesOf(const FineTuneSettings& settings, const series::DecoderSpec& spec, const ParameterLayout& all,
                                  std::int64_t steps);

} // namespace crest::train
