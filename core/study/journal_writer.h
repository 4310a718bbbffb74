// SPDX-License-Identifier: Apache-2.0
// Writes one runner's journal: results that survive kills, full disks and failed syncs once commit() has returned.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "core/base/result.h"
#include "core/study/append_file.h"
#include "core/study/journal_line.h"

namespace crest::study {

/// Used by one thread. Files are made with the first commit: <runner>.jsonl and <runner>.bin, after a failed sync
/// <runner>-2.jsonl and so on.
class JournalWriter {
public:
    JournalWriter(std::filesystem::path folder, std::string runner, FileCalls calls = FileCalls::system());

    /// Stores all rows durably, or none: arrays are on the disk before the lines that refer to them, and the lines
    /// before this returns. NoSpace: the files are as before, the same rows can be given again when there is room. A
    /// file that failed to sync is left behind, and the rows go to a new one; an error of kind Io means that this
    /// failed, too.
    Result<void> commit(std::span<const ResultRow> rows);

    /// Of the file that takes rows now: "" before the first commit.
    std::string fileName() const { return m_files ? m_files->lines.path().filename().string() : std::string(); }

private:
    struct Files {
        AppendFile lines, arrays;
        std::int64_t nextSequence = 1;
        /// Arrays that are the same for most cells of a task (token counts, documents, weights): stored once.
        std::map<std::string, ArrayRef> known;
    };
    std::filesystem::path m_folder;
    std::string m_runner;
    FileCalls m_calls;
    int m_fileNumber = 0;
    std::optional<Files> m_files;
    std::string m_pending; ///< arrays of the group in work that are not in the file yet

    Result<void> beginFiles();
    Result<void> write(std::span<const ResultRow> rows);
    Result<ArrayRef> writeArray(std::string_view bytes, std::size_t elementBytes = 4);
    Result<void> appendPending();
    Result<ArrayRef> writeShared(std::string_view bytes, std::map<std::string, ArrayRef>& known,
                                 std::size_t elementBytes = 4);
    Result<ChangeRefs> writeChange(const ResultRow& row, std::map<std::string, ArrayRef>& known);
    Result<OutcomeRefs> writeOutcome(const data::TaskOutcome& outcome, std::map<std::string, ArrayRef>& known);
};

} // namespace crest::study
