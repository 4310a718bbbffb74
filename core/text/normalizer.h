// SPDX-License-Identifier: Apache-2.0
// What is done to a text before it is cut into pre-tokens.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/character_map.h"

namespace crest::text {

struct NormalizerStep {
    enum class Kind {
        Nfc,
        Nfd,
        Nfkc,
        Nfkd,
        Lowercase,
        StripAccents, ///< drops combining marks; composed letters keep theirs
        Replace,      ///< every `pattern` by `content`, from the left
        ReplaceRuns,  ///< every run of two or more `pattern`, a character
        Prepend,      ///< `content` in front of what is not empty
        Strip,        ///< white space at the ends
        ByteLevel,    ///< every byte in the byte alphabet
        Precompiled,  ///< `map` as the tokenizers library applies it
        SentencePiece ///< all that SentencePiece does, by `rules`
    };
    Kind kind = Kind::Nfc;
    std::string pattern{};
    std::string content{};
    bool left = true; ///< which ends Strip works on
    bool right = true;
    std::shared_ptr<const CharacterMap> map{};
    std::shared_ptr<const SentencePieceRules> rules{};
    bool operator==(const NormalizerStep&) const = default;
};

/// NFC, NFD, NFKC or NFKD of valid UTF-8 with the data of Unicode 9, which is what the reference carries: later
/// characters stay as they are.
std::string toNormalForm(std::string_view text, NormalizerStep::Kind form);
inline std::string toNfc(std::string_view text) {
    return toNormalForm(text, NormalizerStep::Kind::Nfc);
}

/// A text after all steps. `keepsStart` is set to false where its first character is gone (Metaspace asks); `atStart`
/// is false behind a special token (SentencePiece asks).
std::string normalize(const std::vector<NormalizerStep>& steps, std::string_view text, bool* keepsStart = nullptr,
                      bool atStart = true);

/// True where the steps certainly leave the text as it is.
bool leavesAsIs(const std::vector<NormalizerStep>& steps, std::string_view text);

/// Every `pattern` (not empty) by `content`, from the left.
std::string replaceAll(std::string_view text, std::string_view pattern, std::string_view content);

} // namespace crest::text
