// SPDX-License-Identifier: Apache-2.0
#include "core/data/texts.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/data/row_decoder.h"
#include "core/io/files.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

constexpr std::size_t kMaxDocumentBytes = 1'000'000'000;
constexpr std::size_t kBadExamples = 10;
constexpr std::int64_t kLinesBeforeJudged = 10'000;
constexpr std::size_t kDocumentsPerReport = 500;
constexpr std::uint64_t kLongestHead = 64'000'000;

/// Takes the first line off `rest`; without its line end (\n or \r\n).
std::string_view takeLine(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    return line;
}

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

/// Whether more of `lines` and of those that `rest` can hold are bad than may be.
bool areTooManyBad(const Texts& texts, std::int64_t lines, std::string_view rest, const ReadOptions& options) {
    const double shortest = 8 + static_cast<double>(options.field.size()); // {"text":""} and the line end
    return static_cast<double>(texts.badLines) >
           options.maxBadShare * (static_cast<double>(lines) + 1 + static_cast<double>(rest.size()) / shortest);
}

Result<void> parseJsonl(std::string_view content, const ReadOptions& options, Texts& texts) {
    std::int64_t lineNumber = 0;
    std::int64_t lines = 0; ///< that are not blank
    while (!content.empty()) {
        const std::string_view line = takeLine(content);
        ++lineNumber;
        if (isBlank(line))
            continue;
        ++lines;
        auto document = documentOf(line, options);
        if (document) {
            if (!document->empty())
                texts.documents.push_back(std::move(*document));
            continue;
        }
        if (++texts.badLines <= static_cast<std::int64_t>(kBadExamples))
            texts.badExamples.push_back({lineNumber, document.error().message});
        if (lines > kLinesBeforeJudged && areTooManyBad(texts, lines, content, options))
            break; // the rest cannot mend it
    }
    if (static_cast<double>(texts.badLines) > options.maxBadShare * static_cast<double>(lines))
        return fail(tooManyBadLines(texts, lines, options));
    return {};
}

void parseParagraphs(std::string_view content, Texts& texts) {
    std::string document;
    const auto finish = [&] {
        if (!document.empty())
            texts.documents.push_back(std::move(document));
        document.clear();
    };
    while (!content.empty()) {
        const std::string_view line = takeLine(content);
        if (isBlank(line)) {
            finish();
            continue;
        }
        if (!document.empty())
            document += '\n';
        document += line;
    }
    finish();
}

void parseWhole(std::string_view content, Texts& texts) {
    std::string document;
    while (!content.empty()) {
        const bool ends = content.find('\n') != std::string_view::npos;
        document += takeLine(content);
        if (ends)
            document += '\n';
    }
    if (!isBlank(document))
        texts.documents.push_back(std::move(document));
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

} // namespace

std::string textsHash(std::span<const std::string> documents) {
    Sha256 hash;
    hash.update("crest texts 1\n");
    for (const std::string& document : documents) {
        hash.update(fmt::format("{}\n", document.size()));
        hash.update(document);
    }
    return hash.finishHex();
}

Result<Texts> parseTexts(std::string_view content, const std::string& name, TextFormat format,
                         const ReadOptions& options) {
    Texts texts;
    texts.name = name;
    if (content.starts_with("\xEF\xBB\xBF"))
        content.remove_prefix(3);
    if (content.empty())
        return fail(ErrorKind::Malformed, "the file is empty", name);
    const std::size_t valid = text::validUtf8Prefix(content);
    if (valid < content.size()) {
        const auto line = std::ranges::count(content.substr(0, valid), '\n') + 1;
        return fail(ErrorKind::Malformed,
                    fmt::format("line {} is no UTF-8 (byte {:#04x}); convert the file with iconv", line,
                                static_cast<unsigned char>(content[valid])),
                    name);
    }
    if (format == TextFormat::Jsonl)
        CREST_CHECK(parseJsonl(content, options, texts));
    else if (format == TextFormat::WholeFile)
        parseWhole(content, texts);
    else
        parseParagraphs(content, texts);
    CREST_CHECK(finishTexts(texts, format));
    return texts;
}

Result<Texts> readTexts(const std::filesystem::path& file, const ReadOptions& options) {
    CREST_TRY(content, io::readTextFile(file, options.maxBytes));
    const TextFormat format = options.format == TextFormat::ByName ? formatOf(file) : options.format;
    auto texts = parseTexts(content, file.string(), format, options);
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
