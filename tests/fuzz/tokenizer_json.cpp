// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, then behind a zero byte a text for it: whatever parses must encode and decode without harm.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"
#include "core/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    const std::string_view text =
        end == std::string_view::npos ? std::string_view("it's  4 <|x|>\n\n\xFF") : input.substr(end + 1);
    const auto tokenizer = crest::text::Tokenizer::fromJson(input.substr(0, end), "fuzz");
    if (!tokenizer)
        return tokenizer.error().message.empty() ? std::abort(), 1 : 0;
    const auto ids = tokenizer->encode(text);
    for (const std::int32_t id : ids)
        if (id < 0 || static_cast<std::size_t>(id) >= tokenizer->idLimit() || !tokenizer->idToToken(id))
            std::abort();
    const auto whole = tokenizer->encode(text, crest::text::Specials::Template);
    if (whole.size() < ids.size())
        std::abort();
    // Bytes of the input as ids, so that decoders meet every order of tokens.
    std::vector<std::int32_t> some;
    for (const char c : text.substr(0, 64))
        some.push_back(static_cast<unsigned char>(c));
    for (const bool skip : {false, true})
        for (const auto& list : {ids, some})
            if (!crest::text::isValidUtf8(tokenizer->decode(list, skip)))
                std::abort();
    return 0;
}
