// SPDX-License-Identifier: Apache-2.0
// The older form of a GPT-2 tokenizer, as OPT and GPT-2 are published: vocab.json and merges.txt. Private to core/text.
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.h"

namespace crest::text::detail {

/// The tokenizer.json that transformers' GPT2Tokenizer makes of vocab.json and merges.txt in `folder`, with special
/// tokens, prefix space and BOS from tokenizer_config.json (`configText`, "" where there is none) or
/// special_tokens_map.json. Unsupported where the configuration names another class.
Result<std::string> tokenizerOfVocabularyFiles(const std::filesystem::path& folder, const std::string& configText);

} // namespace crest::text::detail
