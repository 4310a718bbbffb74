// SPDX-License-Identifier: Apache-2.0
// The two preprocessors of texts that the harness's tasks bring along, for templates. Linear in the text; valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace crest::data {

/// hellaswag: strip, " [title]" to ". ", what stands in [] goes, two blanks to one (one pass).
std::string hellaswagClean(std::string_view text);

/// wikitext and c4: the spaces and marks of tokenised Wikipedia undone.
std::string wikitextDetokenize(std::string_view text);

} // namespace crest::data
