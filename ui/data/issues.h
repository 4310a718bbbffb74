// SPDX-License-Identifier: GPL-3.0-or-later
// Problems of a study as its window lists them: failed cells told together, and the checkpoint that a problem is about.
#pragma once

#include <optional>
#include <vector>

#include <QString>

#include "core/series/series.h"
#include "core/study/runs.h"
#include "core/study/types.h"
#include "ui/data/study_session.h"

namespace crest::ui {

/// One issue for the failed cells of one checkpoint that have one reason, in the order of the cells: one checkpoint with
/// broken weights is one row, not a row for every gamma and seed. At most 200, and one that counts the rest.
std::vector<Issue> failedCellIssues(const study::RunStatus& run, const study::Plan& plan);

struct CheckpointPlace {
    QString series, checkpoint; ///< the checkpoint's found name
    bool operator==(const CheckpointPlace&) const = default;
};
/// Which of these checkpoints an issue is about: whose cells failed, or whose folder or file is its place.
std::optional<CheckpointPlace> checkpointOf(const Issue& issue, const std::vector<series::Series>& series);

} // namespace crest::ui
