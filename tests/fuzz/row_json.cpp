// SPDX-License-Identifier: Apache-2.0
// Rows of JSON lines and arrays on arbitrary bytes: cut anywhere into two pieces they are the same rows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/data/row_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    using namespace crest::data;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto rowsOf = [&](std::size_t cut) {
        std::vector<std::string> rows;
        const auto decoder = makeJsonDecoder([&](std::int64_t number, Result<Json> row) -> Result<bool> {
            rows.push_back(std::to_string(number) + (row ? canonicalJson(*row) : row.error().message));
            return true;
        });
        auto done = decoder->take(bytes.substr(0, cut));
        if (done)
            done = decoder->take(bytes.substr(cut));
        if (done)
            done = decoder->finish();
        rows.push_back(done ? "whole" : done.error().message);
        return rows;
    };
    if (size > 0 && rowsOf(size) != rowsOf(data[0] % size))
        std::abort();
    return 0;
}
