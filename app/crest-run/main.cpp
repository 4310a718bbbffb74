// SPDX-License-Identifier: Apache-2.0
// crest-run: the engine, for a shell, a remote machine, a cluster, and the window.
#include <CLI/CLI.hpp>

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include "app/command_line.h"
#include "app/crest-run/commands.h"
#include "core/base/version.h"

namespace {

/// Tensors that are given back leave the process, so that it holds what its plan says. Left to itself glibc keeps up to 64 MB for every thread
/// once it has seen large ones go.
void giveMemoryBack() {
#ifdef M_MMAP_THRESHOLD
    ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

} // namespace

int main(int argc, char** argv) {
    giveMemoryBack();
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
