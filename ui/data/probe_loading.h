// SPDX-License-Identifier: GPL-3.0-or-later
// A run's probe with its results, read at once: for commands that need no window.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"
#include "core/base/result.h"
#include "core/series/series.h"
#include "core/study/study_folder.h"
#include "core/study/types.h"

namespace crest::ui {

/// Results of run `runId` ("" = the newest); NotFound where the study has no such run.
Result<analysis::ProbeResults> loadProbeResults(const study::StudyFolder& folder, const std::string& runId);

/// A row as figures need it: without what was answered, but for the numbers of choices.
study::ResultRow rowForFigures(const study::ResultRow& row);

/// Of `plans` (oldest first) the base evaluations that can be drawn with the base evaluation `shown`: of another
/// series, with a task that measures the same; of each series the newest. None where `shown` is no base evaluation.
std::vector<study::Plan> comparableEvaluations(const study::Plan& shown, const std::vector<study::Plan>& plans);

/// Of `plans` (oldest first) the runs beside `shown` that train checkpoints of its series (ProbeResults::siblings); none where `shown`
/// trains nothing.
std::vector<study::Plan> siblingPlans(const study::Plan& shown, const std::vector<study::Plan>& plans);

/// The command line that draws a run again, quoted for a shell, without figure, options and output.
std::string exportCommand(const study::StudyFolder& folder, const std::string& runId);

/// Parameters and training FLOPs per token of the first readable checkpoint, for the token axis' other quantities, and
/// the stages of all.
void addModelFacts(analysis::ProbeResults& results, const std::vector<series::Series>& series);

} // namespace crest::ui
