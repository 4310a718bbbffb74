// SPDX-License-Identifier: Apache-2.0
#include "core/base/visible.h"

#include <fmt/format.h>

namespace crest {
namespace {

std::string writtenOut(unsigned char control) {
    switch (control) {
    case '\n':
        return "\\n";
    case '\t':
        return "\\t";
    case '\r':
        return "\\r";
    default:
        return fmt::format("\\x{:02x}", control);
    }
}

/// U+0080 to U+009F, which terminals obey as well, are 0xC2 and then their own number.
bool isC1At(std::string_view text, std::size_t i) {
    const auto number = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    return text[i] == '\xC2' && number >= 0x80 && number <= 0x9f;
}

} // namespace

std::string visible(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (isC1At(text, i))
            out += writtenOut(static_cast<unsigned char>(text[++i]));
        else if (byte < 0x20 || byte == 0x7f)
            out += writtenOut(byte);
        else
            out += text[i];
    }
    return out;
}

} // namespace crest
