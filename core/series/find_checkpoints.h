// SPDX-License-Identifier: Apache-2.0
// Walks a folder for what is, or should be, a checkpoint; reads no weights.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/job_context.h"
#include "core/series/hub_cache.h"
#include "core/series/series.h"

namespace crest::series {

/// A place of a checkpoint: a folder, or a nanoGPT file.
struct FoundCheckpoint {
    std::filesystem::path path;
    bool isFile = false;
    bool maybe = false;       ///< a file whose name says nothing: only its content tells whether it is a checkpoint
    bool holdsOthers = false; ///< checkpoints lie below it: a Trainer's folder with the final model in it
    std::shared_ptr<const HubRepository> repository; ///< where it is a snapshot in the hub's cache
};

/// A file whose name says that it is a checkpoint: ckpt.pt, ckpt_20000.pt, run-step5.pt.
bool isNamedCheckpoint(const std::filesystem::path& file);

/// What one place is, looked at alone.
FoundCheckpoint placeOf(const std::filesystem::path& path);

/// Tells every checkpoint below `folder` as it comes, in natural order of names; links to folders are followed, each
/// real folder once, but none to a folder above `folder`. Not deeper than 8 folders and not more than 200,000 of them; what is left out is an issue.
void findCheckpoints(const std::filesystem::path& folder, const JobContext& job, std::vector<ScanIssue>& issues,
                     const std::function<void(FoundCheckpoint)>& found);

/// Reads records, config and headers. Never fails: what is wrong is its state and reason.
CheckpointRead readPlace(const FoundCheckpoint& place);

} // namespace crest::series
