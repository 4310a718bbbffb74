// SPDX-License-Identifier: Apache-2.0
// The plain mean of several tasks as one more task. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/analysis/curves.h"

namespace crest::analysis {

/// Of every cell that has a value of each of `tasks`: the mean of the values, under the task name `name`; not finite where
/// one of them is not. Cells that lack a task are left out.
///
/// Its error over sequences is that of a stratified sample: each task's sequences (or items) are drawn within the task, the
/// tasks themselves are not drawn. For that the sequences of all tasks stand in one list, each with one token and with the
/// value mean + c n / (T W_t) (v - w m_t): n sequences in all, T tasks, W_t the tokens of the task, m_t its mean in this cell, and
/// c^2 the task's n_t / (n_t - 1) over n / (n - 1). The linearised ratio of statistics.h then gives sum(var_t) / T^2, for single
/// cells as for paired differences (Cochran 1977, section 5.3).
std::vector<Observation> meanOverTasks(std::span<const Observation> observations, std::span<const std::string> tasks,
                                       const std::string& name);

} // namespace crest::analysis
