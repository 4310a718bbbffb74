// SPDX-License-Identifier: Apache-2.0
#include "core/text/unicode.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

namespace crest::text {
namespace {

struct CodePointRange {
    char32_t low;
    char32_t high;
};
/// Code points first, first + step, ..., last; the lower form lies `distance` further.
struct CaseRange {
    char32_t first;
    char32_t last;
    char32_t step;
    std::int32_t distance;
};
/// A code point whose lower form is several characters.
struct LongCase {
    char32_t value;
    const char* lower;
};
#include "core/text/unicode_tables.inc"

std::vector<std::uint8_t> makeClasses() {
    std::vector<std::uint8_t> classes(0x110000, 0);
    const auto mark = [&](std::span<const CodePointRange> ranges, std::uint8_t bit) {
        for (const CodePointRange& range : ranges)
            for (char32_t c = range.low; c <= range.high; ++c)
                classes[c] = static_cast<std::uint8_t>(classes[c] | bit);
    };
    mark(kLetters, kLetter);
    mark(kNumbers, kNumber);
    mark(kWhiteSpace, kSpace);
    mark(kDigits, kDigitSplit);
    mark(kWordCharacters, kWord);
    mark(kPunctuationMarks, kPunctuation);
    mark(kCombiningMarks, kMark);
    return classes;
}

/// What stands at the start of `bytes` (not empty): a code point, or a maximal invalid part.
struct Part {
    std::size_t length;
    bool valid;
};

Part nextPart(std::string_view bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80)
        return {1, true};
    if (lead < 0xC2 || lead > 0xF4)
        return {1, false};
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // The second byte has a narrower range where shortest form, surrogates or the upper end forbid the rest.
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = 1; i < length; ++i) {
        const bool inside = i < bytes.size() && byte(i) >= (i == 1 ? low : 0x80) && byte(i) <= (i == 1 ? high : 0xBF);
        if (!inside)
            return {i, false};
    }
    return {length, true};
}

void appendLowerCase(char32_t c, std::string& out) {
    const auto range = std::ranges::lower_bound(kLowerCase, c, {}, &CaseRange::last);
    if (range != std::end(kLowerCase) && c >= range->first && (c - range->first) % range->step == 0) {
        appendUtf8(static_cast<char32_t>(static_cast<std::int32_t>(c) + range->distance), out);
        return;
    }
    for (const LongCase& special : kLowerCaseLong)
        if (special.value == c) {
            out += special.lower;
            return;
        }
    appendUtf8(c, out);
}

} // namespace

const std::uint8_t* charClassTable() {
    static const std::vector<std::uint8_t> table = makeClasses();
    return table.data();
}

CodePoint codePointAt(std::string_view text, std::size_t position) {
    const auto byte = [&](std::size_t i) {
        return static_cast<char32_t>(static_cast<unsigned char>(text[position + i]));
    };
    const char32_t lead = byte(0);
    if (lead < 0x80)
        return {lead, 1};
    if (lead < 0xE0)
        return {((lead & 0x1F) << 6) | (byte(1) & 0x3F), 2};
    if (lead < 0xF0)
        return {((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
    return {((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F), 4};
}

std::size_t previousCodePoint(std::string_view text, std::size_t position) {
    do
        --position;
    while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
    return position;
}

void appendUtf8(char32_t c, std::string& out) {
    const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6));
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18));
        put(0x80 | ((c >> 12) & 0x3F));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

std::string toLowerCase(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        if (c.value < 0x80)
            out.push_back(static_cast<char>(c.value >= 'A' && c.value <= 'Z' ? c.value - 'A' + 'a' : c.value));
        else
            appendLowerCase(c.value, out);
        at += c.length;
    }
    return out;
}

std::size_t validUtf8Prefix(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t eight = 0;
        if (at + sizeof(eight) <= text.size()) {
            std::memcpy(&eight, text.data() + at, sizeof(eight));
            if ((eight & 0x8080808080808080ULL) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        const Part part = nextPart(text.substr(at));
        if (!part.valid)
            return at;
        at += part.length;
    }
    return at;
}

std::string repairUtf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Part part = nextPart(text);
        if (part.valid)
            out.append(text.substr(0, part.length));
        else
            out.append("\xEF\xBF\xBD");
        text.remove_prefix(part.length);
    }
    return out;
}

} // namespace crest::text
