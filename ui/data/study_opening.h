// SPDX-License-Identifier: GPL-3.0-or-later
// The slow parts of a session, as functions that run on worker threads: opening, scanning, moving, planning.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <QString>

#include "core/base/job_context.h"
#include "core/series/series.h"
#include "core/study/study_folder.h"
#include "ui/data/study_session.h"

namespace crest::ui {

class StoredKeys;

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
/// What a path stands for which was dropped or named: a file in a checkpoint's folder for the folder of its series,
/// study.json for the study; nanoGPT's ckpt.pt is a checkpoint alone, unless its folder's name says that it is one of
/// several (iter_100/ckpt.pt). A sentence for any other file.
Result<QString> folderToOpen(const QString& path);
/// A study folder as it is; a folder of checkpoints, or a checkpoint that is a file, in its untitled study, which is
/// made on the first call and found again later. It has no series at first: listFolder() finds them, with rows
/// appearing as they come. NotFound where the folder holds no checkpoint.
Result<study::StudyFolder> openStudyOrCheckpoints(const QString& folder);
Result<study::StudyFolder> openSampleStudy();
/// Moves a study to `target`, which must not exist or be empty, and opens it there. Within a file system a rename, else
/// a copy that replaces the old place only when it is complete.
Result<study::StudyFolder> moveStudy(const std::filesystem::path& from, const QString& target);
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
    std::map<std::string, std::string> fingerprints; ///< by path
    std::map<std::string, std::string> unreadable;   ///< why its tokenizer cannot be used, by path
    std::map<std::string, std::string> suspicions;   ///< why its scores are suspect, by "series/checkpoint"
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

struct PlanInput {
    study::StudyFolder folder;
    study::Probe probe;
    study::Study study;
    std::vector<series::Series> series;
    std::shared_ptr<StoredKeys> stored;
    double tokensPerSecond = 0;
};
PlanPreview previewPlan(const PlanInput& input, const JobContext& job);

/// Recent studies, newest first, at most ten; kept in the state folder.
struct RecentStudy {
    QString folder, name;
};
void rememberRecentStudy(const QString& folder, const QString& name);
std::vector<RecentStudy> recentStudies();

} // namespace crest::ui
