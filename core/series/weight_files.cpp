// SPDX-License-Identifier: Apache-2.0
#include "core/series/weight_files.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/io/byte_source.h"
#include "core/io/files.h"
#include "core/io/torch_file.h"
#include "core/series/families.h"
#include "core/series/olmo_native.h"
#include "core/series/shard_index.h"

namespace crest::series {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kTorchSingle = "pytorch_model.bin";
constexpr const char* kTorchIndex = "pytorch_model.bin.index.json";
constexpr const char* kOlmoSingle = "model.pt";
constexpr std::uint64_t kComparedBlocks = 16;
constexpr std::uint64_t kComparedBytes = 4096;

Error danglingLink(const fs::path& link) {
    return {ErrorKind::NotFound, "This link leads to a file that is not there; copy the checkpoint with its targets.",
            link.string()};
}

bool startsWithPath(const fs::path& path, const fs::path& folder) {
    const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return end == folder.end();
}

/// The path of a shard, refused where a link leads out of the folder (or of the cache that the folder is part of).
Result<fs::path> shardPath(const fs::path& folder, const std::string& name) {
    const fs::path path = folder / name;
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    if (error == std::errc::no_such_file_or_directory) {
        const bool link = fs::is_symlink(fs::symlink_status(path, error));
        return fail(link ? danglingLink(path)
                         : Error{ErrorKind::NotFound,
                                 "This shard is named by the index but missing; download it again.", path.string()});
    }
    const fs::path home = error ? fs::path() : fs::canonical(folder, error);
    if (error)
        return fail(io::systemError(error.value(), "open", path));
    // A hub cache: models--X/snapshots/COMMIT/file -> models--X/blobs/ETAG.
    const bool inCache = home.parent_path().filename() == "snapshots" &&
                         startsWithPath(target, home.parent_path().parent_path() / "blobs");
    if (!startsWithPath(target, home) && !inCache)
        return fail(ErrorKind::Malformed, "This link leads out of the checkpoint's folder; it is not followed.",
                    path.string());
    return path;
}

Result<io::SafetensorsHeader> readHeader(const fs::path& path, WeightFormat format) {
    if (format == WeightFormat::Safetensors) {
        CREST_TRY(header, io::readSafetensorsHeader(path));
        for (io::TensorEntry& tensor : header.tensors)
            tensor.name = plainOlmoName(tensor.name);
        return header;
    }
    CREST_TRY(file, io::readTorchFile(path));
    return io::stateDict(file, format == WeightFormat::NanoGpt ? "model" : "", path.string());
}

Result<void> addFile(WeightFiles& files, const fs::path& path) {
    CREST_TRY(header, readHeader(path, files.format));
    for (const io::TensorEntry& tensor : header.tensors)
        files.bytes += tensor.end - tensor.begin;
    files.files.push_back({path, std::move(header)});
    return {};
}

/// Why a folder without the names that are read has no weights: what lies there instead is named.
std::string whyNoWeights(const fs::path& folder) {
    std::vector<std::string> shards, others;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        const bool torch = name.starts_with("pytorch_model") && name.ends_with(".bin");
        if (torch || (name.ends_with(".safetensors") && !name.starts_with("adapter_")))
            (name.find("-of-") != std::string::npos ? shards : others).push_back(name);
    }
    if (shards.empty() && others.empty())
        return "There are no weights here: neither model.safetensors nor pytorch_model.bin, whole or in shards with an index.";
    std::vector<std::string>& there = shards.empty() ? others : shards;
    std::ranges::sort(there);
    const std::string named =
        there.size() == 1 ? there.front() : fmt::format("{} and {} more", there.front(), there.size() - 1);
    const bool torch = there.front().ends_with(".bin");
    if (!shards.empty())
        return fmt::format("The index of the shards is missing: {} {} here without {}; download that file, too.", named,
                           there.size() == 1 ? "is" : "are", torch ? kTorchIndex : kIndex);
    return fmt::format("There are no weights here by a name that is read: {} {} there, not {}. Rename the one that is meant.", named,
                       there.size() == 1 ? "is" : "are", torch ? kTorchSingle : kSingle);
}

