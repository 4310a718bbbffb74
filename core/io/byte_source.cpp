// SPDX-License-Identifier: Apache-2.0
#include "core/io/byte_source.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/io/files.h"

namespace crest::io {
namespace {

Result<void> endsBefore(const std::string& where) {
    return fail(ErrorKind::Malformed, "The file is truncated.", where);
}

class MemorySource final : public ByteSource {
public:
    explicit MemorySource(std::span<const std::byte> bytes)
        : m_bytes(bytes) {}
    std::uint64_t size() const override { return m_bytes.size(); }
    Result<void> read(std::uint64_t offset, std::span<std::byte> into) const override {
        if (offset > m_bytes.size() || into.size() > m_bytes.size() - offset)
            return endsBefore({});
        std::copy_n(m_bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
        return {};
    }

private:
    std::span<const std::byte> m_bytes;
};

class FileSource final : public ByteSource {
public:
    FileSource(int descriptor, std::uint64_t size, std::filesystem::path file)
        : m_descriptor(descriptor)
        , m_size(size)
        , m_file(std::move(file)) {}
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;
    ~FileSource() override { ::close(m_descriptor); }
    std::uint64_t size() const override { return m_size; }
    Result<void> read(std::uint64_t offset, std::span<std::byte> into) const override {
        if (offset > m_size || into.size() > m_size - offset)
            return endsBefore(m_file.string());
        for (std::size_t done = 0; done < into.size();) {
            const ssize_t got =
                ::pread(m_descriptor, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                return fail(systemError(errno, "read", m_file));
            if (got == 0)
                return fail(ErrorKind::Io, "The file became shorter while it was read.", m_file.string());
            done += static_cast<std::size_t>(got);
        }
        return {};
    }

private:
    int m_descriptor;
    std::uint64_t m_size;
    std::filesystem::path m_file;
};

} // namespace

Result<std::string> ByteSource::text(std::uint64_t offset, std::uint64_t count) const {
    if (offset > size() || count > size() - offset)
        return fail(ErrorKind::Malformed, "The file is truncated.");
    std::string out(static_cast<std::size_t>(count), '\0');
    CREST_CHECK(read(offset, std::as_writable_bytes(std::span(out))));
    return out;
}

Result<std::unique_ptr<ByteSource>> openByteSource(const std::filesystem::path& file) {
    int descriptor = -1;
    do // O_NONBLOCK: opening a pipe must not wait for its writer.
        descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0)
        return fail(systemError(errno, "open", file));
    struct stat status {};
    const bool known = ::fstat(descriptor, &status) == 0;
    auto source = std::make_unique<FileSource>(descriptor, static_cast<std::uint64_t>(status.st_size), file);
    if (!known)
        return fail(systemError(errno, "look at", file));
    if (!S_ISREG(status.st_mode))
        return fail(ErrorKind::Io, "This is not a regular file; it is not read.", file.string());
    return std::unique_ptr<ByteSource>(std::move(source));
}

std::unique_ptr<ByteSource> memorySource(std::span<const std::byte> bytes) {
    return std::make_unique<MemorySource>(bytes);
}

} // namespace crest::io
