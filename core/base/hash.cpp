// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"

#include <new>

#include <boost/crc.hpp>
#include <openssl/evp.h>

namespace crest {

struct Sha256::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();

    State() {
        if (!context || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1)
            throw std::bad_alloc();
    }
    ~State() { EVP_MD_CTX_free(context); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
};

Sha256::Sha256()
    : m_state(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(m_state->context, bytes.data(), bytes.size());
    return *this;
}

Sha256& Sha256::update(std::string_view text) {
    return update(std::as_bytes(std::span(text.data(), text.size())));
}

Sha256::Digest Sha256::finish() {
    Digest digest{};
    EVP_DigestFinal_ex(m_state->context, digest.data(), nullptr);
    EVP_DigestInit_ex(m_state->context, EVP_sha256(), nullptr);
    return digest;
}

std::string Sha256::finishHex() {
    std::string out;
    for (const std::uint8_t byte : finish())
        out += hex(byte, 2);
    return out;
}

std::string sha256Hex(std::string_view text) {
    return Sha256().update(text).finishHex();
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    if (previous != 0) {
        // Continue where the previous part ended: the register before its final reflection and complement.
        boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> resumed(0);
        std::uint32_t reflected = 0;
        const std::uint32_t state = previous ^ 0xFFFFFFFFu;
        for (int bit = 0; bit < 32; ++bit)
            reflected |= ((state >> bit) & 1u) << (31 - bit);
        resumed.reset(reflected);
        resumed.process_bytes(bytes.data(), bytes.size());
        return resumed.checksum();
    }
    crc.process_bytes(bytes.data(), bytes.size());
    return crc.checksum();
}

std::uint32_t crc32c(std::string_view text, std::uint32_t previous) {
    return crc32c(std::as_bytes(std::span(text.data(), text.size())), previous);
}

std::string hex(std::uint64_t value, int digits) {
    std::string out(static_cast<std::size_t>(digits), '0');
    for (int i = digits - 1; i >= 0; --i, value >>= 4)
        out[static_cast<std::size_t>(i)] = "0123456789abcdef"[value & 15];
    return out;
}

} // namespace crest
