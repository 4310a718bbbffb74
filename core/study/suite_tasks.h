// SPDX-License-Identifier: Apache-2.0
// A suite's task as a plan pins it: its data, its shots, what it will cost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

inline constexpr double kBytesPerToken = 2.5; ///< of text, for estimates before it is tokenised: on the safe side

/// Reads the task's data below textsPath (absolute) and fills in dataHash and shots. Returns an estimate of the tokens
/// that one pass takes through the decoder: contexts that follow each other count once, generation counts its longest
/// answer. Errors of data::makeItems, with the task's name. What was read is remembered while its files stay as they
/// are.
Result<std::int64_t> pinSuiteTask(Task& task, const JobContext& job = {});

/// What is to be said of a planned task, a sentence each: how many rows cannot be used and the first of them; that the chat
/// template takes no message of the system. `checkpoint`: the folder of one of the plan, whose template it is asked by. Errors
/// where the template refuses more rows than may be left out. What was found is remembered as well.
Result<std::vector<std::string>> notesOn(const Task& task, const std::filesystem::path& checkpoint, const JobContext& job = {});

/// Errors of notesOn for a task that is asked as a chat, so that a plan does not begin what its template refuses.
Result<void> checkChat(const Task& task, const std::filesystem::path& checkpoint, const JobContext& job = {});

} // namespace crest::study
