// SPDX-License-Identifier: GPL-3.0-or-later
// A series whose folder moved, found again by content: the place is new, the results stay.
#pragma once

#include <map>
#include <string>

#include <QString>

#include "core/base/job_context.h"
#include "core/study/types.h"

namespace crest::ui {

struct LocateInput {
    study::StudySeries series;                   ///< as the study remembers it
    QString folder;                              ///< where the user says it is
    std::map<std::string, std::string> measured; ///< fingerprint of its checkpoints that have results, by name
    /// Those of them that are not where the series is, while others are: looked for one by one.
    std::map<std::string, std::string> missing;
};

struct Located {
    study::StudySeries series; ///< with its new path
    int verified = 0;          ///< checkpoints whose weights are those that were measured
    int missing = 0;           ///< measured ones that are not in the new folder
    std::map<std::string, std::string> moved; ///< single ones that were found, by name; then the series stays where it is
};

/// Worker threads only: reads weights that are not remembered. Single checkpoints are found by their weights alone,
/// whatever they are called now. NotFound where no checkpoint of the series is there,
/// Mismatch where one has other weights than those that were measured; it names the checkpoint.
Result<Located> locateSeries(const LocateInput& input, const JobContext& job);

} // namespace crest::ui
