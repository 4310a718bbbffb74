// SPDX-License-Identifier: GPL-3.0-or-later
// Single checkpoints of a study that lie elsewhere than their series, found again by their weights and kept in the
// study's folder (moved.json): a new scan takes them in under their old names. Nothing is written beside the checkpoints.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/series/series.h"

namespace crest::series {
class CheckCache;
}

namespace crest::ui {

/// By series and by the name the checkpoint was measured under: where it is now, absolute.
using MovedCheckpoints = std::map<std::string, std::map<std::string, std::string>>;

/// Empty where there is no such file, or none that can be understood.
MovedCheckpoints readMovedCheckpoints(const std::filesystem::path& studyFolder);
Result<void> writeMovedCheckpoints(const std::filesystem::path& studyFolder, const MovedCheckpoints& moved);

/// Takes what moved into a series as it was scanned. One that the scan found by itself under another name gets the old
/// one as an alias; a place where nothing is any more is left out.
void addMovedCheckpoints(series::Series& found, const std::map<std::string, std::string>& moved);

/// The checkpoints below `folder` (or the one that it is) whose weights are those of `missing` (fingerprint by name):
/// by name, where they are now. Reads the weights that are not remembered in `cache`; worker threads only.
Result<std::map<std::string, std::string>> findMovedCheckpoints(const std::filesystem::path& folder,
                                                                const std::map<std::string, std::string>& missing,
                                                                series::CheckCache& cache, const JobContext& job);

} // namespace crest::ui
