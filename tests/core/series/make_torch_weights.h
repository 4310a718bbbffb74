// SPDX-License-Identifier: Apache-2.0
// pytorch_model.bin of whole tensors, as torch.save writes a state dict.
#pragma once

#include "tests/core/io/make_torch_file.h"
#include "tests/core/series/make_checkpoint.h"

namespace crest::test {

/// float32 as they are; with `asBFloat16` the upper halves of the numbers.
inline void writeTorchTensors(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors, bool asBFloat16 = false) {
    std::string pickle = kProto + "}(";
    std::vector<ZipPart> parts;
    for (const NamedTensor& one : tensors) {
        const std::string key = std::to_string(parts.size());
        std::vector<std::int64_t> strides(one.shape.size(), 1);
        for (std::size_t i = strides.size(); i-- > 1;)
            strides[i - 1] = strides[i] * one.shape[i];
        const std::string type = global("torch", asBFloat16 ? "BFloat16Storage" : "FloatStorage");
        const std::string storage = storageId(type, key, static_cast<std::int64_t>(one.values.size())) + "Q";
        pickle += text(one.name) + tensor(storage, 0, tuple(one.shape), tuple(strides));
        std::string bytes;
        for (const float value : one.values)
            bytes += raw(value).substr(asBFloat16 ? 2 : 0);
        parts.push_back({"archive/data/" + key, bytes});
    }
    parts.insert(parts.begin(), {{"archive/data.pkl", pickle + "u."}, {"archive/byteorder", "little"}, {"archive/version", "3\n"}});
    writeText(file, zipFile(parts));
}

} // namespace crest::test
