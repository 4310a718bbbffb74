// SPDX-License-Identifier: Apache-2.0
// AdamW (Loshchilov and Hutter 2019) with clipping by global norm over the flat buffers of parameters.h.
#pragma once

#include <ATen/ATen.h>

#include "core/train/optimizer_config.h"
#include "core/train/parameters.h"

namespace crest::train {

/// Scales `gradients` down to `clipNorm` (0: never) where their norm is larger; returns the norm before.
double clipGradients(at::Tensor& gradients, double clipNorm);

/// One update of `state` [3, total] (parameters, first and second moments) at `rate`. `step` counts from 1. Decay takes
/// the matrices only.
void updateAdamW(const OptimizerConfig& config, const ParameterLayout& layout, at::Tensor& state,
                 const at::Tensor& gradients, double rate, std::int64_t step);

} // namespace crest::train
