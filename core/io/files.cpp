// SPDX-License-Identifier: Apache-2.0
#include "core/io/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/descriptor.h"

namespace crest::io {
namespace {

namespace fs = std::filesystem;

int openRetrying(const fs::path& file, int flags, mode_t mode = 0) {
    int descriptor = -1;
    do
        descriptor = ::open(file.c_str(), flags | O_CLOEXEC, mode);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/// Size of an open regular file. Pipes, devices and folders are refused: reading them could wait for ever.
Result<std::uint64_t> regularSize(int descriptor, const fs::path& file) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0)
        return fail(systemError(errno, "look at", file));
    if (!S_ISREG(status.st_mode))
        return fail(ErrorKind::Io, "This is not a regular file; it is not read.", file.string());
    return static_cast<std::uint64_t>(status.st_size);
}

Result<std::string> readUpTo(int descriptor, std::uint64_t count, const fs::path& file) {
    std::string out(count, '\0');
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t got = ::read(descriptor, out.data() + done, out.size() - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(systemError(errno, "read", file));
        if (got == 0)
            break;
        done += static_cast<std::size_t>(got);
    }
    out.resize(done);
    return out;
}

} // namespace

Error systemError(int code, const char* action, const fs::path& file) {
    ErrorKind kind = ErrorKind::Io;
    std::string cause;
    switch (code) {
    case ENOENT:
        return Error{ErrorKind::NotFound, "There is no such file or folder.", file.string()};
    case ENOSPC:
    case EDQUOT:
        kind = ErrorKind::NoSpace;
        cause = code == ENOSPC ? "the disk is full" : "the disk quota is used up";
        cause += "; free some space and go on, what is finished is kept";
        break;
    case EFBIG:
        kind = ErrorKind::NoSpace;
        cause = "the file would grow beyond the size that this system allows";
        break;
    case EROFS:
        cause = "the file system is read-only; choose another folder";
        break;
    case EACCES:
    case EPERM:
        cause = "permission is missing; check the owner and mode of the file and its folder";
        break;
    case EMFILE:
    case ENFILE:
        cause = "too many files are open";
        break;
    default:
        cause = std::strerror(code);
    }
    return Error{kind, fmt::format("Could not {} it: {}.", action, cause), file.string()};
}

Result<MappedFile> MappedFile::open(const fs::path& file) {
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    const Descriptor descriptor(openRetrying(file, O_RDONLY | O_NONBLOCK));
    if (descriptor.get() < 0)
        return fail(systemError(errno, "open", file));
    CREST_TRY(size, regularSize(descriptor.get(), file));
    if (size == 0)
        return MappedFile(nullptr, 0);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
    if (data == MAP_FAILED)
        return fail(systemError(errno, "map", file));
    return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : m_data(std::exchange(other.m_data, nullptr))
    , m_size(std::exchange(other.m_size, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(m_data, other.m_data);
    std::swap(m_size, other.m_size);
    return *this;
}

MappedFile::~MappedFile() {
    if (m_data)
        ::munmap(const_cast<std::byte*>(m_data), m_size);
}

void MappedFile::willNeed(std::uint64_t offset, std::uint64_t length) const {
    advise(offset, length, MADV_WILLNEED);
}

void MappedFile::release(std::uint64_t offset, std::uint64_t length) const {
    advise(offset, length, MADV_DONTNEED);
}

void MappedFile::advise(std::uint64_t offset, std::uint64_t length, int advice) const {
    if (!m_data || offset >= m_size)
        return;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t start = offset / page * page;
    const std::uint64_t end = length > m_size - offset ? m_size : offset + length;
    // Only a hint: a refusal changes nothing but speed.
    ::madvise(const_cast<std::byte*>(m_data) + start, end - start, advice);
}

bool isThere(const fs::path& path) {
    std::error_code error;
    return fs::exists(fs::symlink_status(path, error));
}

Result<FileHead> readFileHead(const fs::path& file, std::uint64_t count) {
    const Descriptor descriptor(openRetrying(file, O_RDONLY | O_NONBLOCK));
    if (descriptor.get() < 0)
        return fail(systemError(errno, "open", file));
    CREST_TRY(size, regularSize(descriptor.get(), file));
    CREST_TRY(bytes, readUpTo(descriptor.get(), std::min(count, size), file));
    return FileHead{std::move(bytes), size};
}

bool isGitLfsPointer(std::string_view head) {
    return head.starts_with("version https://git-lfs.github.com/spec/");
}

Result<std::string> readTextFile(const fs::path& file, std::uint64_t maxBytes) {
    // Files that grow while they are read, and those of /proc that say 0, are read to their end, within the limit.
    const Descriptor descriptor(openRetrying(file, O_RDONLY | O_NONBLOCK));
    if (descriptor.get() < 0)
        return fail(systemError(errno, "open", file));
    CREST_TRY(size, regularSize(descriptor.get(), file));
    std::string text;
    for (std::uint64_t step = size + 1; text.size() <= maxBytes && size <= maxBytes;) {
        CREST_TRY(piece, readUpTo(descriptor.get(), step, file));
        text += piece;
        if (piece.size() < step)
            return text;
        step = 65536;
    }
    return fail(ErrorKind::OutOfRange,
                fmt::format("The file has {} bytes, more than the {} that are read of such a file.",
                            std::max<std::uint64_t>(size, text.size()), maxBytes),
                file.string());
}

Result<void> syncFolder(const fs::path& folder) {
    const Descriptor descriptor(openRetrying(folder.empty() ? fs::path(".") : folder, O_RDONLY | O_DIRECTORY));
    if (descriptor.get() < 0)
        return fail(systemError(errno, "open", folder));
    // Some file systems cannot sync a folder and say EINVAL; there is nothing more to ask of them.
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL)
        return fail(systemError(errno, "sync", folder));
    return {};
}

} // namespace crest::io
