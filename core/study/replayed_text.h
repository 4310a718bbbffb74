// SPDX-License-Identifier: Apache-2.0
// The pretraining text that a training replays: what makes it of no use, and what of a plan it makes not held out.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

/// Refuses a text that would fail every training: one that cannot be read, or has no window. Told from its head, which is all of it
/// where it is small. `settings`: of a plan's probe; without a text, nothing is refused. `checkpoint`: a folder, whose tokenizer counts.
Result<void> checkReplayedText(const Json& settings, const std::filesystem::path& checkpoint, const JobContext& job = {});

/// A sentence for each measured text whose very file the training replays.
std::vector<std::string> replayNotes(const Plan& plan);

} // namespace crest::study
