// SPDX-License-Identifier: Apache-2.0
// The one interface between the executor, which knows the study folder, and whatever computes. Torch-free.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/study/types.h"

namespace crest::run {

/// One batch of a plan: cells of one checkpoint, and which of their results are still wanted.
struct BatchRequest {
    const study::Plan* plan = nullptr; ///< outlives the call
    int checkpoint = 0;
    struct Wanted {
        int cell = 0;           ///< index into plan->cells
        std::vector<int> tasks; ///< indices into plan->tasks
    };
    std::vector<Wanted> wanted;
};

/// One measurement: what the runner fills in; the executor adds identity and time.
struct Measurement {
    int cell = 0, task = 0;
    double value = 0, stderr_ = 0;
    std::int64_t scoredTokens = 0;
    std::string cause;
    std::vector<float> sequenceNats;
    std::vector<std::int32_t> sequenceTokens;
    data::TaskOutcome outcome; ///< Suite tasks
    std::optional<study::WeightChange> change; ///< of weights that were trained
    std::string note = {};                     ///< for the run's log: tuned weights could not be kept, say; "": nothing
};

inline constexpr std::string_view kFoundSteps = "steps found done";

/// Computes batches, one at a time per object; the executor makes one object per worker thread.
class BatchRunner {
public:
    virtual ~BatchRunner() = default;

    /// Blocks until the batch is done. Calls `emit` on the calling thread for each measurement as it is finished (emit
    /// returns an error where it could not be stored: hand it on). Reports tokens through `job` (done = tokens, what =
    /// "tokens"), and of a training that it goes on with, before its first tokens, how many of its steps are done already
    /// (kFoundSteps). Stops between steps when asked, with ErrorKind::Stopped. An error fails the batch's remaining cells,
    /// not the run.
    virtual Result<void> run(const BatchRequest& request, const JobContext& job,
                             const std::function<Result<void>(Measurement)>& emit) = 0;

    /// After a run that failed: why no other batch can be computed on its device either (a GPU that was lost); nothing mostly. This session ends then,
    /// and what is not begun stays open.
    virtual std::optional<Error> unusable() const { return std::nullopt; }

    /// Starts to load what a later batch will need; any thread, returns at once.
    virtual void prefetch(const study::Plan& plan, int checkpoint) { (void)plan, (void)checkpoint; }
};

struct RunnerOptions {
    std::string device = "cpu"; ///< "cpu", "cuda:0"
    int threads = 1;            ///< threads inside one batch
    std::filesystem::path workFolder = {}; ///< of the study: what unfinished cells keep for whoever goes on with them; "":
                                           ///< nothing is kept
    std::filesystem::path keptFolder = {};      ///< of the study: where tuned weights are kept (study::KeptWeights); "": nowhere
    std::filesystem::path trainingsFolder = {}; ///< of the study: where trainings log their steps; "": nowhere
};
using BatchRunnerFactory = std::function<Result<std::unique_ptr<BatchRunner>>(const RunnerOptions&)>;

} // namespace crest::run
