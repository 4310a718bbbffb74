// SPDX-License-Identifier: Apache-2.0
#include "core/data/py_random.h"

#include <array>
#include <bit>
#include <numeric>
#include <set>
#include <sstream>

namespace crest::data {
namespace {

constexpr std::size_t kWords = 624;

/// The state after init_by_array({seed}) (Matsumoto and Nishimura's mt19937ar.c, which CPython uses).
std::array<std::uint32_t, kWords> stateOf(std::uint32_t seed) {
    std::array<std::uint32_t, kWords> state{};
    state[0] = 19650218;
    for (std::uint32_t i = 1; i < kWords; ++i)
        state[i] = 1812433253U * (state[i - 1] ^ (state[i - 1] >> 30U)) + i;
    std::size_t i = 1;
    const auto advance = [&] {
        if (++i >= kWords) {
            state[0] = state[kWords - 1];
            i = 1;
        }
    };
    for (std::size_t k = 0; k < kWords; ++k) {
        state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30U)) * 1664525U)) + seed;
        advance();
    }
    for (std::size_t k = 1; k < kWords; ++k) {
        state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30U)) * 1566083941U)) - static_cast<std::uint32_t>(i);
        advance();
    }
    state[0] = 0x80000000U;
    return state;
}

} // namespace

PyRandom::PyRandom(std::uint32_t seed) {
    // The standard's text form of an engine is its state; libstdc++ adds the place of the next word.
    std::ostringstream text;
    for (const std::uint32_t word : stateOf(seed))
        text << word << ' ';
    text << kWords;
    std::istringstream(text.str()) >> m_engine;
}

std::uint32_t PyRandom::below(std::uint32_t limit) {
    const int bits = std::bit_width(limit);
    while (true) {
        const std::uint32_t drawn = nextWord() >> (32 - bits);
        if (drawn < limit)
            return drawn;
    }
}

std::vector<std::int64_t> PyRandom::sample(std::int64_t pool, std::int64_t count) {
    std::vector<std::int64_t> drawn;
    std::int64_t setSize = 21;
    if (count > 5) {
        std::int64_t power = 1; // 4^ceil(log4(3 count))
        while (power < 3 * count)
            power *= 4;
        setSize += power;
    }
    if (pool <= setSize) {
        std::vector<std::int64_t> left(static_cast<std::size_t>(pool));
        std::iota(left.begin(), left.end(), 0);
        for (std::int64_t i = 0; i < count; ++i) {
            const std::uint32_t j = below(static_cast<std::uint32_t>(pool - i));
            drawn.push_back(left[j]);
            left[j] = left[static_cast<std::size_t>(pool - i - 1)];
        }
        return drawn;
    }
    std::set<std::int64_t> taken;
    for (std::int64_t i = 0; i < count; ++i) {
        std::int64_t j = below(static_cast<std::uint32_t>(pool));
        while (!taken.insert(j).second)
            j = below(static_cast<std::uint32_t>(pool));
        drawn.push_back(j);
    }
    return drawn;
}

} // namespace crest::data
