// SPDX-License-Identifier: Apache-2.0
// The content of a tokenizer.json with its two large parts, vocabulary and merges, kept out of the JSON tree, so that
// a file is refused or accepted within its own size and a bounded rest of memory. Private to core/text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/text/bpe_merges.h"
#include "core/text/token_table.h"

namespace crest::text::detail {

inline constexpr std::uint64_t kMaxFileBytes = 64'000'000; ///< the largest in use has 35 MB
inline constexpr std::size_t kMaxTokens = 1'000'000;       ///< 262,144 is the most in use
inline constexpr std::size_t kMaxMerges = 1'500'000;       ///< 600,000 is
inline constexpr std::int64_t kMaxId = 4'194'303;
inline constexpr std::size_t kMaxStringBytes = 1'000'000;
inline constexpr std::size_t kMaxRestBytes = 12'000'000; ///< of all but vocabulary and merges
inline constexpr std::size_t kMaxRestValues = 400'000;

/// A field of an object, null where it is absent.
const Json& field(const Json& object, const char* key);
/// JSON that is neither vocabulary nor merges; Malformed where it is larger than the two limits above.
Result<Json> parseBounded(std::string_view text, const std::string& where);

/// Where the parts stand in the text. `vocab` and `merges` are empty where there are none.
struct TokenizerSections {
    std::string rest; ///< the text with null in place of both
    std::string_view vocab;
    std::string_view merges;
    std::size_t longestString = 0; ///< bytes, escapes as they are
};
/// Finds model.vocab and model.merges. Text that is no JSON comes back as `rest`, whose parser says what is wrong.
TokenizerSections findSections(std::string_view text);

/// {"token": id, ...}. Malformed for two tokens of one id or id of two tokens, and for ids above kMaxId.
Result<void> readVocabularyObject(std::string_view text, const std::string& where, TokenTable& table);
/// [["token", score], ...], ids in order.
Result<void> readScoredVocabulary(std::string_view text, const std::string& where, TokenTable& table,
                                  std::vector<double>& scores);
/// [["left", "right"], ...] or ["left right", ...]; lines that begin with "#version" do not count. Both tokens and
/// what they make must be in the vocabulary. `prefixBytes` of the right one are left out of the result.
Result<void> readMerges(std::string_view text, const std::string& where, const TokenTable& table,
                        std::size_t prefixBytes, std::vector<BpeMerge>& merges);

} // namespace crest::text::detail
