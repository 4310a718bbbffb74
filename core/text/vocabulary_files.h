// SPDX-License-Identifier: Apache-2.0
// The older form of a GPT-2 tokenizer, as OPT and GPT-2 are published: vocab.json and merges.txt. Private to core/text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::text::detail {

/// The tokenizer.json that transformers' GPT2Tokenizer makes of vocab.json and merges.txt in `folder`; `config` is
/// what `readTokenizerConfig` put together, and special tokens that it does not name are added to it. Unsupported where
/// it names another class.
Result<std::string> tokenizerOfVocabularyFiles(const std::filesystem::path& folder, Json& config);
/// The same from the texts of the two files.
Result<std::string> tokenizerOfVocabulary(const std::string& vocab, std::string_view merges,
                                          const std::filesystem::path& folder, Json& config);

} // namespace crest::text::detail
