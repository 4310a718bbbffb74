// SPDX-License-Identifier: Apache-2.0
#include "core/series/number_health.h"

#include <cstring>

namespace crest::series {
namespace {

/// Numbers beside each other, which no addition below carries over: compilers make vector instructions of it.
using Lanes = std::uint64_t __attribute__((vector_size(32)));

/// A pattern of one number (16 or 32 bits) in all of a word.
std::uint64_t everywhere(std::uint32_t pattern, bool is32) {
    return is32 ? pattern * 0x0000'0001'0000'0001ULL : pattern * 0x0001'0001'0001'0001ULL;
}

} // namespace

NumberHealth::NumberHealth(io::DType dtype)
    : m_isKnown(dtype == io::DType::F32 || dtype == io::DType::F16 || dtype == io::DType::BF16)
    , m_exponent(dtype == io::DType::F32 ? 0x7f80'0000U : dtype == io::DType::BF16 ? 0x7f80U : 0x7c00U)
    , m_sign(dtype == io::DType::F32 ? 0x8000'0000U : 0x8000U) {}

void NumberHealth::look(std::span<const std::byte> bytes) {
    if (!m_isKnown)
        return;
    const bool is32 = m_sign == 0x8000'0000U;
    const std::uint64_t exponent = everywhere(m_exponent, is32), sign = everywhere(m_sign, is32),
                        lowest = everywhere(m_exponent & (~m_exponent + 1), is32);
    // An exponent of ones, plus its lowest bit, reaches the bit of the sign.
    Lanes full{}, any{};
    std::size_t at = 0;
    for (; at + sizeof(Lanes) <= bytes.size(); at += sizeof(Lanes)) {
        Lanes numbers;
        std::memcpy(&numbers, bytes.data() + at, sizeof(numbers));
        full |= (numbers & exponent) + lowest;
        any |= numbers;
    }
    Lanes last{};
    if (at < bytes.size())
        std::memcpy(&last, bytes.data() + at, bytes.size() - at);
    full |= (last & exponent) + lowest;
    any |= last;
    const auto joined = [](const Lanes& lanes) { return lanes[0] | lanes[1] | lanes[2] | lanes[3]; };
    m_anyNonzero = m_anyNonzero || (joined(any) & ~sign) != 0;
    if ((joined(full) & sign) != 0)
        count(bytes);
}

void NumberHealth::count(std::span<const std::byte> bytes) {
    const std::size_t size = m_sign == 0x8000'0000U ? 4 : 2;
    for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
        std::uint32_t number = 0;
        std::memcpy(&number, bytes.data() + at, size);
        const bool full = (number & m_exponent) == m_exponent, infinite = (number & ~m_sign) == m_exponent;
        m_infinities += infinite ? 1 : 0;
        m_nans += full && !infinite ? 1 : 0;
    }
}

} // namespace crest::series