/// Every tensor must be in the shard that the index names for it, and no shard may hold others.
Result<void> compareWithIndex(const WeightFiles& files, const std::map<std::string, std::string>& weightMap,
                              const fs::path& index) {
    std::size_t found = 0;
    for (const WeightFile& file : files.files)
        for (const io::TensorEntry& tensor : file.header.tensors) {
            const auto entry = weightMap.find(tensor.name);
            if (entry == weightMap.end() || (index.parent_path() / entry->second) != file.path)
                return fail(ErrorKind::Mismatch,
                            fmt::format("Tensor \"{}\" is in {}, but the index does not say so.", tensor.name,
                                        file.path.filename().string()),
                            index.string());
            ++found;
        }
    if (found == weightMap.size())
        return {};
    for (const auto& [tensor, name] : weightMap) {
        const auto holds = [&, wanted = &tensor](const WeightFile& file) {
            return file.header.find(*wanted) != nullptr;
        };
        if (std::none_of(files.files.begin(), files.files.end(), holds))
            return fail(ErrorKind::Mismatch,
                        fmt::format("The index promises tensor \"{}\" in {}, which does not hold it.", tensor, name),
                        index.string());
    }
    return {};
}

Result<WeightFiles> readSharded(const fs::path& folder, const fs::path& index, WeightFormat format) {
    std::error_code error;
    if (!fs::exists(index, error) && fs::is_symlink(fs::symlink_status(index, error)))
        return fail(danglingLink(index));
    CREST_TRY(text, io::readTextFile(index, kMaxIndexBytes));
    CREST_TRY(known, parseShardIndex(text, index.string()));
    WeightFiles files;
    files.format = format;
    files.name = index.filename().string();
    for (const std::string& shard : known.shards) {
        CREST_TRY(path, shardPath(folder, shard));
        CREST_CHECK(addFile(files, path));
    }
    CREST_CHECK(compareWithIndex(files, known.weightMap, index));
    return files;
}

Result<WeightFiles> readSingle(const fs::path& file, WeightFormat format) {
    std::error_code error;
    if (!fs::exists(file, error) && fs::is_symlink(fs::symlink_status(file, error)))
        return fail(danglingLink(file));
    WeightFiles files;
    files.format = format;
    files.name = file.filename().string();
    CREST_CHECK(addFile(files, file));
    return files;
}

/// One way to store weights: whole, or in shards with an index.
struct StoredForm {
    const char* file; ///< the weights, or the index
    WeightFormat format;
    bool isIndex = false;
};

/// Those that lie in a folder, the preferred one first.
std::vector<StoredForm> formsIn(const fs::path& folder) {
    std::vector<StoredForm> forms;
    const bool ofOlmo = io::isThere(folder / "config.yaml"); // elsewhere model.pt may be anything
    for (const StoredForm& form : {StoredForm{kSingle, WeightFormat::Safetensors}, StoredForm{kIndex, WeightFormat::Safetensors, true},
                                   StoredForm{kTorchSingle, WeightFormat::TorchZip}, StoredForm{kTorchIndex, WeightFormat::TorchZip, true},
                                   StoredForm{kOlmoSingle, WeightFormat::OlmoTorch}})
        if ((form.format != WeightFormat::OlmoTorch || ofOlmo) && io::isThere(folder / form.file))
            forms.push_back(form);
    return forms;
}

Result<WeightFiles> readForm(const fs::path& folder, const StoredForm& form) {
    return form.isIndex ? readSharded(folder, folder / form.file, form.format) : readSingle(folder / form.file, form.format);
}

