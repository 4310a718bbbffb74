// SPDX-License-Identifier: Apache-2.0
// Cutting a text into pre-tokens: hand-written scanners that agree with the regular expressions of the reference in
// linear time, and what else cuts or marks a text before the model sees it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace crest::text {

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kCl100kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// What becomes of the stretches that a pattern matches (SplitDelimiterBehavior of the reference).
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

/// One step of a pre-tokenizer; each cuts the pieces of the step before.
struct PreStep {
    enum class Kind {
        PrefixSpace, ///< a space in front of a piece that does not begin with one (ByteLevel add_prefix_space)
        Gpt2,        ///< the regular expression of GPT-2
        Cl100k,      ///< of cl100k: OLMo-2, Llama 3; up to three digits together
        Qwen2,       ///< the same with single digits
        EachDigit,   ///< Digits(individual_digits=true)
        DigitRuns,   ///< Digits(individual_digits=false)
        Numbers,     ///< the regular expression \p{N}, or \p{N}{1,n} with n = `count`
        Literal,     ///< `text`, as it stands
        Words,       ///< Whitespace: \w+|[^\w\s]+
        Space,       ///< WhitespaceSplit: white space
        Punctuation, ///< single characters of punctuation
        Metaspace,   ///< spaces become `text`, one in front by `prepend`; cut in front of each where `count` is 1
        ByteAlphabet ///< every byte as a character; only where something follows that asks for them
    };
    enum class Prepend { First, Always, Never };

    Kind kind = Kind::Gpt2;
    SplitBehavior behavior = SplitBehavior::Isolated;
    bool invert = false; ///< what does not match counts as matched
    std::string text{};
    int count = 1;
    Prepend prepend = Prepend::Always;
    bool operator==(const PreStep&) const = default;
};

using PieceSink = std::function<void(std::string_view)>;

/// Hands the pre-tokens of `text` (valid UTF-8, not empty) to `sink` in order; a view lives for the time of the call
/// only. `atStart`: nothing of the original text stands in front.
void preTokenize(const std::vector<PreStep>& steps, std::string_view text, bool atStart, const PieceSink& sink);

} // namespace crest::text
