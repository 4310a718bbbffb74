// SPDX-License-Identifier: GPL-3.0-or-later
// The training curves of a run from the study folder: read at once, by a worker of the window or by a command.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/training_figure.h"

namespace crest::ui {

/// Those of a choice, in the order of analysis::ratesOf. What cannot be read is as if it were not there. `trainings`:
/// StudyFolder::trainingsFolder.
std::vector<analysis::TrainingCurve> readTrainings(const std::filesystem::path& trainings,
                                                   const analysis::ProbeResults& results,
                                                   const analysis::TrainingChoice& choice);

/// Checkpoint and seed of a cell that is logged, and not stored yet: of the present choice where it has one, else the
/// first in the order of work. Nothing where there is none.
std::optional<analysis::TrainingChoice> trainingAtWork(const std::filesystem::path& trainings,
                                                       const analysis::ProbeResults& results,
                                                       const analysis::TrainingChoice& present);

/// What is read of it would draw the same.
std::string fingerprintOf(const analysis::TrainingChoice& choice, const std::vector<analysis::TrainingCurve>& curves);

} // namespace crest::ui
