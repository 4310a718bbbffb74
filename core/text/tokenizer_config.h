// SPDX-License-Identifier: Apache-2.0
// The small files beside a tokenizer: tokenizer_config.json, special_tokens_map.json and added_tokens.json, put
// together as transformers 5.23 does. For core/text, and core/data/chat_template_files.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/text/token_table.h"

namespace crest::text::detail {

/// tokenizer_config.json of the folder, an empty object where there is none. Unless it lists its added tokens itself
/// ("added_tokens_decoder"), what special_tokens_map.json names wins over it, and added_tokens.json becomes that list.
Result<Json> readTokenizerConfig(const std::filesystem::path& folder);
/// The same from the texts of the three files, "" for one that is not there.
Result<Json> mergeTokenizerConfig(std::string_view config, std::string_view map, std::string_view added,
                                  const std::filesystem::path& folder);

/// An entry of "added_tokens" in a tokenizer.json for a token written as a text or as an object with flags; empty
/// content for anything else.
Json addedToken(const Json& token);
/// All entries that a configuration names, each content once: the listed ones by id, the named special tokens, further
/// special ones. Ids are left to the reader.
Json addedTokens(const Json& config);

/// The single template [BOS] text [EOS] where the configuration asks for them; null where it asks for neither. Ids are
/// those of the vocabulary, else what the reader gives the entry of `added` ("added_tokens").
Json postProcessor(const Json& config, const Json& added, const TokenTable& vocabulary);

} // namespace crest::text::detail
