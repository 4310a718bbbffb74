// SPDX-License-Identifier: GPL-3.0-or-later
// The commands of crest that need no window. Each adds itself to the command line and says what to run.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace crest::app {

/// What was chosen on the command line: run after QApplication is there; returns the exit code. Empty: open the window.
using Chosen = std::function<int()>;

void addDemoCommand(CLI::App& app, Chosen& chosen);
void addExportCommand(CLI::App& app, Chosen& chosen);
void addExplainCommand(CLI::App& app, Chosen& chosen);
void addInflectionCommand(CLI::App& app, Chosen& chosen);

/// "crest: " + text on standard error; returns 1.
int complain(const std::string& text);

} // namespace crest::app
