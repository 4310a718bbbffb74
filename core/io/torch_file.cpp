// SPDX-License-Identifier: Apache-2.0
#include "core/io/torch_file.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/io/pickle_reader.h"
#include "core/io/zip_archive.h"

namespace crest::io {
namespace {

constexpr std::uint64_t kMaxRecordBytes = 64;
/// The magic number of files before torch 1.6, as a pickled number (formats.md 2.9).
constexpr std::string_view kLegacy = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";

tl::unexpected<Error> malformedFile(const std::string& why, const std::string& where) {
    return fail(ErrorKind::Malformed, "Not a sound file of torch.save: " + why + ".", where);
}

/// What a file that is no zip is instead, where it can be told.
Result<void> checkBeginning(const ByteSource& file, const std::string& where) {
    CREST_TRY(head, file.text(0, std::min<std::uint64_t>(file.size(), 512)));
    if (head.empty())
        return malformedFile("it is empty", where);
    if (isGitLfsPointer(head))
        return fail(ErrorKind::Malformed,
                    "This is a git-lfs pointer, not the weights; run `git lfs pull` in its repository.", where);
    if (head.starts_with(kLegacy))
        return fail(ErrorKind::Unsupported,
                    "This file has the form of torch before 1.6, which is not read. Save it again: "
                    "`torch.save(torch.load(file, map_location=\"cpu\", weights_only=True), file)`, or as safetensors.",
                    where);
    if (!head.starts_with("PK\x03\x04"))
        return malformedFile("it is no zip file", where);
    return {};
}

/// The members of the one folder that the archive has, whatever its name.
class Archive {
public:
    static Result<Archive> open(const ByteSource& file, const std::string& where) {
        CREST_TRY(zip, readZipArchive(file, where));
        if (zip.members.empty())
            return malformedFile("the archive is empty", where);
        const std::string& first = zip.members.front().name;
        std::string root = first.substr(0, first.find('/') + 1);
        if (root.empty())
            return malformedFile("its members are not in a folder", where);
        for (const ZipMember& member : zip.members)
            if (!member.name.starts_with(root))
                return malformedFile("its members are in more than one folder", where);
        return Archive(std::move(zip), std::move(root));
    }
    const ZipMember* find(const std::string& name) const { return m_zip.find(m_root + name); }
    bool holdsProgram() const {
        return find("constants.pkl") || std::any_of(m_zip.members.begin(), m_zip.members.end(), [&](const auto& m) {
                   return m.name.starts_with(m_root + "code/");
               });
    }

private:
    Archive(ZipArchive zip, std::string root)
        : m_zip(std::move(zip))
        , m_root(std::move(root)) {}
    ZipArchive m_zip;
    std::string m_root;
};

Result<void> checkRecords(const ByteSource& file, const Archive& archive, const std::string& where) {
    if (archive.holdsProgram())
        return fail(ErrorKind::Unsupported,
                    "This is a TorchScript program, which is never run; save the model's state_dict.", where);
    if (const ZipMember* order = archive.find("byteorder")) {
        CREST_TRY(text, readZipMember(file, *order, kMaxRecordBytes, where));
        if (text != "little")
            return fail(ErrorKind::Unsupported, "Its numbers are not little-endian; save it again on a usual machine.",
                        where);
    }
    const ZipMember* version = archive.find("version");
    if (!version)
        return malformedFile("the record \"version\" is missing", where);
    CREST_TRY(text, readZipMember(file, *version, kMaxRecordBytes, where));
    const std::string digits = text.substr(0, text.find('\n'));
    if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos ||
        std::stoi(digits) < 1 || std::stoi(digits) > 10)
        return fail(ErrorKind::Unsupported, "The version of its form is not among 1 to 10.", where);
    return {};
}

TensorEntry entryOf(const PickledTensor& tensor, const ZipMember& storage) {
    TensorEntry entry;
    entry.name = tensor.path.empty() ? std::string() : tensor.path.back();
    entry.dtype = tensor.dtype;
    entry.dtypeText = tensor.dtypeText;
    entry.shape = tensor.shape;
    if (!tensor.contiguous)
        entry.strides = tensor.strides;
    entry.begin = storage.begin + tensor.begin;
    entry.end = storage.begin + tensor.end;
    return entry;
}

} // namespace

Result<TorchFile> readTorchFile(const ByteSource& file, const std::string& where) {
    CREST_CHECK(checkBeginning(file, where));
    CREST_TRY(archive, Archive::open(file, where));
    CREST_CHECK(checkRecords(file, archive, where));
    const ZipMember* pickle = archive.find("data.pkl");
    if (!pickle)
        return malformedFile("the record \"data.pkl\" is missing", where);
    CREST_TRY(bytes, readZipMember(file, *pickle, kMaxPickleBytes, where));
    CREST_TRY(object, readTorchPickle(std::as_bytes(std::span(std::as_const(bytes))), where));
    std::vector<const ZipMember*> storages;
    for (const PickledStorage& storage : object.storages) {
        storages.push_back(archive.find("data/" + storage.key));
        if (!storages.back())
            return malformedFile(fmt::format("the storage data/{} is missing", storage.key), where);
        if (storages.back()->size != storage.bytes)
            return malformedFile(fmt::format("the storage data/{} should have {} bytes, it has {}", storage.key,
                                         storage.bytes, storages.back()->size),
                             where);
    }
    TorchFile out;
    out.values = std::move(object.values);
    out.tensors.reserve(object.tensors.size());
    for (PickledTensor& tensor : object.tensors) {
        TensorEntry entry = entryOf(tensor, *storages[tensor.storage]);
        out.tensors.push_back({std::move(tensor.path), std::move(entry)});
    }
    return out;
}

Result<TorchFile> readTorchFile(const std::filesystem::path& file) {
    CREST_TRY(source, openByteSource(file));
    return readTorchFile(*source, file.string());
}

Result<SafetensorsHeader> stateDict(const TorchFile& file, std::string_view key, const std::string& where) {
    const std::string name = key.empty() ? "The file" : fmt::format("Its entry \"{}\"", key);
    const Json* values = &file.values;
    if (!key.empty()) {
        if (!values->is_object() || !values->contains(key))
            return fail(ErrorKind::NotFound, fmt::format("There is no entry \"{}\" in this file.", key), where);
        values = &file.values.at(std::string(key));
    }
    if (!values->is_object())
        return fail(ErrorKind::Unsupported, name + " is no dict of tensors.", where);
    if (!values->empty())
        return fail(ErrorKind::Unsupported,
                    fmt::format("{} holds more than tensors: {} is none. Only the state_dict of a model is read here.",
                                name, Json(values->begin().key()).dump()),
                    where);
    SafetensorsHeader header;
    for (const TorchTensor& tensor : file.tensors)
        if (tensor.path.size() == (key.empty() ? 1u : 2u) && (key.empty() || tensor.path.front() == key))
            header.tensors.push_back(tensor.entry);
    if (header.tensors.empty())
        return fail(ErrorKind::Malformed, name + " holds no tensors.", where);
    std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    return header;
}

} // namespace crest::io
