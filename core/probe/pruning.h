// SPDX-License-Identifier: Apache-2.0
// Magnitude pruning: the smallest weights are set to zero.
#pragma once

#include <memory>

#include "core/model/weight_reader.h"
#include "core/probe/modification.h"

namespace crest::probe {

/// Strength s, between 0 and 1, is the share of weights that are set to zero in each matrix of the blocks by itself: the
/// round(s n) smallest in magnitude, of equal ones those that come first (layer-wise magnitude pruning, Han et al. 2015).
/// Embeddings, head, norms and biases stay. Nothing is drawn. Holds one matrix in float32 while it is ranked. `reader`
/// must outlive the result and its versions.
std::unique_ptr<Modification> makePruning(const model::WeightReader& reader);

} // namespace crest::probe
