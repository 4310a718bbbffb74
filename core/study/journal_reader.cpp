// SPDX-License-Identifier: Apache-2.0
#include "core/study/journal_reader.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/study/task_outcome.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostBadLines = 100; ///< of a journal that are told one by one
constexpr std::size_t kShortestLine = 10;
constexpr std::int64_t kMostChangeBytes = 2'000'000'000, kMostTensors = 100'000, kBytesOfName = 200;

/// Arrays that no other row has: together they are in the .bin file once.
std::int64_t ownBytesOf(const JournalLine& line) {
    if (!line.outcome)
        return 4 * line.nats.count;
    const OutcomeRefs& refs = *line.outcome;
    std::int64_t bytes = 4 * (refs.nats.count + refs.textLengths.count) + refs.greedy.count + refs.texts.count;
    for (const OutcomeRefs::Metric& metric : refs.metrics)
        bytes += 4 * metric.values.count;
    return bytes;
}

/// Arrays that rows share are no longer than those that a row has for itself, so that lines without any cannot fill the
/// memory. (Whether they fit each other to the last is checked once they are read.)
Result<void> checkShared(const OutcomeRefs& refs, const std::string& where) {
    const std::int64_t items = refs.documents.count;
    bool fits = refs.requests.count == items && refs.gold.count == items;
    fits &= refs.textLengths.count == 0 || refs.textLengths.count == items;
    fits &= refs.tokens.count <= std::max(refs.nats.count, items);
    fits &= !refs.metrics.empty() || refs.textLengths.count > 0 || refs.nats.count >= items;
    for (const OutcomeRefs::Metric& metric : refs.metrics)
        fits &= metric.values.count == items && metric.weights.count <= items;
    if (!fits)
        return fail(ErrorKind::Malformed, "the arrays of this result do not fit each other", where);
    return {};
}

template<class T>
Result<std::vector<T>> readArray(const ReadDescriptor& file, const ArrayRef& array, const std::string& where) {
    const std::int64_t bytes = array.count * static_cast<std::int64_t>(sizeof(T));
    if (array.offset > file.size() - bytes) // before anything of that size is allocated
        return fail(ErrorKind::Malformed, "the arrays of this result are not in its .bin file", where);
    std::vector<T> values(static_cast<std::size_t>(array.count));
    if (file.readAt(values.data(), static_cast<std::size_t>(bytes), array.offset) != bytes ||
        crc32c(arrayBytes(values)) != array.crc)
        return fail(ErrorKind::Malformed, "the checksum of this result's arrays does not match", where);
    return values;
}

Result<std::vector<std::string>> readTexts(const ReadDescriptor& file, const OutcomeRefs& refs,
                                           const std::string& where) {
    CREST_TRY(lengths, readArray<std::int32_t>(file, refs.textLengths, where));
    CREST_TRY(bytes, readArray<char>(file, refs.texts, where));
    std::vector<std::string> texts;
    std::size_t at = 0;
    for (const std::int32_t length : lengths) {
        if (length < 0 || static_cast<std::size_t>(length) > bytes.size() - at)
            return fail(ErrorKind::Malformed, "the lengths of this result's texts do not fit their bytes", where);
        texts.emplace_back(bytes.data() + at, static_cast<std::size_t>(length));
        at += static_cast<std::size_t>(length);
    }
    return texts;
}

Result<void> readOutcome(const ReadDescriptor& file, const OutcomeRefs& refs, const std::string& where,
                         data::TaskOutcome& outcome) {
    CREST_CHECK(checkShared(refs, where));
    const auto read = [&](const ArrayRef& array, auto& to) -> Result<void> {
        using Element = typename std::remove_cvref_t<decltype(to)>::value_type;
        CREST_TRY(values, readArray<Element>(file, array, where));
        to = std::move(values);
        return {};
    };
    for (std::size_t m = 0; m < refs.metrics.size(); ++m) {
        CREST_CHECK(read(refs.metrics[m].values, outcome.metrics[m].itemValues));
        CREST_CHECK(read(refs.metrics[m].weights, outcome.metrics[m].itemWeights));
    }
    data::ItemDetails& details = outcome.details;
    CREST_CHECK(read(refs.nats, details.requestNats));
    CREST_CHECK(read(refs.tokens, details.requestTokens));
    CREST_CHECK(read(refs.greedy, details.requestGreedy));
    CREST_CHECK(read(refs.requests, details.itemRequests));
    CREST_CHECK(read(refs.documents, details.itemDocuments));
    CREST_CHECK(read(refs.gold, details.itemGold));
    CREST_TRY(texts, readTexts(file, refs, where));
    details.texts = std::move(texts);
    return checkOutcome(outcome);
}

} // namespace

