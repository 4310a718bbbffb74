// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/runner_supervisor.h"

#include <QDir>
#include <QProcess>
#include <QStringList>
#include <QThread>

#include "core/io/files.h"
#include "ui/data/places.h"

namespace crest::ui {

bool runnerIsAlive(const study::StudyFolder& folder) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "runners", error))
        if (entry.path().extension() == ".lock" && io::FileLock::isHeld(entry.path()))
            return true;
    return false;
}

Result<void> startRunner(const study::StudyFolder& folder, const RunnerCommand& command) {
    const QString program = runnerProgram();
    if (program.isEmpty())
        return fail(ErrorKind::NotFound, "crest-run is not beside this program. Build it (packaging/build), or set CREST_RUN to its path.");
    const QString study = QString::fromStdString(folder.path().string());
    QDir(study).mkpath(QStringLiteral("runners"));
    const int workers = command.workers > 0 ? command.workers : QThread::idealThreadCount();
    QProcess process;
    process.setProgram(program);
    process.setArguments({QStringLiteral("work"), study, QStringLiteral("--device"), command.device, QStringLiteral("--workers"),
                          QString::number(workers)});
    process.setStandardInputFile(QProcess::nullDevice());
    process.setStandardOutputFile(study + QStringLiteral("/runners/log.txt"), QIODevice::Append);
    process.setStandardErrorFile(study + QStringLiteral("/runners/log.txt"), QIODevice::Append);
    if (!process.startDetached())
        return fail(ErrorKind::Io, "could not be started: " + process.errorString().toStdString(), program.toStdString());
    return {};
}

} // namespace crest::ui
