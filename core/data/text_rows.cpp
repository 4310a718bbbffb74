// SPDX-License-Identifier: Apache-2.0
// Rows of plain text: lines, paragraphs, the whole file, pages of wikitext; and the base of all that is read by lines.
#include <algorithm>

#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/data/row_decoder.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

class TextDecoder final : public LineDecoder {
public:
    TextDecoder(RowFormat format, RowVisitor visit)
        : LineDecoder(std::move(visit))
        , m_format(format) {
        m_emptyLast = format == RowFormat::WholeFile || format == RowFormat::WikitextPages;
        m_skipsEmpty = format == RowFormat::Lines;
    }

protected:
    Result<void> line(std::string_view text, std::int64_t number) override {
        if (!text::isValidUtf8(text))
            return fail(ErrorKind::Malformed, text.find('\0') == text.npos
                                                  ? fmt::format("line {} is no UTF-8; convert the file with iconv", number)
                                                  : fmt::format("line {} holds zeros, so this is no file of text", number));
        const bool blank = pyStrip(text).empty();
        if (m_format == RowFormat::Lines)
            return blank ? Result<void>() : give(number, Json{{"text", text}});
        if (m_format == RowFormat::Paragraphs && blank)
            return flush();
        if (m_format == RowFormat::WikitextPages && isHeading(text))
            CREST_CHECK(flush());
        if (m_lines++ > 0)
            m_text += '\n';
        m_text += text;
        return checkLength(m_text.size(), m_rows + 1);
    }
    Result<void> endOfLines() override {
        // The document-level set keeps what follows the last heading even where it is empty.
        if (m_format == RowFormat::WikitextPages && m_lines > 0 && pyStrip(m_text).empty())
            return give(++m_rows, Json{{"page", std::exchange(m_text, {})}});
        return flush();
    }

private:
    RowFormat m_format;
    std::string m_text;
    std::int64_t m_lines = 0, m_rows = 0;

    /// " = Title = ", not "= = Section = =".
    static bool isHeading(std::string_view text) {
        const std::string joined = pyReplace(pyReplace(text, "= = =", "==="), "= =", "==");
        const std::string_view bare = pyStrip(joined);
        return bare.starts_with("= ") && bare.ends_with(" =");
    }

    Result<void> flush() {
        const std::string text = std::exchange(m_text, {});
        m_lines = 0;
        if (pyStrip(text).empty())
            return {};
        return give(++m_rows, Json{{m_format == RowFormat::WikitextPages ? "page" : "text", text}});
    }
};

} // namespace

Result<void> LineDecoder::decode(std::string_view bytes) {
    while (!bytes.empty() && !done()) {
        if (m_skipsEmpty && m_pending.empty() && bytes.front() == '\n') {
            const std::size_t run = std::min(bytes.find_first_not_of('\n'), bytes.size());
            m_number += static_cast<std::int64_t>(run);
            bytes.remove_prefix(run);
            continue;
        }
        const std::size_t at = bytes.find('\n');
        if (at == std::string_view::npos) {
            m_pending += bytes;
            return checkLength(m_pending.size(), m_number + 1);
        }
        std::string_view whole = bytes.substr(0, at);
        if (!m_pending.empty()) {
            m_pending += whole;
            whole = m_pending;
        }
        ++m_number;
        CREST_CHECK(checkLength(whole.size(), m_number));
        if (whole.ends_with('\r'))
            whole.remove_suffix(1);
        CREST_CHECK(line(whole, m_number));
        m_pending.clear();
        bytes.remove_prefix(at + 1);
    }
    return {};
}

Result<void> LineDecoder::end() {
    if (m_pending.ends_with('\r'))
        m_pending.pop_back();
    if (!done() && (!m_pending.empty() || m_emptyLast))
        CREST_CHECK(line(m_pending, m_number + 1));
    return done() ? Result<void>() : endOfLines();
}

std::unique_ptr<RowDecoder> makeTextDecoder(RowFormat format, RowVisitor visit) {
    return std::make_unique<TextDecoder>(format, std::move(visit));
}

} // namespace crest::data
