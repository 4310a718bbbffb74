// SPDX-License-Identifier: Apache-2.0
// Bytes in JSON (RFC 4648, section 4: with padding, no line breaks).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace crest {

std::string toBase64(std::string_view bytes);
/// Nothing where the text is not exactly what `toBase64` writes.
std::optional<std::string> fromBase64(std::string_view text);

} // namespace crest
