// SPDX-License-Identifier: GPL-3.0-or-later
// What the folders of a study hold: scans, which run on worker threads, and the series as the study has them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <QString>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/series/series.h"
#include "core/series/weight_check.h"
#include "core/study/types.h"
#include "ui/data/study_session.h"

namespace crest::ui {

/// What a scan found for each series of a study, as files say it: nothing of the study is applied yet.
struct ScannedSeries {
    study::StudySeries known; ///< as it was when the scan began
    series::Series found;     ///< without checkpoints where it is not there
};
struct StudyScan {
    std::vector<ScannedSeries> series;
    std::vector<Issue> issues; ///< of walking folders and reading names
};
/// Tells checkpoints as they come, with the study's name of their series where it is known already.
using FoundInStudy = std::function<void(const std::string& series, const series::Checkpoint& checkpoint)>;
/// No checkpoint was found below this folder: what one is.
Error noCheckpointBelow(const QString& folder);
/// The series below a folder of checkpoints as a new study remembers them, with what was found.
Result<StudyScan> listFolder(const QString& folder, const JobContext& job, const FoundInStudy& found);
/// The series below a folder as a study remembers them, each with a name that is new to `study`. NotFound where there
/// is no checkpoint.
Result<std::vector<study::StudySeries>> seriesBelow(const QString& folder, const study::Study& study,
                                                    const JobContext& job);

/// Scans every series of a study; a folder that several share is read once.
StudyScan scanStudy(const study::Study& study, const std::filesystem::path& studyFolder, const JobContext& job,
                    const FoundInStudy& found);

/// What is known of checkpoints beyond a scan.
struct CheckpointFacts {
    std::map<std::string, series::CheckedWeights> weights; ///< as read through, by path
    std::map<std::string, std::string> unreadable;         ///< why its tokenizer cannot be used, by path
    std::map<std::string, std::string> suspicions;         ///< why its scores are suspect, by "series/checkpoint"
};
struct StudiedSeries {
    std::vector<series::Series> series;
    std::vector<Issue> issues; ///< those of the scan, too
};
/// The series as the study has them: corrected, judged, with what its results make suspect. Quick: for the window's
/// thread.
StudiedSeries studiedSeries(const StudyScan& scan, const study::Study& study, const CheckpointFacts& facts);
/// False where the study's series are no longer those that were scanned.
bool isScanOf(const StudyScan& scan, const study::Study& study);
/// Whether the series of two studies are found at the same places under the same names; corrections may differ.
bool haveSamePlaces(const study::Study& a, const study::Study& b);

} // namespace crest::ui
