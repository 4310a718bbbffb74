// SPDX-License-Identifier: Apache-2.0
// The series as one object: checkpoints found below a folder or in the hub's cache, ordered by pretraining tokens, with
// what is wrong with each.
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

const char* tokensSourceName(TokensSource source); ///< "user", "metadata", "family rule", "label", "config", "unknown"

struct Checkpoint {
    /// Of its folder, file or revision; where two of a series share it, the path below the series' folder.
    std::string name;
    std::string foundName;            ///< the name before the user gave it another one: what corrections go by
    std::vector<std::string> aliases; ///< other names of the same content: refs to one commit, copies
    std::filesystem::path path;       ///< absolute; a folder, or nanoGPT's ckpt.pt
    std::optional<std::int64_t> tokens, step;
    TokensSource tokensSource = TokensSource::Unknown;
    bool stepRecorded = false; ///< the step stands in a file, not only in the name
    std::optional<int> stage;  ///< of a pretraining in stages
    std::optional<int> branch; ///< parallel run of a stage (OLMo 2's ingredients)
    bool isFinal = false;      ///< "main", "final", a Trainer's last model: unordered until the content says more
    std::optional<double> tokensPerStep;        ///< as a training config in the files states it
    std::optional<std::int64_t> batchPerDevice; ///< of the Trainer: a hint for tokens per step
    std::optional<std::int64_t> pretrainSeed;   ///< from crest.json; checkpoints of one series at equal tokens with
                                                ///< different seeds are replicates
    std::optional<bool> annealed; ///< own annealed run per budget (true) or cut from one run (false), where known
    std::string format;           ///< of the weights: "safetensors", "pytorch_model.bin", "ckpt.pt"
    std::string family;           ///< model_type as config.json says it, also where it cannot be used
    std::uint64_t weightBytes = 0;
    std::optional<DecoderSpec> spec; ///< absent where config.json cannot be used
    /// Standard deviation each tensor was initialised with, by canonical name; tensors with a fixed start are left out.
    /// Empty where unknown. From crest.json, or from the published rule of a family that is recognised (init_std.h).
    std::map<std::string, double> initStd;
    std::string initStdSource;    ///< "crest.json", or the name of the family's rule; "" where initStd is empty
    std::string commit;           ///< of what the hub's client downloaded, "" where unknown
    bool unnamedRevision = false; ///< a snapshot of the hub's cache that was downloaded by its commit
    /// Equal ones mean equal weights, known without reading them (the hub's hashes); "" where unknown.
    std::string contentId;
    std::string fingerprint;     ///< fingerprintCheckpoint, once somebody made it; "" before
    bool includedByHand = false; ///< also where it is off by default (a later stage)
    bool offByDefault = false;   ///< excluded as a later stage, not by hand
    CheckpointState state = CheckpointState::Ok;
    std::string reason; ///< why it is not Ok, naming file and cause; of one that is Ok: what is to be known (a gap before it)
};

/// Reads one checkpoint, a folder or a nanoGPT file: crest.json, config.json, headers of the weights. Never fails: what
/// is wrong is its state and reason.
struct CheckpointRead {
    Checkpoint checkpoint;
    std::string recordedSeries; ///< the series' name in crest.json, or ""
    bool isNone = false;        ///< a file of torch.save that is no checkpoint
};
CheckpointRead readCheckpoint(const std::filesystem::path& path);

/// Sets what the name tells: step (where none is recorded), stage, branch, whether it is a final one.
void readName(Checkpoint& checkpoint);

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

/// Finds every series below `folder` (or in one nanoGPT file), reading headers and small JSON files only, never
/// weights. Broken checkpoints are rows with a reason, not failures; only an unreadable or missing `folder` is an
/// error. `found` is called for each checkpoint as it comes, on the calling thread, with the name of the series by its
/// place (before configs are compared). Checkpoints are as their files say; judgeSeries (series_rules.h) has not been
/// asked.
using FoundCallback = std::function<void(const std::string& series, const Checkpoint& checkpoint)>;
Result<ScanResult> findSeries(const std::filesystem::path& folder, const JobContext& job = {},
                              const FoundCallback& found = {});

/// The same, each series judged: ordered, with duplicates, gaps and suspects marked and listed.
Result<ScanResult> scanFolder(const std::filesystem::path& folder, const JobContext& job = {},
                              const std::function<void(const Checkpoint&)>& found = {});

/// step, tokens label and stage read from the name of a folder, file or revision (formats.md 1.2); of a path its last
/// part.
struct ParsedName {
    std::optional<std::int64_t> step;
    std::optional<double> tokens;
    double tokensResolution = 0; ///< one unit of the label's last digit
    std::optional<int> stage, branch;
    bool final = false;
};
ParsedName parseCheckpointName(std::string_view name);

} // namespace crest::series
