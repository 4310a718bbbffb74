// SPDX-License-Identifier: Apache-2.0
#include "core/data/cell_value.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

constexpr std::size_t kLongestCell = 1'000'000;
constexpr int kMostCellValues = 10'000;
constexpr int kDeepestCell = 16;

bool isHighSurrogate(std::uint32_t code) {
    return code >= 0xD800 && code < 0xDC00;
}
bool isLowSurrogate(std::uint32_t code) {
    return code >= 0xDC00 && code < 0xE000;
}

class CellReader {
public:
    explicit CellReader(std::string_view text)
        : m_text(text) {}

    Result<Json> whole() {
        skipBlanks();
        CREST_TRY(made, value(0));
        skipBlanks();
        if (m_at < m_text.size())
            return wrong("there is more behind its end");
        if (!made.is_structured())
            return fail(ErrorKind::Malformed, "the cell is no list and no dictionary");
        return made;
    }

private:
    std::string_view m_text;
    std::size_t m_at = 0;
    int m_values = 0;

    tl::unexpected<Error> wrong(const char* what) const {
        return fail(ErrorKind::Malformed,
                    fmt::format("character {} of the cell: {}", codePoints(m_text.substr(0, m_at)) + 1, what));
    }

    bool take(std::string_view what) {
        if (!m_text.substr(m_at).starts_with(what))
            return false;
        m_at += what.size();
        return true;
    }
    /// Whether there was one.
    bool skipBlanks() {
        const std::size_t begin = m_at;
        m_at = std::min(m_text.find_first_not_of(" \t\r\n", m_at), m_text.size());
        return m_at > begin;
    }
    bool atText() const { return m_at < m_text.size() && (m_text[m_at] == '\'' || m_text[m_at] == '"'); }

    Result<Json> value(int depth) {
        if (depth > kDeepestCell)
            return fail(ErrorKind::OutOfRange, fmt::format("the cell is nested deeper than {} levels", kDeepestCell));
        if (++m_values > kMostCellValues)
            return fail(ErrorKind::OutOfRange, fmt::format("the cell holds more than {} values", kMostCellValues));
        if (take("["))
            return list("]", depth);
        if (take("("))
            return list(")", depth);
        if (take("{"))
            return dictionary(depth);
        if (take("array("))
            return array(depth);
        if (atText()) {
            CREST_TRY(made, text());
            return Json(std::move(made));
        }
        if (take("None") || take("null"))
            return Json();
        if (take("True") || take("true"))
            return Json(true);
        if (take("False") || take("false"))
            return Json(false);
        return number();
    }

    /// Elements up to `close`. Without commas it is an array as numpy prints it; Python would join such texts to one,
    /// but prints none like it.
    Result<Json> list(std::string_view close, int depth) {
        Json made = Json::array();
        bool commas = false, blanks = false;
        while (skipBlanks(), !take(close)) {
            CREST_TRY(one, value(depth + 1));
            made.push_back(std::move(one));
            const bool blank = skipBlanks();
            if (take(close))
                break;
            if (take(","))
                commas = true;
            else if (blank && close == "]")
                blanks = true;
            else
                return wrong("a comma or the end of the list is missing");
            if (commas && blanks)
                return wrong("commas are between some elements of the list, and not between others");
        }
        if (close == ")" && made.size() == 1 && !commas)
            return wrong("there is one value in brackets, which is no list");
        return made;
    }

    /// Behind "array(".
    Result<Json> array(int depth) {
        if (!take("["))
            return wrong("the list of the array is missing");
        CREST_TRY(made, list("]", depth));
        skipBlanks();
        if (take(",")) {
            skipBlanks();
            if (!take("dtype="))
                return wrong("only dtype= can follow the list of an array");
            constexpr std::string_view kTypes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_'<>|=";
            m_at = std::min(m_text.find_first_not_of(kTypes, m_at), m_text.size());
            skipBlanks();
        }
        if (!take(")"))
            return wrong("the array is not closed by )");
        return made;
    }

