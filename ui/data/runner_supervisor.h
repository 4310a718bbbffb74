// SPDX-License-Identifier: GPL-3.0-or-later
// Starts `crest-run work STUDY` detached from the window, and sees through the study folder whether one is alive.
// Closing the window ends nothing.
#pragma once

#include <QString>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::ui {

struct RunnerCommand {
    QString device = QStringLiteral("cpu");
    int workers = 0; ///< side by side; 0: as the runner finds best for the models
    QString runId;   ///< just this run, also where it had failed or was stopped; "": all that wait
};

/// The devices of the runners that live, as they were started: "cpu", "cuda:0". Reads a folder; any thread.
std::vector<QString> devicesAtWork(const study::StudyFolder& folder);

/// True while the process is there and has not ended.
bool processIsAlive(qint64 pid);

/// Where the output of the runners that this window starts goes: runners/log.txt in the study.
QString runnerLog(const study::StudyFolder& folder);
/// The last line that is not empty of that file, "" where there is none: why a runner did not start.
QString lastLogLine(const study::StudyFolder& folder);

/// Starts a runner and returns its process id. Does not wait.
Result<qint64> startRunner(const study::StudyFolder& folder, const RunnerCommand& command);

} // namespace crest::ui
