// SPDX-License-Identifier: Apache-2.0
// tokenizer.model as a tokenizer. SentencePiece itself reads the file, in the helper program crest-read-model with
// limits; the ids are made here, equal to SentencePiece's. Special tokens, BOS and EOS are those of transformers.
// Private to core/text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::text::detail {

/// Runs the helper; its answer. Errors are those of io::runLimited.
Result<std::string> describeSentencePiece(const std::filesystem::path& model);

/// That answer and the configuration (`readTokenizerConfig`) as a text for TokenizerForm::SentencePiece. BOS and EOS of
/// the model are added to the configuration where it does not name them.
Result<std::string> tokenizerOfDescription(std::string_view described, const std::string& where, Json& config);

} // namespace crest::text::detail