/// Buffers that older versions saved beside the parameters (formats.md 2.1). Real parameters end in .bias, too.
bool isBuffer(std::string_view name) {
    for (const std::string_view ending :
         {".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias", ".attn.masked_bias", ".attn.bias"})
        if (name.ends_with(ending))
            return true;
    return false;
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Turns a stored name into the canonical one, or "" where no tensor of the decoder is meant.
class NameMapper {
public:
    NameMapper(const Family& family, const std::vector<TensorInfo>& expected)
        : m_names(family.names) {
        for (const TensorInfo& tensor : expected)
            m_expected.emplace(tensor.name, &tensor);
    }

    const TensorInfo* find(std::string_view stored) const {
        for (std::string_view name = stored;;) {
            for (const std::string& form : {std::string(name), std::string(m_names.bodyPrefix) + std::string(name)})
                if (const auto found = m_expected.find(form); found != m_expected.end())
                    return found->second;
            if (const auto found = m_expected.find(headName()); isHead(name) && found != m_expected.end())
                return found->second;
            const std::size_t cut = wrapperLength(name);
            if (cut == 0)
                return nullptr;
            name.remove_prefix(cut);
        }
    }
    bool isHead(std::string_view stored) const {
        while (const std::size_t cut = wrapperLength(stored))
            stored.remove_prefix(cut);
        return stored == headName() || (m_names.headAlias && stored == std::string(m_names.headAlias) + ".weight");
    }
    /// The layer that a stored name speaks of, or -1.
    std::int64_t layerOf(std::string_view stored) const {
        while (const std::size_t cut = wrapperLength(stored))
            stored.remove_prefix(cut);
        for (std::string_view prefix : {std::string_view(m_names.layerPrefix), withoutBody(m_names.layerPrefix)}) {
            while (const std::size_t cut = wrapperLength(prefix)) // as the name has lost it
                prefix.remove_prefix(cut);
            std::int64_t layer = -1;
            if (stored.starts_with(prefix))
                std::from_chars(stored.data() + prefix.size(), stored.data() + stored.size(), layer);
            if (layer >= 0)
                return layer;
        }
        return -1;
    }
    std::string headName() const { return std::string(m_names.head) + ".weight"; }
    std::string embeddingName() const { return std::string(m_names.embedding) + ".weight"; }

private:
    const TensorNames& m_names;
    std::map<std::string, const TensorInfo*> m_expected;

    std::string_view withoutBody(std::string_view prefix) const {
        const std::string_view body = m_names.bodyPrefix;
        return prefix.starts_with(body) ? prefix.substr(body.size()) : prefix;
    }
    static std::size_t wrapperLength(std::string_view name) {
        for (const std::string_view prefix : {"_orig_mod.", "module.", "model."})
            if (name.starts_with(prefix))
                return prefix.size();
        return 0;
    }
};

Result<void> checkTensor(const io::TensorEntry& stored, const TensorInfo& wanted, const std::string& where) {
    if (stored.shape != wanted.shape)
        return fail(ErrorKind::Mismatch,
                    fmt::format("Tensor \"{}\" has the shape {}, config.json asks for {}.", stored.name,
                                shapeText(stored.shape), shapeText(wanted.shape)),
                    where);
    if (stored.dtype != io::DType::F32 && stored.dtype != io::DType::F16 && stored.dtype != io::DType::BF16)
        return fail(ErrorKind::Unsupported,
                    fmt::format("Tensor \"{}\" is stored as {}; Crest computes with F32, F16 and BF16.", stored.name,
                                stored.dtypeText),
                    where);
    return {};
}

} // namespace

const char* weightFormatName(WeightFormat format) {
    switch (format) {
    case WeightFormat::Safetensors:
        return "safetensors";
    case WeightFormat::TorchZip:
        return "pytorch_model.bin";
    case WeightFormat::OlmoTorch:
        return "model.pt";
    case WeightFormat::NanoGpt:
        break;
    }
    return "ckpt.pt";
}

Result<WeightFiles> readWeightFiles(const fs::path& folder) {
    if (std::error_code error; fs::is_regular_file(folder, error))
        return readSingle(folder, WeightFormat::NanoGpt);
    const std::vector<StoredForm> forms = formsIn(folder);
    if (forms.empty())
        return fail(ErrorKind::NotFound, whyNoWeights(folder), folder.string());
    return readForm(folder, forms.front());
}

std::vector<WeightFiles> readOtherWeights(const fs::path& folder, const WeightFiles& used) {
    std::vector<WeightFiles> others;
    const std::vector<StoredForm> forms = formsIn(folder);
    for (std::size_t i = 1; i < forms.size(); ++i)
        if (auto files = readForm(folder, forms[i]); files && !std::ranges::equal(files->files, used.files, {}, &WeightFile::path, &WeightFile::path))
            others.push_back(std::move(*files));
    return others;
}

