// SPDX-License-Identifier: Apache-2.0
// Queueing a plan without making its run a second time.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"
#include "core/study/results.h"
#include "core/study/study_folder.h"

namespace crest::study {

/// The id of the newest run of the same plan (probe, tasks and checkpoints), whatever became of it; queued where there
/// is none. Two who ask at the same time get the same run. `reader` reads on: a run that was done once counts only as
/// long as all its results are stored.
Result<std::string> queueOnce(const StudyFolder& folder, const Plan& plan, ResultReader& reader);
/// The same for who follows the results already: `stored` says whether a key is among them.
Result<std::string> queueOnce(const StudyFolder& folder, const Plan& plan,
                              const std::function<bool(const std::string&)>& stored);

} // namespace crest::study
