// SPDX-License-Identifier: Apache-2.0
#include "core/model/kv_cache.h"

#include <algorithm>
#include <cmath>

#include "core/model/pages.h"

namespace crest::model {

namespace {

std::int64_t promptElements(const series::DecoderSpec& spec, const KvCacheSizes& sizes) {
    return spec.layers * sizes.slots * spec.kvHeads * sizes.promptTokens * spec.headSize;
}
std::int64_t rowElements(const series::DecoderSpec& spec, const KvCacheSizes& sizes) {
    return spec.layers * sizes.slots * sizes.rowsPerSlot * spec.kvHeads * sizes.newTokens * spec.headSize;
}

} // namespace

std::int64_t KvCache::bytes(const series::DecoderSpec& spec, const KvCacheSizes& sizes) {
    return 2 * 4 * (promptElements(spec, sizes) + rowElements(spec, sizes));
}

KvCache::KvCache(const series::DecoderSpec& spec, const KvCacheSizes& sizes, const at::Device& device)
    : m_sizes(sizes)
    , m_layers(spec.layers)
    , m_heads(spec.kvHeads)
    , m_headSize(spec.headSize) {
    const auto make = [&](std::int64_t count) {
        return device.is_cpu() ? pages(count, at::kFloat) : at::empty({count}, at::TensorOptions().device(device));
    };
    const std::int64_t prompt = promptElements(spec, sizes), row = rowElements(spec, sizes);
    const std::int64_t L = m_layers, K = m_heads, D = m_headSize, rows = sizes.slots * sizes.rowsPerSlot;
    m_promptKeys = make(prompt).view({L, sizes.slots, K, sizes.promptTokens, D});
    m_promptValues = make(prompt).view({L, sizes.slots, K, sizes.promptTokens, D});
    m_rowKeys = make(row).view({L, rows, K, sizes.newTokens, D});
    m_rowValues = make(row).view({L, rows, K, sizes.newTokens, D});
}

at::Tensor KvCache::prompt(const at::Tensor& all, int layer, std::int64_t slot) const {
    return all[layer][slot].transpose(0, 1);
}

at::Tensor KvCache::own(const at::Tensor& all, int layer, std::int64_t row) const {
    return all[layer][row].transpose(0, 1);
}

at::Tensor KvCache::gather(const at::Tensor& all, int layer, const at::Tensor& history) const {
    return all[layer].transpose(1, 2).index({history, at::arange(history.size(0), history.options())});
}

void KvCache::store(int layer, std::int64_t row, std::int64_t index, const float* keys, const float* values,
                    std::int64_t stride) {
    const std::int64_t rows = m_sizes.slots * m_sizes.rowsPerSlot;
    const std::int64_t at = ((layer * rows + row) * m_heads * m_sizes.newTokens + index) * m_headSize;
    float* toKeys = m_rowKeys.mutable_data_ptr<float>() + at;
    float* toValues = m_rowValues.mutable_data_ptr<float>() + at;
    for (std::int64_t head = 0; head < m_heads; ++head) {
        const std::int64_t to = head * m_sizes.newTokens * m_headSize;
        std::copy_n(keys + head * stride, m_headSize, toKeys + to);
        std::copy_n(values + head * stride, m_headSize, toValues + to);
    }
}

void KvCache::locate(int layer, std::int64_t slot, CachedToken& token) const {
    const std::int64_t promptHead = m_sizes.promptTokens * m_headSize, rowHead = m_sizes.newTokens * m_headSize;
    const std::int64_t promptAt = (layer * m_sizes.slots + slot) * m_heads * promptHead;
    const std::int64_t rowsAt = layer * m_sizes.slots * m_sizes.rowsPerSlot * m_heads * rowHead;
    token.kvHeads = m_heads;
    token.headSize = m_headSize;
    token.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(m_headSize)));
    token.prefixKeys = m_promptKeys.const_data_ptr<float>() + promptAt;
    token.prefixValues = m_promptValues.const_data_ptr<float>() + promptAt;
    token.prefixHead = promptHead;
    token.ownKeys = m_rowKeys.const_data_ptr<float>() + rowsAt;
    token.ownValues = m_rowValues.const_data_ptr<float>() + rowsAt;
    token.ownRow = m_heads * rowHead;
    token.ownHead = rowHead;
}

void KvCache::copyPrompt(std::int64_t from, std::int64_t to, std::int64_t tokens) {
    for (const at::Tensor& all : {m_promptKeys, m_promptValues})
        all.select(1, to).narrow(2, 0, tokens).copy_(all.select(1, from).narrow(2, 0, tokens));
}

} // namespace crest::model
