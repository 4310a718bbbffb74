// SPDX-License-Identifier: Apache-2.0
// Works off the queued runs of a study: claims batches, computes them in worker threads through a BatchRunner, stores
// each result durably, says where it is, and obeys control.json. Torch-free; what it leaves behind is whole at any
// moment.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/run/batch_runner.h"
#include "core/study/append_file.h"
#include "core/study/study_folder.h"

namespace crest::run {

struct WorkOptions {
    std::string device = "cpu";
    int workers = 0;           ///< batches side by side; 0: one a core for small models on a CPU, else one
    int threadsPerWorker = 0;  ///< 0: what the workers leave
    int shard = 0, shards = 1; ///< on a cluster: batches b with b % shards == shard, without claims
    std::string runId;       ///< "" for all that wait, oldest first; a named one is also taken up where it was stopped
    bool retryFailed = true; ///< of a named run: cells that had failed are tried once more
    /// How to publish results.h5 in a child process (program and arguments); empty: in this process.
    std::vector<std::string> publishCommand;
    /// Called on "stop now" when a worker does not come back within two seconds, after everything finished is stored.
    /// Must not return.
    std::function<void()> abandon;
    /// Called on the writer thread with the keys that were stored durably just now.
    std::function<void(const std::vector<std::string>&)> onStored;
    study::FileCalls journalCalls = study::FileCalls::system(); ///< for tests
};

struct RunSummary {
    int runs = 0;
    std::int64_t freshCells = 0, storedCells = 0, failedCells = 0; ///< stored: found stored when their turn came
    bool stopped = false;       ///< by control.json, or by the job's stop token (a signal)
    bool othersWorking = false; ///< the rest of a run is with other runners
    std::string message;        ///< what people should know: a problem with results.h5, say
};

/// Returns when nothing is left to do here, or it was told to stop. Errors: no runner for the device, a study that
/// cannot be written, a disk that fails; failed cells are not errors. `job`: stop token (stop after this step and
/// keep); reports cells.
Result<RunSummary> workStudy(const study::StudyFolder& folder, const WorkOptions& options,
                             const BatchRunnerFactory& factory, const JobContext& job = {});

} // namespace crest::run
