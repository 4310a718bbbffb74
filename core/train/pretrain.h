// SPDX-License-Identifier: Apache-2.0
// A controlled pretraining series: one annealed run per budget and seed, several side by side, each resumed exactly
// after a kill.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/train/pretrain_config.h"

namespace crest::train {

/// Something that happened, for progress lines and --json, where it is one object a line: event (kind), tokens_done,
/// tokens_total, and where they say something run, step, steps, loss ("NaN" or "Infinity" where it is not finite),
/// tokens_per_second, seconds_left, heldout {name: nats per token}, message.
struct PretrainEvent {
    std::string kind; ///< "prepared", "start", "resume", "skip", "progress", "finish", "fail", "stop"
    std::string run;  ///< folder of the run below the output folder; "" for the whole series
    std::int64_t step = 0, steps = 0;
    std::int64_t tokensDone = 0, tokensTotal = 0; ///< of all runs
    double loss = 0;                              ///< nats per token of the last batch
    double tokensPerSecond = 0, secondsLeft = 0;  ///< of all runs; 0 where unknown
    std::map<std::string, double> heldout;        ///< on "finish"
    std::string message;
};

struct PretrainOptions {
    std::filesystem::path outFolder;                   ///< series folders go below it; work files into .pretrain
    int jobs = 1;                                      ///< runs side by side, one worker each
    int threads = 1;                                   ///< threads of each run; never changes results
    std::function<void(const PretrainEvent&)> onEvent; ///< called by any worker, one at a time
};

struct PretrainSummary {
    int finished = 0, skipped = 0, failed = 0; ///< runs
    bool stopped = false;                      ///< asked to stop; states are saved
    std::string firstError;
};

/// Trains what is not finished yet. A run that fails (non-finite loss, full disk) does not stop the others. When `job`
/// asks to stop, every worker saves its state after the step at hand. Returns an error only where nothing could be
/// started.
Result<PretrainSummary> runPretrain(PretrainConfig config, const PretrainOptions& options, const JobContext& job);

} // namespace crest::train
