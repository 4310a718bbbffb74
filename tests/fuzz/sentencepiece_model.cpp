// SPDX-License-Identifier: Apache-2.0
// tokenizer.model, first as the helper program reads it, then what the helper says as the others read it: the first
// byte chooses where to begin.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/text/sentencepiece_file.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/tokenizer_use.h"

namespace {

int refused(const crest::Error& error) {
    if (error.message.empty())
        std::abort();
    return 0;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const bool described = input.starts_with('{');
    std::string description(input);
    if (!described) {
        const auto model = crest::text::parseSentencePiece(input);
        if (!model)
            return refused(model.error());
        description = crest::text::describe(*model);
    }
    const auto tokenizer = crest::text::Tokenizer::fromDescription(description, "fuzz");
    if (!tokenizer)
        return refused(tokenizer.error());
    crest::fuzz::useTokenizer(*tokenizer, "it's  4 <s>\n\n\xFF \u00c5\u00a8\u0301 \u2581\u2581a<sep>");
    return 0;
}