JournalReader::JournalReader(fs::path journalFolder, fs::path runnersFolder)
    : m_folder(std::move(journalFolder))
    , m_runners(std::move(runnersFolder)) {}

void JournalReader::startAt(const std::map<std::string, JournalPosition>& positions) {
    for (const auto& [name, position] : positions)
        m_journals[name].at = position;
}

std::map<std::string, JournalPosition> JournalReader::positions() const {
    std::map<std::string, JournalPosition> result;
    for (const auto& [name, journal] : m_journals)
        result[name] = journal.at;
    return result;
}

Result<std::vector<ResultRow>> JournalReader::poll() {
    std::error_code error;
    for (fs::directory_iterator entry(m_folder, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".jsonl")
            m_journals.try_emplace(entry->path().filename().string());
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(io::systemError(error.value(), "read", m_folder));
    std::vector<ResultRow> rows;
    for (auto& [name, journal] : m_journals)
        readJournal(name, journal, rows);
    return rows;
}

void JournalReader::readJournal(const std::string& name, Journal& journal, std::vector<ResultRow>& rows) {
    if (journal.isNewer)
        return;
    const ReadDescriptor lines(m_folder / name);
    if (lines.code() == ENOENT)
        return; // published and then removed by the user: results.h5 holds it
    if (lines.get() < 0)
        return reportUnread(name, journal, io::systemError(lines.code(), "read", m_folder / name).message);
    const std::int64_t size = lines.size();
    if (size < journal.at.bytes) {
        m_problems.push_back(
            {name, fmt::format("The journal has {} bytes, {} were there before; it is read again from its start.", size,
                               journal.at.bytes)});
        journal.at = {};
        journal.ownBytes = 0;
    }
    if (size == journal.at.bytes)
        return;
    const fs::path arraysFile = (m_folder / name).replace_extension(".bin");
    const ReadDescriptor arrays(arraysFile);
    if (arrays.get() < 0 && arrays.code() != ENOENT)
        return reportUnread(arraysFile.filename().string(), journal,
                            io::systemError(arrays.code(), "read", arraysFile).message);
    const std::int64_t torn =
        readNewLines(lines, journal.at, [&](std::string_view line) { readLine(line, name, journal, arrays, rows); });
    if (journal.isNewer)
        journal.at = {};
    else if (torn > 0)
        reportTornTail(name, journal, torn);
}

void JournalReader::readLine(std::string_view text, const std::string& name, Journal& journal,
                             const ReadDescriptor& arrays, std::vector<ResultRow>& rows) {
    if (journal.isNewer || (text.size() < kShortestLine && journal.badLines > kMostBadLines))
        return;
    const std::string where = fmt::format("{}, line {}", name, journal.at.lines);
    const auto read = [&]() -> Result<void> {
        CREST_TRY(line, parseJournalLine(text, where));
        if (line.type == JournalLine::Type::Header) {
            journal.runner = line.runner;
            return {};
        }
        CREST_TRY(row, readRow(std::move(line), where, journal, arrays));
        rows.push_back(std::move(row));
        return {};
    };
    const auto done = read();
    if (!done && done.error().kind == ErrorKind::Unsupported && journal.at.lines == 1) {
        journal.isNewer = true;
        return reportUnread(name, journal, "It is not read: " + done.error().message + ".");
    }
    if (done || ++journal.badLines > kMostBadLines + 1)
        return;
    if (journal.badLines <= kMostBadLines)
        m_problems.push_back(
            {where, "Skipped: " + done.error().message + ". The cell will be computed again when its probe is run."});
    else
        m_problems.push_back({where, "This line and others are skipped as well: too many to be told one by one."});
}

Result<ResultRow> JournalReader::readRow(JournalLine line, const std::string& where, Journal& journal,
                                         const ReadDescriptor& arrays) {
    const std::int64_t own = ownBytesOf(line);
    if (own > 0 && own > arrays.size() - journal.ownBytes)
        return fail(ErrorKind::Malformed, "its arrays are those of earlier results, or not in the .bin file", where);
    ResultRow row = std::move(line.row);
    if (line.outcome) {
        CREST_CHECK(readOutcome(arrays, *line.outcome, where, row.outcome));
    } else {
        CREST_TRY(nats, readArray<float>(arrays, line.nats, where));
        if (line.tokens != journal.lastTokensRef || journal.lastTokens.empty()) {
            CREST_TRY(tokens, readArray<std::int32_t>(arrays, line.tokens, where));
            journal.lastTokens = std::move(tokens);
            journal.lastTokensRef = line.tokens;
        }
        row.sequenceNats = std::move(nats);
        row.sequenceTokens = journal.lastTokens;
    }
    if (line.change)
        CREST_CHECK(readChange(line, where, arrays, row));
    journal.ownBytes += own;
    return row;
}

/// Names of tensors are those of many rows, each of which holds them: what would be too much is left out of its row.
Result<void> JournalReader::readChange(const JournalLine& line, const std::string& where, const ReadDescriptor& arrays,
                                       ResultRow& row) {
    const ChangeRefs& refs = *line.change;
    if (refs.distances.count > kMostTensors || refs.tensors.count > kBytesOfName * refs.distances.count)
        return fail(ErrorKind::Malformed, "the names of this result's tensors do not fit their norms", where);
    const std::int64_t bytes = refs.tensors.count + refs.distances.count * static_cast<std::int64_t>(sizeof(std::string) + 24);
    if (m_changeBytes + bytes > kMostChangeBytes) {
        if (std::exchange(m_changeBytes, kMostChangeBytes) < kMostChangeBytes)
            m_problems.push_back({where, fmt::format("How far the weights moved, tensor by tensor, is left out from here on: it "
                                                     "would take more than {} MB of memory.",
                                                     kMostChangeBytes / 1'000'000)});
        return {};
    }
    m_changeBytes += bytes;
    CREST_TRY(names, readArray<char>(arrays, refs.tensors, where));
    CREST_TRY(distances, readArray<float>(arrays, refs.distances, where));
    CREST_TRY(starts, readArray<float>(arrays, refs.starts, where));
    WeightChange& change = *row.change;
    for (auto at = names.begin(); at != names.end();) {
        const auto end = std::find(at, names.end(), '\n');
        change.tensors.emplace_back(at, end);
        at = end == names.end() ? end : end + 1;
    }
    if (change.tensors.size() != distances.size())
        return fail(ErrorKind::Malformed, "the names of this result's tensors do not fit their norms", where);
    change.distances = std::move(distances);
    change.starts = std::move(starts);
    return {};
}

void JournalReader::reportUnread(const std::string& name, Journal& journal, const std::string& why) {
    if (!std::exchange(journal.unreadReported, true))
        m_problems.push_back({name, why + " Results that stand in it alone are not seen, and would be computed again."});
}

void JournalReader::reportTornTail(const std::string& name, Journal& journal, std::int64_t tailBytes) {
    // A living writer is just in the middle of it.
    const std::string runner = journal.runner.empty() ? fs::path(name).stem().string() : journal.runner;
    if (journal.tornReported || io::FileLock::isHeld(m_runners / (runner + ".lock")).value_or(true))
        return;
    journal.tornReported = true;
    m_problems.push_back({fmt::format("{}, line {}", name, journal.at.lines + 1),
                          fmt::format("The last line is torn ({} bytes; its writer was killed or the disk was full): "
                                      "dropped. It never counted as stored.",
                                      tailBytes)});
}

} // namespace crest::study
