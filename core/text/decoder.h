// SPDX-License-Identifier: Apache-2.0
// From tokens back to text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace crest::text {

struct DecoderStep {
    enum class Kind {
        ByteLevel,    ///< the bytes of the byte alphabet; a token that is not of it stays as it is
        ByteFallback, ///< runs of "<0x0A>" to bytes; a run that is no UTF-8 gives one U+FFFD for each
        Metaspace,    ///< `pattern` to spaces, dropped in the first token where `dropsFirst` is set
        Fuse,         ///< all tokens as one
        Replace,      ///< every `pattern` by `content`
        Strip,        ///< up to `start` times `pattern` (a character) off the front, `stop` off the end, of every token
        WordSuffix    ///< `pattern` to a space, dropped in the last token (BPEDecoder)
    };
    Kind kind = Kind::ByteLevel;
    std::string pattern{};
    std::string content{};
    std::size_t start = 0;
    std::size_t stop = 0;
    bool dropsFirst = false;
    bool operator==(const DecoderStep&) const = default;
};

/// The text of tokens (valid UTF-8) after all steps; without steps they are joined by spaces, as in the reference.
std::string decodeTokens(const std::vector<DecoderStep>& steps, std::vector<std::string> tokens);

} // namespace crest::text
