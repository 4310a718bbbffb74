// SPDX-License-Identifier: Apache-2.0
// Continuations of prompts: greedy, sampled, by beams. Greedy and beams give what transformers' `generate` gives, samples
// follow the distribution of its logits processors (penalty, temperature, top-k, top-p in this order).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/decoder.h"

namespace crest::eval {

struct Generated {
    std::vector<std::int32_t> ids; ///< new tokens only, the end token included
    /// Beams: as transformers' sequences_scores. Else the summed log-probabilities of the tokens under the model itself,
    /// before penalty, temperature and cuts.
    double score = 0;
};

struct GenerationOptions {
    std::int64_t maxNewTokens = 64;
    std::vector<std::int32_t> endTokens; ///< generation ends after one of these; empty: always maxNewTokens
    int beams = 1;                       ///< > 1: beam search, with early_stopping=False of transformers
    double lengthPenalty = 1;            ///< of beams: scores are divided by length^penalty
    double repetitionPenalty = 1;        ///< > 0; of tokens that stand in the prompt or were generated
    double temperature = 0;              ///< 0: greedy
    std::int64_t topK = 0;               ///< of samples: 0: all
    double topP = 1;                     ///< of samples, after topK
    std::uint64_t seed = 0;              ///< of samples: the draw is a function of seed, prompt index and position
    std::size_t firstPrompt = 0;         ///< index of the first prompt for that purpose: a file in parts is one file
    int together = 0; ///< prompts that are decoded side by side; 0: by memory. What comes out does not depend on it
    /// Asked after each new token of prompt `prompt` (of each candidate of a beam): true ends it (stop texts).
    std::function<bool(std::size_t prompt, std::span<const std::int32_t> newIds)> stop;
    /// Told each answer as soon as it is whole, in any order.
    std::function<void(std::size_t prompt, const Generated& answer)> finished;
};

/// One answer for each prompt, in their order; the weights of version 0 are made once and kept until it returns
/// (core/model/resident_decoder.h), so give all prompts at once. OutOfRange where a prompt is empty, where prompt and new
/// tokens do not fit the context or all of it the machine's free memory, naming the prompt; Mismatch for ids beyond the
/// vocabulary; NonFinite where logits are not finite; Stopped.
Result<std::vector<Generated>> generate(model::Decoder& decoder, model::WeightSource& source,
                                        std::span<const std::vector<std::int32_t>> prompts,
                                        const GenerationOptions& options, const JobContext& job = {});

} // namespace crest::eval
