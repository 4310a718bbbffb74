// SPDX-License-Identifier: Apache-2.0
#include "core/data/rows.h"

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/data/byte_stream.h"
#include "core/data/py_text.h"
#include "core/data/row_decoder.h"
#include "core/io/files.h"

namespace crest::data {
namespace {

constexpr std::string_view kUtf16Marks[] = {"\xFF\xFE", "\xFE\xFF"};

RowFormat formatOf(const std::string& name) {
    std::string lower = pyLower(std::filesystem::path(name).filename().string());
    if (lower.ends_with(".gz"))
        lower.resize(lower.size() - 3);
    const auto is = [&](std::string_view end) { return lower.ends_with(end); };
    if (is(".json") || is(".jsonl") || is(".ndjson"))
        return RowFormat::JsonRows;
    return is(".csv")       ? RowFormat::Csv
           : is(".tsv")     ? RowFormat::Tsv
           : is(".parquet") ? RowFormat::Parquet
                            : RowFormat::Lines;
}

Error inFile(Error error, const DataFile& file) {
    if (error.where.empty())
        error.where = file.name();
    return error;
}

Result<void> pump(ByteStream& stream, RowDecoder& decoder, const JobContext& job) {
    std::array<char, 65'536> block{};
    while (!decoder.done()) {
        if (job.stopRequested())
            return stopped();
        CREST_TRY(count, stream.read(block));
        if (count == 0)
            return decoder.finish();
        CREST_CHECK(decoder.take(std::string_view(block.data(), count)));
    }
    return {};
}

} // namespace

Result<void> RowDecoder::take(std::string_view bytes) {
    if (m_begun)
        return decode(bytes);
    m_head += bytes;
    return m_head.size() < kByteOrderMark.size() ? Result<void>() : begin();
}

Result<void> RowDecoder::begin() {
    m_begun = true;
    const std::string head = std::exchange(m_head, {});
    for (const std::string_view mark : kUtf16Marks)
        if (head.starts_with(mark))
            return fail(ErrorKind::Malformed, "the file is UTF-16; convert it with: iconv -f UTF-16 -t UTF-8");
    return decode(std::string_view(head).substr(head.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0));
}

Result<void> RowDecoder::finish() {
    if (!m_begun)
        CREST_CHECK(begin());
    return m_done ? Result<void>() : end();
}

Result<void> RowDecoder::give(std::int64_t number, Result<Json> row) {
    CREST_TRY(more, m_visit(number, std::move(row)));
    m_done = !more;
    return {};
}

Result<void> RowDecoder::checkLength(std::size_t size, std::int64_t number) {
    if (size <= kLongestRow)
        return {};
    return fail(ErrorKind::OutOfRange,
                fmt::format("row {} is longer than {}", number, formatBytes(static_cast<double>(kLongestRow))));
}

std::unique_ptr<RowDecoder> makeRowDecoder(const RowOptions& options, RowVisitor visit) {
    if (options.format == RowFormat::JsonRows)
        return makeJsonDecoder(std::move(visit));
    if (options.format == RowFormat::Csv || options.format == RowFormat::Tsv)
        return makeTableDecoder(options, std::move(visit));
    return makeTextDecoder(options.format, std::move(visit));
}

Result<void> decodeRows(std::string_view content, const std::string& name, const RowOptions& options,
                        const RowVisitor& visit) {
    RowOptions chosen = options;
    if (chosen.format == RowFormat::ByName)
        chosen.format = formatOf(name);
    const auto decoder = makeRowDecoder(chosen, visit);
    for (std::size_t at = 0; at < content.size() && !decoder->done(); at += 65'536)
        CREST_CHECK(decoder->take(content.substr(at, 65'536)));
    return decoder->done() ? Result<void>() : decoder->finish();
}

Result<void> readRows(const DataFile& file, const RowOptions& options, const RowVisitor& visit, const JobContext& job) {
    RowOptions chosen = options;
    if (chosen.format == RowFormat::ByName)
        chosen.format = formatOf(file.member.empty() ? file.path.string() : file.member);
    if (file.member.empty()) {
        CREST_TRY(head, io::readFileHead(file.path, 200));
        if (io::isGitLfsPointer(head.bytes))
            return fail(ErrorKind::NotFound,
                        "only the small text is here that git-lfs leaves; fetch the file itself with: git lfs pull",
                        file.name());
    }
    if (chosen.format == RowFormat::Parquet)
        return readParquetRows(file, visit, job);
    auto stream = openByteStream(file);
    if (!stream)
        return fail(inFile(stream.error(), file));
    const auto decoder = makeRowDecoder(chosen, visit);
    const auto done = pump(**stream, *decoder, job);
    return done ? done : fail(inFile(done.error(), file));
}

} // namespace crest::data
