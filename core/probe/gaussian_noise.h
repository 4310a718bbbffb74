// SPDX-License-Identifier: Apache-2.0
// Gaussian weight noise (Springer et al. 2025, section 3.2): theta + eps, eps ~ N(0, gamma^2 Sigma), where Sigma is the
// variance each tensor was initialised with. Norm gains and biases start fixed and get none; a tied embedding is one
// tensor and one draw.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/model/weight_reader.h"
#include "core/probe/modification.h"

namespace crest::probe {

/// Standard deviation that gamma multiplies, for every tensor that gets noise, from a table by tensor name
/// (initialisation, or RMS). NotFound, naming the first tensor that the table lacks.
Result<std::map<std::string, double>> noiseStd(const model::WeightReader& reader,
                                               const std::map<std::string, double>& table);

/// Antithetic pairs: member 0 is w + gamma std z, member 1 is w - gamma std z, with z = fillNormals(noiseStream(seed,
/// name)), the same for every gamma. `reader` must outlive the result and its versions. Numbers are made on the CPU,
/// whatever device computes.
std::unique_ptr<Modification> makeGaussianNoise(const model::WeightReader& reader,
                                                const std::map<std::string, double>& std);

} // namespace crest::probe
