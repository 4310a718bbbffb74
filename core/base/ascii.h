// SPDX-License-Identifier: Apache-2.0
// Names in files are compared without regard to case; only A to Z have one here, whatever the locale.
#pragma once

#include <string>

namespace crest {

inline char lowerCase(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
inline std::string lowerCase(std::string text) {
    for (char& c : text)
        c = lowerCase(c);
    return text;
}

} // namespace crest
