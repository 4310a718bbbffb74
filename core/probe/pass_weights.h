// SPDX-License-Identifier: Apache-2.0
// The weights that a pass measures: the checkpoint's own, or what the plan's probe makes of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/weight_source.h"
#include "core/probe/loaded_checkpoint.h"
#include "core/probe/modification.h"
#include "core/probe/task_inputs.h"
#include "core/run/batch_runner.h"
#include "core/train/fine_tune_settings.h"

namespace crest::probe {

struct Pass;

/// As they are (one version), or `members` versions of every cell of the pass, in its order.
struct MadeWeights {
    std::unique_ptr<model::WeightSource> source; ///< null where there are none to be had, which is a result
    int members = 1;
    std::string cause; ///< why there are none: the training diverged
    std::vector<std::optional<study::WeightChange>> changes; ///< of every cell of the pass, where there is a source
    std::string note;                                        ///< for the run's log; "": nothing
};

/// Keeps a probe's modification of a checkpoint from one pass to the next: a fine-tuned cell is trained once for all that
/// is measured of it. One thread.
class PassWeights {
public:
    /// Threads of a training, and the folders of the study that it uses.
    explicit PassWeights(const run::RunnerOptions& options)
        : m_options(options) {}

    /// Valid until the next call.
    Result<MadeWeights> of(const study::Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint,
                           TaskInputs& inputs, const JobContext& job);
    /// Everything that was asked for is measured and stored.
    void done() {
        if (m_modification)
            m_modification->done();
    }
    /// Before a checkpoint goes: nothing of it is held any longer.
    void forget() { m_modification.reset(); }

private:
    Result<void> make(const study::Plan& plan, const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                      const JobContext& job);
    Result<std::shared_ptr<const std::vector<data::TuningExample>>> replayOf(const study::Plan& plan,
                                                                             const train::FineTuneSettings& training,
                                                                             const LoadedCheckpoint& checkpoint,
                                                                             TaskInputs& inputs,
                                                                             const JobContext& job) const;
    Result<std::unique_ptr<Modification>> fineTuning(const study::Plan& plan, const LoadedCheckpoint& checkpoint,
                                                     TaskInputs& inputs, const JobContext& job) const;

    run::RunnerOptions m_options;
    std::unique_ptr<Modification> m_modification;
    std::string m_madeFor; ///< run and checkpoint
};

} // namespace crest::probe
