// SPDX-License-Identifier: Apache-2.0
// Fine-tuning data: rows of files to token ids with a mask of what is learned, split by seed, counted, with a content
// hash. Forms of rows and ways of writing dialogues are files (tuning_template.h, resources/tuning); how the border of
// prompt and completion is treated: tuning_tokens.h; which rows are drawn: tuning_split.h.
//
// Of a dialogue only the assistant's turns are learned, and what follows the last of them is cut off. Every example
// ends with the tokenizer's end token, which is learned. Answers that are blank teach nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/data/token_cache.h"
#include "core/data/tuning_example.h"
#include "core/data/tuning_rows.h"
#include "core/data/tuning_settings.h"
#include "core/text/tokenizer.h"

namespace crest::data {

/// How many examples have how many tokens: counts[i] those of i * width + 1 to (i + 1) * width.
struct LengthHistogram {
    std::int64_t width = 1; ///< 1, 2 or 5 times a power of ten
    std::vector<std::int64_t> counts;
    std::int64_t shortest = 0, longest = 0;
    double median = 0;
};
/// `bins` at most; empty of nothing.
LengthHistogram lengthHistogram(std::span<const std::int32_t> lengths, std::int64_t bins = 40);

/// What is known of data before any tokenizer; enough to plan.
struct TuningDataPlan {
    std::string contentHash; ///< SHA-256 of `tuningIdentity` and the segments of every row that can be used
    TuningRowCounts counts;
    std::int64_t trainRows = 0, heldOutRows = 0;
    std::int64_t textBytes = 0; ///< of all rows that can be used
};

/// An example is counted once.
struct TuningTokenCounts {
    std::int64_t tooLong = 0; ///< longer than maxTokens: truncated, or dropped where the settings say so
    std::int64_t emptied = 0; ///< nothing learned is within maxTokens: dropped
    std::int64_t tokens = 0;  ///< of the examples that are kept, end tokens included
    std::int64_t learned = 0; ///< of these
};

struct TuningSet {
    std::vector<TuningExample> train, heldOut;        ///< in the order of the rows
    std::vector<std::int64_t> trainRows, heldOutRows; ///< of each example its row, from 0 among those that can be used
    TuningRowCounts counts;
    TuningTokenCounts trainCounts, heldOutCounts;
    std::int64_t repeated = 0; ///< held-out examples that are trained on as well, because a row is in the data twice
    LengthHistogram lengths;   ///< of all, before they are truncated or dropped
    std::string contentHash;   ///< as TuningDataPlan
    /// What a person should know: rows left out, examples truncated, dropped, repeated; a sentence each.
    std::vector<std::string> notes;
};

/// `settings` must be resolved (resolveTuningData); OutOfRange, NotFound, Malformed as the parts say. Memory is bounded
/// by the longest row.
Result<TuningDataPlan> planTuningData(const TuningDataSettings& settings, const JobContext& job = {});

/// Reads, splits and tokenises. Besides the errors of planTuningData: Unsupported where the tokenizer has no end token,
/// Malformed where no example is left to train on or hold out, Mismatch where the files change meanwhile. Memory: five
/// bytes a token, and some hundred MB: more text than `keptBytes` is read a second time. Ids are kept in `cache`.
Result<TuningSet> readTuningData(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                 const JobContext& job = {}, const TokenCache& cache = {},
                                 std::size_t keptBytes = 256'000'000);

} // namespace crest::data
