// SPDX-License-Identifier: Apache-2.0
// Working off a study from the command line, as `work` and `probe` do it.
#pragma once

#include <optional>
#include <string>

#include "core/run/executor.h"
#include "core/run/stop_signals.h"
#include "core/study/study_folder.h"

namespace crest {

/// Exit codes besides 0 (all done) and 1 (failed): stopped or interrupted, start it again.
inline constexpr int kExitStopped = 75;

struct WorkRequest {
    std::string device = "cpu", runId, shard; ///< shard: "k/n" or ""
    int workers = 0, threads = 0;
    bool again = false; ///< a runner died and this one takes its place: what had failed stays so
    bool json = false;  ///< one line for each run on stdout, no progress line
};

/// Runs the executor with the real engine, shows a progress line on stderr, prints how the runs ended; returns the exit
/// code.
int workOnStudy(const study::StudyFolder& folder, const WorkRequest& request, const run::StopSignals& signals);

} // namespace crest
