// SPDX-License-Identifier: Apache-2.0
// Content identity (SHA-256) and line checksums (CRC-32C).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace crest {

/// Incremental SHA-256 (FIPS 180-4). Not shared between threads.
class Sha256 {
public:
    using Digest = std::array<std::uint8_t, 32>;

    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    Sha256& update(std::span<const std::byte> bytes);
    Sha256& update(std::string_view text);
    /// The digest of all that was given; the object is empty again afterwards.
    Digest finish();
    std::string finishHex();

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// SHA-256 of a text as 64 lower-case hex digits.
std::string sha256Hex(std::string_view text);

/// CRC-32C (Castagnoli; "123456789" gives e3069283).
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous = 0);
std::uint32_t crc32c(std::string_view text, std::uint32_t previous = 0);

/// `value` as `digits` lower-case hex digits.
std::string hex(std::uint64_t value, int digits);

} // namespace crest
