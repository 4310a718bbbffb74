// SPDX-License-Identifier: Apache-2.0
// Texts to scored token sequences, exactly as lm-evaluation-harness 0.4.13 does it (formats.md 4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace crest::eval {

/// Ids of which the last ids.size() - firstScored are asked for; the last is never an input.
struct EncodedSequence {
    std::vector<std::int32_t> ids;
    std::int32_t firstScored = 1; ///< at least 1
    bool cut = false;             ///< lost tokens on its left

    std::int32_t scored() const { return static_cast<std::int32_t>(ids.size()) - firstScored; }
};

class PairEncoder {
public:
    /// `tokenizerSpecials`: with the special tokens that the tokenizer adds by itself, but for texts that start with
    /// the prefix token already. `maxLength`: most input tokens of a sequence.
    PairEncoder(const text::Tokenizer& tokenizer, bool tokenizerSpecials, std::int64_t maxLength);

    /// White space at the end of the context goes to the continuation; the continuation's tokens are those of the whole
    /// text after as many as the context alone has. After an empty context (or one of white space alone, where the
    /// harness gives up) stands the prefix token. Longer sequences lose tokens on their left. OutOfRange where nothing
    /// is left to score, or more than maxLength tokens; NotFound where a prefix token is needed and there is none.
    Result<EncodedSequence> pair(const std::string& context, const std::string& continuation);

    /// A whole document: every token once, after the prefix token, by windows of maxLength tokens whose contexts
    /// do not overlap what they score. None for a document without tokens.
    Result<std::vector<EncodedSequence>> document(const std::string& text) const;

    /// BOS, else EOS.
    std::optional<std::int32_t> prefixToken() const { return m_prefix; }

private:
    std::vector<std::int32_t> encode(std::string_view text) const;
    Result<EncodedSequence> afterPrefix(const std::string& continuation) const;
    Result<EncodedSequence> joined(const std::vector<std::int32_t>& context, std::vector<std::int32_t> whole,
                                   std::size_t contextTokens) const;

    const text::Tokenizer& m_tokenizer;
    bool m_specials;
    std::int64_t m_maxLength;
    std::optional<std::int32_t> m_prefix;
    std::string m_lastContext;             ///< choices of one question share it
    std::vector<std::int32_t> m_lastTokens; ///< its ids
};

/// Bytes of the white space at the end of a text (what Python's str.rstrip takes away).
std::size_t trailingSpace(std::string_view text);

} // namespace crest::eval
