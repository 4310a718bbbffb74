// SPDX-License-Identifier: Apache-2.0
// How far weights are from where they started: L2 norms, total and by tensor. No LibTorch.
#pragma once

#include <string>
#include <vector>

#include "core/model/weight_source.h"

namespace crest::train {

struct TensorDistance {
    std::string tensor;
    double distance = 0, start = 0; ///< of the difference, and of the start itself
};
struct WeightDistance {
    double distance = 0, start = 0; ///< of all tensors together
    std::vector<TensorDistance> tensors;
};

/// From `start` to the first version of `now`, whose tensors are those of `start`. A tied matrix counts once.
WeightDistance distanceBetween(const model::WeightReader& start, model::WeightSource& now);

} // namespace crest::train
