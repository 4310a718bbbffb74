// SPDX-License-Identifier: Apache-2.0
// The commands of crest-run: each function adds one subcommand, whose callback runs it and sets exitCode.
#pragma once

namespace CLI {
class App;
}

namespace crest {

void addDevicesCommand(CLI::App& app, int& exitCode);
void addEvalCommand(CLI::App& app, int& exitCode);
void addGenerateCommand(CLI::App& app, int& exitCode);
void addInspectCommand(CLI::App& app, int& exitCode);
void addPretrainCommand(CLI::App& app, int& exitCode);
void addProbeCommand(CLI::App& app, int& exitCode);
void addResultsCommand(CLI::App& app, int& exitCode);
void addScoreCommand(CLI::App& app, int& exitCode);
void addSelfcheckCommand(CLI::App& app, int& exitCode);
void addTokenizeCommand(CLI::App& app, int& exitCode);
void addWorkCommand(CLI::App& app, int& exitCode); ///< and the hidden `publish`

} // namespace crest
