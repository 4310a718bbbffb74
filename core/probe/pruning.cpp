// SPDX-License-Identifier: Apache-2.0
#include "core/probe/pruning.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "core/probe/block_matrices.h"

namespace crest::probe {
namespace {

/// A weight goes where its magnitude is below `threshold`, or equal to it and before `end`.
struct Cut {
    float threshold = 0;
    std::int64_t end = 0;
};

Cut cutOf(std::span<const float> magnitudes, std::vector<float>& scratch, double share) {
    const auto gone = static_cast<std::int64_t>(std::llround(share * static_cast<double>(magnitudes.size())));
    if (gone == 0)
        return {};
    scratch.assign(magnitudes.begin(), magnitudes.end());
    std::nth_element(scratch.begin(), scratch.begin() + (gone - 1), scratch.end());
    Cut cut{scratch[static_cast<std::size_t>(gone - 1)], 0};
    std::int64_t equals = gone - std::ranges::count_if(magnitudes, [&](float m) { return m < cut.threshold; });
    for (; equals > 0; ++cut.end)
        equals -= magnitudes[static_cast<std::size_t>(cut.end)] == cut.threshold ? 1 : 0;
    return cut;
}

class PrunedVersions final : public BlockMatrixVersions {
public:
    using BlockMatrixVersions::BlockMatrixVersions;

private:
    void study(int tensor) override {
        const auto [at, isNew] = m_cuts.try_emplace(tensor);
        m_current = &at->second;
        if (!isNew)
            return;
        std::vector<float> magnitudes(static_cast<std::size_t>(m_reader.elements(tensor))), scratch;
        m_reader.read(tensor, 0, magnitudes);
        for (float& value : magnitudes)
            value = std::fabs(value);
        for (const double share : m_strengths)
            at->second.push_back(cutOf(magnitudes, scratch, share));
    }

    void apply(std::int64_t first, std::span<const float> weights, std::size_t version,
               std::span<float> out) const override {
        const Cut cut = (*m_current)[version];
        for (std::size_t j = 0; j < weights.size(); ++j) {
            const float magnitude = std::fabs(weights[j]);
            const bool gone = magnitude < cut.threshold ||
                              (magnitude == cut.threshold && first + static_cast<std::int64_t>(j) < cut.end);
            out[j] = gone ? 0.0F : weights[j];
        }
    }

    std::map<int, std::vector<Cut>> m_cuts; ///< of each version, by tensor
    const std::vector<Cut>* m_current = nullptr;
};

class Pruning final : public Modification {
public:
    explicit Pruning(const model::WeightReader& reader)
        : m_reader(reader) {}
    int members() const override { return 1; }
    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t,
                                                          const JobContext&) override {
        return std::make_unique<PrunedVersions>(m_reader, strengths);
    }

private:
    const model::WeightReader& m_reader;
};

} // namespace

std::unique_ptr<Modification> makePruning(const model::WeightReader& reader) {
    return std::make_unique<Pruning>(reader);
}

} // namespace crest::probe
