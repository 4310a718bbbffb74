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

constexpr const char* kHeldByAnother = "Another running process holds this lock.";

} // namespace

Result<FileLock> FileLock::tryLock(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return fail(systemError(errno, "lock", file));
    FileLock lock(descriptor);
    // isHeld() of another process holds a shared lock for a moment; a real holder is still there after 100 ms.
    for (int attempt = 0; attempt < 20; ++attempt) {
        if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            return lock;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail(systemError(errno, "lock", file));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fail(ErrorKind::Io, kHeldByAnother, file.string());
}

bool FileLock::isHeld(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(descriptor);
    return held;
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
        auto lock = tryLock(file);
        const bool refused = !lock && lock.error().message != kHeldByAnother; // a folder that cannot be written, say: no time helps
        if (lock || refused || std::chrono::steady_clock::now() > until)
            return lock;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

} // namespace crest::io
