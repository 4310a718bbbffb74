// SPDX-License-Identifier: Apache-2.0
// GPT-2's way to write bytes as printable characters: 21-7E, A1-AC and AE-FF stand for themselves, the other 68 are
// U+0100 onwards.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace crest::text {

/// The code point that stands for each byte.
const std::array<char32_t, 256>& byteAlphabet();

/// Bytes written in the alphabet ("\xC4\xA0the" for " the").
std::string toByteAlphabet(std::string_view bytes);
/// The bytes of a token (valid UTF-8); nothing where one of its characters is not of the alphabet.
std::optional<std::string> fromByteAlphabet(std::string_view token);

} // namespace crest::text
