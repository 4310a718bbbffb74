// SPDX-License-Identifier: Apache-2.0
#include "core/train/random.h"

#include <cmath>
#include <numbers>

#include "core/base/hash.h"
#include "core/base/philox.h"

namespace crest::train {
namespace {

/// 64 bits that depend on a name and a number.
std::uint64_t keyOf(std::string_view purpose, std::int64_t number) {
    const std::string text = std::string(purpose) + "|" + std::to_string(number);
    const Sha256::Digest digest = Sha256().update(text).finish();
    std::uint64_t key = 0;
    for (int byte = 0; byte < 8; ++byte)
        key = key << 8 | digest[static_cast<std::size_t>(byte)];
    return key;
}

PhiloxCounter philox(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
    const auto word = [](std::uint64_t value, int shift) { return static_cast<std::uint32_t>(value >> shift); };
    return philox4x32({word(low, 0), word(low, 32), word(high, 0), word(high, 32)}, {word(key, 0), word(key, 32)});
}

/// Uniform in (0, 1], 24 bits.
double uniform(std::uint32_t bits) {
    return (static_cast<double>(bits >> 8) + 1.0) / 16777216.0;
}

} // namespace

void fillNormal(at::Tensor& out, std::int64_t seed, std::string_view tensor, double std) {
    const std::uint64_t key = keyOf("init|" + std::string(tensor), seed);
    float* values = out.mutable_data_ptr<float>();
    const std::int64_t count = out.numel();
    for (std::int64_t i = 0; i < count; i += 2) {
        const PhiloxCounter bits = philox(key, static_cast<std::uint64_t>(i / 2), 0);
        const double radius = std * std::sqrt(-2.0 * std::log(uniform(bits[0])));
        const double angle = 2.0 * std::numbers::pi * uniform(bits[1]);
        values[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < count)
            values[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
}

void fillUniform(at::Tensor& out, std::int64_t seed, std::string_view tensor, double bound) {
    const std::uint64_t key = keyOf("uniform|" + std::string(tensor), seed);
    float* values = out.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < out.numel(); ++i) {
        const PhiloxCounter bits = philox(key, static_cast<std::uint64_t>(i / 4), 0);
        values[i] = static_cast<float>(bound * (1 - 2 * uniform(bits[static_cast<std::size_t>(i % 4)])));
    }
}

KeyedPermutation::KeyedPermutation(std::int64_t size, std::int64_t seed, std::int64_t epoch)
    : m_size(size)
    , m_key(keyOf("order|" + std::to_string(epoch), seed)) {
    while ((std::int64_t{1} << (2 * m_halfBits)) < size)
        ++m_halfBits;
}

std::int64_t KeyedPermutation::operator()(std::int64_t index) const {
    const std::uint64_t mask = (std::uint64_t{1} << m_halfBits) - 1;
    auto value = static_cast<std::uint64_t>(index);
    do {
        std::uint64_t left = value >> m_halfBits, right = value & mask;
        for (std::uint64_t round = 0; round < 6; ++round) {
            const std::uint64_t mixed = (left ^ philox(m_key, right, round)[0]) & mask;
            left = right;
            right = mixed;
        }
        value = left << m_halfBits | right;
    } while (value >= static_cast<std::uint64_t>(m_size));
    return static_cast<std::int64_t>(value);
}

} // namespace crest::train
