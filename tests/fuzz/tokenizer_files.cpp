// SPDX-License-Identifier: Apache-2.0
// vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json and added_tokens.json, with zero bytes
// between: whatever is put together from them must encode and decode without harm.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/text/tokenizer_config.h"
#include "core/text/vocabulary_files.h"
#include "tests/fuzz/tokenizer_use.h"

namespace {

int refused(const crest::Error& error) {
    if (error.message.empty())
        std::abort();
    return 0;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::array<std::string_view, 5> parts;
    for (std::string_view& part : parts) {
        part = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    using namespace crest::text;
    auto config = detail::mergeTokenizerConfig(parts[2], parts[3], parts[4], "fuzz");
    if (!config)
        return refused(config.error());
    const auto text = detail::tokenizerOfVocabulary(std::string(parts[0]), parts[1], "fuzz", *config);
    if (!text)
        return refused(text.error());
    const auto tokenizer = Tokenizer::fromJson(*text, "fuzz", crest::canonicalJson(*config));
    if (!tokenizer)
        return refused(tokenizer.error());
    crest::fuzz::useTokenizer(*tokenizer, "it's  4 <|endoftext|>\n\n\xFF");
    return 0;
}
