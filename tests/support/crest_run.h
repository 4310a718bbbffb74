// SPDX-License-Identifier: Apache-2.0
// crest-run as a process: starting it, and what it said.
#pragma once

#include <memory>
#include <vector>

#include <QByteArray>
#include <QProcess>
#include <QStringList>

#include "core/base/json.h"

namespace crest::test {

struct Ended {
    int code = -1;
    QByteArray out, err;
    std::vector<Json> lines; ///< of `out`, where all are JSON
};

inline std::unique_ptr<QProcess> start(const QStringList& arguments) {
    auto process = std::make_unique<QProcess>();
    process->start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    return process;
}

inline Ended finish(QProcess& process) {
    if (!process.waitForFinished(120'000) || process.exitStatus() != QProcess::NormalExit)
        return {};
    Ended ended{process.exitCode(), process.readAllStandardOutput(), process.readAllStandardError(), {}};
    for (const QByteArray& line : ended.out.split('\n'))
        if (!line.isEmpty())
            ended.lines.push_back(Json::parse(line.toStdString(), nullptr, false));
    return ended;
}

inline Ended crestRun(const QStringList& arguments) {
    return finish(*start(arguments));
}

} // namespace crest::test
