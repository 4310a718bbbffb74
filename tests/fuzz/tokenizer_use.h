// SPDX-License-Identifier: Apache-2.0
// What every fuzz target of tokenizers does with one that was accepted: encode and decode without harm.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"
#include "core/text/unicode.h"

namespace crest::fuzz {

inline void useTokenizer(const text::Tokenizer& tokenizer, std::string_view text) {
    const auto ids = tokenizer.encode(text);
    for (const std::int32_t id : ids)
        if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.idLimit() || !tokenizer.idToToken(id))
            std::abort();
    const auto whole = tokenizer.encode(text, text::Specials::Template);
    if (whole.size() < ids.size())
        std::abort();
    if (const std::size_t scored = tokenizer.encodeForScoring(text).size();
        scored != ids.size() && scored != whole.size())
        std::abort();
    // Bytes of the input as ids, so that decoders meet every order of tokens.
    std::vector<std::int32_t> some;
    for (const char c : text.substr(0, 64))
        some.push_back(static_cast<unsigned char>(c));
    for (const bool skip : {false, true})
        for (const auto& list : {ids, some})
            if (!text::isValidUtf8(tokenizer.decode(list, skip)))
                std::abort();
}

} // namespace crest::fuzz
