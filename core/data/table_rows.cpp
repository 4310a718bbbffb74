// SPDX-License-Identifier: Apache-2.0
// Rows of CSV (RFC 4180, read as Python's csv module reads it) and TSV. Every value is a text.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/data/row_decoder.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

constexpr std::size_t kMostColumns = 4096;

class TableDecoder final : public RowDecoder {
public:
    TableDecoder(const RowOptions& options, RowVisitor visit)
        : RowDecoder(std::move(visit))
        , m_separator(options.format == RowFormat::Tsv ? '\t' : ',')
        , m_quotes(options.format != RowFormat::Tsv)
        , m_header(options.header) {}

protected:
    Result<void> decode(std::string_view bytes) override {
        for (const char c : bytes) {
            if (done())
                return {};
            CREST_CHECK(character(c));
        }
        return checkLength(m_bytes, m_line);
    }

    Result<void> end() override {
        if (m_state == State::Quoted)
            return fail(ErrorKind::Malformed,
                        fmt::format("the quotation mark of line {} is never closed; the file is cut short, or a mark "
                                    "inside a text is not doubled",
                                    m_begin));
        CREST_CHECK(endRow());
        if (m_header.empty())
            return fail(ErrorKind::Malformed, "there is not even a line with the names of the columns");
        return {};
    }

private:
    enum class State { Begin, Plain, Quoted, AfterQuote };
    const char m_separator;
    const bool m_quotes;
    std::vector<std::string> m_header, m_fields;
    std::string m_field;
    State m_state = State::Begin;
    std::int64_t m_line = 1, m_begin = 1; ///< line now, and of the row's begin
    std::size_t m_bytes = 0;              ///< of the row so far
    bool m_any = false;                   ///< the row has a character, or a separator

    Result<void> character(char c) {
        if (c == '\n')
            ++m_line;
        ++m_bytes;
        if (m_state == State::Quoted) {
            if (c == '"')
                m_state = State::AfterQuote;
            else
                m_field += c;
            return m_bytes % 65'536 == 0 ? checkLength(m_bytes, m_begin) : Result<void>();
        }
        if (c == '\n')
            return endRow();
        m_any = true;
        if (c == m_separator)
            return endField();
        if (c == '"' && m_quotes && m_state == State::Begin) {
            m_state = State::Quoted;
        } else if (c == '"' && m_state == State::AfterQuote) {
            m_field += '"'; // doubled
            m_state = State::Quoted;
        } else {
            m_field += c;
            m_state = State::Plain;
        }
        return {};
    }

    Result<void> endField() {
        if (m_fields.size() >= kMostColumns)
            return fail(ErrorKind::Malformed, fmt::format("line {} has more than {} columns", m_begin, kMostColumns));
        m_fields.push_back(std::move(m_field));
        m_field.clear();
        m_state = State::Begin;
        return {};
    }

    Result<void> endRow() {
        if (m_field.ends_with('\r') && m_state != State::Quoted)
            m_field.pop_back();
        const bool blank = m_fields.empty() && m_field.empty();
        const std::int64_t number = m_begin;
        m_begin = m_line;
        m_bytes = 0;
        if (std::exchange(m_any, false) && !blank)
            CREST_CHECK(endField());
        m_state = State::Begin;
        m_field.clear();
        const std::vector<std::string> fields = std::exchange(m_fields, {});
        if (fields.empty())
            return {};
        if (m_header.empty())
            return takeHeader(fields);
        return give(number, rowOf(fields));
    }

    Result<void> takeHeader(const std::vector<std::string>& fields) {
        for (const std::string& field : fields)
            if (!text::isValidUtf8(field))
                return fail(ErrorKind::Malformed, "the names of the columns are no UTF-8; convert the file with iconv");
        const std::set<std::string> different(fields.begin(), fields.end());
        if (different.size() != fields.size())
            return fail(ErrorKind::Malformed, "two columns have the same name in the first line");
        m_header = fields;
        return {};
    }

    Result<Json> rowOf(const std::vector<std::string>& fields) const {
        if (fields.size() != m_header.size())
            return fail(ErrorKind::Malformed,
                        fmt::format("has {}, the table has {}", counted(static_cast<std::int64_t>(fields.size()), "column"),
                                    m_header.size()));
        Json row = Json::object();
        for (std::size_t i = 0; i < fields.size(); ++i) {
            if (!text::isValidUtf8(fields[i]))
                return fail(ErrorKind::Malformed, fmt::format("column \"{}\" is no UTF-8; convert the file with iconv", m_header[i]));
            row[m_header[i]] = fields[i];
        }
        return row;
    }
};

} // namespace

std::unique_ptr<RowDecoder> makeTableDecoder(const RowOptions& options, RowVisitor visit) {
    return std::make_unique<TableDecoder>(options, std::move(visit));
}

} // namespace crest::data