bool storedHeadDiffers(const WeightFiles& files, const TensorPlaces& places, const DecoderSpec& spec) {
    const auto embedding = places.byName.find(expectedTensors(spec).front().name);
    if (places.tiedHead.empty() || embedding == places.byName.end())
        return false;
    const TensorPlace &head = places.tiedHead.begin()->second, &tied = embedding->second;
    if (head.entry.dtype != tied.entry.dtype)
        return true;
    const std::uint64_t size = tied.entry.end - tied.entry.begin;
    const bool sameBytes = head.file == tied.file && head.entry.begin == tied.entry.begin;
    if (sameBytes || !head.entry.strides.empty() || !tied.entry.strides.empty() || head.entry.end - head.entry.begin != size)
        return false;
    const auto headBytes = io::openByteSource(files.files[head.file].path), tiedBytes = io::openByteSource(files.files[tied.file].path);
    if (!headBytes || !tiedBytes)
        return false;
    const auto textAt = [&](const io::ByteSource& source, const TensorPlace& place, std::uint64_t offset) {
        const std::uint64_t begin = files.files[place.file].header.dataStart + place.entry.begin + offset;
        return source.text(begin, std::min(kComparedBytes, size - offset));
    };
    for (std::uint64_t block = 0; block < kComparedBlocks; ++block) {
        const std::uint64_t offset = size / kComparedBlocks * block;
        const auto ofHead = textAt(**headBytes, head, offset), ofTied = textAt(**tiedBytes, tied, offset);
        if (ofHead && ofTied && *ofHead != *ofTied)
            return true;
    }
    return false;
}

Result<TensorPlaces> placeTensors(const WeightFiles& files, const DecoderSpec& spec, const std::string& where) {
    const Family* family = findFamily(spec.family);
    if (!family)
        return fail(ErrorKind::Unsupported, unsupportedFamilyReason(spec.family), where);
    const std::vector<TensorInfo> expected = expectedTensors(spec);
    const NameMapper mapper(*family, expected);
    TensorPlaces places;
    std::optional<TensorPlace> extraHead;
    for (std::size_t file = 0; file < files.files.size(); ++file)
        for (const io::TensorEntry& tensor : files.files[file].header.tensors) {
            const std::string source = files.files[file].path.string();
            const TensorInfo* wanted = mapper.find(tensor.name);
            if (!wanted && spec.tiedHead && mapper.isHead(tensor.name)) {
                extraHead = TensorPlace{file, tensor};
                continue;
            }
            if (!wanted && isBuffer(tensor.name))
                continue;
            if (!wanted && mapper.layerOf(tensor.name) >= spec.layers)
                return fail(ErrorKind::Mismatch,
                            fmt::format("Tensor \"{}\" has no place in the model that config.json describes: that one has {}.",
                                        tensor.name, counted(spec.layers, "layer")),
                            source);
            if (!wanted) {
                places.unused.push_back(tensor.name);
                continue;
            }
            CREST_CHECK(checkTensor(tensor, *wanted, source));
            if (!places.byName.emplace(wanted->name, TensorPlace{file, tensor}).second)
                return fail(ErrorKind::Mismatch, fmt::format("Tensor \"{}\" is stored twice.", wanted->name), source);
        }
    if (extraHead) {
        CREST_CHECK(checkTensor(extraHead->entry, expected.front(), files.files[extraHead->file].path.string()));
        // Stored alone it fills the embedding, as transformers 5 does.
        if (places.byName.emplace(mapper.embeddingName(), *extraHead).second == false)
            places.tiedHead.emplace(mapper.headName(), *extraHead);
    }
    for (const TensorInfo& tensor : expected)
        if (!places.byName.contains(tensor.name))
            return fail(
                ErrorKind::Mismatch,
                fmt::format("Tensor \"{}\" {} is missing from the weights.", tensor.name, shapeText(tensor.shape)),
                where);
    return places;
}

} // namespace crest::series
