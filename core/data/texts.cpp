// SPDX-License-Identifier: Apache-2.0
#include "core/data/texts.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/data/row_decoder.h"
#include "core/io/byte_source.h"
#include "core/io/files.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

constexpr std::size_t kMaxDocumentBytes = 1'000'000'000;
constexpr std::int64_t kLinesBeforeJudged = 10'000;
constexpr std::size_t kDocumentsPerReport = 500;
constexpr std::uint64_t kLongestHead = 64'000'000, kTextBlock = 1'000'000;

bool isBlank(std::string_view line) {
    return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

TextFormat formatOf(const std::filesystem::path& file) {
    const std::string extension = file.extension().string();
    const bool jsonl = extension == ".jsonl" || extension == ".json" || extension == ".ndjson";
    return jsonl ? TextFormat::Jsonl : TextFormat::Paragraphs;
}

/// The document of a JSONL line, or why it has none.
Result<std::string> documentOf(std::string_view line, const ReadOptions& options) {
    CREST_TRY(object, parseRow(line));
    return requireString(object, options.field.c_str(), "");
}

Error tooManyBadLines(const Texts& texts, std::int64_t lines, const ReadOptions& options) {
    return {ErrorKind::Malformed,
            fmt::format("{} of {} lines are no JSON object with a text \"{}\" (line {}: {}); at most {} % may be left "
                        "out",
                        texts.badLines, lines, options.field, texts.badExamples.front().line,
                        texts.badExamples.front().reason, formatNumber(100 * options.maxBadShare)),
            texts.name};
}

Result<void> finishTexts(Texts& texts, TextFormat format) {
    if (texts.documents.empty())
        return fail(ErrorKind::Malformed,
                    format == TextFormat::Jsonl ? "there is no line with text in it" : "there is no text in it",
                    texts.name);
    for (std::size_t d = 0; d < texts.documents.size(); ++d) {
        const std::size_t size = texts.documents[d].size();
        if (size > kMaxDocumentBytes)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("document {} has {}, the most is {}; cut it into several documents", d + 1,
                                    formatBytes(static_cast<double>(size)),
                                    formatBytes(static_cast<double>(kMaxDocumentBytes))),
                        texts.name);
        texts.bytes += static_cast<std::int64_t>(size);
    }
    texts.contentHash = textsHash(texts.documents);
    return {};
}

/// Documents of a text that comes in pieces: beside them nothing is held but the line that is being read.
class DocumentReader {
public:
    /// `size`: bytes that will come, without a byte order mark.
    DocumentReader(const std::string& name, TextFormat format, const ReadOptions& options, std::uint64_t size)
        : m_format(format)
        , m_options(options)
        , m_left(size) {
        m_texts.name = name;
        if (format == TextFormat::WholeFile)
            m_document.reserve(size);
    }

    Result<void> take(std::string_view piece) {
        m_some |= !piece.empty();
        if (m_format == TextFormat::WholeFile) {
            m_document += piece;
            return {};
        }
        while (!piece.empty() && !m_hopeless) {
            const std::size_t end = piece.find('\n');
            if (end == std::string_view::npos) {
                hold(piece);
                return {};
            }
            CREST_CHECK(endLine(piece.substr(0, end)));
            piece.remove_prefix(end + 1);
        }
        return {};
    }

    Result<Texts> finish() {
        if (!m_some)
            return fail(ErrorKind::Malformed, "the file is empty", m_texts.name);
        if (m_format == TextFormat::WholeFile)
            CREST_CHECK(finishWhole());
        else if (!m_pending.empty() && !m_hopeless)
            CREST_CHECK(endLine({}));
        if (m_format == TextFormat::Paragraphs)
            addDocument(std::exchange(m_document, {}));
        if (static_cast<double>(m_texts.badLines) > m_options.maxBadShare * static_cast<double>(m_lines))
            return fail(tooManyBadLines(m_texts, m_lines, m_options));
        CREST_CHECK(finishTexts(m_texts, m_format));
        return std::move(m_texts);
    }

private:
    TextFormat m_format;
    const ReadOptions& m_options;
    std::uint64_t m_left;
    Texts m_texts;
    std::string m_pending, m_document;
    std::int64_t m_number = 0;
    std::int64_t m_lines = 0; ///< of JSONL, that are not blank
    bool m_some = false;
    bool m_cut = false; ///< the line is longer than what is held of it
    bool m_hopeless = false; ///< more lines are bad than the rest can mend

    void addDocument(std::string document) {
        if (!document.empty())
            m_texts.documents.push_back(std::move(document));
    }

    tl::unexpected<Error> noUtf8(std::int64_t line, char byte) const {
        return fail(ErrorKind::Malformed,
                    fmt::format("line {} is no UTF-8 (byte {:#04x}); convert the file with iconv", line,
                                static_cast<unsigned char>(byte)),
                    m_texts.name);
    }

    /// A part of a line; no more of a row than could be one.
    void hold(std::string_view piece) {
        m_cut |= m_format == TextFormat::Jsonl && m_pending.size() + piece.size() > kLongestRow;
        if (m_cut)
            m_left -= std::min<std::uint64_t>(m_left, piece.size());
        else
            m_pending += piece;
    }

