// SPDX-License-Identifier: GPL-3.0-or-later
// Opening, making and moving a study: functions that run on worker threads.
#pragma once

#include <filesystem>

#include <QString>

#include "core/base/result.h"
#include "core/study/study_folder.h"

namespace crest::ui {

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

} // namespace crest::ui
