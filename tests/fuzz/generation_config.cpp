// SPDX-License-Identifier: Apache-2.0
// generation_config.json on arbitrary bytes: what ends a text are token ids, or it is refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/series/end_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto json = parseJson(bytes, "fuzz");
    if (!json)
        return 0;
    const auto ids = series::parseEndTokens(*json, "fuzz");
    if (!ids)
        return ids.error().message.empty() ? std::abort(), 1 : 0;
    for (const std::int32_t id : *ids)
        if (id < 0)
            std::abort();
    return 0;
}
