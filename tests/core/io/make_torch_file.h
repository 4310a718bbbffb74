// SPDX-License-Identifier: Apache-2.0
// Files of torch.save put together by hand, byte by byte: right unless a test breaks them.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include <boost/crc.hpp>

namespace crest::test {

template<class T> std::string raw(T value) {
    std::string out(sizeof value, '\0');
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

// Pieces of pickles (protocol 2).
inline const std::string kProto("\x80\x02", 2);
inline std::string global(const std::string& module, const std::string& name) {
    return "c" + module + "\n" + name + "\n";
}
inline std::string text(const std::string& value) {
    return "X" + raw(static_cast<std::uint32_t>(value.size())) + value;
}
inline std::string number(std::int64_t value) {
    return "\x8a\x08" + raw(value);
}
inline std::string tuple(const std::vector<std::int64_t>& values) {
    std::string out = "(";
    for (const std::int64_t value : values)
        out += number(value);
    return out + "t";
}
/// The persistent id of a storage, not yet resolved (BINPERSID is "Q").
inline std::string storageId(const std::string& type = global("torch", "FloatStorage"), const std::string& key = "0",
                             std::int64_t elements = 6) {
    return "(" + text("storage") + type + text(key) + text("cpu") + number(elements) + "t";
}
inline std::string hooks() {
    return global("collections", "OrderedDict") + ")R";
}
inline std::string tensor(const std::string& storage = storageId() + "Q", std::int64_t offset = 0,
                          const std::string& shape = tuple({2, 3}), const std::string& strides = tuple({3, 1})) {
    return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + number(offset) + shape + strides + "\x89" +
           hooks() + "tR";
}
/// {"a": value}
inline std::string dictOf(const std::string& value) {
    return kProto + "}(" + text("a") + value + "u.";
}

// Zip files.
struct ZipPart {
    std::string name, data;
    std::uint16_t method = 0, flags = 0;
    bool crc = true;
    std::string localName = {}; ///< where it differs from the directory's
    std::string extra = {};     ///< of the directory
};

/// Numbers of the end record that a test may falsify.
struct ZipEnd {
    int moreMembers = 0, moreSize = 0, moreOffset = 0;
    std::uint16_t disk = 0;
    std::string comment = {}; ///< announced and written
    bool zip64 = false;
    std::uint64_t zip64Members = 0; ///< in place of the right number
    int zip64Moved = 0;             ///< how far the locator points wrong
};

inline std::uint32_t crcOf(const std::string& data) {
    boost::crc_32_type crc;
    crc.process_bytes(data.data(), data.size());
    return crc.checksum();
}

inline std::string zipFile(const std::vector<ZipPart>& parts, const ZipEnd& end = {}) {
    std::string file, directory;
    for (const ZipPart& part : parts) {
        const std::string local = part.localName.empty() ? part.name : part.localName;
        const auto offset = static_cast<std::uint32_t>(file.size());
        const auto size = static_cast<std::uint32_t>(part.data.size());
        const std::uint32_t crc = part.crc ? crcOf(part.data) : 0;
        const std::string common =
            raw(part.flags) + raw(part.method) + std::string(4, '\0') + raw(crc) + raw(size) + raw(size);
        file += "PK\x03\x04" + raw(std::uint16_t{0}) + common + raw(static_cast<std::uint16_t>(local.size())) +
                raw(std::uint16_t{0}) + local + part.data;
        directory += "PK\x01\x02" + std::string(4, '\0') + common + raw(static_cast<std::uint16_t>(part.name.size())) +
                     raw(static_cast<std::uint16_t>(part.extra.size())) + std::string(10, '\0') + raw(offset) +
                     part.name + part.extra;
    }
    const auto count = static_cast<std::uint16_t>(static_cast<int>(parts.size()) + end.moreMembers);
    const auto size = static_cast<std::uint32_t>(static_cast<int>(directory.size()) + end.moreSize);
    const auto offset = static_cast<std::uint32_t>(static_cast<int>(file.size()) + end.moreOffset);
    file += directory;
    if (end.zip64) {
        const std::uint64_t at = file.size() + static_cast<std::uint64_t>(end.zip64Moved);
        const std::uint64_t members = end.zip64Members ? end.zip64Members : count;
        file += "PK\x06\x06" + raw(std::uint64_t{44}) + std::string(12, '\0') + raw(members) + raw(members) +
                raw(std::uint64_t{size}) + raw(std::uint64_t{offset});
        file += "PK\x06\x07" + raw(std::uint32_t{0}) + raw(at) + raw(std::uint32_t{1});
    }
    return file + "PK\x05\x06" + raw(end.disk) + raw(end.disk) + raw(count) + raw(count) + raw(size) + raw(offset) +
           raw(static_cast<std::uint16_t>(end.comment.size())) + end.comment;
}

/// The members that torch.save writes, the storage data/0 of 24 bytes among them.
inline std::vector<ZipPart> torchParts(const std::string& pickle, const std::string& root = "archive/") {
    return {{root + "data.pkl", pickle},
            {root + "byteorder", "little"},
            {root + "data/0", std::string(24, '\x3f')},
            {root + "version", "3\n"}};
}
inline std::string torchFile(const std::string& pickle, const ZipEnd& end = {}) {
    return zipFile(torchParts(pickle), end);
}
/// With one part changed or added.
template<class Change> std::string changedFile(Change change, const std::string& pickle = dictOf(tensor())) {
    std::vector<ZipPart> parts = torchParts(pickle);
    change(parts);
    return zipFile(parts);
}

} // namespace crest::test
