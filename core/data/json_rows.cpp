// SPDX-License-Identifier: Apache-2.0
// Rows of JSON lines, and of one array whose elements are cut out before they are parsed.
#include <algorithm>

#include <fmt/format.h>

#include "core/data/row_decoder.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

/// Values that one row may hold: a line of brackets would else need a hundred times its size.
constexpr std::size_t kMostValues = 200'000;

bool isBlank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class JsonDecoder final : public LineDecoder {
public:
    explicit JsonDecoder(RowVisitor visit)
        : LineDecoder(std::move(visit)) {
        m_skipsEmpty = true;
    }

protected:
    Result<void> decode(std::string_view bytes) override {
        if (m_form == Form::Unknown) {
            const auto first = std::ranges::find_if_not(bytes, isBlank);
            if (first == bytes.end())
                return LineDecoder::decode(bytes);
            m_form = *first == '[' ? Form::Array : Form::Lines;
            if (m_form == Form::Array)
                bytes = bytes.substr(static_cast<std::size_t>(first - bytes.begin()) + 1);
        }
        return m_form == Form::Lines ? LineDecoder::decode(bytes) : elements(bytes);
    }

    Result<void> end() override {
        if (m_form == Form::Array && !m_closed)
            return fail(ErrorKind::Malformed,
                        fmt::format("the array is not closed by ] after element {}; the file is cut short", m_number));
        return m_form == Form::Array ? Result<void>() : LineDecoder::end();
    }

    Result<void> line(std::string_view text, std::int64_t number) override {
        if (std::ranges::all_of(text, isBlank))
            return {};
        return give(number, parseRow(text));
    }

private:
    enum class Form { Unknown, Lines, Array };
    Form m_form = Form::Unknown;
    std::string m_element;
    std::int64_t m_number = 0; ///< elements so far
    int m_depth = 0;
    bool m_text = false, m_escaped = false, m_closed = false;

    Result<void> elements(std::string_view bytes) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < bytes.size() && !done(); ++i) {
            const char c = bytes[i];
            if (m_closed) {
                if (!isBlank(c))
                    return fail(ErrorKind::Malformed, "there is more after the ] that closes the array");
                continue;
            }
            if (m_text) {
                m_text = m_escaped || c != '"';
                m_escaped = !m_escaped && c == '\\';
                continue;
            }
            m_text = c == '"';
            const bool ends = m_depth == 0 && (c == ',' || c == ']');
            if (!ends) {
                m_depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
                continue;
            }
            m_element += bytes.substr(kept, i - kept);
            kept = i + 1;
            m_closed = c == ']';
            CREST_CHECK(element());
        }
        if (!m_closed)
            m_element += bytes.substr(kept);
        return checkLength(m_element.size(), m_number + 1);
    }

    Result<void> element() {
        const bool nothing = std::ranges::all_of(m_element, isBlank);
        if (nothing && m_closed && m_number == 0)
            return {}; // []
        ++m_number;
        CREST_CHECK(checkLength(m_element.size(), m_number));
        CREST_CHECK(give(m_number, parseRow(m_element)));
        m_element.clear();
        return {};
    }
};

} // namespace

std::size_t countValues(std::string_view json) {
    std::size_t count = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted)
            i += c == '\\' ? 1 : 0;
        else
            count += c == ',' || c == '[' || c == '{' ? 1 : 0;
    }
    return count;
}

Result<Json> parseRow(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    if (first == std::string_view::npos || text[first] != '{')
        return fail(ErrorKind::Malformed, "is no JSON object");
    if (text[last] != '}') // looked at first: there may be millions of such rows
        return fail(ErrorKind::Malformed, "is no whole JSON object; a row stands on one line, or is an element of one list");
    if (countValues(text) > kMostValues)
        return fail(ErrorKind::OutOfRange, fmt::format("more than {} values in one row", kMostValues));
    auto row = parseJson(text, "", {kLongestRow, 32});
    if (!row && !text::isValidUtf8(text))
        return fail(row.error().kind, row.error().message + "; convert the file with iconv");
    return row;
}

std::unique_ptr<RowDecoder> makeJsonDecoder(RowVisitor visit) {
    return std::make_unique<JsonDecoder>(std::move(visit));
}

} // namespace crest::data
