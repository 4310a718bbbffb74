// SPDX-License-Identifier: Apache-2.0
// Training of a byte-level BPE vocabulary (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword
// Units", algorithm 1, over the bytes of GPT-2 pre-tokens), with the merges of tokenizers' BpeTrainer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/text/text_list.h"
#include "core/text/tokenizer.h"

namespace crest::text {

struct BpeTrainingOptions {
    /// All ids: special tokens, the 256 bytes and the merged tokens. At least 256 + specialTokens.size(), at most
    /// 1,000,000. Fewer come out where the text has no more pairs.
    std::int32_t vocabSize = 4096;
    /// Get the ids 0, 1, ... in this order; the first is BOS and EOS. Not empty, no two equal.
    std::vector<std::string> specialTokens{"<|endoftext|>"};
    /// A pair that occurs less often is not merged; at least 1.
    std::int64_t minFrequency = 2;
};

/// A vocabulary in training order: merges[k] joins two tokens (byte-level alphabet) into one.
struct TrainedBpe {
    BpeTrainingOptions options;
    std::vector<std::string> tokens; ///< by id
    std::vector<std::pair<std::string, std::string>> merges;
};

/// Learns merges from documents (UTF-8; invalid parts are read as U+FFFD). Deterministic: the most frequent pair first,
/// among equals the one with the lowest first id, then the lowest second id. Single thread; `job` is reported to and
/// asked to stop every few thousand documents and merges. OutOfRange for bad options.
Result<TrainedBpe> trainBpe(TextsView documents, const BpeTrainingOptions& options,
                            const JobContext& job = {});

/// The content of tokenizer.json (version "1.0", ByteLevel without prefix space) and of tokenizer_config.json, as
/// tokenizers and transformers read them. `modelMaxLength` is the context in tokens.
std::string tokenizerJson(const TrainedBpe& trained);
std::string tokenizerConfigJson(const TrainedBpe& trained, std::int64_t modelMaxLength);

/// Writes both files into an existing folder (each atomically).
Result<void> saveTokenizer(const TrainedBpe& trained, std::int64_t modelMaxLength, const std::filesystem::path& folder);

/// The same tokenizer, ready to encode.
Result<Tokenizer> makeTokenizer(const TrainedBpe& trained);

} // namespace crest::text
