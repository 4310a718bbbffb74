// SPDX-License-Identifier: Apache-2.0
#include "core/text/byte_alphabet.h"

#include "core/text/unicode.h"

namespace crest::text {
namespace {

constexpr char32_t kAlphabetEnd = 0x144; // 0x100 and 68 more

std::array<char32_t, 256> makeAlphabet() {
    std::array<char32_t, 256> alphabet{};
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
        const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        alphabet[b] = printable ? b : next++;
    }
    return alphabet;
}

std::array<int, kAlphabetEnd> makeInverse() {
    std::array<int, kAlphabetEnd> inverse{};
    inverse.fill(-1);
    for (int b = 0; b < 256; ++b)
        inverse[byteAlphabet()[static_cast<std::size_t>(b)]] = b;
    return inverse;
}

} // namespace

const std::array<char32_t, 256>& byteAlphabet() {
    static const std::array<char32_t, 256> alphabet = makeAlphabet();
    return alphabet;
}

std::string toByteAlphabet(std::string_view bytes) {
    std::string out;
    for (const char b : bytes)
        appendUtf8(byteAlphabet()[static_cast<unsigned char>(b)], out);
    return out;
}

std::optional<std::string> fromByteAlphabet(std::string_view token) {
    static const std::array<int, kAlphabetEnd> inverse = makeInverse();
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
        const CodePoint c = codePointAt(token, at);
        if (c.value >= kAlphabetEnd || inverse[c.value] < 0)
            return std::nullopt;
        out.push_back(static_cast<char>(static_cast<unsigned char>(inverse[c.value])));
        at += c.length;
    }
    return out;
}

} // namespace crest::text
