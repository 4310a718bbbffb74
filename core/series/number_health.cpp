// SPDX-License-Identifier: Apache-2.0
#include "core/series/number_health.h"

#include <algorithm>
#include <cstring>

namespace crest::series {
namespace {

/// Numbers beside each other, which no addition below carries over. What every processor has: wider ones go through memory.
using Lanes = std::uint64_t __attribute__((vector_size(16)));

/// A pattern of one number (16 or 32 bits) in all of a word.
std::uint64_t everywhere(std::uint32_t pattern, bool is32) {
    return is32 ? pattern * 0x0000'0001'0000'0001ULL : pattern * 0x0001'0001'0001'0001ULL;
}

/// Eight bytes, zeros behind the end.
std::uint64_t wordAt(std::span<const std::byte> bytes, std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof(word), bytes.size() - at));
    return word;
}

bool anyBits(std::span<const std::byte> bytes, std::uint64_t wanted) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(wanted))
        if ((wordAt(bytes, at) & wanted) != 0)
            return true;
    return false;
}

/// Whether a number has all bits of its exponent: with the lowest of them added it reaches the bit of the sign.
bool anyFull(std::span<const std::byte> bytes, std::uint64_t exponent, std::uint64_t lowest, std::uint64_t sign) {
    const auto reach = [&](std::size_t at) {
        Lanes numbers;
        std::memcpy(&numbers, bytes.data() + at, sizeof(numbers));
        return (numbers & exponent) + lowest;
    };
    Lanes one{}, two{}, three{}, four{};
    std::size_t at = 0;
    for (; at + 4 * sizeof(Lanes) <= bytes.size(); at += 4 * sizeof(Lanes)) {
        one |= reach(at);
        two |= reach(at + sizeof(Lanes));
        three |= reach(at + 2 * sizeof(Lanes));
        four |= reach(at + 3 * sizeof(Lanes));
    }
    const Lanes all = (one | two) | (three | four);
    std::uint64_t reached = all[0] | all[1];
    for (; at < bytes.size(); at += sizeof(reached))
        reached |= (wordAt(bytes, at) & exponent) + lowest;
    return (reached & sign) != 0;
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
    m_anyNonzero = m_anyNonzero || anyBits(bytes, ~sign);
    if (anyFull(bytes, exponent, lowest, sign))
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
