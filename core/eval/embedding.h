// SPDX-License-Identifier: Apache-2.0
// The two ends of a decoder that are tables: ids and positions to rows of activations, and back to the width of the
// head where it differs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/decoder.h"

namespace crest::eval {

/// x[k] [N, E] = embedding of ids[n] in version firstVersion + k, through the projection where the table has another
/// width, plus the learned position positions[n] (token of its sequence, from 0) where the decoder has them. Only rows
/// that occur are made: the table is never held.
void embed(model::Decoder& decoder, model::WeightSource& source, std::span<const std::int32_t> ids,
           std::span<const std::int32_t> positions, int firstVersion, std::vector<at::Tensor>& x);

/// x[k] [N, E] becomes [N, P], the width of embedding and head, where the two differ; else nothing.
void projectOut(model::Decoder& decoder, model::WeightSource& source, int firstVersion, std::vector<at::Tensor>& x);

} // namespace crest::eval
