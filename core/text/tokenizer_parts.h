// SPDX-License-Identifier: Apache-2.0
// What a tokenizer consists of, in the order a text passes through it. Private to core/text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/result.h"
#include "core/text/added_tokens.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/subword_model.h"
#include "core/text/token_table.h"

namespace crest::text::detail {

/// An added token as it is decoded: its content after normalization.
struct AddedEntry {
    std::string written;
    bool special = false; ///< left out where special tokens are
};

struct TokenizerParts {
    AddedTokenMatcher rawAdded; ///< looked for before normalization
    std::vector<NormalizerStep> normalizer;
    AddedTokenMatcher normalizedAdded; ///< looked for after it
    std::vector<PreStep> preSteps;
    TokenTable vocabulary; ///< of the model
    std::unique_ptr<SubwordModel> model;
    std::vector<std::int32_t> templatePrefix; ///< around the text with Specials::Template
    std::vector<std::int32_t> templateSuffix;
    std::vector<DecoderStep> decoder;

    std::unordered_map<std::string, std::int32_t> idOfAdded; ///< by content
    std::unordered_map<std::int32_t, AddedEntry> addedOfId;  ///< hides a token of the model with the same id
    std::size_t tokenCount = 0;
    std::int32_t largestId = -1;
    std::optional<std::int32_t> bos;
    std::optional<std::int32_t> eos;
    std::optional<std::int64_t> maxLength; ///< model_max_length
    bool cleansUp = false;                 ///< clean_up_tokenization_spaces, which transformers obeys for Unigram only
    std::vector<std::string> notes;
    std::string contentHash;

    std::optional<std::int32_t> idOf(std::string_view token) const {
        const auto added = idOfAdded.find(std::string(token));
        return added != idOfAdded.end() ? std::optional(added->second) : vocabulary.find(token);
    }
    std::optional<std::string_view> tokenOf(std::int32_t id) const {
        const auto added = addedOfId.find(id);
        return added != addedOfId.end() ? std::optional<std::string_view>(added->second.written)
                                        : vocabulary.tokenOf(id);
    }
};

/// SentencePiece: what `tokenizerOfSentencePiece` makes of a tokenizer.model, a tokenizer.json with parts of its own.
enum class TokenizerForm { Json, SentencePiece };

/// Reads tokenizer.json; `configText` is tokenizer_config.json or "". See Tokenizer::fromJson.
Result<std::shared_ptr<const TokenizerParts>> parseTokenizer(std::string_view text, const std::string& where,
                                                             std::string_view configText,
                                                             TokenizerForm form = TokenizerForm::Json);

} // namespace crest::text::detail
