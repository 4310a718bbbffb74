// SPDX-License-Identifier: Apache-2.0
// The series as one object: checkpoints found below a folder, ordered by pretraining tokens, with what is wrong with
// each.
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
    std::string name; ///< the folder's name; where two of a series share it, the path below the series' folder
    std::filesystem::path path; ///< absolute
    std::optional<std::int64_t> tokens, step;
    TokensSource tokensSource = TokensSource::Unknown;
    std::optional<int> stage;
    std::optional<std::int64_t> pretrainSeed; ///< from crest.json; checkpoints of one series at equal tokens with
                                              ///< different seeds are replicates
    std::optional<bool> annealed; ///< own annealed run per budget (true) or cut from one run (false), where known
    std::string format;           ///< of the weights: "safetensors", "pytorch_model.bin"
    std::string family;           ///< model_type as config.json says it, also where it cannot be used
    std::uint64_t weightBytes = 0;
    std::optional<DecoderSpec> spec; ///< absent where config.json cannot be used
    /// Standard deviation each tensor was initialised with, by canonical name; tensors with a fixed start are left out.
    /// Empty where unknown. From crest.json, or from the published rule of a family that is recognised (init_std.h).
    std::map<std::string, double> initStd;
    std::string initStdSource; ///< "crest.json", or the name of the family's rule; "" where initStd is empty
    CheckpointState state = CheckpointState::Ok;
    std::string reason; ///< why it is not Ok, a plain sentence that names file and cause
};

/// Reads one checkpoint folder: crest.json, config.json, headers of the weights. Never fails: what is wrong is its
/// state and reason.
struct CheckpointRead {
    Checkpoint checkpoint;
    std::string recordedSeries; ///< the series' name in crest.json, or ""
};
CheckpointRead readCheckpoint(const std::filesystem::path& folder);

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

/// Finds every series below `folder`, reading headers and small JSON files only (never weights). Broken checkpoints are
/// rows with a reason, not failures; only an unreadable or missing `folder` is an error. `found` is called for each
/// checkpoint as it comes, on the calling thread.
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
