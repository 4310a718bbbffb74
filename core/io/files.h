// SPDX-License-Identifier: Apache-2.0
// Files that survive crashes: read-only maps, whole-file reads with a cap, atomic replacement, locks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace crest::io {

/// A file mapped read-only; writing through the span faults. Movable; any thread may read.
class MappedFile {
public:
    static Result<MappedFile> open(const std::filesystem::path& file);
    MappedFile(MappedFile&&) noexcept;
    MappedFile& operator=(MappedFile&&) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {m_data, m_size}; }
    /// Asks the kernel to read this range ahead; returns at once.
    void willNeed(std::uint64_t offset, std::uint64_t length) const;
    /// Takes this range out of the process's resident memory. It stays in the system's cache, and comes back, the same,
    /// when it is read again.
    void release(std::uint64_t offset, std::uint64_t length) const;

private:
    void advise(std::uint64_t offset, std::uint64_t length, int advice) const;
    MappedFile(const std::byte* data, std::size_t size)
        : m_data(data)
        , m_size(size) {}
    const std::byte* m_data = nullptr;
    std::size_t m_size = 0;
};

/// Something of this name is there, were it a link whose target is not.
bool isThere(const std::filesystem::path& path);

/// The first `count` bytes of a file, fewer where it is shorter, and its whole size. Only regular files are opened.
struct FileHead {
    std::string bytes;
    std::uint64_t fileSize = 0;
};
Result<FileHead> readFileHead(const std::filesystem::path& file, std::uint64_t count);

/// True for the small text that git-lfs leaves in place of a file that was not downloaded.
bool isGitLfsPointer(std::string_view head);

/// The whole file as text; refused above `maxBytes`.
Result<std::string> readTextFile(const std::filesystem::path& file, std::uint64_t maxBytes = 256'000'000);

/// Replaces `file` by `content`: temporary beside it, fsync, rename, fsync of the folder. On any error the old file
/// stays and the temporary is gone; a full disk is ErrorKind::NoSpace.
Result<void> writeFileAtomic(const std::filesystem::path& file, std::string_view content);

/// The same for content that comes in pieces: write, then commit. Destroyed without a commit, the old file stays and
/// the temporary is gone. Not shared between threads.
class AtomicFile {
public:
    static Result<AtomicFile> create(const std::filesystem::path& file);
    AtomicFile(AtomicFile&&) noexcept;
    AtomicFile& operator=(AtomicFile&&) noexcept;
    ~AtomicFile();

    Result<void> write(std::span<const std::byte> bytes);
    Result<void> write(std::string_view text) { return write(std::as_bytes(std::span(text.data(), text.size()))); }
    /// fsync, rename, fsync of the folder; call once, last.
    Result<void> commit();

private:
    AtomicFile(std::filesystem::path file, std::filesystem::path temporary, int descriptor);
    void discard();
    std::filesystem::path m_file, m_temporary;
    int m_descriptor = -1;
};

/// fsync of a folder, so that a rename or creation in it is durable.
Result<void> syncFolder(const std::filesystem::path& folder);

/// The error for the system's `errno` value `code` after `action` ("write", "sync", ...) on `file`, in plain words.
Error systemError(int code, const char* action, const std::filesystem::path& file);

/// An flock held as long as the object lives. The file stays afterwards; a lock that another process holds is an error
/// of kind Io.
class FileLock {
public:
    static Result<FileLock> tryLock(const std::filesystem::path& file);
    /// tryLock again and again while another process holds it and `longest` has not passed. Blocks.
    static Result<FileLock> waitFor(const std::filesystem::path& file, std::chrono::milliseconds longest);
    /// True where some living process holds the lock. An error where that cannot be told: another user's file that may
    /// not be opened, say.
    static Result<bool> isHeld(const std::filesystem::path& file);
    FileLock(FileLock&&) noexcept;
    FileLock& operator=(FileLock&&) noexcept;
    ~FileLock();

private:
    static Result<FileLock> lockOnce(const std::filesystem::path& file, int& code);
    explicit FileLock(int descriptor)
        : m_descriptor(descriptor) {}
    int m_descriptor = -1;
};

} // namespace crest::io
