// SPDX-License-Identifier: Apache-2.0
// A text as a task: cut into equal windows, its losses summed by window.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/data/texts.h"
#include "core/eval/loss.h"
#include "core/series/decoder_spec.h"
#include "core/text/tokenizer.h"

namespace crest::eval {

struct TextWindowOptions {
    std::int64_t windowTokens = 128; ///< input tokens of a window, as many targets; at most the model's context
    std::int64_t strideTokens = 128; ///< tokens by which the next window starts later; each token is scored once
    std::int64_t maxWindows = 0;     ///< the first so many windows; 0: all
};

/// A text in a model's tokens. Documents follow each other, each with the end token; only full windows count, so all
/// have one length.
struct TextWindows {
    data::TokenizedText tokens;
    std::vector<data::Window> windows;

    std::vector<Sequence> sequences() const;
};

/// Reads, tokenises and cuts a file. The end token is the tokenizer's EOS, else its BOS; Unsupported where it names
/// neither. OutOfRange for bad options or a window beyond the context, Malformed where the text is too short for one
/// window.
Result<TextWindows> readTextWindows(const std::filesystem::path& file, const text::Tokenizer& tokenizer,
                                    const series::DecoderSpec& spec, const TextWindowOptions& options,
                                    const JobContext& job = {});

/// Losses of one text's sequences: what a result row keeps.
struct LossSummary {
    double meanNats = 0; ///< per scored token; NaN or infinity where any sequence is not finite
    double stdError = 0; ///< of the mean, over sequences; NaN for one sequence
    std::int64_t scoredTokens = 0;
    std::string cause; ///< why the mean is not finite, "" otherwise
    std::vector<float> sequenceNats;
    std::vector<std::int32_t> sequenceTokens;
};

/// Sums token losses (in double) by sequence. `tokenNats` as in VersionLoss.
/// `counted`, where it is not empty: for each sequence which of its scored tokens count, all where that is empty.
std::vector<double> sumBySequence(std::span<const Sequence> sequences, std::span<const float> tokenNats,
                                  std::span<const std::span<const std::uint8_t>> counted = {});
/// The standard error is that of a ratio of sums: sqrt(n / (n - 1) sum (nats - mean tokens)^2) / total tokens.
LossSummary summarise(std::span<const double> sequenceNats, std::span<const Sequence> sequences);
/// The same where not every scored token counts: `counts` of each sequence.
LossSummary summarise(std::span<const double> sequenceNats, std::span<const std::int32_t> counts);

} // namespace crest::eval
