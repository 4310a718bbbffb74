// SPDX-License-Identifier: Apache-2.0
// From the logits after a prompt to the next token: the rules of transformers' logits processors (generation/
// logits_process.py of 5.23), and draws that are a function of seed, prompt and position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace crest::eval {

/// Index of the largest value, the first of equals.
std::int32_t firstLargest(std::span<const float> values);
/// log(sum(exp(values))), given the index of the largest; not finite where a value is NaN or +infinity.
float logSumExp(std::span<const float> values, std::int32_t largest);

/// Repetition penalty: each of `ids` once, scores below zero times `penalty`, others divided by it.
/// `ids` are distinct.
void penalise(std::span<float> scores, std::span<const std::int32_t> ids, double penalty);

/// The distribution that a token is drawn from.
struct Kept {
    std::vector<std::int32_t> ids; ///< ascending
    std::vector<double> shares;    ///< sum to one
};

/// Temperature, then the topK largest (and what equals the last of them; 0: all), then the fewest of those whose share
/// reaches topP (1: all; at least one). Keeps its scratch: one thread.
class Sampler {
public:
    Sampler(double temperature, std::int64_t topK, double topP)
        : m_temperature(static_cast<float>(temperature))
        , m_topK(topK)
        , m_topP(topP) {}
    const Kept& keep(std::span<const float> scores);

private:
    void cutByShare();

    float m_temperature;
    std::int64_t m_topK;
    double m_topP;
    std::vector<float> m_scaled, m_sorted;
    std::vector<std::size_t> m_order;
    Kept m_kept;
};

/// Uniform in [0, 1): Philox4x32-10 of counter (position, prompt, 0) under the seed.
double uniformDraw(std::uint64_t seed, std::uint64_t prompt, std::uint32_t position);
/// The token at `uniform` of the distribution, ids ascending.
std::int32_t drawToken(const Kept& kept, double uniform);

} // namespace crest::eval
