// SPDX-License-Identifier: Apache-2.0
// CPython's random.Random, as far as the harness draws its shots with it (formats.md 4.3: MT19937 seeded by an array,
// getrandbits, sample).
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace crest::data {

/// Not shared between threads.
class PyRandom {
public:
    /// random.Random(seed) of an int from 0 to 2^32 - 1.
    explicit PyRandom(std::uint32_t seed);

    std::uint32_t nextWord() { return static_cast<std::uint32_t>(m_engine()); }
    /// A number in [0, limit), 0 < limit <= 2^31.
    std::uint32_t below(std::uint32_t limit);
    /// Indices of sample(range(pool), count), count <= pool.
    std::vector<std::int64_t> sample(std::int64_t pool, std::int64_t count);

private:
    std::mt19937 m_engine;
};

} // namespace crest::data
