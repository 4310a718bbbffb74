// SPDX-License-Identifier: Apache-2.0
// Reading what a study has stored: the published results.h5 and what the journals hold beyond it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::study {

struct ReadProblem {
    std::string where, message; ///< a bad line or torn tail: file, line, what was done about it
};

/// Incremental reader of all results of a study; one thread. The first poll() reads results.h5 (where it is there) and
/// the rest of the journals; later ones just what was appended. Bad lines are skipped and reported, never guessed at.
class ResultReader {
public:
    explicit ResultReader(const StudyFolder& folder);
    ~ResultReader();
    ResultReader(ResultReader&&) noexcept;
    ResultReader& operator=(ResultReader&&) noexcept;

    /// Rows that are new since the last call; each key once.
    Result<std::vector<ResultRow>> poll();
    bool has(const std::string& key) const;
    const std::vector<ReadProblem>& problems() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

/// Publishes results.h5 from all journals (temporary + fsync + rename, under a lock): every result, table and arrays,
/// in a layout that h5py, pandas and xarray open (core/study/README.md).
Result<void> publishResults(const StudyFolder& folder);

} // namespace crest::study
