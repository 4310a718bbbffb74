// SPDX-License-Identifier: Apache-2.0
#include "core/io/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <boost/crc.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace crest::io {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralEntry = 0x02014b50, kEndRecord = 0x06054b50,
                        kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kZip64EndBytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr std::uint64_t kMaxDirectoryBytes = 12'000'000, kMaxMembers = 65'536;
constexpr std::size_t kMaxMemberNameBytes = 512;
constexpr std::uint16_t kSizesFollow = 0x0008, kUtf8Name = 0x0800;
constexpr std::uint32_t kMax32 = 0xffffffff;

std::string shownMember(std::string_view text) {
    return nlohmann::json(std::string(text.substr(0, 80)))
        .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

/// Little-endian numbers of a record whose length the caller has checked.
class Fields {
public:
    explicit Fields(std::string_view bytes)
        : m_bytes(bytes) {}
    template<class T> T take() {
        T value{};
        std::memcpy(&value, m_bytes.data() + m_at, sizeof value);
        m_at += sizeof value;
        return value;
    }
    void skip(std::size_t bytes) { m_at += bytes; }

private:
    std::string_view m_bytes;
    std::size_t m_at = 0;
};

tl::unexpected<Error> malformedZip(const std::string& why, const std::string& where) {
    return fail(ErrorKind::Malformed, "Not a sound zip file: " + why + ".", where);
}

struct Directory {
    std::uint64_t offset = 0, size = 0, members = 0;
    std::uint64_t end = 0; ///< where it must end: at the first end record
};

/// The zip64 end record overrides the fields of the old one, which then hold the same or all ones.
Result<void> readZip64End(const ByteSource& file, std::uint64_t locator, Directory& directory,
                          const std::string& where) {
    CREST_TRY(locatorText, file.text(locator, kLocatorBytes));
    Fields pointer(locatorText);
    pointer.skip(4);
    const auto disk = pointer.take<std::uint32_t>();
    const auto at = pointer.take<std::uint64_t>();
    if (disk != 0 || pointer.take<std::uint32_t>() != 1)
        return malformedZip("it is one of several parts", where);
    if (locator < kZip64EndBytes || at != locator - kZip64EndBytes)
        return malformedZip("its zip64 end record is not where it must be", where);
    CREST_TRY(text, file.text(at, kZip64EndBytes));
    Fields record(text);
    if (record.take<std::uint32_t>() != kZip64End || record.take<std::uint64_t>() != kZip64EndBytes - 12)
        return malformedZip("its zip64 end record is damaged", where);
    record.skip(4); // versions
    const auto thisDisk = record.take<std::uint32_t>(), directoryDisk = record.take<std::uint32_t>();
    const auto membersHere = record.take<std::uint64_t>(), members = record.take<std::uint64_t>();
    const auto size = record.take<std::uint64_t>(), offset = record.take<std::uint64_t>();
    if (thisDisk != 0 || directoryDisk != 0 || membersHere != members)
        return malformedZip("it is one of several parts", where);
    if ((directory.members != 0xffff && directory.members != members) ||
        (directory.size != kMax32 && directory.size != size) ||
        (directory.offset != kMax32 && directory.offset != offset))
        return malformedZip("its two end records contradict each other", where);
    directory = {offset, size, members, at};
    return {};
}

Result<Directory> findDirectory(const ByteSource& file, const std::string& where) {
    if (file.size() < kEndBytes)
        return malformedZip(fmt::format("it has {} bytes, too few for an end record", file.size()), where);
    const std::uint64_t end = file.size() - kEndBytes;
    CREST_TRY(text, file.text(end, kEndBytes));
    Fields record(text);
    if (record.take<std::uint32_t>() != kEndRecord)
        return malformedZip("its last 22 bytes are no end record: it is truncated, or something was added to it", where);
    const auto disk = record.take<std::uint16_t>(), directoryDisk = record.take<std::uint16_t>();
    const auto membersHere = record.take<std::uint16_t>();
    Directory directory;
    directory.members = record.take<std::uint16_t>();
    directory.size = record.take<std::uint32_t>();
    directory.offset = record.take<std::uint32_t>();
    directory.end = end;
    if (disk != 0 || directoryDisk != 0 || membersHere != directory.members)
        return malformedZip("it is one of several parts", where);
    if (record.take<std::uint16_t>() != 0)
        return malformedZip("its end record promises a comment that is not there", where);
    std::uint32_t signature = 0;
    if (end >= kLocatorBytes) {
        CREST_TRY(before, file.text(end - kLocatorBytes, 4));
        signature = Fields(before).take<std::uint32_t>();
    }
    if (signature == kZip64Locator)
        CREST_CHECK(readZip64End(file, end - kLocatorBytes, directory, where));
    std::uint64_t directoryEnd = 0;
    if (__builtin_add_overflow(directory.offset, directory.size, &directoryEnd) || directoryEnd != directory.end)
        return malformedZip(fmt::format("its directory does not end at its end record (at {}), so bytes were cut out, "
                                     "added or moved",
                                     directory.end),
                         where);
    if (directory.members > kMaxMembers || directory.size > kMaxDirectoryBytes)
        return malformedZip(fmt::format("its directory has {} members in {} bytes; at most {} in {} are read",
                                     directory.members, directory.size, kMaxMembers, kMaxDirectoryBytes),
                         where);
    return directory;
}

const char* nameProblem(std::string_view name) {
    if (name.empty() || name.size() > kMaxMemberNameBytes)
        return "is empty or too long";
    if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }))
        return "has control characters";
    if (name.front() == '/' || name.find('\\') != std::string_view::npos || name.find(':') != std::string_view::npos)
        return "is an absolute path or one of another system";
    for (std::size_t at = 0; at <= name.size();) {
        const std::size_t next = std::min(name.find('/', at), name.size());
        const std::string_view part = name.substr(at, next - at);
        if (part.empty() || part == "." || part == "..")
            return "leads out of the archive or names a folder";
        at = next + 1;
    }
    return nullptr;
}

