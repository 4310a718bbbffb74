// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/files.h"

namespace crest::io {

namespace fs = std::filesystem;

Result<AtomicFile> AtomicFile::create(const fs::path& file) {
    static std::atomic<unsigned> counter{0};
    std::error_code ignored;
    if (!file.has_filename() || fs::is_directory(file, ignored)) // known before anything is computed for it
        return fail(ErrorKind::OutOfRange, "This names a folder, not a file to write.", file.string());
    // A name that only a crash of this very process id can leave behind; O_EXCL notices it and takes the next.
    for (int attempt = 0;; ++attempt) {
        const fs::path temporary = file.parent_path() / fmt::format(".{}.{}-{}.tmp", file.filename().string(),
                                                                    ::getpid(), counter.fetch_add(1));
        const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0)
            return AtomicFile(file, temporary, descriptor);
        if ((errno != EEXIST && errno != EINTR) || attempt == 1000)
            return fail(systemError(errno, "write", file));
    }
}

AtomicFile::AtomicFile(fs::path file, fs::path temporary, int descriptor)
    : m_file(std::move(file))
    , m_temporary(std::move(temporary))
    , m_descriptor(descriptor) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : m_file(std::move(other.m_file))
    , m_temporary(std::move(other.m_temporary))
    , m_descriptor(std::exchange(other.m_descriptor, -1)) {
    other.m_temporary.clear();
}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
    std::swap(m_file, other.m_file);
    std::swap(m_temporary, other.m_temporary);
    std::swap(m_descriptor, other.m_descriptor);
    return *this;
}

AtomicFile::~AtomicFile() {
    discard();
}

void AtomicFile::discard() {
    if (m_descriptor >= 0)
        ::close(std::exchange(m_descriptor, -1));
    if (!m_temporary.empty())
        ::unlink(m_temporary.c_str());
    m_temporary.clear();
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
    if (m_descriptor < 0)
        return fail(ErrorKind::Io, "An earlier write of it failed.", m_file.string());
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(m_descriptor, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            const int code = errno;
            discard();
            return fail(systemError(code, "write", m_file));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    }
    return {};
}

Result<void> AtomicFile::commit() {
    if (m_descriptor < 0)
        return fail(ErrorKind::Io, "An earlier write of it failed.", m_file.string());
    // A failed fsync is never tried again: the kernel may have dropped the pages and would report success.
    if (::fsync(m_descriptor) != 0 || ::close(std::exchange(m_descriptor, -1)) != 0 ||
        ::rename(m_temporary.c_str(), m_file.c_str()) != 0) {
        const int code = errno;
        discard();
        return fail(systemError(code, "write", m_file));
    }
    m_temporary.clear();
    return syncFolder(m_file.parent_path());
}

Result<void> writeFileAtomic(const fs::path& file, std::string_view content) {
    CREST_TRY(out, AtomicFile::create(file));
    CREST_CHECK(out.write(content));
    return out.commit();
}

} // namespace crest::io
