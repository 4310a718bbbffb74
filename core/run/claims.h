// SPDX-License-Identifier: Apache-2.0
// Who computes which batch of a run: runs/<id>/claims/<batch> names its writer; <batch>.done and <batch>.failed mark
// the end, <batch>.deaths the runners that died at it.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/run/deaths.h"
#include "core/study/study_folder.h"

namespace crest::run {

enum class ClaimOutcome {
    Mine,     ///< this writer has it now
    Finished, ///< done, or failed and not to be tried again
    Others,   ///< a living runner has it
    Suspect   ///< runners died at it: to be claimed again with `alone`, when nothing else is in work here
};

/// Any thread.
class Claims {
public:
    /// `shared` false (shards of a cluster): every batch asked for is mine, whoever has it; the files only tell of
    /// deaths.
    Claims(const study::StudyFolder& folder, const std::string& runId, std::string writer, bool shared);

    /// A claim of a dead writer is taken over, and its death noted. `alone`: a suspect one, too.
    Result<ClaimOutcome> claim(int batch, bool alone = false);
    /// Says that nothing but this cell of a claimed batch is in work now, so that a death is held against it.
    Result<void> beginCell(int batch, int cell);
    /// The runners that died while they computed this cell alone.
    std::vector<Death> deathsAt(int batch, int cell) const;
    /// Gives it back, so that any runner can take it at once.
    void release(int batch);
    void markDone(int batch);
    void forgetDone(int batch);
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
    Result<ClaimOutcome> claimLocked(int batch, bool alone);
    Result<bool> createClaim(int batch);
    std::vector<Death> deaths(int batch) const;
    void noteDeath(int batch, const Death& death);
};

} // namespace crest::run
