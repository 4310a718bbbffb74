// SPDX-License-Identifier: Apache-2.0
// Reads what the journals of a study gained since the last look.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/study/journal_line.h"
#include "core/study/line_tail.h"
#include "core/study/results.h"

namespace crest::study {

using JournalPosition = LinePosition;

/// All journals of one study; one thread. Bad lines are skipped and reported, a torn last line is reported once its
/// writer is gone. A journal that cannot be read now, or is a newer Crest's, is reported and stays where it is: what
/// is published meanwhile does not reach into it.
class JournalReader {
public:
    JournalReader(std::filesystem::path journalFolder, std::filesystem::path runnersFolder);

    /// Begins at these positions (what results.h5 holds already) instead of at the start. A journal shorter than that
    /// is read whole.
    void startAt(const std::map<std::string, JournalPosition>& positions);

    /// Rows appended since the last call, journals in order of name, rows in order of their lines. A key may come more
    /// than once.
    Result<std::vector<ResultRow>> poll();

    std::map<std::string, JournalPosition> positions() const;
    const std::vector<ReadProblem>& problems() const { return m_problems; }

private:
    struct Journal {
        JournalPosition at;
        std::string runner;
        bool tornReported = false;
        bool unreadReported = false;
        bool isNewer = false; ///< of a newer Crest: left alone
        std::int64_t badLines = 0;
        std::int64_t ownBytes = 0; ///< of arrays that belong to one row each
        ArrayRef lastTokensRef;
        std::vector<std::int32_t> lastTokens;
    };
    std::filesystem::path m_folder, m_runners;
    std::map<std::string, Journal> m_journals; ///< by name of the .jsonl
    std::vector<ReadProblem> m_problems;
    std::int64_t m_changeBytes = 0; ///< what changes of weights take in memory

    void readJournal(const std::string& name, Journal& journal, std::vector<ResultRow>& rows);
    void readLine(std::string_view line, const std::string& name, Journal& journal, const ReadDescriptor& arrays,
                  std::vector<ResultRow>& rows);
    Result<ResultRow> readRow(JournalLine line, const std::string& where, Journal& journal, const ReadDescriptor& arrays);
    Result<void> readChange(const JournalLine& line, const std::string& where, const ReadDescriptor& arrays, ResultRow& row);
    void reportUnread(const std::string& name, Journal& journal, const std::string& why);
    void reportTornTail(const std::string& name, Journal& journal, std::int64_t tailBytes);
};

} // namespace crest::study
