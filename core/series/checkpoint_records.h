// SPDX-License-Identifier: Apache-2.0
// What other programs leave beside a checkpoint's weights: crest.json, the Trainer's state, an adapter. Only for
// checkpoint.cpp.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/series/series.h"

namespace crest::series {

inline constexpr std::int64_t kMaxTokens = std::int64_t{1} << 62;
inline constexpr std::uint64_t kMaxConfigBytes = 1'000'000;

/// The first thing that is worse than what was found before wins. Of `reason` the checkpoint's own folder is cut off:
/// rows and issues name it already.
void mark(Checkpoint& checkpoint, CheckpointState state, const std::string& reason);

/// A small file; links without target and pointers of git-lfs are named.
Result<std::string> readSmallText(const std::filesystem::path& file, std::uint64_t maxBytes = kMaxConfigBytes);
Result<Json> readSmallJson(const std::filesystem::path& file, std::uint64_t maxBytes = kMaxConfigBytes);

/// crest.json, written by `crest-run pretrain`: tokens, step, seed, init_std. Gives the series' name, or "".
std::string readCrestRecord(const std::filesystem::path& folder, Checkpoint& checkpoint);
/// Of its text; `where` names the file.
std::string parseCrestRecord(std::string_view text, const std::string& where, Checkpoint& checkpoint);

/// trainer_state.json of transformers: its step, batch, and the tokens where it was asked to count them.
void readTrainerState(const std::filesystem::path& folder, Checkpoint& checkpoint);

struct TrainerNumbers {
    std::optional<std::int64_t> step, tokens, batch; ///< 0 to kMaxTokens
    bool operator==(const TrainerNumbers&) const = default;
};
/// Of a whole state; nothing where it is no JSON object. Numbers that are none, or out of range, are not there.
std::optional<TrainerNumbers> trainerNumbers(std::string_view state);
/// Of the two ends of a large one, as the Trainer writes it: keys sorted and indented by two spaces.
TrainerNumbers trainerNumbers(std::string_view head, std::string_view tail);

/// A folder that holds nothing but a LoRA adapter; "" where it is none.
std::string adapterReason(const std::filesystem::path& folder);

} // namespace crest::series
