// SPDX-License-Identifier: Apache-2.0
// Who computes which batch of a run: runs/<id>/claims/<batch> names its writer; <batch>.done and <batch>.failed mark
// the end.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::run {

enum class ClaimOutcome {
    Mine,     ///< this writer has it now
    Finished, ///< done, or failed and not to be tried again
    Others    ///< a living runner has it
};

/// Any thread.
class Claims {
public:
    /// `shared` false (shards of a cluster): every batch asked for is mine, no files are written.
    Claims(const study::StudyFolder& folder, const std::string& runId, std::string writer, bool shared);

    Result<ClaimOutcome> claim(int batch);
    /// Gives it back, so that any runner can take it at once.
    void release(int batch);
    void markDone(int batch);
    void markFailed(int batch);
    /// Forgets what failed before, so that it is tried once more.
    void forgetFailures();

private:
    const study::StudyFolder& m_folder;
    std::filesystem::path m_claims;
    std::string m_writer;
    bool m_shared;
    std::mutex m_mutex;

    std::filesystem::path file(int batch, const char* suffix = "") const;
    bool finished(int batch) const;
    Result<bool> createClaim(int batch);
};

} // namespace crest::run
