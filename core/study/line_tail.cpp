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
    : m_fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC))
    , m_code(m_fd < 0 ? errno : 0) {}

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
    std::string pending; // of a line that went on beyond its chunk
    std::int64_t tail = 0; // bytes of the line that is not complete yet
    std::vector<char> chunk(static_cast<std::size_t>(std::min(kChunkBytes, size - position.bytes)));
    for (std::int64_t readTo = position.bytes; readTo < size;) {
        const std::int64_t got =
            file.readAt(chunk.data(), std::min(chunk.size(), static_cast<std::size_t>(size - readTo)), readTo);
        if (got <= 0)
            break;
        readTo += got;
        std::string_view rest(chunk.data(), static_cast<std::size_t>(got));
        for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
            ++position.lines;
            position.bytes += tail + static_cast<std::int64_t>(end + 1);
            tail = 0;
            if (pending.empty()) {
                use(rest.substr(0, std::min(end, kMostOfLine)));
                continue;
            }
            pending += rest.substr(0, std::min(end, kMostOfLine - pending.size()));
            use(pending);
            pending.clear();
        }
        pending += rest.substr(0, std::min(rest.size(), kMostOfLine - pending.size()));
        tail += static_cast<std::int64_t>(rest.size());
    }
    return tail;
}

} // namespace crest::study
