// SPDX-License-Identifier: Apache-2.0
// A suite's task as a plan pins it: its data, its shots, what it will cost.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::study {

/// Reads the task's data below textsPath (absolute) and fills in dataHash and shots. Returns an estimate of the tokens
/// that one pass takes through the decoder: contexts that follow each other count once, generation counts its longest
/// answer. Errors of data::makeItems, with the task's name. What was read is remembered while its files stay as they
/// are.
Result<std::int64_t> pinSuiteTask(Task& task, const JobContext& job = {});

/// Of the data of a task, pinned or not: how many rows cannot be used and the first of them, in a sentence; "" where all
/// can.
std::string rowsLeftOut(const Task& task, const JobContext& job = {});

} // namespace crest::study
