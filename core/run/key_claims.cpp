// SPDX-License-Identifier: Apache-2.0
#include "core/run/key_claims.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/run/claims_lock.h"
#include "core/run/runner_registration.h"

namespace crest::run {
namespace fs = std::filesystem;
namespace {

/// Whole or not at all; not synced, since a claim that a crash of the machine takes away is nobody's any more.
Result<void> writeNew(const fs::path& file, std::string_view text) {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return fail(io::systemError(errno, "create", file));
    int code = 0;
    while (!text.empty() && code == 0) {
        const ssize_t wrote = ::write(descriptor, text.data(), text.size());
        if (wrote > 0)
            text.remove_prefix(static_cast<std::size_t>(wrote));
        else if (wrote == 0 || errno != EINTR)
            code = wrote == 0 ? ENOSPC : errno;
    }
    ::close(descriptor);
    if (code == 0)
        return {};
    ::unlink(file.c_str());
    return fail(io::systemError(code, "write", file));
}

std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        lines.push_back(text.substr(begin, end - begin));
    return lines;
}

} // namespace

KeyLease::KeyLease(KeyLease&& other) noexcept
    : m_file(std::exchange(other.m_file, {})) {}

KeyLease& KeyLease::operator=(KeyLease&& other) noexcept {
    std::swap(m_file, other.m_file);
    return *this;
}

KeyLease::~KeyLease() {
    if (!m_file.empty())
        ::unlink(m_file.c_str());
}

KeyClaims::KeyClaims(const study::StudyFolder& folder, std::string writer)
    : m_folder(folder)
    , m_claims(folder.path() / "claims")
    , m_writer(std::move(writer)) {
    std::error_code ignored;
    fs::create_directories(m_claims, ignored);
}

/// Under both locks. Claims of runners that live no more are removed.
Result<std::unordered_set<std::string>> KeyClaims::inWork() {
    std::unordered_set<std::string> keys;
    std::map<std::string, bool> lives;
    std::map<std::string, std::vector<std::string>> known;
    std::error_code error;
    for (fs::directory_iterator entry(m_claims, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name == kClaimsLockName)
            continue;
        const std::string writer = name.substr(0, name.find('.'));
        const auto [at, isNew] = lives.try_emplace(writer, false);
        if (isNew)
            at->second = writer == m_writer || runnerLives(m_folder, writer);
        if (!at->second) {
            ::unlink(entry->path().c_str());
            continue;
        }
        auto& lines = known[name];
        if (const auto before = m_known.find(name); before != m_known.end()) {
            lines = std::move(before->second);
        } else if (const auto text = io::readTextFile(entry->path(), 1'000'000'000)) {
            lines = linesOf(*text);
        } else if (text.error().kind != ErrorKind::NotFound) { // given up meanwhile: its results are stored
            m_known.clear();                                   // of which some were moved from
            return fail(text.error());
        }
        keys.insert(lines.begin(), lines.end());
    }
    if (error)
        return fail(io::systemError(error.value(), "read", m_claims));
    m_known = std::move(known);
    return keys;
}

Result<KeyLease> KeyClaims::claim(const Choose& choose) {
    const std::scoped_lock guard(m_mutex);
    CREST_TRY(lock, lockClaims(m_claims));
    CREST_TRY(taken, inWork());
    CREST_TRY(keys, choose(taken));
    if (keys.empty())
        return KeyLease();
    std::string text;
    for (const std::string& key : keys)
        text += key + "\n";
    const fs::path file = m_claims / fmt::format("{}.{}", m_writer, m_next++);
    CREST_CHECK(writeNew(file, text));
    return KeyLease(file);
}

} // namespace crest::run
