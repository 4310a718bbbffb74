// SPDX-License-Identifier: Apache-2.0
#include "core/data/py_text.h"

#include <algorithm>
#include <cstring>

#include <unicode/ucasemap.h>

#include "core/text/unicode.h"

namespace crest::data {
namespace {

/// ICU's case mappings of whole strings, for no language in particular.
class CaseMap {
public:
    CaseMap() {
        UErrorCode status = U_ZERO_ERROR;
        // Python's capitalize looks at the first character and at nothing else.
        m_map = ucasemap_open("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, &status);
    }
    ~CaseMap() { ucasemap_close(m_map); }
    CaseMap(const CaseMap&) = delete;
    CaseMap& operator=(const CaseMap&) = delete;

    template<class Function> std::string apply(Function function, std::string_view text) const {
        std::string out(text.size() + 16, '\0');
        for (int attempt = 0; attempt < 2; ++attempt) {
            UErrorCode status = U_ZERO_ERROR;
            const std::int32_t length = function(m_map, out.data(), static_cast<std::int32_t>(out.size()), text.data(),
                                                 static_cast<std::int32_t>(text.size()), &status);
            if (U_SUCCESS(status)) {
                out.resize(static_cast<std::size_t>(length));
                return out;
            }
            out.resize(static_cast<std::size_t>(length));
        }
        return std::string(text);
    }

private:
    UCaseMap* m_map = nullptr;
};

std::string mapCase(std::string_view text, char what) {
    const CaseMap map; // cheap to open; the titling one is not shared between threads
    if (what == 'l')
        return map.apply(ucasemap_utf8ToLower, text);
    if (what == 'u')
        return map.apply(ucasemap_utf8ToUpper, text);
    return map.apply([](UCaseMap* m, char* to, std::int32_t room, const char* from, std::int32_t length,
                        UErrorCode* status) { return ucasemap_utf8ToTitle(m, to, room, from, length, status); },
                     text);
}

bool isAscii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char asciiLower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
char asciiUpper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

template<class Belongs> std::string_view stripWhere(std::string_view text, bool left, bool right, Belongs belongs) {
    std::size_t begin = 0;
    std::size_t end = text.size();
    while (left && begin < end) {
        const text::CodePoint at = text::codePointAt(text, begin);
        if (!belongs(at.value))
            break;
        begin += at.length;
    }
    while (right && begin < end) {
        const std::size_t before = text::previousCodePoint(text, end);
        if (!belongs(text::codePointAt(text, before).value))
            break;
        end = before;
    }
    return text.substr(begin, end - begin);
}

} // namespace

bool isPySpace(char32_t c) {
    if (c < 0x80)
        return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view pyLeftStrip(std::string_view text) {
    return stripWhere(text, true, false, isPySpace);
}
std::string_view pyRightStrip(std::string_view text) {
    return stripWhere(text, false, true, isPySpace);
}
std::string_view pyStrip(std::string_view text) {
    return stripWhere(text, true, true, isPySpace);
}

std::string_view pyStripChars(std::string_view text, std::string_view chars, bool left, bool right) {
    std::u32string set;
    for (std::size_t at = 0; at < chars.size();) {
        const text::CodePoint point = text::codePointAt(chars, at);
        set += point.value;
        at += point.length;
    }
    std::ranges::sort(set);
    return stripWhere(text, left, right, [&](char32_t c) { return std::ranges::binary_search(set, c); });
}

std::string pyLower(std::string_view text) {
    if (!isAscii(text))
        return mapCase(text, 'l');
    std::string out(text);
    std::ranges::transform(out, out.begin(), asciiLower);
    return out;
}

std::string pyUpper(std::string_view text) {
    if (!isAscii(text))
        return mapCase(text, 'u');
    std::string out(text);
    std::ranges::transform(out, out.begin(), asciiUpper);
    return out;
}

std::string pyCapitalize(std::string_view text) {
    if (!isAscii(text))
        return mapCase(text, 't');
    std::string out = pyLower(text);
    if (!out.empty())
        out[0] = asciiUpper(out[0]);
    return out;
}

std::size_t pyFind(std::string_view text, std::string_view part, std::size_t from) {
    if (from > text.size())
        return std::string_view::npos;
    const std::string_view rest = text.substr(from);
    if (part.empty())
        return from;
    if (rest.empty())
        return std::string_view::npos;
    const void* found = ::memmem(rest.data(), rest.size(), part.data(), part.size()); // two-way search
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

std::vector<std::string> pySplit(std::string_view text, std::string_view separator, std::int64_t most) {
    std::vector<std::string> pieces;
    while (most < 0 || static_cast<std::int64_t>(pieces.size()) < most) {
        const std::size_t at = pyFind(text, separator);
        if (at == std::string_view::npos)
            break;
        pieces.emplace_back(text.substr(0, at));
        text.remove_prefix(at + separator.size());
    }
    pieces.emplace_back(text);
    return pieces;
}

std::vector<std::string> pySplitSpace(std::string_view text) {
    std::vector<std::string> pieces;
    std::size_t begin = 0;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const text::CodePoint point = text::codePointAt(text, at);
        const bool space = isPySpace(point.value);
        if (space && inside)
            pieces.emplace_back(text.substr(begin, at - begin));
        if (!space && !inside)
            begin = at;
        inside = !space;
        at += point.length;
    }
    if (inside)
        pieces.emplace_back(text.substr(begin));
    return pieces;
}

std::string pyReplace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most) {
    std::string out;
    std::int64_t done = 0;
    if (from.empty()) { // between all characters, and at both ends
        for (std::size_t at = 0; at <= text.size();) {
            if (most < 0 || done++ < most)
                out += to;
            if (at == text.size())
                break;
            const std::size_t length = text::codePointAt(text, at).length;
            out += text.substr(at, length);
            at += length;
        }
        return out;
    }
    for (std::size_t at = pyFind(text, from); at != std::string_view::npos && (most < 0 || done < most);
         at = pyFind(text, from), ++done) {
        out += text.substr(0, at);
        out += to;
        text.remove_prefix(at + from.size());
    }
    out += text;
    return out;
}

std::int64_t codePoints(std::string_view text) {
    return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::size_t byteOffset(std::string_view text, std::int64_t index) {
    std::size_t at = 0;
    for (; index > 0 && at < text.size(); --index)
        at += text::codePointAt(text, at).length;
    return at;
}

std::int64_t pyWordCount(std::string_view text) {
    std::int64_t runs = 0;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const text::CodePoint point = text::codePointAt(text, at);
        const bool space = isPySpace(point.value);
        runs += space && !inside ? 1 : 0;
        inside = space;
        at += point.length;
    }
    return runs + 1;
}

} // namespace crest::data
