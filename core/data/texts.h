// SPDX-License-Identifier: Apache-2.0
// Texts as documents: read from JSONL or plain text, identified by content, turned into token ids and evaluation
// windows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/token_cache.h"
#include "core/text/text_list.h"
#include "core/text/tokenizer.h"

namespace crest::data {

enum class TextFormat {
    ByName,     ///< .jsonl, .json and .ndjson are JSONL, all else is Paragraphs
    Jsonl,      ///< one JSON object per line of at most 8 MB, the document in its text field; other fields are ignored,
                ///< empty lines too
    Paragraphs, ///< documents are separated by one or more empty (or blank) lines; line ends inside a document stay as
                ///< \n
    WholeFile   ///< the file is one document
};

struct ReadOptions {
    TextFormat format = TextFormat::ByName;
    std::string field = "text"; ///< of a JSONL line
    /// JSONL lines without a usable text are left out and counted; a file with a larger share of them is refused.
    double maxBadShare = 0.01;
    std::uint64_t maxBytes = 8'000'000'000; ///< a larger file is refused before it is read
};

/// A line that was left out, for people.
struct BadLine {
    std::int64_t line = 0; ///< from 1
    std::string reason;
};

/// Documents in file order; empty ones are left out. UTF-8 is checked: a file with broken UTF-8 is refused with its
/// line.
struct Texts {
    std::string name; ///< file name, for people
    text::TextList documents;
    std::int64_t bytes = 0;    ///< UTF-8 bytes of all documents
    std::int64_t badLines = 0; ///< how many lines were left out; the first ten are in `badExamples`
    std::vector<BadLine> badExamples;
    std::string
        contentHash; ///< SHA-256 (hex) of the documents with their borders; names, formats and line ends do not count
};

/// Malformed: empty file, no document, not JSONL, broken UTF-8, too many bad lines. NotFound and Io from the system.
Result<Texts> readTexts(const std::filesystem::path& file, const ReadOptions& options = {});
/// The documents at the head of a file, to see what it is: what lies whole in its first `bytes` (more, where
/// that is no document). `whole` says whether that is all of it; where it is not, bad lines are counted and not judged.
/// Errors as readTexts.
struct TextsHead {
    Texts texts;
    bool whole = false;
};
Result<TextsHead> readTextsHead(const std::filesystem::path& file, std::uint64_t bytes = 65'536,
                                const ReadOptions& options = {});
/// The same from memory. `format` must not be ByName.
Result<Texts> parseTexts(std::string_view content, const std::string& name, TextFormat format,
                         const ReadOptions& options = {});
/// The identity of documents (see Texts::contentHash).
std::string textsHash(text::TextsView documents);

/// Where a document lies in the ids; its end token is the last of `length`.
struct DocumentSpan {
    std::int64_t begin = 0;
    std::int64_t length = 0;
};

/// Ids of all documents one after the other, each followed by the end token.
struct TokenizedText {
    std::vector<std::int32_t> ids;
    std::vector<DocumentSpan> documents;
    std::int64_t textBytes = 0; ///< UTF-8 bytes of the documents, for nats per byte
    std::int32_t endToken = -1;
    std::string contentHash; ///< of texts, tokenizer and end token
};

/// For loops over documents: reports now and then; Stopped where that was asked for.
Result<void> beforeDocument(std::size_t index, std::size_t count, const JobContext& job);

/// Ids of the documents are kept in `cache`.
Result<TokenizedText> tokenizeTexts(const Texts& texts, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                    const JobContext& job = {}, const TokenCache& cache = {});

/// A stretch of ids to be run through a model at once: inputs are ids[begin, begin+length-1), targets ids[begin+1,
/// begin+length). The targets at index firstScored .. length-1 of the window count; firstScored >= 1.
struct Window {
    std::int64_t begin = 0;
    std::int32_t length = 0;
    std::int32_t firstScored = 1;
    bool operator==(const Window&) const = default;
};

struct WindowOptions {
    std::int32_t context = 128; ///< most input tokens of a window, so a window has at most context + 1 ids
    std::int32_t stride =
        128; ///< ids by which the next window starts later; 1..context. Smaller: more context for each target
    bool perDocument = false; ///< a window never reaches beyond one document
    bool fullOnly =
        false; ///< leave out windows shorter than context + 1 (equal lengths for batches); says how many ids it drops
    std::int64_t maxTargets = 0; ///< stop after the window with which this many targets are scored; 0: all
};

struct WindowPlan {
    std::vector<Window> windows;
    std::int64_t targets = 0;        ///< scored in all windows
    std::int64_t droppedTargets = 0; ///< could be scored but are not (fullOnly, maxTargets)
};

/// Every id but the first of the text (of each document where perDocument) is a scored target exactly once. OutOfRange
/// for bad options, Malformed where the text is too short for one window.
Result<WindowPlan> cutWindows(const TokenizedText& tokens, const WindowOptions& options);

} // namespace crest::data
