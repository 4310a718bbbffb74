// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/io/files.h"
#include "core/io/safetensors.h"

namespace crest::io {
namespace {

Result<void> checkTensors(const std::vector<TensorToWrite>& tensors, const std::string& where) {
    std::set<std::string_view> names;
    for (const TensorToWrite& tensor : tensors) {
        if (tensor.name == "__metadata__" || !names.insert(tensor.name).second)
            return fail(ErrorKind::Internal, fmt::format("tensor \"{}\" would be written twice", tensor.name), where);
        std::uint64_t bytes = dtypeSize(tensor.dtype);
        for (const std::int64_t size : tensor.shape)
            if (size < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes))
                return fail(ErrorKind::Internal, fmt::format("tensor \"{}\" has an impossible shape", tensor.name),
                            where);
        if (tensor.dtype == DType::Other || bytes != tensor.bytes.size())
            return fail(ErrorKind::Internal,
                        fmt::format("tensor \"{}\" has {} bytes, its shape and dtype need {}", tensor.name,
                                    tensor.bytes.size(), bytes),
                        where);
    }
    return {};
}

std::string headerText(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
    // Built by hand, since the order of entries matters and the general writer sorts its keys.
    const auto quoted = [](const std::string& text) {
        return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    };
    std::map<std::string, std::string> all = metadata;
    all.emplace("format", "pt");
    std::string out =
        "{\"__metadata__\":" + nlohmann::json(all).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::uint64_t offset = 0;
    for (const TensorToWrite& tensor : tensors) {
        out += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", quoted(tensor.name),
                           dtypeName(tensor.dtype), nlohmann::json(tensor.shape).dump(), offset,
                           offset + tensor.bytes.size());
        offset += tensor.bytes.size();
    }
    out += '}';
    out.append((8 - out.size() % 8) % 8, ' ');
    return out;
}

} // namespace

Result<void> writeSafetensors(const std::filesystem::path& file, std::vector<TensorToWrite> tensors,
                              const std::map<std::string, std::string>& metadata) {
    CREST_CHECK(checkTensors(tensors, file.string()));
    // Wide types first, so that every tensor starts aligned to its own element.
    std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
        return std::make_tuple(dtypeSize(b.dtype), std::string_view(a.name)) <
               std::make_tuple(dtypeSize(a.dtype), std::string_view(b.name));
    });
    const std::string header = headerText(tensors, metadata);
    const std::uint64_t length = header.size();
    CREST_TRY(out, AtomicFile::create(file));
    CREST_CHECK(out.write(std::as_bytes(std::span(&length, 1))));
    CREST_CHECK(out.write(header));
    for (const TensorToWrite& tensor : tensors)
        CREST_CHECK(out.write(tensor.bytes));
    return out.commit();
}

} // namespace crest::io
