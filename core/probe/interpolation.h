// SPDX-License-Identifier: Apache-2.0
// Interpolation between a checkpoint and its tuned weights (Wortsman et al. 2022, WiSE-FT).
#pragma once

#include <memory>

#include "core/model/weight_reader.h"
#include "core/probe/modification.h"

namespace crest::probe {

/// Strength a, above 0 and at most 1, is (1 - a) start + a tuned, every tensor of it in float32; 1 are the tuned weights
/// themselves. `tuning` (makeFineTuning) is asked for its weights at `rate`, once for all strengths of a seed; the rest is as
/// there. `reader` must outlive the result and its versions.
std::unique_ptr<Modification> makeInterpolation(const model::WeightReader& reader, std::unique_ptr<Modification> tuning,
                                                double rate);

} // namespace crest::probe
