// SPDX-License-Identifier: Apache-2.0
// Keys and values of tokens that a decoder has seen, for all its layers, allocated once.
//
// A slot is one prompt: its tokens' keys and values lie in one stretch that all of its continuations (rows: beams)
// share. What a row computes after the prompt stays in that row for good: where beams change places, the caller's table
// of rows changes (CachedToken::rows), and nothing is copied. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "core/model/kernels.h"
#include "core/series/decoder_spec.h"

namespace crest::model {

struct KvCacheSizes {
    std::int64_t slots = 1, rowsPerSlot = 1;
    std::int64_t promptTokens = 0; ///< that a slot has room for
    std::int64_t newTokens = 0;    ///< that a row has room for
};

class KvCache {
public:
    /// Float32; only what is written to takes memory.
    static std::int64_t bytes(const series::DecoderSpec& spec, const KvCacheSizes& sizes);
    KvCache(const series::DecoderSpec& spec, const KvCacheSizes& sizes, const at::Device& device);

    const KvCacheSizes& sizes() const { return m_sizes; }
    /// [promptTokens, K, D], a view.
    at::Tensor promptKeys(int layer, std::int64_t slot) const { return prompt(m_promptKeys, layer, slot); }
    at::Tensor promptValues(int layer, std::int64_t slot) const { return prompt(m_promptValues, layer, slot); }
    /// [newTokens, K, D], a view; `row` counts through all slots.
    at::Tensor rowKeys(int layer, std::int64_t row) const { return own(m_rowKeys, layer, row); }
    at::Tensor rowValues(int layer, std::int64_t row) const { return own(m_rowValues, layer, row); }
    /// [history, K, D]: token i after the prompt from row history[i] (int64, on the cache's device), copied.
    at::Tensor gatheredKeys(int layer, const at::Tensor& history) const { return gather(m_rowKeys, layer, history); }
    at::Tensor gatheredValues(int layer, const at::Tensor& history) const {
        return gather(m_rowValues, layer, history);
    }
    /// Token `index` after the prompt, K heads that are `stride` floats apart (CPU). Rows may be stored side by side.
    void store(int layer, std::int64_t row, std::int64_t index, const float* keys, const float* values,
               std::int64_t stride);
    /// Fills in pointers and strides of a layer for a row of `slot` (CPU).
    void locate(int layer, std::int64_t slot, CachedToken& token) const;
    /// The first `tokens` tokens of a prompt are those of another slot, too.
    void copyPrompt(std::int64_t from, std::int64_t to, std::int64_t tokens);

private:
    at::Tensor prompt(const at::Tensor& all, int layer, std::int64_t slot) const;
    at::Tensor own(const at::Tensor& all, int layer, std::int64_t row) const;
    at::Tensor gather(const at::Tensor& all, int layer, const at::Tensor& history) const;

    KvCacheSizes m_sizes;
    std::int64_t m_layers, m_heads, m_headSize;
    at::Tensor m_promptKeys, m_promptValues; ///< [L, slots, K, promptTokens, D]
    at::Tensor m_rowKeys, m_rowValues;       ///< [L, slots rowsPerSlot, K, newTokens, D]
};

} // namespace crest::model
