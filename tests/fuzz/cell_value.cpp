// SPDX-License-Identifier: Apache-2.0
// Cells of tables on arbitrary bytes: what is accepted is a list or dictionary, and its JSON is read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/data/cell_value.h"
#include "core/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const std::string cell(reinterpret_cast<const char*>(data), size);
    if (size > 100'000 || !text::isValidUtf8(cell)) // the JSON of a longer one may be too long for a cell
        return 0;
    const auto value = data::cellValue(cell);
    if (!value)
        return 0;
    const auto again = data::cellValue(canonicalJson(*value));
    if (!value->is_structured() || !again || *again != *value)
        std::abort();
    return 0;
}
