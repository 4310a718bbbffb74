// SPDX-License-Identifier: Apache-2.0
#include "core/study/kept_weights.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/io/files.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr auto kLongestWait = std::chrono::minutes(10); ///< for who writes a large model
constexpr std::size_t kDigits = 32;              ///< of the key, in names of folders
constexpr const char* kLastWritten = "crest.json"; ///< its time is that of the last use

std::int64_t sizeOf(const fs::path& folder) {
    std::int64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (entry->is_regular_file(ignored))
            if (const auto size = entry->file_size(ignored); !ignored)
                bytes += static_cast<std::int64_t>(size);
    }
    return bytes;
}

/// Without limit where that cannot be told.
std::int64_t freeAt(const fs::path& folder) {
    constexpr std::uintmax_t kMost = 1'000'000'000'000'000'000;
    std::error_code error;
    const fs::space_info disk = fs::space(folder, error);
    return static_cast<std::int64_t>(error ? kMost : std::min(disk.available, kMost));
}

struct Kept {
    fs::path folder;
    fs::file_time_type used;
};

/// Unfinished ones, whose time is unknown, come first.
std::vector<Kept> oldestFirst(const fs::path& folder) {
    std::vector<Kept> all;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (!entry->is_directory(ignored))
            continue;
        const auto used = fs::last_write_time(entry->path() / kLastWritten, ignored);
        all.push_back({entry->path(), ignored ? fs::file_time_type::min() : used});
    }
    std::ranges::sort(all, {}, &Kept::used);
    return all;
}

} // namespace

fs::path KeptWeights::folderOf(std::string_view key) const {
    return m_folder / key.substr(0, kDigits);
}

bool KeptWeights::has(std::string_view key) const {
    std::error_code ignored;
    return !m_folder.empty() && fs::exists(folderOf(key) / kLastWritten, ignored);
}

void KeptWeights::use(std::string_view key) const {
    std::error_code ignored; // the order of leaving is all that depends on it
    fs::last_write_time(folderOf(key) / kLastWritten, fs::file_time_type::clock::now(), ignored);
}

void KeptWeights::drop(std::string_view key) const {
    std::error_code ignored;
    fs::remove_all(folderOf(key), ignored);
}

std::int64_t KeptWeights::size() const {
    return sizeOf(m_folder);
}

void KeptWeights::makeRoom(std::int64_t most) const {
    std::int64_t bytes = size();
    for (const Kept& one : oldestFirst(m_folder)) {
        if (bytes <= most)
            return;
        bytes -= sizeOf(one.folder);
        std::error_code ignored;
        fs::remove_all(one.folder, ignored);
    }
}

std::int64_t KeptWeights::giveWay() const {
    std::error_code ignored;
    if (!fs::exists(m_folder, ignored) || freeAt(m_folder) >= kFreeForResults)
        return 0;
    const auto lock = io::FileLock::tryLock(m_folder / "lock");
    if (!lock) // somebody writes some, and makes room himself
        return 0;
    for (const Kept& one : oldestFirst(m_folder)) {
        const std::int64_t bytes = sizeOf(one.folder);
        fs::remove_all(one.folder, ignored);
        if (bytes > 0 && !fs::exists(one.folder, ignored))
            return bytes;
    }
    return 0;
}

Result<void> KeptWeights::keep(std::string_view key, std::int64_t bytes, std::int64_t budget,
                               const std::function<Result<void>(const fs::path&)>& write) const {
    if (bytes > budget)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("they take {}, and {} may be kept", formatBytes(static_cast<double>(bytes)),
                                formatBytes(static_cast<double>(budget))));
    std::error_code error;
    fs::create_directories(m_folder, error);
    if (error)
        return fail(io::systemError(error.value(), "create", m_folder));
    CREST_TRY(lock, io::FileLock::waitFor(m_folder / "lock", kLongestWait));
    if (has(key))
        return {};
    const std::int64_t room = std::min(budget, size() + freeAt(m_folder) - kFreeForResults);
    if (bytes > room) {
        makeRoom(room);
        return fail(ErrorKind::NoSpace,
                    fmt::format("they take {}, and the last {} of the disk are left free for results",
                                formatBytes(static_cast<double>(bytes)), formatBytes(static_cast<double>(kFreeForResults))));
    }
    makeRoom(room - bytes);
    auto written = write(folderOf(key));
    if (!written) {
        const fs::path unfinished = folderOf(key).string() + ".tmp"; // it would take room for nothing
        fs::remove_all(unfinished, error);
        return written;
    }
    use(key);
    makeRoom(room); // tokenizers count, too
    return {};
}

std::string goneWeights(std::int64_t bytes) {
    return fmt::format("Kept tuned weights ({}) had to go: the disk is full, and results come first.", formatBytes(static_cast<double>(bytes)));
}

} // namespace crest::study
