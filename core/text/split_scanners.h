// SPDX-License-Identifier: Apache-2.0
// The regular expressions of the known pre-tokenizers as scanners: each says where the match ends that begins at a
// position. All of them match at every position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/text/unicode.h"

namespace crest::text {

/// A text with the questions the scanners ask about a position.
class SplitScanner {
public:
    explicit SplitScanner(std::string_view text)
        : m_text(text)
        , m_classes(charClassTable()) {}

    std::size_t gpt2(std::size_t at) const;
    std::size_t cl100k(std::size_t at, int maxDigits) const;
    /// Characters of a class in stretches of at most `count` (-1: any number), the others in whole stretches.
    std::size_t classRun(std::size_t at, std::uint8_t bit, int count) const;
    /// `\w+|[^\w\s]+`, and white space in whole stretches.
    std::size_t words(std::size_t at) const;
    bool hasClass(std::size_t at, std::uint8_t bit) const { return (charAt(at).classes & bit) != 0; }

private:
    enum class Kind { Letter, Number, Space, Other };
    struct Char {
        std::size_t end;
        std::uint8_t classes;
    };

    Char charAt(std::size_t at) const {
        const CodePoint c = codePointAt(m_text, at);
        return {at + c.length, m_classes[c.value]};
    }
    static Kind kind(std::uint8_t classes) {
        return classes & kLetter   ? Kind::Letter
               : classes & kNumber ? Kind::Number
               : classes & kSpace  ? Kind::Space
                                   : Kind::Other;
    }
    std::size_t runEnd(std::size_t at, Kind wanted) const {
        while (at < m_text.size()) {
            const Char c = charAt(at);
            if (kind(c.classes) != wanted)
                break;
            at = c.end;
        }
        return at;
    }
    bool isLineEnd(std::size_t at) const { return m_text[at] == '\n' || m_text[at] == '\r'; }
    /// `\s+(?!\S)|\s+`: all white space but the last when something follows; a single one as it is.
    std::size_t spaces(std::size_t at) const {
        const std::size_t end = runEnd(at, Kind::Space);
        if (end == m_text.size())
            return end;
        const std::size_t last = previousCodePoint(m_text, end);
        return last > at ? last : end;
    }
    std::size_t contraction(std::size_t at, bool anyCase) const;

    std::string_view m_text;
    const std::uint8_t* m_classes;
};

} // namespace crest::text
