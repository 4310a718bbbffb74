// SPDX-License-Identifier: Apache-2.0
// Cutting a text into pre-tokens: hand-written scanners that agree with the regular expressions of the reference in
// linear time.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

namespace crest::text {

/// One step of a pre-tokenizer; each cuts the pieces of the step before.
enum class PreStep {
    PrefixSpace, ///< a space in front of a piece that does not begin with one (ByteLevel add_prefix_space)
    Gpt2,        ///< the regular expression of GPT-2
    Cl100k,      ///< of cl100k: OLMo-2, Llama 3; up to three digits together
    Qwen2,       ///< the same with single digits
    EachDigit,   ///< Digits(individual_digits=true)
    DigitRuns    ///< Digits(individual_digits=false)
};

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kCl100kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

using PieceSink = std::function<void(std::string_view)>;

/// Hands the pre-tokens of `text` (valid UTF-8, not empty) to `sink` in order; a view lives for the time of the call
/// only.
void preTokenize(const std::vector<PreStep>& steps, std::string_view text, const PieceSink& sink);

} // namespace crest::text
