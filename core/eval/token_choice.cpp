// SPDX-License-Identifier: Apache-2.0
#include "core/eval/token_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/philox.h"
#include "core/model/kernels.h"

namespace crest::eval {

std::int32_t firstLargest(std::span<const float> values) {
    return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

float logSumExp(std::span<const float> values, std::int32_t largest) {
    const std::int64_t target = largest;
    float loss = 0;
    // With no gradient asked for, the logits stay as they are.
    model::cpuKernels().crossEntropy(1, static_cast<std::int64_t>(values.size()), const_cast<float*>(values.data()),
                                     &target, &loss, 0);
    return values[static_cast<std::size_t>(largest)] + loss;
}

void penalise(std::span<float> scores, std::span<const std::int32_t> ids, double penalty) {
    const auto factor = static_cast<float>(penalty);
    for (const std::int32_t id : ids) {
        float& score = scores[static_cast<std::size_t>(id)];
        score = score < 0 ? score * factor : score / factor;
    }
}

const Kept& Sampler::keep(std::span<const float> scores) {
    m_scaled.assign(scores.begin(), scores.end());
    for (float& score : m_scaled)
        score /= m_temperature;
    const float top = *std::max_element(m_scaled.begin(), m_scaled.end());
    float least = -INFINITY;
    if (m_topK > 0 && m_topK < static_cast<std::int64_t>(m_scaled.size())) {
        m_sorted = m_scaled;
        std::nth_element(m_sorted.begin(), m_sorted.begin() + (m_topK - 1), m_sorted.end(), std::greater<>());
        least = m_sorted[static_cast<std::size_t>(m_topK - 1)];
    }
    m_kept.ids.clear();
    m_kept.shares.clear();
    double total = 0;
    for (std::size_t id = 0; id < m_scaled.size(); ++id)
        if (m_scaled[id] >= least) {
            m_kept.ids.push_back(static_cast<std::int32_t>(id));
            m_kept.shares.push_back(std::exp(static_cast<double>(m_scaled[id]) - static_cast<double>(top)));
            total += m_kept.shares.back();
        }
    for (double& share : m_kept.shares)
        share /= total;
    if (m_topP < 1)
        cutByShare();
    return m_kept;
}

/// Keeps those with less than topP before them, from the largest down; of equals the later id comes first, as the
/// ascending stable sort of the reference has it.
void Sampler::cutByShare() {
    const std::vector<double>& shares = m_kept.shares;
    m_order.resize(shares.size());
    std::iota(m_order.begin(), m_order.end(), std::size_t{0});
    const auto before = [&](std::size_t a, std::size_t b) {
        return shares[a] != shares[b] ? shares[a] > shares[b] : a > b;
    };
    std::size_t count = 0;
    double sum = 0;
    for (std::size_t sorted = 0; count < m_order.size() && (count == 0 || sum < m_topP); ++count) {
        if (count == sorted) { // a few at a time: most distributions end soon
            sorted = std::min(m_order.size(), std::max<std::size_t>(64, 8 * sorted));
            std::partial_sort(m_order.begin() + static_cast<std::ptrdiff_t>(count),
                              m_order.begin() + static_cast<std::ptrdiff_t>(sorted), m_order.end(), before);
        }
        sum += shares[m_order[count]];
    }
    m_order.resize(count);
    std::sort(m_order.begin(), m_order.end());
    for (std::size_t i = 0; i < count; ++i) { // ascending, so that nothing is overwritten before it is read
        m_kept.ids[i] = m_kept.ids[m_order[i]];
        m_kept.shares[i] = m_kept.shares[m_order[i]] / sum;
    }
    m_kept.ids.resize(count);
    m_kept.shares.resize(count);
}

double uniformDraw(std::uint64_t seed, std::uint64_t prompt, std::uint32_t position) {
    const PhiloxCounter words =
        philox4x32({position, static_cast<std::uint32_t>(prompt), static_cast<std::uint32_t>(prompt >> 32), 0},
                   {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    const std::uint64_t bits = (std::uint64_t{words[0]} << 32 | words[1]) >> 11;
    return static_cast<double>(bits) * 0x1p-53;
}

std::int32_t drawToken(const Kept& kept, double uniform) {
    double sum = 0;
    std::size_t last = 0;
    for (std::size_t i = 0; i < kept.ids.size(); ++i) {
        sum += kept.shares[i];
        if (kept.shares[i] > 0)
            last = i;
        if (uniform < sum)
            return kept.ids[i];
    }
    return kept.ids[last]; // the sum fell short of one by rounding
}

} // namespace crest::eval
