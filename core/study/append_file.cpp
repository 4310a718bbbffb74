// SPDX-License-Identifier: Apache-2.0
#include "core/study/append_file.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/io/files.h"

namespace crest::study {

FileCalls FileCalls::system() {
    return {[](int file, const void* data, std::size_t size) { return ::write(file, data, size); },
            [](int file) { return ::fdatasync(file); }, [](int file, off_t size) { return ::ftruncate(file, size); }};
}

Result<AppendFile> AppendFile::create(const std::filesystem::path& file, FileCalls calls) {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return fail(io::systemError(errno, "create", file));
    return AppendFile(file, descriptor, std::move(calls));
}

AppendFile::AppendFile(std::filesystem::path path, int descriptor, FileCalls calls)
    : m_path(std::move(path))
    , m_descriptor(descriptor)
    , m_calls(std::move(calls)) {}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : m_path(std::move(other.m_path))
    , m_descriptor(std::exchange(other.m_descriptor, -1))
    , m_calls(std::move(other.m_calls))
    , m_size(other.m_size)
    , m_broken(other.m_broken) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
    std::swap(m_path, other.m_path);
    std::swap(m_descriptor, other.m_descriptor);
    std::swap(m_calls, other.m_calls);
    std::swap(m_size, other.m_size);
    std::swap(m_broken, other.m_broken);
    return *this;
}

AppendFile::~AppendFile() {
    if (m_descriptor >= 0)
        ::close(m_descriptor);
}

Result<void> AppendFile::append(std::string_view bytes) {
    if (m_broken)
        return fail(ErrorKind::Io, "This file failed before and takes no more.", m_path.string());
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t wrote = m_calls.write(m_descriptor, bytes.data() + done, bytes.size() - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            // A regular file that takes nothing without saying why is as good as full.
            const int code = wrote < 0 ? errno : ENOSPC;
            if (done > 0)
                (void)cutTo(m_size);
            return fail(io::systemError(code, "write", m_path));
        }
        done += static_cast<std::size_t>(wrote);
    }
    m_size += static_cast<std::int64_t>(bytes.size());
    return {};
}

Result<void> AppendFile::sync() {
    if (m_broken)
        return fail(ErrorKind::Io, "This file failed before and takes no more.", m_path.string());
    int code = 0;
    do
        code = m_calls.sync(m_descriptor) == 0 ? 0 : errno;
    while (code == EINTR);
    if (code == 0)
        return {};
    m_broken = true;
    return fail(io::systemError(code, "sync", m_path));
}

Result<void> AppendFile::cutTo(std::int64_t size) {
    while (m_calls.truncate(m_descriptor, size) != 0) {
        if (errno == EINTR)
            continue;
        m_broken = true;
        return fail(io::systemError(errno, "truncate", m_path));
    }
    m_size = size;
    return {};
}

} // namespace crest::study
