// SPDX-License-Identifier: Apache-2.0
// crest-run: the engine, for a shell, a remote machine, a cluster, and the window.
#include <CLI/CLI.hpp>

#include "app/command_line.h"
#include "app/crest-run/commands.h"
#include "core/base/version.h"

int main(int argc, char** argv) {
    CLI::App app("Crest's engine: probes of pretraining checkpoints", "crest-run");
    app.set_version_flag("--version", std::string("crest-run ") + crest::version());
    app.require_subcommand(1);
    app.failure_message(crest::commandLineProblem);
    int exitCode = 0;
    crest::addDevicesCommand(app, exitCode);
    crest::addEvalCommand(app, exitCode);
    crest::addGenerateCommand(app, exitCode);
    crest::addInspectCommand(app, exitCode);
    crest::addPretrainCommand(app, exitCode);
    crest::addProbeCommand(app, exitCode);
    crest::addScoreCommand(app, exitCode);
    crest::addSelfcheckCommand(app, exitCode);
    crest::addTokenizeCommand(app, exitCode);
    crest::addWorkCommand(app, exitCode);
    crest::addResultsCommand(app, exitCode);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return crest::exitCodeOf(app, error);
    }
    return exitCode;
}
