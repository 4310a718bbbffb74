// SPDX-License-Identifier: Apache-2.0
// What reading every byte of a checkpoint tells: the fingerprint of its weights, and whether they are sound. Remembered
// between starts.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/series/series.h"
#include "core/series/weights.h"

namespace crest::series {

class CheckCache;

/// Content identity of a checkpoint's weights: SHA-256 over the canonical tensors in order of name (name, dtype, shape,
/// bytes) and the numbers of `spec` that change results; a re-sharded copy has the same. 64 hex digits. Reads every
/// byte once.
Result<std::string> fingerprintWeights(const CheckpointWeights& weights, const DecoderSpec& spec,
                                       const JobContext& job = {});

struct CheckedWeights {
    std::string fingerprint; ///< "" where damaged
    /// NaN, infinities, matrices of nothing but zeros, other weights beside those that are used (counts and the first tensor), and
    /// configs and the like that are not the hub's, as sentences. "" where sound.
    std::string unsound;
    /// The file that lost bytes, by the hash that the hub named, as a sentence. "" where they are, or where no
    /// hash was noted.
    std::string damaged;
    bool operator==(const CheckedWeights&) const = default;
};
/// Fingerprint and unsound numbers of weights that are open.
Result<CheckedWeights> checkWeights(const CheckpointWeights& weights, const DecoderSpec& spec, const JobContext& job = {});

/// Everything of a checkpoint below `folder` (or nanoGPT's file): first its files against the hashes of the hub's client
/// (hub_digest.h), then its weights, then those against a second form of them in the same folder. Remembered by
/// (device, inode, size, mtime, ctime) of the files, so that an unchanged checkpoint is not read again.
Result<CheckedWeights> checkCheckpoint(const std::filesystem::path& folder, const DecoderSpec& spec, CheckCache& cache,
                                       const JobContext& job = {});
/// Its fingerprint alone; damaged files are an error.
Result<std::string> fingerprintCheckpoint(const std::filesystem::path& folder, const DecoderSpec& spec, CheckCache& cache,
                                          const JobContext& job = {});
/// What is remembered of it. Headers are read, and no weights. Nothing where it was not read, or changed since.
std::optional<CheckedWeights> rememberedCheck(const std::filesystem::path& folder, const DecoderSpec& spec, const CheckCache& cache);

/// Sets the fingerprint; a checkpoint whose weights are unsound becomes Suspect, a damaged one Broken. Before judgeSeries.
void takeCheck(Checkpoint& checkpoint, const CheckedWeights& weights);

/// Its config can be used and its headers are right.
bool canBeChecked(const Checkpoint& checkpoint);

/// checkCheckpoint of each, and takeCheck. One that cannot be read is an issue and stays as it is; only being asked to stop is an error.
Result<void> checkAll(const std::vector<Checkpoint*>& checkpoints, CheckCache& cache, const JobContext& job,
                      std::vector<ScanIssue>& issues);

/// Where the user's window and commands remember, for all studies: crest/fingerprints.json in the folder for caches, made where
/// it is not there; "" where there can be none.
std::filesystem::path userCheckCache();

} // namespace crest::series
