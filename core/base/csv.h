// SPDX-License-Identifier: Apache-2.0
// A field of a line of comma-separated values (RFC 4180).
#pragma once

#include <string>

namespace crest {

/// In quotes where it has to be.
inline std::string csvField(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos)
        return text;
    std::string out = "\"";
    for (const char c : text)
        out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

} // namespace crest
