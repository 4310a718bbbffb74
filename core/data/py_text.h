// SPDX-License-Identifier: Apache-2.0
// Strings as Python has them, because the field's prompts are made with its methods: white space, case, splitting.
// All texts are valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crest::data {

/// str.isspace: 29 code points (U+001C to U+001F among them), also what `\s` of `re` matches.
bool isPySpace(char32_t codePoint);

std::string_view pyLeftStrip(std::string_view text);
std::string_view pyRightStrip(std::string_view text);
std::string_view pyStrip(std::string_view text);
/// strip(chars): any of the code points of `chars`.
std::string_view pyStripChars(std::string_view text, std::string_view chars, bool left, bool right);

/// str.lower, str.upper and str.capitalize with their full mappings (first letter to title case, final sigma).
std::string pyLower(std::string_view text);
std::string pyUpper(std::string_view text);
std::string pyCapitalize(std::string_view text);

/// text.find(part) in bytes, npos where it is not there; linear, whatever the two are.
std::size_t pyFind(std::string_view text, std::string_view part, std::size_t from = 0);
/// text.split(separator) (not empty), text.split(), and text.replace(from, to); `most` < 0: all.
std::vector<std::string> pySplit(std::string_view text, std::string_view separator, std::int64_t most = -1);
std::vector<std::string> pySplitSpace(std::string_view text);
std::string pyReplace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most = -1);

/// len(text): code points.
std::int64_t codePoints(std::string_view text);
/// Byte offset of code point `index`, which may be codePoints(text).
std::size_t byteOffset(std::string_view text, std::int64_t index);

/// len(re.split(r"\s+", text)): empty first and last pieces count.
std::int64_t pyWordCount(std::string_view text);

} // namespace crest::data
