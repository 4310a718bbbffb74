// SPDX-License-Identifier: Apache-2.0
// Attention of rows that belong to several documents: none sees another, and each counts its positions from zero.
#pragma once

#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/ops.h"
#include "core/series/decoder_spec.h"

namespace crest::train {

/// Documents of one length whose rows follow each other: they go through the kernels together.
struct DocumentGroup {
    std::int64_t row = 0, count = 0, length = 0;
};
/// Groups neighbours of equal length. `lengths` may not hold zeros.
std::vector<DocumentGroup> groupDocuments(std::span<const std::int64_t> lengths);

/// Rotary positions, windows and attention of every layer of a decoder. Tensors: q, out [N, H, D], k, v [N, K, D] of any
/// strides as in ops.h; lse [N, H] float32 holds [documents, H, length] of each group in turn.
class DocumentAttention {
public:
    /// For documents of up to `longest` tokens.
    DocumentAttention(const series::DecoderSpec& spec, std::int64_t longest, const at::Device& device);

    /// Rotates q and k in place, then out = attention. `rounded`: factors rounded to bfloat16 where the processor multiplies those.
    void forward(std::int64_t layer, std::span<const DocumentGroup> groups, bool rounded, at::Tensor& q, at::Tensor& k,
                 const at::Tensor& v, at::Tensor& out, at::Tensor& lse) const;
    /// dq, dk, dv are overwritten: gradients with respect to q and k before the rotation.
    void backward(std::int64_t layer, std::span<const DocumentGroup> groups, bool rounded, const at::Tensor& q,
                  const at::Tensor& k, const at::Tensor& v, const at::Tensor& out, const at::Tensor& lse,
                  const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk, at::Tensor& dv) const;

private:
    const model::RotaryTable& rotary(std::int64_t layer) const;
    /// f(part, whether its window is shorter than a document) for documents of a group that go through one call.
    template<class F>
    void eachPart(const at::Tensor& q, std::int64_t window, const DocumentGroup& group, const F& f) const;

    std::vector<std::int64_t> m_windows;            ///< of each layer; 0: sees all
    std::int64_t m_scores;                          ///< that LibTorch's form may hold: no more than for the longest document
    model::RotaryTable m_rotary, m_windowRotary;    ///< the second for layers with a window of their own base
};

} // namespace crest::train
