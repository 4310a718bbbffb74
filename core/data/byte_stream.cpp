// SPDX-License-Identifier: Apache-2.0
#include "core/data/byte_stream.h"

#include <algorithm>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "core/data/py_text.h"
#include "core/io/byte_source.h"
#include "core/io/files.h"
#include "core/text/unicode.h"

namespace crest::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostMembers = 200'000;
constexpr std::size_t kBlock = 65'536;
/// Text shrinks to a fourth, tables of one word to a hundredth; deflate's most is a thousandth. A stretch may do better,
/// but not more of it at a time than this: what unpacks to blank lines must not cost more the longer the file is.
constexpr std::uint64_t kMostExpansion = 200;
constexpr std::uint64_t kMostAhead = 16'000'000;

class PlainStream final : public ByteStream {
public:
    explicit PlainStream(std::unique_ptr<io::ByteSource> source)
        : m_source(std::move(source)) {}
    Result<std::size_t> read(std::span<char> into) override {
        const std::size_t count =
            static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), m_source->size() - m_at));
        CREST_CHECK(m_source->read(m_at, std::as_writable_bytes(into.first(count))));
        m_at += count;
        return count;
    }

private:
    std::unique_ptr<io::ByteSource> m_source;
    std::uint64_t m_at = 0;
};

struct CloseArchive {
    void operator()(archive* opened) const { archive_read_free(opened); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

tl::unexpected<Error> problemOf(archive* opened, const fs::path& file) {
    const char* text = archive_error_string(opened);
    return fail(ErrorKind::Malformed, fmt::format("cannot be unpacked: {}", text ? text : "unknown cause"),
                file.string());
}

bool hasEnd(const std::string& name, std::string_view end) {
    return name.size() > end.size() && pyLower(name).ends_with(end);
}

Result<Archive> openArchive(const fs::path& file, bool members) {
    // Regular files only, and a sentence where there is none.
    CREST_CHECK(io::readFileHead(file, 1));
    Archive opened(archive_read_new());
    if (!opened)
        return fail(ErrorKind::Internal, "no memory for an archive", file.string());
    archive_read_support_filter_gzip(opened.get());
    if (members) {
        archive_read_support_format_zip(opened.get());
        archive_read_support_format_tar(opened.get());
    } else {
        archive_read_support_format_raw(opened.get());
        archive_read_support_format_empty(opened.get());
    }
    if (archive_read_open_filename(opened.get(), file.c_str(), kBlock) != ARCHIVE_OK)
        return problemOf(opened.get(), file);
    return opened;
}

std::string nameOf(archive_entry* entry) {
    const char* name = archive_entry_pathname_utf8(entry);
    if (!name)
        name = archive_entry_pathname(entry);
    std::string text = name ? text::repairUtf8(name) : std::string();
    while (text.starts_with("./"))
        text.erase(0, 2);
    return text;
}

class ArchiveStream final : public ByteStream {
public:
    ArchiveStream(Archive opened, fs::path file)
        : m_archive(std::move(opened))
        , m_file(std::move(file))
        , m_consumed(consumed()) {}
    Result<std::size_t> read(std::span<char> into) override {
        const la_ssize_t count = archive_read_data(m_archive.get(), into.data(), into.size());
        if (count < 0)
            return problemOf(m_archive.get(), m_file);
        const std::int64_t now = consumed();
        const auto packed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now - m_consumed));
        m_consumed = std::max(m_consumed, now);
        m_left = std::min(m_left + kMostExpansion * packed, kMostAhead);
        if (static_cast<std::uint64_t>(count) > m_left)
            return fail(ErrorKind::OutOfRange,
                        "a part of it unpacks to more than 200 times its size; unpack it by hand if it is meant so",
                        m_file.string());
        m_left -= static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

private:
    Archive m_archive;
    fs::path m_file;
    std::int64_t m_consumed;           ///< of the packed file
    std::uint64_t m_left = kMostAhead; ///< so much may come out before more of it is read

    std::int64_t consumed() const { return archive_filter_bytes(m_archive.get(), -1); }
};

class EmptyStream final : public ByteStream {
public:
    Result<std::size_t> read(std::span<char>) override { return std::size_t(0); }
};

/// Steps to the next regular file; false at the end.
Result<bool> nextFile(archive* opened, const fs::path& file, archive_entry** entry) {
    for (std::size_t seen = 0;; ++seen) {
        const int status = archive_read_next_header(opened, entry);
        if (status == ARCHIVE_EOF)
            return false;
        if (status < ARCHIVE_WARN)
            return problemOf(opened, file);
        if (seen > kMostMembers)
            return fail(ErrorKind::Malformed, fmt::format("more than {} members", kMostMembers), file.string());
        if (archive_entry_filetype(*entry) == AE_IFREG)
            return true;
    }
}

} // namespace

bool isArchiveName(const std::string& name) {
    return hasEnd(name, ".zip") || hasEnd(name, ".tar") || hasEnd(name, ".tar.gz") || hasEnd(name, ".tgz");
}

Result<std::vector<std::string>> archiveMembers(const fs::path& file) {
    CREST_TRY(opened, openArchive(file, true));
    std::vector<std::string> names;
    archive_entry* entry = nullptr;
    while (true) {
        CREST_TRY(there, nextFile(opened.get(), file, &entry));
        if (!there)
            return names;
        names.push_back(nameOf(entry));
        if (names.size() > kMostMembers)
            return fail(ErrorKind::Malformed, fmt::format("more than {} members", kMostMembers), file.string());
    }
}

Result<std::unique_ptr<ByteStream>> openByteStream(const DataFile& file) {
    const bool packed = hasEnd(file.path.filename().string(), ".gz");
    if (file.member.empty() && !packed) {
        CREST_TRY(source, io::openByteSource(file.path));
        return std::make_unique<PlainStream>(std::move(source));
    }
    CREST_TRY(opened, openArchive(file.path, !file.member.empty()));
    archive_entry* entry = nullptr;
    while (true) {
        CREST_TRY(there, nextFile(opened.get(), file.path, &entry));
        if (!there && file.member.empty())
            return std::make_unique<EmptyStream>();
        if (!there)
            return fail(ErrorKind::NotFound, fmt::format("has no member \"{}\"", file.member), file.path.string());
        if (file.member.empty() || nameOf(entry) == file.member)
            break;
    }
    return std::make_unique<ArchiveStream>(std::move(opened), file.path);
}

} // namespace crest::data
