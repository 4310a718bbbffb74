// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10: a counter turned into 128 random bits under a key, without state (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3"; section 3.3 and table 2). The same on every machine.
#pragma once

#include <array>
#include <cstdint>

namespace crest {

using PhiloxCounter = std::array<std::uint32_t, 4>; ///< least significant word first
using PhiloxKey = std::array<std::uint32_t, 2>;

inline constexpr std::uint32_t kPhiloxMultiplier0 = 0xD2511F53u, kPhiloxMultiplier1 = 0xCD9E8D57u;
inline constexpr std::uint32_t kPhiloxStep0 = 0x9E3779B9u,
                               kPhiloxStep1 = 0xBB67AE85u; ///< added to the key after a round
inline constexpr int kPhiloxRounds = 10;

/// The four words of `counter` under `key`. Counter and key zero give 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
    for (int round = 0; round < kPhiloxRounds; ++round) {
        const std::uint64_t a = std::uint64_t{kPhiloxMultiplier0} * counter[0];
        const std::uint64_t b = std::uint64_t{kPhiloxMultiplier1} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key = {key[0] + kPhiloxStep0, key[1] + kPhiloxStep1};
    }
    return counter;
}

} // namespace crest
