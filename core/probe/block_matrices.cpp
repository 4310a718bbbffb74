// SPDX-License-Identifier: Apache-2.0
#include "core/probe/block_matrices.h"

#include <algorithm>

namespace crest::probe {

using series::TensorRole;

bool isBlockMatrix(const series::TensorInfo& info) {
    return info.layer >= 0 && (info.role == TensorRole::InputMatrix || info.role == TensorRole::ResidualOutput);
}

void BlockMatrixVersions::make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
                               std::span<float* const> out) {
    const bool changes = isBlockMatrix(m_reader.tensors()[static_cast<std::size_t>(tensor)]);
    if (changes)
        study(tensor);
    const auto stretch = static_cast<std::int64_t>(m_weights.size());
    for (std::int64_t done = 0; done < count; done += stretch) {
        const auto part = static_cast<std::size_t>(std::min(stretch, count - done));
        const std::span<float> weights(m_weights.data(), part);
        m_reader.read(tensor, first + done, weights);
        for (std::size_t k = 0; k < out.size(); ++k) {
            if (changes)
                apply(first + done, weights, static_cast<std::size_t>(firstVersion) + k, {out[k] + done, part});
            else
                std::copy_n(weights.data(), part, out[k] + done);
        }
    }
}

} // namespace crest::probe
