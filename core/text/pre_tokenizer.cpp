// SPDX-License-Identifier: Apache-2.0
#include "core/text/pre_tokenizer.h"

#include <span>
#include <string>

#include "core/text/unicode.h"

namespace crest::text {
namespace {

/// A text with the questions the scanners ask about a position.
class Scanner {
public:
    explicit Scanner(std::string_view text)
        : m_text(text)
        , m_classes(charClassTable()) {}

    std::size_t gpt2(std::size_t at) const;
    std::size_t cl100k(std::size_t at, int maxDigits) const;
    std::size_t digits(std::size_t at, bool each) const;

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

/// The end of 's 't 're 've 'm 'll 'd at `at`, or `at`.
std::size_t Scanner::contraction(std::size_t at, bool anyCase) const {
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

std::size_t Scanner::gpt2(std::size_t at) const {
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

std::size_t Scanner::cl100k(std::size_t at, int maxDigits) const {
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

std::size_t Scanner::digits(std::size_t at, bool each) const {
    const Char first = charAt(at);
    const bool digit = first.classes & kDigitSplit;
    std::size_t end = first.end;
    if (digit && each)
        return end;
    while (end < m_text.size()) {
        const Char c = charAt(end);
        if (static_cast<bool>(c.classes & kDigitSplit) != digit)
            break;
        end = c.end;
    }
    return end;
}

std::size_t pieceEnd(const Scanner& scanner, PreStep step, std::size_t at) {
    switch (step) {
    case PreStep::Gpt2:
        return scanner.gpt2(at);
    case PreStep::Cl100k:
        return scanner.cl100k(at, 3);
    case PreStep::Qwen2:
        return scanner.cl100k(at, 1);
    default:
        return scanner.digits(at, step == PreStep::EachDigit);
    }
}

void apply(std::span<const PreStep> steps, std::string_view text, const PieceSink& sink) {
    if (steps.empty()) {
        sink(text);
        return;
    }
    if (steps[0] == PreStep::PrefixSpace) {
        std::string withSpace(text[0] == ' ' ? 0 : 1, ' ');
        withSpace += text;
        apply(steps.subspan(1), withSpace, sink);
        return;
    }
    const Scanner scanner(text);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = pieceEnd(scanner, steps[0], at);
        apply(steps.subspan(1), text.substr(at, end - at), sink);
        at = end;
    }
}

} // namespace

void preTokenize(const std::vector<PreStep>& steps, std::string_view text, const PieceSink& sink) {
    apply(steps, text, sink);
}

} // namespace crest::text
