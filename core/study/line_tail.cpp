// SPDX-License-Identifier: Apache-2.0
#include "core/study/line_tail.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace crest::study {
namespace {
constexpr std::int64_t kChunkBytes = std::int64_t{4} << 20;
}

ReadDescriptor::ReadDescriptor(const std::filesystem::path& file)
    : m_fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}

ReadDescriptor::~ReadDescriptor() {
    if (m_fd >= 0)
        ::close(m_fd);
}

std::int64_t ReadDescriptor::size() const {
    struct stat info {};
    return ::fstat(m_fd, &info) == 0 ? static_cast<std::int64_t>(info.st_size) : -1;
}

std::int64_t ReadDescriptor::readAt(void* to, std::size_t size, std::int64_t offset) const {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got =
            ::pread(m_fd, static_cast<char*>(to) + done, size - done, offset + static_cast<std::int64_t>(done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += static_cast<std::size_t>(got);
    }
    return static_cast<std::int64_t>(done);
}

std::int64_t readNewLines(const ReadDescriptor& file, LinePosition& position,
                          const std::function<void(std::string_view)>& use) {
    const std::int64_t size = file.size();
    if (size <= position.bytes)
        return 0;
    std::string pending;
    std::vector<char> chunk(static_cast<std::size_t>(std::min(kChunkBytes, size - position.bytes)));
    for (std::int64_t readTo = position.bytes; readTo < size;) {
        const std::int64_t got =
            file.readAt(chunk.data(), std::min(chunk.size(), static_cast<std::size_t>(size - readTo)), readTo);
        if (got <= 0)
            break;
        readTo += got;
        pending.append(chunk.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
            ++position.lines;
            position.bytes += static_cast<std::int64_t>(end + 1 - begin);
            use(std::string_view(pending).substr(begin, end - begin));
        }
        pending.erase(0, begin);
    }
    return static_cast<std::int64_t>(pending.size());
}

} // namespace crest::study
