// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/io/files.h"

namespace crest::io {

namespace fs = std::filesystem;

namespace {

/// Of a folder that cannot be written, say: no time helps.
bool staysSo(int code) {
    return code == EACCES || code == EPERM || code == EROFS || code == ENOENT || code == ENOTDIR || code == EISDIR || code == ENOSPC;
}

} // namespace

Result<FileLock> FileLock::tryLock(const fs::path& file) {
    int code = 0;
    return lockOnce(file, code);
}

/// `code`: errno of what went wrong; EWOULDBLOCK where another holds the lock.
Result<FileLock> FileLock::lockOnce(const fs::path& file, int& code) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        code = errno;
        return fail(systemError(code, "lock", file));
    }
    FileLock lock(descriptor);
    // isHeld() of another process holds a shared lock for a moment; a real holder is still there after 100 ms.
    for (int attempt = 0; attempt < 20; ++attempt) {
        if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            return lock;
        code = errno;
        if (code != EWOULDBLOCK && code != EINTR)
            return fail(systemError(code, "lock", file));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fail(ErrorKind::Io, "Another running process holds this lock.", file.string());
}

Result<bool> FileLock::isHeld(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
        return false;
    if (descriptor < 0)
        return fail(systemError(errno, "open", file));
    const int code = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
    ::close(descriptor);
    if (code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS) // a file system without locks: nobody can hold one
        return false;
    if (code != 0 && code != EWOULDBLOCK)
        return fail(systemError(code, "lock", file));
    return code == EWOULDBLOCK;
}

FileLock::FileLock(FileLock&& other) noexcept
    : m_descriptor(std::exchange(other.m_descriptor, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
    std::swap(m_descriptor, other.m_descriptor);
    return *this;
}

FileLock::~FileLock() {
    if (m_descriptor >= 0)
        ::close(m_descriptor);
}

Result<FileLock> FileLock::waitFor(const std::filesystem::path& file, std::chrono::milliseconds longest) {
    const auto until = std::chrono::steady_clock::now() + longest;
    for (;;) {
        int code = 0;
        auto lock = lockOnce(file, code);
        if (lock || staysSo(code) || std::chrono::steady_clock::now() > until)
            return lock;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

} // namespace crest::io
