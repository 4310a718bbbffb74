// SPDX-License-Identifier: Apache-2.0
// What quantisation and pruning change: the matrices of the blocks, element by element, from the pristine map.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/model/weight_source.h"

namespace crest::probe {

/// Versions of a checkpoint that differ in the matrices of its blocks only.
class BlockMatrixVersions : public model::WeightSource {
public:
    BlockMatrixVersions(const model::WeightReader& reader, std::span<const double> strengths)
        : m_reader(reader)
        , m_strengths(strengths.begin(), strengths.end()) {}

    const model::WeightReader& reader() const override { return m_reader; }
    int versions() const override { return static_cast<int>(m_strengths.size()); }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override;

protected:
    /// Called before every `apply`: finds out what must be known of the matrix as a whole (scales, thresholds), where it
    /// is not known yet. The matrices of one block are asked for in turns.
    virtual void study(int tensor) = 0;
    /// out[j] from weights[j], element first + j of the matrix last studied.
    virtual void apply(std::int64_t first, std::span<const float> weights, std::size_t version,
                       std::span<float> out) const = 0;

    const model::WeightReader& m_reader;
    std::vector<double> m_strengths;

private:
    std::array<float, 4096> m_weights; ///< a stretch, which stays in the first-level cache
};

/// A matrix of a block: neither norm nor bias, neither embedding nor head.
bool isBlockMatrix(const series::TensorInfo& info);

} // namespace crest::probe
