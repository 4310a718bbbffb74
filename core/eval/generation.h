// SPDX-License-Identifier: Apache-2.0
// Continuations of prompts: greedy, sampled, by beams. Greedy and beams give what transformers' `generate` gives.
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

struct GenerationOptions {
    std::int64_t maxNewTokens = 64;
    std::vector<std::int32_t> endTokens; ///< generation ends after one of these; empty: always maxNewTokens
    int beams = 1;                       ///< > 1: beam search
    double lengthPenalty = 1;            ///< of beams
    double repetitionPenalty = 1;
    double temperature = 0; ///< 0: greedy
    std::int64_t topK = 0;  ///< 0: all
    double topP = 1;
    std::uint64_t seed = 0; ///< of samples: the draw is a function of seed, prompt index and position
    /// Asked after each new token of prompt `prompt`: true ends it (stop texts).
    std::function<bool(std::size_t prompt, std::span<const std::int32_t> newIds)> stop;
};

struct Generated {
    std::vector<std::int32_t> ids; ///< new tokens only, the end token included
    double score = 0;              ///< beams: as transformers' sequences_scores; else summed log-probabilities
};

/// One answer for each prompt, in their order. OutOfRange where a prompt is empty or prompt and new tokens do not fit the
/// context, naming the prompt; Stopped.
Result<std::vector<Generated>> generate(model::Decoder& decoder, model::WeightSource& source,
                                        std::span<const std::vector<std::int32_t>> prompts,
                                        const GenerationOptions& options, const JobContext& job = {});

} // namespace crest::eval
