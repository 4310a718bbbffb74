// SPDX-License-Identifier: Apache-2.0
// All parameters of a decoder in one contiguous buffer, so that clipping and AdamW are single passes; the same layout
// serves gradients and moments. Matrices (weight decay) come first, norms and biases (no decay) after them; the
// matrices of q, k, v and of gate, up lie side by side, so that each group is one product.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/series/decoder_spec.h"

namespace crest::train {

/// Where a tensor of expectedTensors() lies in the buffer.
struct ParameterSlot {
    series::TensorInfo info;
    std::int64_t offset = 0, elements = 0;
};

struct ParameterLayout {
    std::vector<ParameterSlot> slots; ///< in order of offset
    std::int64_t decayed = 0;         ///< elements of the matrices: [0, decayed)
    std::int64_t total = 0;
};
ParameterLayout parameterLayout(const series::DecoderSpec& spec);

/// Views of one transformer block; undefined where the shape has no such tensor.
struct BlockTensors {
    at::Tensor qkv, qkvBias; ///< [(H + 2K) D, E] (fused families: interleaved per head)
    at::Tensor attentionOut, attentionOutBias;
    at::Tensor mlpIn, mlpInBias; ///< [2F, E] = gate | up, or [F, E]
    at::Tensor down, downBias;
    at::Tensor inputNorm, inputNormBias, mlpNorm, mlpNormBias;
};

/// Views of a whole decoder; `head` is `embedding` where tied.
struct DecoderTensors {
    at::Tensor embedding, head, finalNorm, finalNormBias;
    std::vector<BlockTensors> blocks;
};

/// Views into `flat` [total]; they share its memory.
DecoderTensors decoderTensors(const series::DecoderSpec& spec, const ParameterLayout& layout, const at::Tensor& flat);

/// One tensor of the layout, in its shape.
at::Tensor parameterView(const ParameterSlot& slot, const at::Tensor& flat);

} // namespace crest::train
