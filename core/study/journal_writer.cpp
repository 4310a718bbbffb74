// SPDX-License-Identifier: Apache-2.0
#include "core/study/journal_writer.h"

#include <system_error>
#include <vector>

#include "core/base/hash.h"
#include "core/io/files.h"

namespace crest::study {

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

Result<ArrayRef> JournalWriter::writeArray(std::string_view bytes) {
    ArrayRef array{m_files->arrays.size(), static_cast<std::int64_t>(bytes.size() / 4), crc32c(bytes)};
    CREST_CHECK(m_files->arrays.append(bytes));
    return array;
}

Result<void> JournalWriter::write(std::span<const ResultRow> rows) {
    const std::int64_t arraysBefore = m_files->arrays.size(), linesBefore = m_files->lines.size();
    auto known = m_files->knownTokens;
    const auto store = [&]() -> Result<void> {
        std::string text;
        std::int64_t sequence = m_files->nextSequence;
        for (const ResultRow& row : rows) {
            CREST_TRY(nats, writeArray(arrayBytes(row.sequenceNats)));
            const std::string tokenBytes(arrayBytes(row.sequenceTokens));
            auto at = known.find(tokenBytes);
            if (at == known.end()) {
                CREST_TRY(tokens, writeArray(tokenBytes));
                if (known.size() > 64) // many tasks, or counts that always differ: the map must not grow with them
                    known.clear();
                at = known.emplace(tokenBytes, tokens).first;
            }
            text += formatResultLine(sequence++, row, nats, at->second);
        }
        CREST_CHECK(m_files->arrays.sync());
        CREST_CHECK(m_files->lines.append(text));
        CREST_CHECK(m_files->lines.sync());
        m_files->nextSequence = sequence;
        return {};
    };
    auto stored = store();
    if (stored) {
        m_files->knownTokens = std::move(known);
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
