// SPDX-License-Identifier: Apache-2.0
// The pickle machine on arbitrary bytes; every tensor it describes must lie within its storage.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/io/pickle_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto object = crest::io::readTorchPickle(std::as_bytes(std::span(data, size)), "fuzz");
    if (!object)
        return 0;
    for (const auto& tensor : object->tensors) {
        if (tensor.storage >= object->storages.size() || tensor.shape.size() != tensor.strides.size() ||
            tensor.begin > tensor.end || tensor.end > object->storages[tensor.storage].bytes)
            std::abort();
        for (std::size_t i = 0; i < tensor.shape.size(); ++i)
            if (tensor.shape[i] < 0 || tensor.strides[i] < 0)
                std::abort();
    }
    // What is handed on is well-formed text and no deeper than promised.
    static_cast<void>(object->values.dump());
    return 0;
}
