// SPDX-License-Identifier: Apache-2.0
#include "core/run/claims.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/run/claims_lock.h"
#include "core/run/runner_registration.h"
#include "core/study/line_tail.h"

namespace crest::run {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxClaimBytes = 64'000'000; ///< a line for each cell of a batch that is computed alone
constexpr std::string_view kCellWord = "cell ";

void createEmpty(const fs::path& file) {
    // Where this fails the batch is looked at again, found stored, and costs nothing.
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor >= 0)
        ::close(descriptor);
}

/// Appends `text` in one write, which is whole or counts for nothing; the errno of what failed, or 0. `flags`: O_EXCL
/// for a new file.
int appendTo(const fs::path& file, std::string_view text, int flags) {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0644);
    if (descriptor < 0)
        return errno;
    ssize_t wrote = -1;
    do
        wrote = ::write(descriptor, text.data(), text.size());
    while (wrote < 0 && errno == EINTR);
    const int code = wrote == static_cast<ssize_t>(text.size()) ? 0 : wrote < 0 ? errno : ENOSPC;
    ::close(descriptor);
    return code;
}

/// What a claim says: who, and the cell that was begun last.
struct ClaimText {
    std::string writer;
    int cell = -1;
};

ClaimText parseClaim(std::string_view text) {
    ClaimText claim;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
        const std::string_view line = text.substr(begin, end - begin);
        if (begin == 0)
            claim.writer = line;
        else if (line.starts_with(kCellWord))
            std::from_chars(line.data() + kCellWord.size(), line.data() + line.size(), claim.cell);
    }
    return claim;
}

} // namespace

Claims::Claims(const study::StudyFolder& folder, const std::string& runId, std::string writer, bool shared)
    : m_folder(folder)
    , m_claims(folder.runFolder(runId) / "claims")
    , m_writer(std::move(writer))
    , m_shared(shared) {
    std::error_code ignored;
    fs::create_directories(m_claims, ignored);
}

fs::path Claims::file(int batch, const char* suffix) const {
    return m_claims / fmt::format("{:06}{}", batch, suffix);
}

bool Claims::finished(int batch) const {
    std::error_code ignored;
    return fs::exists(file(batch, ".done"), ignored) || fs::exists(file(batch, ".failed"), ignored);
}

Result<ClaimOutcome> Claims::claim(int batch, bool alone) {
    if (finished(batch))
        return ClaimOutcome::Finished;
    const std::scoped_lock guard(m_mutex);
    if (!m_shared) // one job has this batch, whatever its file system knows of locks
        return claimLocked(batch, alone);
    CREST_TRY(lock, lockClaims(m_claims));
    if (finished(batch))
        return ClaimOutcome::Finished;
    return claimLocked(batch, alone);
}

Result<ClaimOutcome> Claims::claimLocked(int batch, bool alone) {
    std::error_code ignored;
    if (fs::exists(file(batch), ignored)) {
        CREST_TRY(text, io::readTextFile(file(batch), kMaxClaimBytes));
        const ClaimText claim = parseClaim(text);
        // A claim without a name is from a writer killed while it held this lock.
        if (!claim.writer.empty() && runnerLives(m_folder, claim.writer))
            return claim.writer == m_writer || !m_shared ? ClaimOutcome::Mine : ClaimOutcome::Others;
        if (!claim.writer.empty()) {
            Death death = deathOf(m_folder, claim.writer);
            death.cell = claim.cell;
            noteDeath(batch, death);
        }
        fs::remove(file(batch), ignored);
    }
    if (!alone && isEnough(deaths(batch)))
        return ClaimOutcome::Suspect;
    const auto created = createClaim(batch);
    if (!created && m_shared)
        return fail(created.error());
    return !created || *created ? ClaimOutcome::Mine : ClaimOutcome::Others;
}

Result<bool> Claims::createClaim(int batch) {
    const fs::path path = file(batch);
    const int code = appendTo(path, fmt::format("{}\n", m_writer), O_EXCL);
    if (code == 0)
        return true;
    if (code == EEXIST)
        return false;
    ::unlink(path.c_str());
    return fail(io::systemError(code, "write", path));
}

Result<void> Claims::beginCell(int batch, int cell) {
    // The newline before it ends what a failed write may have left.
    if (const int code = appendTo(file(batch), fmt::format("\n{}{}\n", kCellWord, cell), 0); code != 0)
        return fail(io::systemError(code, "write", file(batch)));
    return {};
}

/// Each writer died once: a death noted before its claim could be removed is noted again by the next runner.
std::vector<Death> Claims::deaths(int batch) const {
    std::vector<Death> deaths;
    const fs::path path = file(batch, ".deaths");
    const study::ReadDescriptor lines(path);
    if (lines.get() < 0)
        return deaths;
    study::LinePosition position;
    study::readNewLines(lines, position, [&](std::string_view line) {
        // A torn line is one death fewer.
        if (auto death = parseDeath(line, path.string()))
            if (std::ranges::find(deaths, death->writer, &Death::writer) == deaths.end())
                deaths.push_back(std::move(*death));
    });
    return deaths;
}

std::vector<Death> Claims::deathsAt(int batch, int cell) const {
    std::vector<Death> all = deaths(batch);
    std::erase_if(all, [&](const Death& death) { return death.cell != cell; });
    return all;
}

void Claims::noteDeath(int batch, const Death& death) {
    // Where this fails (a full disk) the batch gets one more chance.
    (void)appendTo(file(batch, ".deaths"), fmt::format("\n{}", formatDeath(death)), 0);
}

void Claims::release(int batch) {
    const std::scoped_lock guard(m_mutex);
    std::error_code ignored;
    fs::remove(file(batch), ignored);
}

void Claims::markDone(int batch) {
    createEmpty(file(batch, ".done"));
}

void Claims::forgetDone(int batch) {
    std::error_code ignored;
    fs::remove(file(batch, ".done"), ignored);
}

void Claims::markFailed(int batch) {
    createEmpty(file(batch, ".failed"));
}

void Claims::forgetFailures() {
    std::error_code error;
    for (fs::directory_iterator entry(m_claims, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".failed") {
            std::error_code ignored;
            fs::path of = entry->path();
            // The mark last: a kill in between leaves it, and with it the whole act to be done again.
            for (const char* other : {"", ".deaths", ".failed"})
                fs::remove(of.replace_extension(other), ignored);
        }
}

} // namespace crest::run
