// SPDX-License-Identifier: Apache-2.0
#include "core/base/base64.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace crest {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string toBase64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::string_view group = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = (bits << 8) | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            text += i <= group.size() ? kDigits[(bits >> (18 - 6 * i)) & 63U] : '=';
    }
    return text;
}

std::optional<std::string> fromBase64(std::string_view text) {
    std::array<std::uint8_t, 256> valueOf{}; // of '=' too, which counts as no bits
    for (std::size_t i = 0; i < kDigits.size(); ++i)
        valueOf[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3 + 3);
    for (std::size_t at = 0; at + 4 <= text.size(); at += 4) {
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 4; ++i)
            bits = (bits << 6) | valueOf[static_cast<unsigned char>(text[at + i])];
        for (const int shift : {16, 8, 0})
            bytes += static_cast<char>((bits >> shift) & 0xFFU);
    }
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    bytes.erase(bytes.size() - std::min(padding, bytes.size()));
    if (toBase64(bytes) != text) // foreign characters, bits behind the end, a wrong length
        return std::nullopt;
    return bytes;
}

} // namespace crest
