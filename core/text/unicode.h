// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the character classes of the reference tokenizers (Unicode 16; no packaged library has the same tables).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace crest::text {

/// Bits of `charClass`.
inline constexpr std::uint8_t kLetter = 1;     ///< \p{L}
inline constexpr std::uint8_t kNumber = 2;     ///< \p{N}
inline constexpr std::uint8_t kSpace = 4;      ///< White_Space
inline constexpr std::uint8_t kDigitSplit = 8; ///< what the pre-tokenizer Digits cuts off (a newer Unicode than \p{N})
inline constexpr std::uint8_t kWord = 16; ///< \w of the pre-tokenizer Whitespace and of added tokens with single_word
inline constexpr std::uint8_t kPunctuation =
    32;                                   ///< what the pre-tokenizer Punctuation cuts off (older than Unicode 16)
inline constexpr std::uint8_t kMark = 64; ///< what the normalizer StripAccents drops

/// One byte of classes for each of the 0x110000 code points; lives as long as the program.
const std::uint8_t* charClassTable();

/// A code point and its length in bytes.
struct CodePoint {
    char32_t value = 0;
    std::size_t length = 1;
};

/// The code point at `position` (< text.size()) of a text that is valid UTF-8.
CodePoint codePointAt(std::string_view text, std::size_t position);
/// Where the code point begins that ends before `position` (> 0); valid UTF-8.
std::size_t previousCodePoint(std::string_view text, std::size_t position);
void appendUtf8(char32_t codePoint, std::string& out);

/// Each character in lower case by itself, whatever stands beside it (valid UTF-8).
std::string toLowerCase(std::string_view text);

/// How many bytes at the start of `text` are valid UTF-8 (no surrogates, nothing above U+10FFFF, shortest form).
std::size_t validUtf8Prefix(std::string_view text);
inline bool isValidUtf8(std::string_view text) {
    return validUtf8Prefix(text) == text.size();
}
/// Each maximal invalid part replaced by one U+FFFD (Unicode 16, section 3.9; Python's errors="replace").
std::string repairUtf8(std::string_view text);

} // namespace crest::text
