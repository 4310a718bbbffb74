// SPDX-License-Identifier: GPL-3.0-or-later
// What is learned of a series after it was listed: fingerprints of its weights, tokenizers that cannot be read, and
// scores that jump.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/probe_figures.h"
#include "core/base/job_context.h"
#include "core/series/series.h"
#include "core/series/weight_check.h"

namespace crest::ui {

/// A checkpoint to be fingerprinted.
struct Unprinted {
    std::filesystem::path path;
    series::DecoderSpec spec;
};
/// Those that can be read and are not in `known` (by path), series after series.
std::vector<Unprinted> unprinted(const std::vector<series::Series>& series,
                                 const std::map<std::string, series::CheckedWeights>& known);

/// Fingerprints one after the other, with the lowest priority for processor and disk, remembered in the user's cache
/// folder. `done` is called on this thread after each, with nothing in it where it could not be read. Runs for hours on large
/// series; stops within 8 MB.
void fingerprintAll(const std::vector<Unprinted>& wanted, const JobContext& job,
                    const std::function<void(const std::string& path, const series::CheckedWeights& weights)>& done);

/// Why tokenizers cannot be used, by path of the checkpoint; of those that can be there is no entry. With the lowest
/// priority; nothing where it was asked to stop.
std::optional<std::map<std::string, std::string>> unreadableTokenizers(const std::vector<std::filesystem::path>& paths,
                                                                       const JobContext& job);

/// Why base scores make a checkpoint suspect, by "series/checkpoint": the task, its value and those of its neighbours,
/// and the fingerprints that were measured (analysis::findScoreJumps over each task and pretraining seed). Each
/// stands where its checkpoint is now: corrected by hand, by its step where no token count is known, without what is excluded.
std::map<std::string, std::string> suspectScores(const analysis::ProbeResults& results);

} // namespace crest::ui
