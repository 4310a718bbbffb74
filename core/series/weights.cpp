// SPDX-License-Identifier: Apache-2.0
#include "core/series/weights.h"

#include <cstring>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/io/torch_file.h"
#include "core/series/weight_files.h"

namespace crest::series {

struct CheckpointWeights::Data {
    std::vector<io::MappedFile> maps;
    std::vector<std::unique_ptr<std::byte[]>> copies; ///< of tensors that are not stored row-major
    std::map<std::string, StoredTensor> tensors;
};

namespace {

/// The bytes of a tensor in a map, checked again: the file may have changed since its header was read.
/// One that is stored with strides (transposed, or a view) is copied into row-major order.
Result<StoredTensor> viewOf(const TensorPlace& place, const WeightFiles& files, const std::vector<io::MappedFile>& maps,
                            std::vector<std::unique_ptr<std::byte[]>>& copies) {
    const WeightFile& file = files.files[place.file];
    const auto bytes = maps[place.file].bytes();
    const std::uint64_t end = file.header.dataStart + place.entry.end;
    if (end > bytes.size())
        return fail(ErrorKind::Io, "The file became shorter while it was opened.", file.path.string());
    auto view = bytes.subspan(file.header.dataStart + place.entry.begin, place.entry.end - place.entry.begin);
    if (!place.entry.strides.empty()) {
        const std::size_t size = static_cast<std::size_t>(place.entry.elements()) * io::dtypeSize(place.entry.dtype);
        copies.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
        const std::span<std::byte> copy(copies.back().get(), size);
        io::gatherStrided(place.entry, view, copy);
        view = copy;
    }
    return StoredTensor{place.entry.dtype, place.entry.shape, view};
}

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
    return a.size() == b.size() &&
           (a.data() == b.data() || a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

} // namespace

Result<CheckpointWeights> CheckpointWeights::open(const std::filesystem::path& folder, const DecoderSpec& spec) {
    CREST_TRY(files, readWeightFiles(folder));
    return open(files, spec, folder.string());
}

Result<CheckpointWeights> CheckpointWeights::open(const WeightFiles& files, const DecoderSpec& spec, const std::string& where) {
    CREST_TRY(places, placeTensors(files, spec, where));
    auto data = std::make_unique<Data>();
    for (const WeightFile& file : files.files) {
        CREST_TRY(map, io::MappedFile::open(file.path));
        data->maps.push_back(std::move(map));
    }
    for (const auto& [name, place] : places.byName) {
        CREST_TRY(tensor, viewOf(place, files, data->maps, data->copies));
        data->tensors.emplace(name, std::move(tensor));
    }
    const std::string embedding = expectedTensors(spec).front().name;
    for (const auto& [name, place] : places.tiedHead) {
        CREST_TRY(head, viewOf(place, files, data->maps, data->copies));
        const StoredTensor& tied = data->tensors.at(embedding);
        if (head.dtype != tied.dtype || !equal(head.bytes, tied.bytes))
            return fail(ErrorKind::Mismatch,
                        fmt::format("config.json ties the head to the embedding, but \"{}\" differs from \"{}\"; set "
                                    "\"tie_word_embeddings\" to false to use both.",
                                    name, embedding),
                        where);
    }
    return CheckpointWeights(std::move(data));
}

CheckpointWeights::CheckpointWeights(std::unique_ptr<Data> data)
    : m_data(std::move(data)) {}
CheckpointWeights::CheckpointWeights(CheckpointWeights&&) noexcept = default;
CheckpointWeights& CheckpointWeights::operator=(CheckpointWeights&&) noexcept = default;
CheckpointWeights::~CheckpointWeights() = default;

const std::map<std::string, StoredTensor>& CheckpointWeights::tensors() const {
    return m_data->tensors;
}

void CheckpointWeights::willNeed() const {
    for (const io::MappedFile& map : m_data->maps)
        map.willNeed(0, map.bytes().size());
}

void CheckpointWeights::release(std::span<const std::byte> bytes) const {
    // Copies of tensors stored with strides lie in no map, and stay.
    for (const io::MappedFile& map : m_data->maps) {
        const auto all = map.bytes();
        const auto within = [&](const std::byte* p) { return p >= all.data() && p <= all.data() + all.size(); };
        if (within(bytes.data()) && within(bytes.data() + bytes.size()))
            map.release(static_cast<std::uint64_t>(bytes.data() - all.data()), bytes.size());
    }
}

} // namespace crest::series
