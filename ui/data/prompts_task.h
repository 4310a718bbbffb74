// SPDX-License-Identifier: GPL-3.0-or-later
// A file of prompts as a task: every checkpoint continues them, and what it writes is kept as it is.
#pragma once

#include <QString>

#include "core/study/types.h"

namespace crest::ui {

/// Greedy continuations of `newTokens` tokens of the prompts in `file`: JSON lines with a field "text", else one prompt
/// a line. `limit`: the first so many, 0: all.
study::Task promptsTask(const QString& name, const QString& file, std::int64_t newTokens, std::int64_t limit);

} // namespace crest::ui
