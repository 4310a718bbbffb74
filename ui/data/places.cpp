// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/places.h"

#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDir>
#include <QFileInfo>

namespace crest::ui {
namespace {

/// Relative values are ignored, as the XDG specification asks. QStandardPaths has no state folder before Qt 6.7.
QString xdgFolder(const char* variable, const QString& fallbackBelowHome) {
    const QString value = qEnvironmentVariable(variable);
    return (QDir::isAbsolutePath(value) ? value : QDir::homePath() + u'/' + fallbackBelowHome) +
           QStringLiteral("/crest");
}

} // namespace

QString dataFolder() {
    return xdgFolder("XDG_DATA_HOME", QStringLiteral(".local/share"));
}
QString stateFolder() {
    return xdgFolder("XDG_STATE_HOME", QStringLiteral(".local/state"));
}

QString resourcesFolder() {
    const QDir program(QCoreApplication::applicationDirPath());
    for (const QString& candidate :
         {qEnvironmentVariable("CREST_RESOURCES"), program.filePath(QStringLiteral("../share/crest")),
          program.filePath(QStringLiteral("../../resources")), program.filePath(QStringLiteral("../../../resources"))})
        if (!candidate.isEmpty() && QFileInfo(candidate + QStringLiteral("/sample")).isDir())
            return QDir(candidate).absolutePath();
    return {};
}

QString runnerProgram() {
    const QString named = qEnvironmentVariable("CREST_RUN");
    const QString beside = QDir(QCoreApplication::applicationDirPath()).filePath(QStringLiteral("crest-run"));
    const QString program = named.isEmpty() ? beside : named;
    return QFileInfo(program).isExecutable() ? program : QString();
}

QString untitledStudyFolder(const QString& checkpoints) {
    const QString path = QDir::cleanPath(QFileInfo(checkpoints).absoluteFilePath());
    const QByteArray digest = QCryptographicHash::hash(path.toUtf8(), QCryptographicHash::Sha256).toHex().left(8);
    return dataFolder() + QStringLiteral("/studies/") + QFileInfo(path).fileName() + u'-' + QString::fromLatin1(digest);
}

} // namespace crest::ui
