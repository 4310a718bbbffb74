// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, then behind a zero byte a text for it: whatever parses must encode and decode without harm.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/tokenizer_use.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    const std::string_view text =
        end == std::string_view::npos ? std::string_view("it's  4 <|x|>\n\n\xFF") : input.substr(end + 1);
    const auto tokenizer = crest::text::Tokenizer::fromJson(input.substr(0, end), "fuzz");
    if (!tokenizer)
        return tokenizer.error().message.empty() ? std::abort(), 1 : 0;
    crest::fuzz::useTokenizer(*tokenizer, text);
    return 0;
}
