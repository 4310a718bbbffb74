// SPDX-License-Identifier: Apache-2.0
#include "core/probe/interpolation.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace crest::probe {
namespace {

class InterpolatedVersions final : public model::WeightSource {
public:
    InterpolatedVersions(const model::WeightReader& reader, std::unique_ptr<model::WeightSource> tuned,
                         std::span<const double> shares)
        : m_reader(reader)
        , m_tuned(std::move(tuned))
        , m_shares(shares.begin(), shares.end()) {}

    const model::WeightReader& reader() const override { return m_reader; }
    int versions() const override { return static_cast<int>(m_shares.size()); }

    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override {
        const auto stretch = static_cast<std::int64_t>(m_start.size());
        for (std::int64_t done = 0; done < count; done += stretch) {
            const std::int64_t part = std::min(stretch, count - done);
            float* const to[] = {m_after.data()};
            m_reader.read(tensor, first + done, {m_start.data(), static_cast<std::size_t>(part)});
            m_tuned->make(tensor, first + done, part, 0, to);
            for (std::size_t k = 0; k < out.size(); ++k)
                mix(m_shares[static_cast<std::size_t>(firstVersion) + k], part, out[k] + done);
        }
    }

private:
    void mix(double share, std::int64_t count, float* out) const {
        const auto ofStart = static_cast<float>(1 - share), ofTuned = static_cast<float>(share);
        for (std::size_t j = 0; j < static_cast<std::size_t>(count); ++j)
            out[j] = ofStart * m_start[j] + ofTuned * m_after[j];
    }

    const model::WeightReader& m_reader;
    std::unique_ptr<model::WeightSource> m_tuned;
    std::vector<double> m_shares;
    std::array<float, 4096> m_start, m_after; ///< a stretch, which stays in the first-level cache
};

class Interpolation final : public Modification {
public:
    Interpolation(const model::WeightReader& reader, std::unique_ptr<Modification> tuning, double rate)
        : m_reader(reader)
        , m_tuning(std::move(tuning))
        , m_rate(rate) {}
    int members() const override { return 1; }
    void done() override { m_tuning->done(); }
    std::string takeNote() override { return m_tuning->takeNote(); }

    /// The way is straight: a share of it is a share of every distance.
    std::optional<study::WeightChange> change(std::size_t i) const override {
        std::optional<study::WeightChange> change = m_tuning->change(0);
        if (!change)
            return change;
        change->distance *= m_shares[i];
        for (float& distance : change->distances)
            distance = static_cast<float>(distance * m_shares[i]);
        return change;
    }

    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t seed,
                                                          const JobContext& job) override {
        CREST_TRY(tuned, m_tuning->versions({&m_rate, 1}, seed, job));
        m_shares.assign(strengths.begin(), strengths.end());
        return std::make_unique<InterpolatedVersions>(m_reader, std::move(tuned), strengths);
    }

private:
    const model::WeightReader& m_reader;
    std::unique_ptr<Modification> m_tuning;
    double m_rate;
    std::vector<double> m_shares;
};

} // namespace

std::unique_ptr<Modification> makeInterpolation(const model::WeightReader& reader, std::unique_ptr<Modification> tuning,
                                                double rate) {
    return std::make_unique<Interpolation>(reader, std::move(tuning), rate);
}

} // namespace crest::probe
