// SPDX-License-Identifier: Apache-2.0
// A task of a suite under one or more versions of a checkpoint's weights: its items to tokens, as
// lm-evaluation-harness 0.4.13 does it, and what the model gives to metrics. What items of one or several tasks begin
// with in common (the shots, the question) goes through the model once.
//
// A runner prepares each task once per tokenizer and keeps it; scoreTasks() does all of them in one pass over the
// weights. Whoever runs other sequences in the same pass appends PreparedTask::sequences() to his own, and asks
// outcomeOf() with the place where their tokens begin.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/job_context.h"
#include "core/data/suite.h"
#include "core/data/task_metrics.h"
#include "core/data/token_cache.h"
#include "core/eval/loss.h"
#include "core/series/decoder_spec.h"
#include "core/text/tokenizer.h"

namespace crest::eval {

struct TaskScoringOptions {
    std::int64_t maxLength = 0; ///< most input tokens of a sequence; 0: the model's context
    std::vector<std::int32_t> endTokens; ///< Generation: endTokensOf(checkpoint folder); empty: the tokenizer's EOS
    data::TokenCache cache; ///< where ids are looked for and kept; without a folder nowhere
    std::size_t textBytes = 16'000'000; ///< of the texts that are tokenised, and kept, together
};

/// A task in one model's tokens. Texts that became tokens are dropped from `items` (all requests; Generation keeps
/// its contexts), so that a large task is held once.
struct PreparedTask {
    /// One sequence of a request; documents (Rolling) have several, or none.
    struct Stretch {
        std::int64_t begin = 0; ///< in ids
        std::int32_t length = 0, firstScored = 1;
    };
    data::TaskDefinition definition;
    std::vector<data::TaskItem> items;
    std::vector<std::int32_t> ids;
    std::vector<Stretch> stretches;
    std::vector<std::int32_t> requestStretches; ///< of each request of all items, one after the other
    std::vector<std::int32_t> endTokens;
    std::int64_t cutRequests = 0; ///< lost tokens on their left: longer than the model's context

    bool isGenerated() const { return definition.kind == data::TaskKind::Generation; }
    /// Empty for Generation. They point into `ids`; the argmax is asked for where the task may need it.
    std::vector<Sequence> sequences() const;
    /// Tokens that sequences() score.
    std::int64_t scoredTokens() const;
};

/// Errors name task and document: OutOfRange where a request has nothing to score or more than the context can hold,
/// NotFound where the tokenizer has no token to begin with; Stopped.
Result<PreparedTask> prepareTask(const data::TaskDefinition& definition, std::vector<data::TaskItem> items,
                                 const text::Tokenizer& tokenizer, const series::DecoderSpec& spec,
                                 const TaskScoringOptions& options = {}, const JobContext& job = {});

/// What one version gave. `firstToken`: where this task's scored tokens begin in the arrays of `loss`.
data::ItemScores scoresOf(const PreparedTask& task, const VersionLoss& loss, std::int64_t firstToken = 0);

/// The outcome of one version, or of the two members of an antithetic pair (each member is scored, items are averaged).
Result<data::TaskOutcome> outcomeOf(const PreparedTask& task, std::span<const VersionLoss> members,
                                    std::int64_t firstToken = 0);

/// Options for a pass over tasks: room for enough rows that common beginnings are seldom computed again.
LossOptions taskLossOptions(const model::Decoder& decoder);

/// All tasks under all versions of `source`; `members` (1 or 2) versions that follow each other make one outcome:
/// result[task][version / members]. Log-likelihoods of all tasks in one pass over the weights, then the generated ones.
/// Reports tokens as `job`'s progress; Stopped.
Result<std::vector<std::vector<data::TaskOutcome>>>
scoreTasks(model::Decoder& decoder, model::WeightSource& source, const text::Tokenizer& tokenizer,
           std::span<const PreparedTask* const> tasks, int members, const LossOptions& options,
           const JobContext& job = {});

} // namespace crest::eval
