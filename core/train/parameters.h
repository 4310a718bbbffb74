// SPDX-License-Identifier: Apache-2.0
// All parameters of a decoder in one contiguous buffer, so that clipping and AdamW are single passes; the same layout
// serves gradients and moments. Matrices (weight decay) come first, norms and biases (no decay) after them; the
// matrices of q, k, v and of gate, up lie side by side, so that each group is one product.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/series/decoder_spec.h"

namespace crest::train {

/// Where a tensor of expectedTensors() lies in the buffer, in the order in which products want it: a matrix that files
/// hold transposed as [out, in], fused up | gate as gate | up.
struct ParameterSlot {
    series::TensorInfo info; ///< with the shape in the buffer
    std::int64_t offset = 0, elements = 0;
};

struct ParameterLayout {
    std::vector<ParameterSlot> slots; ///< in order of offset
    std::int64_t decayed = 0;         ///< elements of the matrices: [0, decayed)
    std::int64_t total = 0;
};
ParameterLayout parameterLayout(const series::DecoderSpec& spec);
/// The slots that `wanted` takes, side by side in their order: gradients of a part of the weights. decoderTensors() leaves
/// the others undefined.
ParameterLayout partOf(const ParameterLayout& layout, const std::function<bool(const series::TensorInfo&)>& wanted);

/// Views of one transformer block; undefined where the shape has no such tensor.
struct BlockTensors {
    at::Tensor qkv, qkvBias; ///< [(H + 2K) D, E] = q | k | v, or interleaved per head (QkvLayout::PerHead)
    at::Tensor attentionOut, attentionOutBias;
    at::Tensor mlpIn, mlpInBias; ///< [2F, E] = gate | up, or [F, E]
    at::Tensor down, downBias;
    at::Tensor inputNorm, inputNormBias, mlpNorm, mlpNormBias;
    at::Tensor queryNorm, keyNorm; ///< [H D] and [K D], or [D]
};

/// Views of a whole decoder; `head` is `embedding` where tied.
struct DecoderTensors {
    at::Tensor embedding, head, finalNorm, finalNormBias;
    at::Tensor position, projectIn, projectOut;
    std::vector<BlockTensors> blocks;
};

/// Views into `flat` [total]; they share its memory.
DecoderTensors decoderTensors(const series::DecoderSpec& spec, const ParameterLayout& layout, const at::Tensor& flat);

/// `weights` with the matrices of products taken from `matrices`.
DecoderTensors withMatrices(DecoderTensors weights, const DecoderTensors& matrices);

/// One tensor of the layout, in its shape.
at::Tensor parameterView(const ParameterSlot& slot, const at::Tensor& flat);

} // namespace crest::train
