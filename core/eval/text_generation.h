// SPDX-License-Identifier: Apache-2.0
// Continuations of texts, stopped at given strings: lm-evaluation-harness's generate_until (formats.md 4.2) and what
// `crest-run generate` prints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/eval/generation.h"
#include "core/text/tokenizer.h"

namespace crest::eval {

struct GeneratedText {
    std::string text;              ///< cut at the first stop, without special tokens
    std::vector<std::int32_t> ids; ///< all new tokens, those of the stop and the end token included
    double score = 0;              ///< as Generated::score, of `ids`
    std::int64_t promptTokens = 0; ///< that the model saw
    bool truncated = false;        ///< the prompt lost tokens on its left
};

struct TextGenerationOptions {
    /// Generation ends when one of these stands in the decoded last tokens (as many as the stop has, and two); the text
    /// is cut at the first that occurs in it. Special tokens count for stopping (the text of EOS may be a stop), and are
    /// left out of the text. Empty strings are ignored.
    std::vector<std::string> until;
    text::Specials specials = text::Specials::Template; ///< of prompts: the harness's rule since 0.4.9.2
    bool bosOnce = false; ///< none are added to a prompt that begins with the text of BOS, as the harness has it
    /// Prompts are cut on the left to context - maxNewTokens tokens; false: a prompt that does not fit is OutOfRange.
    bool truncateLeft = true;
    /// How to decode: greedy, maxNewTokens 64 and no end token where nothing is set. `stop` and `finished` are taken by
    /// generateTexts and have to be empty.
    GenerationOptions decoding;
    /// Told each answer as soon as it is whole, in any order.
    std::function<void(std::size_t prompt, const GeneratedText& answer)> finished;
};

/// One answer for each prompt, in their order. A prompt without tokens is continued from the tokenizer's BOS, else its
/// EOS (the harness's prefix token). OutOfRange where maxNewTokens leaves no room for a prompt; errors of generate().
Result<std::vector<GeneratedText>> generateTexts(model::Decoder& decoder, model::WeightSource& source,
                                                 const text::Tokenizer& tokenizer, std::span<const std::string> prompts,
                                                 const TextGenerationOptions& options, const JobContext& job = {});

/// What ends a generation with this checkpoint: eos_token_id (one or several) of generation_config.json, else of
/// config.json, else the tokenizer's EOS; empty where none of them names one. Malformed where a file cannot be read.
Result<std::vector<std::int32_t>> endTokensOf(const std::filesystem::path& folder, const text::Tokenizer& tokenizer);

} // namespace crest::eval
