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
#include "core/text/pre_tokenizer.h"
#include "core/text/subword_model.h"

namespace crest::text::detail {

struct TokenEntry {
    std::string written; ///< as in the file
    std::string bytes;   ///< what it decodes to
    bool special = false;
};

struct TokenizerParts {
    AddedTokenMatcher rawAdded;        ///< looked for before normalization
    bool nfc = false;                  ///< the only normalizer there is
    AddedTokenMatcher normalizedAdded; ///< looked for after it
    std::vector<PreStep> preSteps;
    std::unique_ptr<SubwordModel> model;
    std::vector<std::int32_t> templatePrefix; ///< around the text with Specials::Template
    std::vector<std::int32_t> templateSuffix;

    std::unordered_map<std::string, std::int32_t> idOfToken;
    std::unordered_map<std::int32_t, TokenEntry> tokenOfId;
    std::int32_t largestId = -1;
    std::optional<std::int32_t> bos;
    std::optional<std::int32_t> eos;
    std::string contentHash;
};

/// Reads tokenizer.json; `configText` is tokenizer_config.json or "". See Tokenizer::fromJson.
Result<std::shared_ptr<const TokenizerParts>> parseTokenizer(std::string_view text, const std::string& where,
                                                             std::string_view configText);

} // namespace crest::text::detail