    Result<void> endLine(std::string_view rest) {
        if (m_pending.empty() && !m_cut)
            return takeLine(rest);
        hold(rest);
        const std::string line = std::exchange(m_pending, {});
        if (!std::exchange(m_cut, false))
            return takeLine(line);
        ++m_number;
        ++m_lines;
        m_left -= std::min<std::uint64_t>(m_left, line.size() + 1);
        leaveOut(fmt::format("is longer than {}", formatBytes(static_cast<double>(kLongestRow))));
        return {};
    }

    Result<void> takeLine(std::string_view line) {
        ++m_number;
        m_left -= std::min<std::uint64_t>(m_left, line.size() + 1);
        if (const std::size_t valid = text::validUtf8Prefix(line); valid < line.size())
            return noUtf8(m_number, line[valid]);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (m_format == TextFormat::Jsonl) {
            takeRow(line);
        } else if (isBlank(line)) {
            addDocument(std::exchange(m_document, {}));
        } else {
            if (!m_document.empty())
                m_document += '\n';
            m_document += line;
        }
        return {};
    }

    void takeRow(std::string_view line) {
        if (isBlank(line))
            return;
        ++m_lines;
        auto document = documentOf(line, m_options);
        if (document)
            return addDocument(std::move(*document));
        leaveOut(document.error().message);
    }

    void leaveOut(const std::string& why) {
        if (++m_texts.badLines <= static_cast<std::int64_t>(kBadRowsShown))
            m_texts.badExamples.push_back({m_number, why});
        m_hopeless = m_lines > kLinesBeforeJudged && areTooManyBad();
    }

    /// Whether more of the lines and of those that the rest can hold are bad than may be.
    bool areTooManyBad() const {
        const double shortest = 8 + static_cast<double>(m_options.field.size()); // {"text":""} and the line end
        return static_cast<double>(m_texts.badLines) >
               m_options.maxBadShare * (static_cast<double>(m_lines) + 1 + static_cast<double>(m_left) / shortest);
    }

    /// \r goes in front of \n and at the end.
    Result<void> finishWhole() {
        if (const std::size_t valid = text::validUtf8Prefix(m_document); valid < m_document.size())
            return noUtf8(std::count(m_document.begin(), m_document.begin() + static_cast<std::ptrdiff_t>(valid), '\n') + 1,
                          m_document[valid]);
        std::size_t kept = 0;
        for (std::size_t i = 0; i < m_document.size(); ++i)
            if (m_document[i] != '\r' || (i + 1 < m_document.size() && m_document[i + 1] != '\n'))
                m_document[kept++] = m_document[i];
        m_document.resize(kept);
        if (!isBlank(m_document))
            addDocument(std::move(m_document));
        return {};
    }
};

} // namespace

std::string textsHash(text::TextsView documents) {
    Sha256 hash;
    hash.update("crest texts 1\n");
    for (std::size_t d = 0; d < documents.size(); ++d) {
        hash.update(fmt::format("{}\n", documents[d].size()));
        hash.update(documents[d]);
    }
    return hash.finishHex();
}

Result<Texts> parseTexts(std::string_view content, const std::string& name, TextFormat format,
                         const ReadOptions& options) {
    if (content.starts_with(kByteOrderMark))
        content.remove_prefix(kByteOrderMark.size());
    DocumentReader reader(name, format, options, content.size());
    CREST_CHECK(reader.take(content));
    return reader.finish();
}

Result<Texts> readTexts(const std::filesystem::path& file, const ReadOptions& options) {
    CREST_TRY(source, io::openByteSource(file));
    const std::uint64_t size = source->size();
    if (size > options.maxBytes)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("The file has {} bytes, more than the {} that are read of such a file.", size, options.maxBytes),
                    file.string());
    const TextFormat format = options.format == TextFormat::ByName ? formatOf(file) : options.format;
    DocumentReader reader(file.string(), format, options, size);
    for (std::uint64_t at = 0; at < size; at += kTextBlock) {
        CREST_TRY(block, source->text(at, std::min(kTextBlock, size - at)));
        const std::size_t mark = at == 0 && block.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
        CREST_CHECK(reader.take(std::string_view(block).substr(mark)));
    }
    auto texts = reader.finish();
    if (texts)
        texts->name = file.filename().string();
    return texts;
}

Result<TextsHead> readTextsHead(const std::filesystem::path& file, std::uint64_t bytes, const ReadOptions& options) {
    CREST_TRY(head, io::readFileHead(file, bytes));
    TextsHead result;
    result.whole = head.bytes.size() >= head.fileSize;
    ReadOptions lenient = options;
    std::string_view content = head.bytes;
    if (!result.whole) {
        lenient.maxBadShare = 1;
        const std::size_t lastLine = content.rfind('\n');
        content = content.substr(0, lastLine == std::string_view::npos ? text::validUtf8Prefix(content) : lastLine + 1);
    }
    const TextFormat format = options.format == TextFormat::ByName ? formatOf(file) : options.format;
    auto texts = parseTexts(content, file.string(), format, lenient);
    if (!texts && !result.whole && bytes < kLongestHead) // a first line that is longer, say
        return readTextsHead(file, 16 * bytes, options);
    if (!texts)
        return fail(texts.error());
    result.texts = std::move(*texts);
    return result;
}

Result<void> beforeDocument(std::size_t index, std::size_t count, const JobContext& job) {
    if (index % kDocumentsPerReport != 0)
        return {};
    if (job.stopRequested())
        return stopped();
    job.report(static_cast<std::int64_t>(index), static_cast<std::int64_t>(count), "documents tokenized");
    return {};
}

} // namespace crest::data
