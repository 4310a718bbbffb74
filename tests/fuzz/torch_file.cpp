// SPDX-License-Identifier: Apache-2.0
// Zip directory, records and pickle of a file of torch.save on arbitrary bytes; every tensor must lie within the file,
// and reading it through its strides must stay there.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "core/io/torch_file.h"
#include "core/io/zip_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest::io;
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto source = memorySource(bytes);
    if (const auto zip = readZipArchive(*source, "fuzz")) {
        std::uint64_t next = 0;
        for (const ZipMember& member : zip->members) {
            if (member.begin < next || member.begin > size || member.size > size - member.begin ||
                zip->find(member.name) != &member)
                std::abort();
            next = member.begin + member.size;
        }
    }
    const auto file = readTorchFile(*source, "fuzz");
    if (!file)
        return 0;
    for (const TorchTensor& tensor : file->tensors) {
        const TensorEntry& entry = tensor.entry;
        if (entry.begin > entry.end || entry.end > size)
            std::abort();
        const std::size_t item = dtypeSize(entry.dtype);
        if (item == 0)
            continue;
        std::vector<std::byte> copy(static_cast<std::size_t>(entry.elements()) * item);
        if (copy.size() > size)
            std::abort();
        gatherStrided(entry, bytes.subspan(entry.begin, entry.end - entry.begin), copy);
    }
    static_cast<void>(stateDict(*file, "model", "fuzz"));
    return 0;
}
