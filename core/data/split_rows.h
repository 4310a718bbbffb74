// SPDX-License-Identifier: Apache-2.0
// The rows of one split of a task: files found, labels from a second file put in, fields made, wrong rows counted.
// Inside of suite.h.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/data/compiled_task.h"
#include "core/data/data_folder.h"

namespace crest::data {

/// Counts over all that a task reads.
struct RowCounts {
    std::int64_t rows = 0, bad = 0;
    std::vector<std::string> badExamples;
    void addBad(const std::string& where, std::int64_t number, const std::string& reason);
};

class SplitRows {
public:
    SplitRows(const CompiledTask& task, DataFolder& folder, const JobContext& job)
        : m_task(task)
        , m_folder(folder)
        , m_job(job) {}

    /// A row as templates see it, with where it stands; an error means that this row cannot be used, false ends.
    using Visitor = std::function<Result<bool>(Json row)>;
    /// NotFound, with every pattern that was looked for, where there is no file. Rows that are broken or that the
    /// visitor refuses (any error but Stopped) are counted; `limit` > 0: the first so many, the bad ones among them.
    /// `all`: becomes the number of all rows, those beyond the limit, too.
    Result<void> each(const std::string& split, const Json& part, std::int64_t limit, RowCounts& counts,
                      const Visitor& visit, std::int64_t* all = nullptr);

    /// SHA-256 over the content of every file used so far.
    Result<std::string> dataHash() const;

    /// Refuses where too many were bad.
    static Result<void> checkShare(const RowCounts& counts, double maxBadShare, const std::string& where);

private:
    struct Found {
        const DataSource* source = nullptr;
        std::vector<DataFile> files;
        std::vector<std::string> labels;
    };
    const CompiledTask& m_task;
    DataFolder& m_folder;
    const JobContext& m_job;
    std::vector<std::pair<std::string, std::filesystem::path>> m_used; ///< split and file, in order

    Result<Found> locate(const std::string& split, const Json& part);
    Result<void> readLabels(const DataSource& source, const Json& part, Found& found);
    Result<Json> prepared(Result<Json> row, const Found& found, std::int64_t index, const Json& part) const;
    void remember(const std::string& split, const std::filesystem::path& file);
};

} // namespace crest::data
