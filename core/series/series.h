// SPDX-License-Identifier: Apache-2.0
// The series as one object: checkpoints found below a folder, ordered by pretraining tokens, with what is wrong with each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/series/decoder_spec.h"

namespace crest::series {

enum class CheckpointState { Ok, Suspect, Broken, Excluded };
const char* checkpointStateName(CheckpointState state); ///< "ok", "suspect", "broken", "excluded"

/// Where a token count comes from (formats.md 1.3), best first.
enum class TokensSource { User, Metadata, FamilyRule, Label, Config, Unknown };

struct Checkpoint {
    std::string name;           ///< the folder's name
    std::filesystem::path path; ///< absolute
    std::optional<std::int64_t> tokens, step;
    TokensSource tokensSource = TokensSource::Unknown;
    std::optional<int> stage;
    std::optional<std::int64_t> pretrainSeed; ///< from crest.json; checkpoints of one series at equal tokens with different seeds are replicates
    std::optional<bool> annealed;             ///< own annealed run per budget (true) or cut from one run (false), where known
    std::string format;                       ///< "safetensors"
    std::uint64_t weightBytes = 0;
    std::optional<DecoderSpec> spec;       ///< absent where config.json cannot be used
    std::map<std::string, double> initStd; ///< standard deviation each tensor was initialised with (crest.json); empty where unknown
    CheckpointState state = CheckpointState::Ok;
    std::string reason; ///< why it is not Ok, a plain sentence that names file and cause
};

struct Series {
    std::string name;
    std::filesystem::path path;
    std::vector<Checkpoint> checkpoints; ///< by tokens (then step, then name), then pretrainSeed
};

struct ScanIssue {
    std::string where, message; ///< file or folder; what is wrong and what to do
};

struct ScanResult {
    std::vector<Series> series;
    std::vector<ScanIssue> issues;
};

/// Finds every series below `folder`, reading headers and small JSON files only (never weights). Broken checkpoints are rows with a
/// reason, not failures; only an unreadable or missing `folder` is an error. `found` is called for each checkpoint as it comes, on the calling thread.
Result<ScanResult> scanFolder(const std::filesystem::path& folder, const JobContext& job = {},
                              const std::function<void(const Checkpoint&)>& found = {});

/// step, tokens label and stage read from a folder's name (formats.md 1.2).
struct ParsedName {
    std::optional<std::int64_t> step;
    std::optional<double> tokens;
    double tokensResolution = 0; ///< one unit of the label's last digit
    std::optional<int> stage, branch;
    bool final = false;
};
ParsedName parseCheckpointName(std::string_view name);

} // namespace crest::series
