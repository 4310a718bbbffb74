// SPDX-License-Identifier: GPL-3.0-or-later
// Starts `crest-run work STUDY` detached from the window, and sees through the study folder whether one is alive. Closing the window ends nothing.
#pragma once

#include <QString>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::ui {

struct RunnerCommand {
    QString device = QStringLiteral("cpu");
    int workers = 0; ///< threads side by side; 0: one for each core
};

/// True where a living runner holds its lock in this study. Reads a folder; any thread.
bool runnerIsAlive(const study::StudyFolder& folder);

/// Starts a runner; its output goes to runners/log.txt in the study. Does not wait.
Result<void> startRunner(const study::StudyFolder& folder, const RunnerCommand& command);

} // namespace crest::ui
