// SPDX-License-Identifier: Apache-2.0
// A locale that writes 0,5, made in a folder of its own: no machine need have one installed.
#pragma once

#include <QProcess>
#include <QString>

namespace crest::test {

inline constexpr const char* kCommaLocale = "de_DE.UTF-8";

/// Makes kCommaLocale below `folder`, which is then the value of LOCPATH. Returns why not, "" where it is there.
inline QString makeCommaLocale(const QString& folder) {
    QProcess make;
    make.start(QStringLiteral("localedef"), {QStringLiteral("-i"), QStringLiteral("de_DE"), QStringLiteral("-f"),
                                             QStringLiteral("UTF-8"), folder + QStringLiteral("/de_DE.UTF-8")});
    const bool made = make.waitForFinished(60000) && make.exitCode() == 0;
    QProcess ask;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("LOCPATH"), folder);
    environment.insert(QStringLiteral("LC_ALL"), QString::fromLatin1(kCommaLocale));
    ask.setProcessEnvironment(environment);
    ask.start(QStringLiteral("locale"), {QStringLiteral("decimal_point")});
    if (made && ask.waitForFinished(10000) && ask.readAllStandardOutput().trimmed() == ",")
        return {};
    return QStringLiteral(
               "This test needs a locale with a decimal comma, which localedef makes from the Debian package "
               "\"locales\": ") +
           QString::fromLocal8Bit(make.readAllStandardError()) + make.errorString();
}

} // namespace crest::test
