// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters (Hu et al. 2022, LoRA: section 4.1): W = start + alpha / rank * B A for matrices of the blocks, with
// A [rank, in] and B [out, rank]; only A and B are trained. As peft has it: A begins as kaiming_uniform(a = sqrt(5)), that
// is uniform within 1/sqrt(in), B as zero; no dropout; a matrix that files hold fused (query_key_value) has one adapter.
//
// Products run on the merged matrices, so that scoring and writing need nothing of their own: the gradient of a merged
// matrix gives those of A and B by the chain rule.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/weight_reader.h"
#include "core/train/fine_tune_settings.h"
#include "core/train/parameters.h"

namespace crest::train {

class LowRank {
public:
    /// `weights`: layout of the merged weights; `gradients`: of the gradients that come in, which has the blocks' matrices.
    /// `reader` must live on: the start is read from it at every merge.
    LowRank(const model::WeightReader& reader, const ParameterLayout& weights, const ParameterLayout& gradients,
            const FineTuneSettings& settings);

    /// Where A and B lie in a buffer of `total` elements; all of them decay.
    const ParameterLayout& layout() const { return m_layout; }

    /// Fills `adapters` [layout().total], float32, of any device: A by (seed, matrix, element) alone, B with zeros.
    void begin(at::Tensor& adapters, std::int64_t seed) const;
    /// The start is taken from `flat` from here on, a copy of it, not from the reader: what another device needs.
    void keepStart(const at::Tensor& flat) { m_start = flat.clone(); }
    /// The adapted matrices of `flat` become start + scale B A.
    void merge(const at::Tensor& adapters, at::Tensor& flat) const;
    /// From the gradients of the merged matrices to those of A and B, which are overwritten. `l2ToStart` adds the gradient
    /// of l2ToStart / 2 |W - start|^2.
    void gradient(const at::Tensor& adapters, const at::Tensor& ofMatrices, double l2ToStart,
                  at::Tensor& ofAdapters) const;

private:
    struct Adapter {
        int tensor = 0;                  ///< of the reader
        ParameterSlot weight, gradient;  ///< in both buffers
        ParameterSlot a, b;              ///< in the buffer of adapters
    };
    /// scale B A, which is added to `y` [out, in].
    void addProduct(const Adapter& adapter, const at::Tensor& adapters, double scale, at::Tensor& y) const;

    const model::WeightReader& m_reader;
    double m_scale;
    ParameterLayout m_layout;
    at::Tensor m_start;
    std::vector<Adapter> m_adapters;
};

} // namespace crest::train
