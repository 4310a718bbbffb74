// SPDX-License-Identifier: Apache-2.0
// Ids of texts to scored token sequences, exactly as lm-evaluation-harness 0.4.13 does it (formats.md 4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace crest::eval {

/// Ids of which the last ids.size() - firstScored are asked for; the last is never an input.
struct EncodedSequence {
    std::vector<std::int32_t> ids;
    std::int32_t firstScored = 1; ///< at least 1
    bool cut = false;             ///< lost tokens on its left

    std::int32_t scored() const { return static_cast<std::int32_t>(ids.size()) - firstScored; }
};

/// What of a context and its continuation becomes tokens: white space at the end of the context goes to the
/// continuation. Of a context of white space alone remain the special tokens that the tokenizer adds by itself; where it
/// adds none (the harness gives up), and without a context, `whole` stands after the prefix token.
struct PairTexts {
    std::string_view context; ///< of the context given, which must outlive it
    std::string whole;
};
PairTexts pairTexts(std::string_view context, std::string_view continuation);

class PairEncoder {
public:
    /// `prefix`: BOS, else EOS. `maxLength`: most input tokens of a sequence.
    PairEncoder(std::optional<std::int32_t> prefix, std::int64_t maxLength)
        : m_prefix(prefix)
        , m_maxLength(maxLength) {}

    /// The continuation's tokens are those of the whole text after as many as the context alone has. Longer sequences
    /// lose tokens on their left. OutOfRange where the context has no token, nothing is left to score, or more than
    /// maxLength tokens are.
    Result<EncodedSequence> pair(std::span<const std::int32_t> context, std::vector<std::int32_t> whole) const;
    /// After no context. NotFound where there is no prefix token.
    Result<EncodedSequence> afterPrefix(std::vector<std::int32_t> ids) const;
    /// A whole document: every token once, after the prefix token, by windows of maxLength tokens whose contexts
    /// do not overlap what they score. None for a document without tokens.
    Result<std::vector<EncodedSequence>> document(std::span<const std::int32_t> tokens) const;

private:
    Result<EncodedSequence> joined(std::span<const std::int32_t> context, std::vector<std::int32_t> whole,
                                   std::size_t contextTokens) const;

    std::optional<std::int32_t> m_prefix;
    std::int64_t m_maxLength;
};

/// Bytes of the white space at the end of a text (what Python's str.rstrip takes away).
std::size_t trailingSpace(std::string_view text);

} // namespace crest::eval
