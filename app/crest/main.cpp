// SPDX-License-Identifier: GPL-3.0-or-later
#include <clocale>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>
#include <QApplication>
#include <QLocale>
#include <QTemporaryDir>

#include "app/command_line.h"
#include "app/crest/commands.h"
#include "core/base/version.h"
#include "ui/main_window.h"

namespace crest::app {

int complain(const std::string& text) {
    std::cerr << "crest: " << text << "\n";
    return 1;
}

} // namespace crest::app

int main(int argc, char** argv) {
    CLI::App app("Crest: a workbench for series of pretraining checkpoints", "crest");
    app.failure_message(crest::commandLineProblem);
    app.set_version_flag("--version", std::string("crest ") + crest::version());
    std::string folder, theme;
    bool sample = false;
    app.add_option("folder", folder, "A study, a folder of checkpoints, or a file of one, to open");
    app.add_flag("--sample", sample, "Open the sample study");
    app.add_option("--theme", theme, "light or dark; default: the desktop's")->check(CLI::IsMember({"light", "dark"}));
    crest::app::Chosen chosen;
    crest::app::addDemoCommand(app, chosen);
    crest::app::addExportCommand(app, chosen);
    crest::app::addInflectionCommand(app, chosen);
    crest::app::addExplainCommand(app, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return crest::exitCodeOf(app, error);
    }

    // The commands draw without a screen; the platform is chosen before QApplication looks for one.
    std::optional<QTemporaryDir> runtime;
    if (chosen) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        // Nor is there a session: without its folder Qt takes one in /tmp, and says so on every call.
        if (qEnvironmentVariableIsEmpty("XDG_RUNTIME_DIR") && runtime.emplace().isValid())
            qputenv("XDG_RUNTIME_DIR", runtime->path().toUtf8());
    }
    QApplication application(argc, argv);
    std::setlocale(LC_NUMERIC, "C");   // QApplication took it from the environment
    QLocale::setDefault(QLocale::c()); // fields and labels write numbers as files do
    QApplication::setApplicationName(QStringLiteral("crest"));
    QApplication::setApplicationDisplayName(QStringLiteral("Crest"));
    QApplication::setApplicationVersion(QString::fromLatin1(crest::version()));
    QApplication::setDesktopFileName(QStringLiteral("crest"));
    if (chosen)
        return chosen();
    crest::ui::WindowOptions options;
    options.open = QString::fromStdString(folder);
    options.sample = sample;
    options.theme = QString::fromStdString(theme);
    return crest::ui::runWindow(application, options);
}
