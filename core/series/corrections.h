// SPDX-License-Identifier: Apache-2.0
// What the user says better than the files: tokens, stage and name of a checkpoint, tokens per step of a series, what
// is in and out. Kept in the study, applied after each scan.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/series/series.h"

namespace crest::series {

struct CheckpointCorrection {
    std::optional<std::int64_t> tokens;
    std::optional<int> stage;
    std::string name; ///< "" as found
    bool isEmpty() const { return !tokens && !stage && name.empty(); }
    bool operator==(const CheckpointCorrection&) const = default;
};

struct SeriesCorrections {
    std::optional<std::int64_t> tokensPerStep;               ///< for every checkpoint with a step
    std::map<std::string, CheckpointCorrection> checkpoints; ///< by Checkpoint::foundName
    std::vector<std::string> included; ///< found names of what is taken in although off by default
    bool operator==(const SeriesCorrections&) const = default;
};

/// Applies them, and the exclusions (found names), to a series as findSeries gave it; judgeSeries comes after. A
/// corrected name is read as any other (step, stage, tokens); tokens typed by hand win over tokens per step, those over
/// all that files say. Corrections of checkpoints that are not there wait.
void applyCorrections(Series& series, const SeriesCorrections& corrections, const std::vector<std::string>& excluded,
                      std::vector<ScanIssue>& issues);

/// What the files tell towards "tokens per step", a line each: batch of the Trainer, context length, whether steps are
/// known at all. For the question to the user.
std::vector<std::string> tokensPerStepHints(const Series& series);

/// True where the series has steps whose tokens nothing tells, so that the user must be asked.
bool needsTokensPerStep(const Series& series);

} // namespace crest::series
