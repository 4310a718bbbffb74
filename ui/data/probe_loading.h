// SPDX-License-Identifier: GPL-3.0-or-later
// A run's probe with its results, read at once: for commands that need no window.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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

using PlanPointers = std::vector<const study::Plan*>; ///< of plans that live elsewhere: their cells are many

/// Of `plans` (oldest first) the base evaluations that can be drawn with the base evaluation `shown`: of another
/// series, with a task that measures the same; of each series the newest. None where `shown` is no base evaluation.
PlanPointers comparableEvaluations(const study::Plan& shown, const PlanPointers& plans);

/// Of `plans` (oldest first) the runs beside `shown` that train checkpoints of its series (ProbeResults::siblings); none where `shown`
/// trains nothing.
PlanPointers siblingPlans(const study::Plan& shown, const PlanPointers& plans);

/// The command line that draws a run again, quoted for a shell, without figure, options and output.
std::string exportCommand(const study::StudyFolder& folder, const std::string& runId);

/// What the study says of a checkpoint now, with its user's corrections.
struct CheckpointNow {
    std::optional<std::int64_t> tokens;
    bool excluded = false;
    std::string fingerprint; ///< of its weights, "" where it is not known yet
    std::string apart;       ///< what it is where it is no later point of the run (series::standsApart), else ""
    bool operator==(const CheckpointNow&) const = default;
};

/// What the series of a study say now; runs have their checkpoints as they were when they were planned.
struct SeriesFacts {
    std::int64_t parameters = 0; ///< of the first readable checkpoint, like flopsPerToken
    double flopsPerToken = 0;    ///< of pretraining
    std::map<std::string, int> stages;                ///< by "series/checkpoint"
    std::map<std::string, CheckpointNow> checkpoints; ///< by "series/path", "series/name" and "series/fingerprint"
    std::map<std::string, std::vector<analysis::SeriesHole>> holes; ///< by series
    bool operator==(const SeriesFacts&) const = default;
};
SeriesFacts seriesFacts(const std::vector<series::Series>& series);

/// Sizes, stages and holes; and a run's checkpoints as they are now: with the tokens that they have, without those that were excluded.
/// A checkpoint that the study does not have any more stays as it was planned.
void addFacts(analysis::ProbeResults& results, const SeriesFacts& facts);

/// Both at once.
void addModelFacts(analysis::ProbeResults& results, const std::vector<series::Series>& series);

} // namespace crest::ui
