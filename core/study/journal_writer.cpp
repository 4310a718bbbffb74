// SPDX-License-Identifier: Apache-2.0
#include "core/study/journal_writer.h"

#include <system_error>
#include <vector>

#include "core/base/hash.h"
#include "core/io/files.h"

namespace crest::study {
namespace {

constexpr std::size_t kMostKnown = 64;
constexpr std::size_t kPendingBytes = 1 << 20; ///< of arrays that wait for one write

} // namespace

JournalWriter::JournalWriter(std::filesystem::path folder, std::string runner, FileCalls calls)
    : m_folder(std::move(folder))
    , m_runner(std::move(runner))
    , m_calls(std::move(calls)) {}

Result<void> JournalWriter::commit(std::span<const ResultRow> rows) {
    if (rows.empty())
        return {};
    for (int attempt = 0;; ++attempt) {
        if (!m_files || m_files->lines.broken() || m_files->arrays.broken())
            CREST_CHECK(beginFiles());
        const auto written = write(rows);
        const bool suspect = m_files->lines.broken() || m_files->arrays.broken();
        if (written || !suspect || attempt == 1)
            return written;
    }
}

Result<void> JournalWriter::beginFiles() {
    m_files.reset();
    const std::string stem = m_fileNumber == 0 ? m_runner : m_runner + "-" + std::to_string(m_fileNumber + 1);
    const std::filesystem::path lines = m_folder / (stem + ".jsonl"), arrays = m_folder / (stem + ".bin");
    std::vector<std::filesystem::path> created; // by this call: another writer's files are never touched
    const auto make = [&]() -> Result<void> {
        CREST_TRY(arrayFile, AppendFile::create(arrays, m_calls));
        created.push_back(arrays);
        CREST_TRY(lineFile, AppendFile::create(lines, m_calls));
        created.push_back(lines);
        CREST_CHECK(lineFile.append(formatHeaderLine(m_runner)));
        CREST_CHECK(io::syncFolder(m_folder));
        m_files.emplace(Files{std::move(lineFile), std::move(arrayFile), 1, {}});
        return {};
    };
    auto made = make();
    if (!made) { // nothing counts yet: leave no half-made pair, so that the same names can be tried again
        for (const auto& file : created) {
            std::error_code ignored;
            std::filesystem::remove(file, ignored);
        }
        return made;
    }
    ++m_fileNumber;
    return {};
}

Result<ArrayRef> JournalWriter::writeArray(std::string_view bytes, std::size_t elementBytes) {
    ArrayRef array{m_files->arrays.size() + static_cast<std::int64_t>(m_pending.size()),
                   static_cast<std::int64_t>(bytes.size() / elementBytes), crc32c(bytes)};
    m_pending += bytes;
    if (m_pending.size() >= kPendingBytes)
        CREST_CHECK(appendPending());
    return array;
}

Result<void> JournalWriter::appendPending() {
    CREST_CHECK(m_files->arrays.append(m_pending));
    m_pending.clear();
    return {};
}

Result<ArrayRef> JournalWriter::writeShared(std::string_view bytes, std::map<std::string, ArrayRef>& known,
                                            std::size_t elementBytes) {
    std::string content(bytes);
    if (const auto at = known.find(content); at != known.end())
        return at->second;
    CREST_TRY(array, writeArray(content, elementBytes));
    if (known.size() > kMostKnown) // many tasks, or counts that always differ: the map must not grow with them
        known.clear();
    known.emplace(std::move(content), array);
    return array;
}

/// Names and starts are those of many cells, all of it that of a cell's tasks.
Result<ChangeRefs> JournalWriter::writeChange(const ResultRow& row, std::map<std::string, ArrayRef>& known) {
    ChangeRefs refs;
    if (!row.change)
        return refs;
    std::string names;
    for (const std::string& name : row.change->tensors)
        names += name + "\n";
    CREST_TRY(tensors, writeShared(names, known, 1));
    CREST_TRY(distances, writeShared(arrayBytes(row.change->distances), known));
    CREST_TRY(starts, writeShared(arrayBytes(row.change->starts), known));
    refs.tensors = tensors, refs.distances = distances, refs.starts = starts;
    return refs;
}

Result<OutcomeRefs> JournalWriter::writeOutcome(const data::TaskOutcome& outcome,
                                                std::map<std::string, ArrayRef>& known) {
    OutcomeRefs refs;
    for (const data::MetricValue& metric : outcome.metrics) {
        CREST_TRY(values, writeArray(arrayBytes(metric.itemValues)));
        CREST_TRY(weights, writeShared(arrayBytes(metric.itemWeights), known));
        refs.metrics.push_back({values, weights});
    }
    const data::ItemDetails& details = outcome.details;
    CREST_TRY(nats, writeArray(arrayBytes(details.requestNats)));
    CREST_TRY(greedy, writeArray(arrayBytes(details.requestGreedy), 1));
    CREST_TRY(tokens, writeShared(arrayBytes(details.requestTokens), known));
    CREST_TRY(requests, writeShared(arrayBytes(details.itemRequests), known));
    CREST_TRY(documents, writeShared(arrayBytes(details.itemDocuments), known));
    CREST_TRY(gold, writeShared(arrayBytes(details.itemGold), known));
    std::vector<std::int32_t> lengths;
    std::string all;
    for (const std::string& text : details.texts) {
        lengths.push_back(static_cast<std::int32_t>(text.size()));
        all += text;
    }
    CREST_TRY(textLengths, writeArray(arrayBytes(lengths)));
    CREST_TRY(texts, writeArray(all, 1));
    refs.nats = nats, refs.greedy = greedy, refs.tokens = tokens, refs.requests = requests;
    refs.documents = documents, refs.gold = gold, refs.textLengths = textLengths, refs.texts = texts;
    return refs;
}

Result<void> JournalWriter::write(std::span<const ResultRow> rows) {
    const std::int64_t arraysBefore = m_files->arrays.size(), linesBefore = m_files->lines.size();
    auto known = m_files->known;
    m_pending.clear();
    const auto store = [&]() -> Result<void> {
        std::string text;
        std::int64_t sequence = m_files->nextSequence;
        for (const ResultRow& row : rows) {
            CREST_TRY(change, writeChange(row, known));
            if (row.hasOutcome()) {
                CREST_TRY(outcome, writeOutcome(row.outcome, known));
                text += formatResultLine(sequence++, row, outcome, change);
                continue;
            }
            CREST_TRY(nats, writeArray(arrayBytes(row.sequenceNats)));
            CREST_TRY(tokens, writeShared(arrayBytes(row.sequenceTokens), known));
            text += formatResultLine(sequence++, row, nats, tokens, change);
        }
        CREST_CHECK(appendPending());
        CREST_CHECK(m_files->arrays.sync());
        CREST_CHECK(m_files->lines.append(text));
        CREST_CHECK(m_files->lines.sync());
        m_files->nextSequence = sequence;
        return {};
    };
    auto stored = store();
    if (stored) {
        m_files->known = std::move(known);
        return {};
    }
    // Lines first: they must never refer to arrays that are gone.
    if (!m_files->lines.broken() && m_files->lines.size() > linesBefore)
        (void)m_files->lines.cutTo(linesBefore);
    if (!m_files->lines.broken() && !m_files->arrays.broken() && m_files->arrays.size() > arraysBefore)
        (void)m_files->arrays.cutTo(arraysBefore);
    return stored;
}

} // namespace crest::study
