// SPDX-License-Identifier: Apache-2.0
// Weight quantisation, round to nearest: what an integer copy of the weights would compute with, in the checkpoint's own
// shapes. Weights of a group share one scale; activations stay as they are.
#pragma once

#include <cstdint>
#include <memory>

#include "core/model/weight_reader.h"
#include "core/probe/modification.h"

namespace crest::probe {

/// Strength b is the number of bits, 2 to 8. Each matrix of the blocks is cut along its input dimension into groups of
/// `group` weights (the last of a row may be shorter), each with the scale s = max |w| / (2^(b-1) - 1), and becomes
/// s round(w / s), halves to even: symmetric, no zero point. Embeddings, head, norms and biases stay (as is usual:
/// Frantar et al. 2023, GPTQ, compares with round-to-nearest of the same matrices). Nothing is drawn. `reader` must
/// outlive the result and its versions.
std::unique_ptr<Modification> makeQuantisation(const model::WeightReader& reader, std::int64_t group);

} // namespace crest::probe
