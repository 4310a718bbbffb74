// SPDX-License-Identifier: Apache-2.0
#include "core/probe/gaussian_noise.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "core/probe/noise_fill.h"

namespace crest::probe {

using model::WeightReader;
using series::TensorRole;

namespace {

constexpr std::int64_t kStretch = 4096; ///< weights and normals of a stretch stay in the first-level cache
constexpr int kMembers = 2;

bool getsNoise(TensorRole role) {
    return role != TensorRole::NormGain && role != TensorRole::Bias;
}

class NoisyVersions final : public model::WeightSource {
public:
    NoisyVersions(const WeightReader& reader, std::vector<double> stdByTensor, std::span<const double> gammas,
                  std::int64_t seed)
        : m_reader(reader)
        , m_std(std::move(stdByTensor))
        , m_gammas(gammas.begin(), gammas.end()) {
        for (const series::TensorInfo& info : reader.tensors())
            m_streams.push_back(noiseStream(seed, info.name));
    }

    const WeightReader& reader() const override { return m_reader; }
    int versions() const override { return kMembers * static_cast<int>(m_gammas.size()); }

    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override {
        const double std = m_std[static_cast<std::size_t>(tensor)];
        for (std::int64_t done = 0; done < count; done += kStretch) {
            const auto part = static_cast<std::size_t>(std::min(kStretch, count - done));
            const std::span<float> weights(m_weights.data(), part), normals(m_normals.data(), part);
            m_reader.read(tensor, first + done, weights);
            if (std == 0) {
                for (float* to : out)
                    std::copy_n(weights.data(), part, to + done);
                continue;
            }
            fillNormals(m_streams[static_cast<std::size_t>(tensor)], first + done, normals);
            for (std::size_t k = 0; k < out.size(); ++k) {
                const std::size_t version = static_cast<std::size_t>(firstVersion) + k;
                const double scale = m_gammas[version / kMembers] * std;
                addNoise(weights, normals, static_cast<float>(version % kMembers == 0 ? scale : -scale),
                         {out[k] + done, part});
            }
        }
    }

private:
    const WeightReader& m_reader;
    std::vector<double> m_std, m_gammas;
    std::vector<NoiseStream> m_streams;
    std::array<float, kStretch> m_weights, m_normals;
};

class GaussianNoise final : public Modification {
public:
    GaussianNoise(const WeightReader& reader, const std::map<std::string, double>& std)
        : m_reader(reader) {
        for (const series::TensorInfo& info : reader.tensors()) {
            const auto known = std.find(info.name);
            m_std.push_back(getsNoise(info.role) && known != std.end() ? known->second : 0.0);
        }
    }
    int members() const override { return kMembers; }
    Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths,
                                                          std::int64_t seed, const JobContext&) override {
        return std::make_unique<NoisyVersions>(m_reader, m_std, strengths, seed);
    }

private:
    const WeightReader& m_reader;
    std::vector<double> m_std;
};

} // namespace

Result<std::map<std::string, double>> noiseStd(const WeightReader& reader, const std::map<std::string, double>& table) {
    std::map<std::string, double> std;
    for (const series::TensorInfo& info : reader.tensors()) {
        if (!getsNoise(info.role))
            continue;
        const auto known = table.find(info.name);
        if (known == table.end())
            return fail(ErrorKind::NotFound,
                        fmt::format("no standard deviation is known for the tensor {}", info.name));
        std[info.name] = known->second;
    }
    return std;
}

std::unique_ptr<Modification> makeGaussianNoise(const WeightReader& reader, const std::map<std::string, double>& std) {
    return std::make_unique<GaussianNoise>(reader, std);
}

} // namespace crest::probe
