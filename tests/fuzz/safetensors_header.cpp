// SPDX-License-Identifier: Apache-2.0
// The header parser on arbitrary bytes; what it accepts must keep its promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto header = crest::io::parseSafetensorsHeader(bytes, size, "fuzz");
    if (!header)
        return 0;
    std::uint64_t next = 0;
    for (const auto& tensor : header->tensors) {
        if (tensor.begin != next || tensor.end < tensor.begin)
            std::abort();
        const std::size_t item = crest::io::dtypeSize(tensor.dtype);
        if (item != 0 && static_cast<std::uint64_t>(tensor.elements()) * item != tensor.end - tensor.begin)
            std::abort();
        next = tensor.end;
    }
    if (header->dataStart + next != size)
        std::abort();
    return 0;
}
