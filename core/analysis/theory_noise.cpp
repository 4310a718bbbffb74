// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/theory_noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "core/base/philox.h"

namespace crest::analysis {
namespace {

constexpr std::uint32_t kTag = 0x7468656f; ///< "theo": keeps these counters apart from any other use of a seed
constexpr std::int64_t kDrawsBetweenChecks = 256;

/// Standard normals number 0, 1, .. of one draw: four words make two pairs (Box and Muller).
void fillNormals(std::vector<double>& out, std::int64_t draw, std::uint64_t seed) {
    const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    for (std::size_t i = 0; i < out.size(); i += 4) {
        const PhiloxCounter words = philox4x32({static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(draw >> 32),
                                                static_cast<std::uint32_t>(i / 4), kTag},
                                               key);
        for (std::size_t pair = 0; pair < 2; ++pair) {
            const double u = (words[2 * pair] + 0.5) * 0x1p-32, v = (words[2 * pair + 1] + 0.5) * 0x1p-32;
            const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
            if (i + 2 * pair < out.size())
                out[i + 2 * pair] = radius * std::cos(angle);
            if (i + 2 * pair + 1 < out.size())
                out[i + 2 * pair + 1] = radius * std::sin(angle);
        }
    }
}

/// Of L = c0 + c1 gamma + .. + c4 gamma^4 for one draw at one stop.
struct Polynomial {
    double c[5];
    double at(double gamma) const { return c[0] + gamma * (c[1] + gamma * (c[2] + gamma * (c[3] + gamma * c[4]))); }
};

struct Stop {
    std::vector<double> factor, error; ///< a_i = sqrt(s_i); s_i - sigma_i
};

/// (W2 + gamma E2)(W1 + gamma E1) - A = diag(s - sigma) + gamma (W2 E1 + E2 W1) + gamma^2 E2 E1.
Polynomial lossOf(const Stop& stop, const std::vector<double>& e1, const std::vector<double>& e2, const std::vector<double>& product) {
    Polynomial out{};
    const std::size_t d = stop.factor.size();
    for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t j = 0; j < d; ++j) {
            const double first = stop.factor[i] * e1[i * d + j] + e2[i * d + j] * stop.factor[j], second = product[i * d + j];
            out.c[2] += first * first / 2;
            out.c[3] += first * second;
            out.c[4] += second * second / 2;
        }
        const double first = stop.factor[i] * (e1[i * d + i] + e2[i * d + i]);
        out.c[0] += stop.error[i] * stop.error[i] / 2;
        out.c[1] += stop.error[i] * first;
        out.c[2] += stop.error[i] * product[i * d + i];
    }
    return out;
}

struct Running {
    double mean = 0, squares = 0;
    void add(double value, std::int64_t count) { // Welford
        const double delta = value - mean;
        mean += delta / static_cast<double>(count);
        squares += delta * (value - mean);
    }
};

std::vector<Stop> stopsOf(const TheoryModel& model) {
    std::vector<Stop> stops;
    for (const double time : stopTimes(model)) {
        Stop stop{featuresAt(model, time), {}};
        for (std::size_t i = 0; i < stop.factor.size(); ++i) {
            stop.error.push_back(stop.factor[i] - model.sigma[i]);
            stop.factor[i] = std::sqrt(stop.factor[i]);
        }
        stops.push_back(std::move(stop));
    }
    return stops;
}

} // namespace

Result<std::vector<std::vector<MonteCarloMean>>> sampleNoisyLosses(const TheoryModel& model, const std::vector<double>& gammas,
                                                                   std::int64_t draws, std::uint64_t seed, const JobContext& job) {
    CREST_CHECK(checkTheory(model));
    if (draws < 2 || draws > kMostDraws)
        return fail(ErrorKind::OutOfRange, fmt::format("the number of draws must lie between 2 and {}, not at {}", kMostDraws, draws), "theory");
    const std::size_t d = model.sigma.size();
    const std::vector<Stop> stops = stopsOf(model);
    std::vector<double> normals(2 * d * d), e1(d * d), e2(d * d), product(d * d);
    std::vector<Running> sums(gammas.size() * stops.size());
    for (std::int64_t draw = 0; draw < draws; ++draw) {
        if (draw % kDrawsBetweenChecks == 0) {
            if (job.stopRequested())
                return stopped();
            job.report(draw, draws, "draws");
        }
        fillNormals(normals, draw, seed);
        std::copy_n(normals.begin(), d * d, e1.begin());
        std::copy_n(normals.begin() + static_cast<std::ptrdiff_t>(d * d), d * d, e2.begin());
        std::fill(product.begin(), product.end(), 0.0);
        for (std::size_t i = 0; i < d; ++i)
            for (std::size_t k = 0; k < d; ++k)
                for (std::size_t j = 0; j < d; ++j)
                    product[i * d + j] += e2[i * d + k] * e1[k * d + j];
        for (std::size_t s = 0; s < stops.size(); ++s) {
            const Polynomial loss = lossOf(stops[s], e1, e2, product);
            for (std::size_t g = 0; g < gammas.size(); ++g)
                sums[g * stops.size() + s].add(loss.at(gammas[g]), draw + 1);
        }
    }
    const double n = static_cast<double>(draws);
    std::vector<std::vector<MonteCarloMean>> out(gammas.size());
    for (std::size_t k = 0; k < sums.size(); ++k)
        out[k / stops.size()].push_back({sums[k].mean, std::sqrt(sums[k].squares / (n - 1) / n), draws});
    return out;
}

} // namespace crest::analysis
