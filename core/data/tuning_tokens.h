// SPDX-License-Identifier: Apache-2.0
// Segments of an example to ids and mask. Inside of tuning_data.h.
//
// The border. Prompt and completion are tokenised as one text, as a model reads them, never apart: tokens may reach
// across. A token counts in the loss where it reaches into a learned stretch of the text (the rule of open-instruct and
// of transformers' return_assistant_tokens_mask), with one exception: where the ids of the prompt alone are the first
// ids of the whole, exactly those are the prompt (what TRL and lm-evaluation-harness go by), also where the last of
// them is an added token that swallows a space of the completion. The tokenizer's own special tokens in front (BOS) are
// never learned; its template's tokens behind are left out, because every example ends with one end token, which is
// learned. An end token that the text has already at its end is not put there twice.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/data/tuning_example.h"
#include "core/data/tuning_template.h"
#include "core/text/tokenizer.h"

namespace crest::data {

/// What stands in front of every example.
enum class TuningBegin {
    Tokenizer, ///< what the tokenizer's template puts there: BOS for Llama, nothing for GPT-NeoX and OLMo
    Nothing,
    BeginToken ///< BOS, the end token where there is none: OLMo's own fine-tuning does so
};

/// The text of an example with the byte places where learned and not learned change.
struct MarkedText {
    std::string text;
    std::vector<std::size_t> borders;
    bool firstLearned = false;
};

/// The text of ids cut before the tokens `cuts` (ascending), as it stands in the text of all: one piece more than cuts.
/// A character whose bytes lie on both sides of a cut goes to the piece that ends it.
std::vector<std::string> decodedPieces(const text::Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                                       std::span<const std::size_t> cuts);

/// Immutable; any thread may use it.
class TuningEncoder {
public:
    /// Unsupported where the tokenizer has no end token.
    static Result<TuningEncoder> of(const text::Tokenizer& tokenizer, TuningBegin begin);

    /// Unsupported where the end token is needed inside a text and the tokenizer does not read it there.
    Result<MarkedText> marked(const std::vector<TuningSegment>& segments) const;
    /// What has to be tokenised for an example (without special tokens): the whole, then the text before each border.
    static void textsOf(const MarkedText& marked, std::vector<std::string>& texts);
    /// The example of those ids, not truncated. `lists` has one for each of `textsOf`.
    TuningExample example(const MarkedText& marked, std::span<const std::vector<std::int32_t>> lists) const;

    std::int32_t endToken() const { return m_end; }
    const text::Tokenizer& tokenizer() const { return m_tokenizer; }

private:
    explicit TuningEncoder(text::Tokenizer tokenizer)
        : m_tokenizer(std::move(tokenizer)) {}
    text::Tokenizer m_tokenizer;
    std::vector<std::int32_t> m_prefix;
    std::string m_prefixText, m_endText;
    std::int32_t m_end = -1;
    bool m_endIsRead = false; ///< the end token's text becomes its id
};

} // namespace crest::data