    /// Behind its bracket.
    Result<Json> dictionary(int depth) {
        Json made = Json::object();
        while (skipBlanks(), !take("}")) {
            if (!atText())
                return wrong("a name in quotation marks is missing");
            CREST_TRY(name, text());
            skipBlanks();
            if (!take(":"))
                return wrong("the colon behind a name is missing");
            skipBlanks();
            CREST_TRY(one, value(depth + 1));
            if (!made.emplace(std::move(name), std::move(one)).second)
                return wrong("a name stands twice in the dictionary");
            skipBlanks();
            if (take("}"))
                break;
            if (!take(","))
                return wrong("a comma or the end of the dictionary is missing");
        }
        return made;
    }

    Result<std::string> text() {
        const std::size_t begin = m_at;
        const char mark = m_text[m_at++];
        std::string made;
        while (m_at < m_text.size() && m_text[m_at] != '\n' && m_text[m_at] != '\r') {
            const char c = m_text[m_at++];
            if (c == mark)
                return made;
            if (c == '\\')
                CREST_CHECK(escape(made));
            else
                made += c;
        }
        m_at = begin;
        return wrong("the quotation mark is not closed on its line");
    }

    /// Behind the backslash.
    Result<void> escape(std::string& out) {
        constexpr std::string_view kFrom = "\\'\"/nrtbf", kTo = "\\'\"/\n\r\t\b\f";
        const char c = m_at < m_text.size() ? m_text[m_at++] : '\0';
        const std::size_t simple = kFrom.find(c);
        if (simple != std::string_view::npos)
            out += kTo[simple];
        else if (c == 'x' || c == 'u' || c == 'U')
            return character(c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
        else
            return wrong("the backslash begins no escape that is known");
        return {};
    }

    Result<void> character(std::size_t digits, std::string& out) {
        CREST_TRY(code, hexadecimal(digits));
        if (isHighSurrogate(code) && take("\\u")) { // of JSON
            CREST_TRY(low, hexadecimal(4));
            if (isLowSurrogate(low))
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        if (code > 0x10FFFF || isHighSurrogate(code) || isLowSurrogate(code))
            return wrong("the escape is of no character");
        text::appendUtf8(code, out);
        return {};
    }

    Result<std::uint32_t> hexadecimal(std::size_t digits) {
        const std::string_view written = m_text.substr(m_at, digits);
        std::uint32_t code = 0;
        const auto read = std::from_chars(written.data(), written.data() + written.size(), code, 16);
        if (written.size() < digits || read.ptr != written.data() + digits)
            return wrong("the escape has too few hexadecimal digits");
        m_at += digits;
        return code;
    }

    Result<Json> number() {
        const std::size_t end = std::min(m_text.find_first_not_of("+-.0123456789eE", m_at), m_text.size());
        const std::string_view written = m_text.substr(m_at, end - m_at);
        const char* const last = written.data() + written.size();
        std::int64_t integer = 0;
        double real = 0;
        const auto asInteger = std::from_chars(written.data(), last, integer);
        const bool isInteger = asInteger.ptr == last && !written.empty();
        if (isInteger && asInteger.ec != std::errc())
            return wrong("the number does not fit 64 bits");
        if (!isInteger) {
            const auto asReal = std::from_chars(written.data(), last, real);
            if (asReal.ec != std::errc() || asReal.ptr != last)
                return wrong("here is no list, dictionary, text, number, None, True or False");
        }
        m_at = end;
        return isInteger ? Json(integer) : Json(real);
    }
};

} // namespace

Result<Json> cellValue(std::string_view cell) {
    if (cell.size() > kLongestCell)
        return fail(ErrorKind::OutOfRange, fmt::format("the cell is longer than {} bytes", kLongestCell));
    return CellReader(cell).whole();
}

} // namespace crest::data
