// SPDX-License-Identifier: GPL-3.0-or-later
// The slow parts of a session, as functions that run on worker threads: opening, scanning, moving, planning.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <QString>

#include "core/base/job_context.h"
#include "core/series/series.h"
#include "core/study/study_folder.h"
#include "ui/data/study_session.h"

namespace crest::ui {

class StoredKeys;

/// A study folder as it is; a folder of checkpoints in its untitled study, which is made on the first call and found
/// again later.
Result<study::StudyFolder> openStudyOrCheckpoints(const QString& folder);
Result<study::StudyFolder> openSampleStudy();
/// Moves a study to `target`, which must not exist or be empty, and opens it there. Within a file system a rename, else
/// a copy that replaces the old place only when it is complete.
Result<study::StudyFolder> moveStudy(const std::filesystem::path& from, const QString& target);
/// The series below a folder as a study remembers them, each with a name that is new to `study`. NotFound where there
/// is no checkpoint.
Result<std::vector<study::StudySeries>> seriesBelow(const QString& folder, const study::Study& study,
                                                    const JobContext& job);

struct StudyScan {
    std::vector<series::Series> series;
    std::vector<Issue> issues;
};
/// Scans every series of a study; the checkpoints that the user excluded are marked so.
StudyScan scanStudy(const study::Study& study, const std::filesystem::path& studyFolder, const JobContext& job,
                    const std::function<void(const series::Checkpoint&)>& found);

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
