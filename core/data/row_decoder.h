// SPDX-License-Identifier: Apache-2.0
// Inside of rows.h: bytes in pieces of any size to rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/data/rows.h"

namespace crest::data {

inline constexpr std::size_t kLongestRow = 8'000'000; ///< whose parser needs some 60 MB
inline constexpr std::size_t kBadRowsShown = 10;      ///< so many of those that cannot be used are named
inline constexpr std::int64_t kRowsPerReport = 1000;  ///< progress is told, and a stop seen, after so many
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF"; ///< of UTF-8

/// A file that is something else, of which no more need be read: of its rows 100,000 and more than half are bad.
constexpr bool areHopeless(std::int64_t bad, std::int64_t rows) {
    return bad >= 100'000 && bad > rows / 2;
}

/// Commas and opening brackets of a JSON text outside of its texts: how many values a parser would hold, one or two off.
std::size_t countValues(std::string_view json);
/// A row of JSON text: an object of bounded size.
Result<Json> parseRow(std::string_view text);

class RowDecoder {
public:
    explicit RowDecoder(RowVisitor visit)
        : m_visit(std::move(visit)) {}
    virtual ~RowDecoder() = default;

    /// Call with each piece, then finish(); not after done().
    Result<void> take(std::string_view bytes);
    Result<void> finish();
    /// The visitor has enough.
    bool done() const { return m_done; }

protected:
    virtual Result<void> decode(std::string_view bytes) = 0;
    virtual Result<void> end() = 0;
    Result<void> give(std::int64_t number, Result<Json> row);
    /// OutOfRange where a row of `size` bytes is too long.
    static Result<void> checkLength(std::size_t size, std::int64_t number);

private:
    RowVisitor m_visit;
    std::string m_head; ///< the first bytes, until it is clear whether there is a byte order mark
    bool m_begun = false, m_done = false;
    Result<void> begin();
};

/// Cuts at \n; \r before it goes.
class LineDecoder : public RowDecoder {
public:
    using RowDecoder::RowDecoder;

protected:
    Result<void> decode(std::string_view bytes) override;
    Result<void> end() override;
    virtual Result<void> line(std::string_view text, std::int64_t number) = 0;
    virtual Result<void> endOfLines() { return {}; }
    /// Whether a last line without a line end counts even where it is empty.
    bool m_emptyLast = false;
    /// Whether line() need not be called for lines without any character: there may be hundreds of millions.
    bool m_skipsEmpty = false;

private:
    std::string m_pending;
    std::int64_t m_number = 0;
};

/// `format` is not ByName and not Parquet.
std::unique_ptr<RowDecoder> makeRowDecoder(const RowOptions& options, RowVisitor visit);
/// Rows of a Parquet file by the helper program.
Result<void> readParquetRows(const DataFile& file, const RowVisitor& visit, const JobContext& job);
std::unique_ptr<RowDecoder> makeJsonDecoder(RowVisitor visit);
std::unique_ptr<RowDecoder> makeTableDecoder(const RowOptions& options, RowVisitor visit);
std::unique_ptr<RowDecoder> makeTextDecoder(RowFormat format, RowVisitor visit);

} // namespace crest::data
