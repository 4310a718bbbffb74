// SPDX-License-Identifier: Apache-2.0
// From the options of crest-run probe finetune to the data it trains on and how.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/series/series.h"
#include "core/study/types.h"

namespace CLI {
class App;
}

namespace crest {

struct TuningOptions {
    std::string data; ///< NAME=FILE; "" for probes that train nothing
    std::string form = "auto", chat;
    bool learnAll = false, drop = false;
    std::int64_t maxTokens = 0; ///< 0: 512, or the context of the series where that is shorter
    double heldOutShare = 0.1;
    std::int64_t heldOutCount = 0, splitSeed = 1, sampleCount = 0;
    std::string replay;    ///< file of pretraining text
    double keepGigabytes = 0, interpolatedRate = 0; ///< 0: nothing is kept; 0: no interpolation
    double stateSeconds = -1;                       ///< below 0: the usual
    bool recompute = false;
    Json training = Json::object(); ///< keys of core/train/fine_tune_settings.h that were given
};

void addTuningOptions(CLI::App& command, TuningOptions& options);

/// The task that measures the held-out part; its other rows are trained on. Reads the first rows of the data.
Result<study::Task> tuningTask(const TuningOptions& options, const series::Series& series);
/// What a person should know of a plan's fine-tuning data before anything is trained on them: rows that cannot be used, examples that
/// are cut, left out or repeated, measured texts that are replayed; a line each, with the task's name. Tokenises the data as every
/// cell will, once for each tokenizer of the plan. Where no tokenizer can, its error.
Result<std::vector<std::string>> tuningNotes(const study::Plan& plan, const JobContext& job);

/// Study::Probe::settings: every setting of the training, said.
Result<Json> tuningSettings(const TuningOptions& options);

} // namespace crest
