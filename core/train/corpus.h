// SPDX-License-Identifier: Apache-2.0
// What all runs of a series share: tokenizer, training tokens and held-out windows. Immutable once made.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/packed_tokens.h"
#include "core/train/pretrain_config.h"

namespace crest::train {

/// Rows of `sequenceLength` inputs with their targets, the last row of a text padded (targets -1).
struct HeldoutRows {
    std::vector<std::int64_t> inputs, targets;
    std::int64_t scored = 0;
};

struct Corpus {
    std::filesystem::path tokenizerFolder; ///< tokenizer.json and tokenizer_config.json
    data::PackedTokens tokens;
    std::map<std::string, HeldoutRows> heldout;
    std::string dataHash; ///< of training ids and tokenizer

    /// Sequences of length + 1 ids that the tokens hold, side by side with one id of overlap.
    std::int64_t sequences(std::int64_t length) const { return (tokens.size() - 1) / length; }
};

/// Trains or loads the tokenizer (kept in `workFolder`, so that a later call takes it from there), sets
/// config.spec.vocabSize, and tokenizes. OutOfRange where the texts are too short for one sequence.
Result<Corpus> prepareCorpus(PretrainConfig& config, const std::filesystem::path& workFolder, const JobContext& job);

} // namespace crest::train
