// SPDX-License-Identifier: Apache-2.0
#include "core/probe/quantisation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "core/probe/block_matrices.h"

namespace crest::probe {
namespace {

class QuantisedVersions final : public BlockMatrixVersions {
public:
    QuantisedVersions(const model::WeightReader& reader, std::span<const double> bits, std::int64_t group)
        : BlockMatrixVersions(reader, bits)
        , m_group(group) {}

private:
    /// One matrix in groups. Files hold [out, in], or [in, out] where it is transposed.
    struct Groups {
        std::int64_t columns = 1, perRow = 1;
        bool transposed = false;
        std::vector<float> largest; ///< magnitude in each
    };

    std::size_t groupOf(const Groups& groups, std::int64_t at) const {
        const std::int64_t row = at / groups.columns, column = at % groups.columns;
        return static_cast<std::size_t>(groups.transposed ? row / m_group * groups.columns + column
                                                          : row * groups.perRow + column / m_group);
    }

    /// What is known of the block at hand is kept.
    void study(int tensor) override {
        const series::TensorInfo& info = m_reader.tensors()[static_cast<std::size_t>(tensor)];
        if (info.layer != m_layer)
            m_known.clear();
        m_layer = info.layer;
        const auto [at, isNew] = m_known.try_emplace(tensor);
        if (isNew)
            measure(tensor, info, at->second);
        m_current = &at->second;
    }

    void measure(int tensor, const series::TensorInfo& info, Groups& groups) const {
        const std::int64_t rows = info.shape.front();
        groups.columns = info.shape.back();
        groups.transposed = info.transposed;
        groups.perRow = (groups.columns + m_group - 1) / m_group;
        const std::int64_t count =
            groups.transposed ? (rows + m_group - 1) / m_group * groups.columns : rows * groups.perRow;
        groups.largest.assign(static_cast<std::size_t>(count), 0.0F);
        std::vector<float> row(static_cast<std::size_t>(groups.columns));
        for (std::int64_t r = 0; r < rows; ++r) {
            m_reader.read(tensor, r * groups.columns, row);
            for (std::int64_t c = 0; c < groups.columns; ++c) {
                float& largest = groups.largest[groupOf(groups, r * groups.columns + c)];
                largest = std::max(largest, std::fabs(row[static_cast<std::size_t>(c)]));
            }
        }
    }

    void apply(std::int64_t first, std::span<const float> weights, std::size_t version,
               std::span<float> out) const override {
        const float levels = std::ldexp(1.0F, static_cast<int>(m_strengths[version]) - 1) - 1;
        for (std::size_t j = 0; j < weights.size(); ++j) {
            const float scale = m_current->largest[groupOf(*m_current, first + static_cast<std::int64_t>(j))] / levels;
            out[j] = scale > 0 ? scale * std::nearbyint(weights[j] / scale) : 0.0F;
        }
    }

    std::int64_t m_group;
    int m_layer = -1;
    std::map<int, Groups> m_known; ///< by tensor, of one block
    const Groups* m_current = nullptr;
};

class Quantisation final : public Modification {
public:
    Quantisation(const model::WeightReader& reader, std::int64_t group)
        : m_reader(reader)
        , m_group(group) {}
    int members() const override { return 1; }
    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t,
                                                          const JobContext&) override {
        return std::make_unique<QuantisedVersions>(m_reader, strengths, m_group);
    }

private:
    const model::WeightReader& m_reader;
    std::int64_t m_group;
};

} // namespace

std::unique_ptr<Modification> makeQuantisation(const model::WeightReader& reader, std::int64_t group) {
    return std::make_unique<Quantisation>(reader, group);
}

} // namespace crest::probe
