// SPDX-License-Identifier: Apache-2.0
// Reads the complete lines that a growing file gained, and small files that others replace or overwrite meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace crest::study {

/// How far a file has been read: complete lines only.
struct LinePosition {
    std::int64_t bytes = 0, lines = 0;
    bool operator==(const LinePosition&) const = default;
};

/// A file opened for reading; get() is -1 where it cannot be opened.
class ReadDescriptor {
public:
    explicit ReadDescriptor(const std::filesystem::path& file);
    ReadDescriptor(const ReadDescriptor&) = delete;
    ReadDescriptor& operator=(const ReadDescriptor&) = delete;
    ~ReadDescriptor();
    int get() const { return m_fd; }
    int code() const { return m_code; } ///< the errno of what kept it from being opened, 0 where it is open
    std::int64_t size() const; ///< -1 on error
    /// Bytes read at `offset`, less than asked for at the end of the file; -1 on error.
    std::int64_t readAt(void* to, std::size_t size, std::int64_t offset) const;

private:
    int m_fd;
    int m_code;
};

/// No line that Crest writes is longer: of one that is, no more than this is held and given to `use`.
inline constexpr std::size_t kMostOfLine = 2'000'000;

/// Calls `use` for each complete line after `position` (without its newline, position already behind it). Returns the
/// bytes of an incomplete last line, 0 where there is none or the file is not there.
std::int64_t readNewLines(const ReadDescriptor& file, LinePosition& position,
                          const std::function<void(std::string_view)>& use);

} // namespace crest::study