struct Entry {
    ZipMember member;
    std::uint64_t header = 0; ///< of its local header
    std::uint16_t flags = 0;
};

/// Sizes and offset that do not fit 32 bits stand in the extra field 1, in this order.
bool readZip64Extra(std::string_view extra, Entry& entry, std::uint64_t& packed) {
    while (extra.size() >= 4) {
        Fields head(extra);
        const auto id = head.take<std::uint16_t>(), size = head.take<std::uint16_t>();
        if (size > extra.size() - 4)
            return false;
        if (id == 1) {
            Fields values(extra.substr(4, size));
            std::size_t left = size;
            for (std::uint64_t* field : {&entry.member.size, &packed, &entry.header})
                if (*field == kMax32) {
                    if (left < 8)
                        return false;
                    *field = values.take<std::uint64_t>();
                    left -= 8;
                }
            return true;
        }
        extra.remove_prefix(4u + size);
    }
    return extra.empty();
}

/// One record of the directory; `rest` is what is left of it.
Result<Entry> readEntry(std::string_view& rest, const std::string& where) {
    if (rest.size() < kEntryBytes)
        return malformedZip("its directory is cut off", where);
    Fields fields(rest);
    if (fields.take<std::uint32_t>() != kCentralEntry)
        return malformedZip("a record of its directory has no signature", where);
    Entry entry;
    fields.skip(4); // versions
    entry.flags = fields.take<std::uint16_t>();
    const auto method = fields.take<std::uint16_t>();
    fields.skip(4); // time and date
    entry.member.crc = fields.take<std::uint32_t>();
    std::uint64_t packed = fields.take<std::uint32_t>();
    entry.member.size = fields.take<std::uint32_t>();
    const auto nameBytes = fields.take<std::uint16_t>(), extraBytes = fields.take<std::uint16_t>(),
               commentBytes = fields.take<std::uint16_t>(), disk = fields.take<std::uint16_t>();
    fields.skip(6); // attributes
    entry.header = fields.take<std::uint32_t>();
    if (rest.size() - kEntryBytes < std::size_t{nameBytes} + extraBytes + commentBytes)
        return malformedZip("its directory is cut off", where);
    entry.member.name = rest.substr(kEntryBytes, nameBytes);
    const std::string name = shownMember(entry.member.name);
    if (const char* problem = nameProblem(entry.member.name))
        return malformedZip(fmt::format("the member name {} {}", name, problem), where);
    if ((entry.flags & ~(kSizesFollow | kUtf8Name)) != 0)
        return malformedZip(fmt::format("member {} is encrypted or has unknown flags ({:#06x})", name, entry.flags),
                         where);
    if (method != 0)
        return malformedZip(
            fmt::format(
                "member {} is compressed (method {}); torch.save only stores, and TorchScript programs are not read",
                name, method),
            where);
    if (disk != 0)
        return malformedZip("it is one of several parts", where);
    if (!readZip64Extra(rest.substr(kEntryBytes + nameBytes, extraBytes), entry, packed))
        return malformedZip(fmt::format("the extra fields of member {} are damaged", name), where);
    if (packed != entry.member.size)
        return malformedZip(fmt::format("member {} has two sizes, {} and {}", name, packed, entry.member.size), where);
    rest.remove_prefix(kEntryBytes + nameBytes + extraBytes + commentBytes);
    return entry;
}

