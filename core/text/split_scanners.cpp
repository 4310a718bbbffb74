// SPDX-License-Identifier: Apache-2.0
#include "core/text/split_scanners.h"

namespace crest::text {

/// The end of 's 't 're 've 'm 'll 'd at `at`, or `at`.
std::size_t SplitScanner::contraction(std::size_t at, bool anyCase) const {
    if (m_text[at] != '\'')
        return at;
    const auto letter = [&](std::size_t i) -> char {
        if (at + i >= m_text.size())
            return '\0';
        const char c = m_text[at + i];
        return anyCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return at + 2;
    const char second = letter(2);
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
        return at + 3;
    // U+017F, the long s, is an s where case does not count.
    if (anyCase && m_text.substr(at + 1, 2) == "\xC5\xBF")
        return at + 3;
    return at;
}

std::size_t SplitScanner::gpt2(std::size_t at) const {
    if (const std::size_t end = contraction(at, false); end > at)
        return end;
    const std::size_t first = m_text[at] == ' ' ? at + 1 : at;
    if (first < m_text.size()) {
        const Char c = charAt(first);
        if (kind(c.classes) != Kind::Space)
            return runEnd(c.end, kind(c.classes));
    }
    return spaces(at);
}

std::size_t SplitScanner::cl100k(std::size_t at, int maxDigits) const {
    if (const std::size_t end = contraction(at, true); end > at)
        return end;
    const Char c = charAt(at);
    if (c.classes & kLetter)
        return runEnd(c.end, Kind::Letter);
    if (c.classes & kNumber) {
        std::size_t end = c.end;
        for (int n = 1; n < maxDigits && end < m_text.size(); ++n) {
            const Char next = charAt(end);
            if (!(next.classes & kNumber))
                break;
            end = next.end;
        }
        return end;
    }
    if (!isLineEnd(at) && c.end < m_text.size() && (charAt(c.end).classes & kLetter))
        return runEnd(c.end, Kind::Letter);
    const std::size_t first = m_text[at] == ' ' ? at + 1 : at;
    if (first < m_text.size() && kind(charAt(first).classes) == Kind::Other) {
        std::size_t end = runEnd(first, Kind::Other);
        while (end < m_text.size() && isLineEnd(end))
            ++end;
        return end;
    }
    // `\s*[\r\n]+` ends behind the last line end of the white space.
    for (std::size_t end = runEnd(at, Kind::Space); end > at; end = previousCodePoint(m_text, end))
        if (isLineEnd(end - 1))
            return end;
    return spaces(at);
}

std::size_t SplitScanner::classRun(std::size_t at, std::uint8_t bit, int count) const {
    const bool inside = hasClass(at, bit);
    int taken = 0;
    while (at < m_text.size() && !(inside && taken == count)) {
        const Char c = charAt(at);
        if (((c.classes & bit) != 0) != inside)
            break;
        at = c.end;
        ++taken;
    }
    return at;
}

std::size_t SplitScanner::words(std::size_t at) const {
    const auto group = [this](std::size_t i) { return charAt(i).classes & (kWord | kSpace); };
    const int wanted = group(at);
    while (at < m_text.size() && group(at) == wanted)
        at = charAt(at).end;
    return at;
}

} // namespace crest::text
