// SPDX-License-Identifier: Apache-2.0
// The texts and items of a run in a checkpoint's tokens, made once: kept over the checkpoints of a series that share a
// tokenizer, and shared by all runners of the process.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/tuning_data.h"
#include "core/eval/task_scoring.h"
#include "core/eval/text_loss.h"
#include "core/probe/loaded_checkpoint.h"

namespace crest::probe {

/// One runner's part of them; used by one thread. What it was asked for stays in memory until the run or the tokenizer
/// changes.
class TaskInputs {
public:
    /// Says what is asked for next; drops what belongs to another run or tokenizer.
    void begin(const std::string& run, const LoadedCheckpoint& checkpoint);

    /// Mismatch where the data are not those of the plan; errors of eval::readTextWindows, data::makeItems,
    /// eval::prepareTask,
    /// data::readTuningData.
    Result<std::shared_ptr<const eval::TextWindows>> text(const study::Task& task, const LoadedCheckpoint& checkpoint,
                                                          const JobContext& job);
    Result<std::shared_ptr<const eval::PreparedTask>> suite(const study::Task& task, const LoadedCheckpoint& checkpoint,
                                                            const JobContext& job);
    Result<std::shared_ptr<const data::TuningSet>> tuning(const study::Task& task, const LoadedCheckpoint& checkpoint,
                                                          const JobContext& job);

private:
    std::string m_owner; ///< run and tokenizer
    std::map<std::string, std::shared_ptr<const eval::TextWindows>> m_texts;
    std::map<std::string, std::shared_ptr<const eval::PreparedTask>> m_suites;
    std::map<std::string, std::shared_ptr<const data::TuningSet>> m_tuning;
};

} // namespace crest::probe
