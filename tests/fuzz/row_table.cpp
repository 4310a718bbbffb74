// SPDX-License-Identifier: Apache-2.0
// CSV and TSV on arbitrary bytes: cut anywhere into two pieces they are the same rows, and each has the header's columns.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/data/row_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    using namespace crest::data;
    if (size < 2)
        return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    RowOptions options;
    options.format = data[0] % 2 == 0 ? RowFormat::Csv : RowFormat::Tsv;
    const auto rowsOf = [&](std::size_t cut) {
        std::vector<std::string> rows;
        std::size_t columns = 0;
        const auto decoder = makeTableDecoder(options, [&](std::int64_t number, Result<Json> row) -> Result<bool> {
            if (row && columns > 0 && row->size() != columns)
                std::abort();
            if (row)
                columns = row->size();
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
    if (rowsOf(bytes.size()) != rowsOf(data[0] % bytes.size()))
        std::abort();
    return 0;
}
