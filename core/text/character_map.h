// SPDX-License-Identifier: Apache-2.0
// The compiled character map of SentencePiece (`precompiled_charsmap`): which stretches of bytes become which text,
// kept in a double array (Aoe 1989; the units of Darts-clone) and the texts behind each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/prefix_trie.h"

namespace crest::text {

/// Immutable; any thread may ask. A map made to do harm gives wrong texts, at most 64 bytes for each match.
class CharacterMap {
public:
    /// Malformed where the bytes are no such map or hold a text of more than 64 bytes or text that is no UTF-8.
    static Result<CharacterMap> read(std::string_view bytes, const std::string& where);

    /// What the longest (or shortest) stretch at the head of `text` that the map knows becomes, and its length.
    struct Match {
        std::string_view text;
        std::size_t length = 0;
    };
    std::optional<Match> longest(std::string_view text) const { return find(text, true); }
    std::optional<Match> shortest(std::string_view text) const { return find(text, false); }

private:
    std::optional<Match> find(std::string_view text, bool longest) const;
    std::vector<std::uint32_t> m_units;
    std::string m_texts; ///< each ended by a zero byte
};

/// The `Precompiled` normalizer of the tokenizers library: grapheme clusters of fewer than six bytes are replaced
/// whole by what their head becomes, else each character by itself. That is not what SentencePiece does, and is the
/// reference for tokenizer.json.
std::string applyPrecompiled(const CharacterMap& map, std::string_view text);

/// How SentencePiece itself prepares a text (Normalizer::Normalize): the longest stretch of the map at each place,
/// white space taken together and off the ends, a space in front, spaces as U+2581.
struct SentencePieceRules {
    std::shared_ptr<const CharacterMap> map; ///< null for the identity
    std::shared_ptr<const PrefixTrie> kept;  ///< user-defined symbols, which stay as they are; null for none
    bool addPrefix = true;
    bool prefixAtStartOnly = true; ///< not behind a special token (`legacy` false of transformers)
    bool removeExtraSpace = true;
    bool escapeSpace = true;
    bool spaceAsSuffix = false;
    bool operator==(const SentencePieceRules&) const = default;
};
std::string applySentencePiece(const SentencePieceRules& rules, std::string_view text, bool atStart);

} // namespace crest::text
