// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/runner_supervisor.h"

#include <algorithm>

#include <QDir>
#include <QFile>
#include <QProcess>
#include <QProcessEnvironment>
#include <QStringList>

#include "core/base/json.h"
#include "core/io/files.h"
#include "ui/data/places.h"

namespace crest::ui {

std::vector<QString> devicesAtWork(const study::StudyFolder& folder) {
    std::vector<QString> devices;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "runners", error)) {
        if (entry.path().extension() != ".lock" || !io::FileLock::isHeld(entry.path()).value_or(true))
            continue;
        std::filesystem::path description = entry.path();
        const auto text = io::readTextFile(description.replace_extension(".json"), 1'000'000);
        const auto json = text ? parseJson(*text, description.string()) : Result<Json>(fail(text.error()));
        // One that is just starting has not described itself yet: any device may be its.
        const bool known = json && json->is_object() && json->contains("device") && (*json)["device"].is_string();
        devices.push_back(known ? QString::fromStdString((*json)["device"].get<std::string>()) : QString());
    }
    return devices;
}

bool processIsAlive(qint64 pid) {
    // kill(pid, 0) counts a process that ended and that nobody waits for, as in containers without an init.
    QFile stat(QStringLiteral("/proc/%1/stat").arg(pid));
    if (pid <= 0 || !stat.open(QIODevice::ReadOnly))
        return false;
    const QByteArray line = stat.readAll();
    const char state = line.mid(line.lastIndexOf(')') + 1).trimmed().left(1).append('X').at(0);
    return state != 'Z' && state != 'X';
}

QString runnerLog(const study::StudyFolder& folder) {
    return QString::fromStdString((folder.runnersFolder() / "log.txt").string());
}

QString lastLogLine(const study::StudyFolder& folder) {
    constexpr qint64 kTailBytes = 4096;
    QFile log(runnerLog(folder));
    if (!log.open(QIODevice::ReadOnly))
        return {};
    log.seek(std::max<qint64>(0, log.size() - kTailBytes));
    const QStringList lines = QString::fromUtf8(log.readAll()).split(u'\n', Qt::SkipEmptyParts);
    return lines.isEmpty() ? QString() : lines.last().trimmed();
}

namespace {

/// Threads of one product wait for each other by spinning, for ever so long: beside another busy program that takes the cores from
/// those waited for. A short wait is as fast on a free machine. What the user says counts.
QProcessEnvironment runnerEnvironment() {
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    if (!environment.contains(QStringLiteral("OMP_WAIT_POLICY")) && !environment.contains(QStringLiteral("GOMP_SPINCOUNT")))
        environment.insert(QStringLiteral("GOMP_SPINCOUNT"), QStringLiteral("10000"));
    return environment;
}

} // namespace

Result<qint64> startRunner(const study::StudyFolder& folder, const RunnerCommand& command) {
    const QString program = runnerProgram();
    if (program.isEmpty())
        return fail(ErrorKind::NotFound,
                    "crest-run is not beside this program. Build it (packaging/build), or set CREST_RUN to its path.");
    const QString study = QString::fromStdString(folder.path().string());
    QDir(study).mkpath(QStringLiteral("runners"));
    QProcess process;
    process.setProgram(program);
    QStringList arguments{QStringLiteral("work"), study, QStringLiteral("--device"), command.device};
    if (command.workers > 0)
        arguments << QStringLiteral("--workers") << QString::number(command.workers);
    if (!command.runId.isEmpty())
        arguments << QStringLiteral("--run") << command.runId;
    process.setArguments(arguments);
    process.setProcessEnvironment(runnerEnvironment());
    process.setStandardInputFile(QProcess::nullDevice());
    process.setStandardOutputFile(runnerLog(folder), QIODevice::Append);
    process.setStandardErrorFile(runnerLog(folder), QIODevice::Append);
    qint64 pid = 0;
    if (!process.startDetached(&pid))
        return fail(ErrorKind::Io, "could not be started: " + process.errorString().toStdString(),
                    program.toStdString());
    return pid;
}

} // namespace crest::ui
