// SPDX-License-Identifier: Apache-2.0
// An append-only file whose every system call is checked: short writes go on, a failed append leaves no torn piece
// behind, a failed sync is never tried again. The calls can be replaced, so that tests let the n-th one fail.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <sys/types.h>

#include "core/base/result.h"

namespace crest::study {

/// The system calls of a writer: the same contract as write(2), fdatasync(2) and ftruncate(2) (-1 and errno).
struct FileCalls {
    std::function<ssize_t(int, const void*, std::size_t)> write;
    std::function<int(int)> sync;
    std::function<int(int, off_t)> truncate;
    static FileCalls system();
};

/// Used by one thread.
class AppendFile {
public:
    /// Creates `file`; one that is there already is an error (a writer never shares its files).
    static Result<AppendFile> create(const std::filesystem::path& file, FileCalls calls = FileCalls::system());
    AppendFile(AppendFile&& other) noexcept;
    AppendFile& operator=(AppendFile&& other) noexcept;
    ~AppendFile();

    /// Appends all of `bytes`, or nothing: what a failed call wrote is cut off again. NoSpace can be tried again later;
    /// where cutting failed too the file is broken() and takes no more.
    Result<void> append(std::string_view bytes);
    /// Brings everything appended to the disk. After a failure the file is broken(): the system may have dropped the
    /// pages, and a second sync would wrongly succeed.
    Result<void> sync();
    /// Takes back what was appended after `size`.
    Result<void> cutTo(std::int64_t size);

    std::int64_t size() const { return m_size; }
    bool broken() const { return m_broken; }
    const std::filesystem::path& path() const { return m_path; }

private:
    AppendFile(std::filesystem::path path, int descriptor, FileCalls calls);
    std::filesystem::path m_path;
    int m_descriptor = -1;
    FileCalls m_calls;
    std::int64_t m_size = 0;
    bool m_broken = false;
};

} // namespace crest::study