/// Compares the local header with the directory and finds where the data begin.
Result<void> placeData(const ByteSource& file, const Directory& directory, Entry& entry, const std::string& where) {
    const std::string name = shownMember(entry.member.name);
    const std::uint64_t headBytes = kLocalBytes + entry.member.name.size();
    if (entry.header > directory.offset || headBytes > directory.offset - entry.header)
        return malformedZip(fmt::format("member {} begins behind the directory", name), where);
    CREST_TRY(text, file.text(entry.header, headBytes));
    Fields fields(text);
    if (fields.take<std::uint32_t>() != kLocalHeader)
        return malformedZip(fmt::format("there is no local header for member {} at byte {}", name, entry.header), where);
    fields.skip(2);
    const auto flags = fields.take<std::uint16_t>(), method = fields.take<std::uint16_t>();
    fields.skip(4);
    const auto crc = fields.take<std::uint32_t>();
    const auto packed = fields.take<std::uint32_t>(), size = fields.take<std::uint32_t>();
    const auto nameBytes = fields.take<std::uint16_t>(), extraBytes = fields.take<std::uint16_t>();
    const auto sizeAgrees = [&](std::uint32_t value) {
        return value == entry.member.size || value == kMax32 || (value == 0 && (flags & kSizesFollow));
    };
    if (flags != entry.flags || method != 0 || nameBytes != entry.member.name.size() ||
        text.compare(kLocalBytes, std::string::npos, entry.member.name) != 0 || !sizeAgrees(packed) ||
        !sizeAgrees(size) || (crc != 0 && crc != entry.member.crc))
        return malformedZip(fmt::format("the local header of member {} contradicts the directory", name), where);
    entry.member.begin = entry.header + headBytes + extraBytes;
    if (entry.member.begin > directory.offset || entry.member.size > directory.offset - entry.member.begin)
        return malformedZip(fmt::format("member {} of {} bytes reaches into the directory", name, entry.member.size),
                         where);
    return {};
}

/// Members must follow each other; only the record of sizes and CRC that the flags announce lies between.
std::string coverageProblem(const std::vector<Entry>& entries, std::uint64_t directoryOffset) {
    std::uint64_t next = 0;
    bool descriptor = false;
    const auto gapProblem = [&](std::uint64_t begin, const std::string& what) -> std::string {
        if (begin < next)
            return fmt::format("{} overlaps the member before it", what);
        const std::uint64_t gap = begin - next;
        const bool known = gap == 0 || (descriptor && gap >= 12 && gap <= 24 && gap % 4 == 0);
        return known ? std::string() : fmt::format("{} bytes before {} belong to no member", gap, what);
    };
    for (const Entry& entry : entries) {
        std::string problem = gapProblem(entry.header, "member " + shownMember(entry.member.name));
        if (!problem.empty())
            return problem;
        next = entry.member.begin + entry.member.size;
        descriptor = entry.flags & kSizesFollow;
    }
    return gapProblem(directoryOffset, "the directory");
}

} // namespace

const ZipMember* ZipArchive::find(std::string_view name) const {
    const auto found = std::lower_bound(m_byName.begin(), m_byName.end(), name,
                                        [&](std::uint32_t i, std::string_view n) { return members[i].name < n; });
    return found == m_byName.end() || members[*found].name != name ? nullptr : &members[*found];
}

Result<ZipArchive> readZipArchive(const ByteSource& file, const std::string& where) {
    CREST_TRY(directory, findDirectory(file, where));
    std::vector<Entry> entries;
    {
        CREST_TRY(text, file.text(directory.offset, directory.size));
        std::string_view rest = text;
        for (std::uint64_t i = 0; i < directory.members; ++i) {
            CREST_TRY(entry, readEntry(rest, where));
            entries.push_back(std::move(entry));
        }
        if (!rest.empty())
            return malformedZip(
                fmt::format("its directory has {} bytes more than its {} members need", rest.size(), directory.members),
                where);
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.header < b.header; });
    for (Entry& entry : entries)
        CREST_CHECK(placeData(file, directory, entry, where));
    const std::string problem = coverageProblem(entries, directory.offset);
    if (!problem.empty())
        return malformedZip(problem, where);
    ZipArchive archive;
    for (Entry& entry : entries)
        archive.members.push_back(std::move(entry.member));
    archive.m_byName.resize(archive.members.size());
    std::iota(archive.m_byName.begin(), archive.m_byName.end(), 0u);
    const auto nameOf = [&](std::uint32_t i) -> const std::string& { return archive.members[i].name; };
    std::sort(archive.m_byName.begin(), archive.m_byName.end(),
              [&](std::uint32_t a, std::uint32_t b) { return nameOf(a) < nameOf(b); });
    const auto twice = std::adjacent_find(archive.m_byName.begin(), archive.m_byName.end(),
                                          [&](std::uint32_t a, std::uint32_t b) { return nameOf(a) == nameOf(b); });
    if (twice != archive.m_byName.end())
        return malformedZip(fmt::format("the member name {} occurs twice", shownMember(nameOf(*twice))), where);
    return archive;
}

Result<std::string> readZipMember(const ByteSource& file, const ZipMember& member, std::uint64_t maxBytes,
                                  const std::string& where) {
    if (member.size > maxBytes)
        return malformedZip(fmt::format("member {} has {} bytes; at most {} are read of such a member", shownMember(member.name),
                                     member.size, maxBytes),
                         where);
    CREST_TRY(text, file.text(member.begin, member.size));
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    if (member.crc != 0 && member.crc != crc.checksum())
        return malformedZip(
            fmt::format("the CRC of member {} does not fit its bytes: the file is damaged", shownMember(member.name)), where);
    return text;
}

} // namespace crest::io
