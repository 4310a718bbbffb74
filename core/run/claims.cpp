// SPDX-License-Identifier: Apache-2.0
#include "core/run/claims.h"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/run/runner_registration.h"

namespace crest::run {
namespace fs = std::filesystem;
namespace {

/// Claims are looked at and changed under this lock: a dead runner's claim is taken over by exactly one other.
constexpr auto kLockWait = std::chrono::seconds(10);

void createEmpty(const fs::path& file) {
    // Where this fails the batch is looked at again, found stored, and costs nothing.
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor >= 0)
        ::close(descriptor);
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

Result<ClaimOutcome> Claims::claim(int batch) {
    if (finished(batch))
        return ClaimOutcome::Finished;
    if (!m_shared)
        return ClaimOutcome::Mine;
    const std::scoped_lock guard(m_mutex);
    CREST_TRY(lock, io::FileLock::waitFor(m_claims / "lock", kLockWait));
    if (finished(batch))
        return ClaimOutcome::Finished;
    std::error_code ignored;
    if (fs::exists(file(batch), ignored)) {
        CREST_TRY(owner, io::readTextFile(file(batch), 1000));
        while (!owner.empty() && owner.back() == '\n')
            owner.pop_back();
        // A claim without a name is from a writer killed while it held this lock.
        if (!owner.empty() && runnerLives(m_folder, owner))
            return owner == m_writer ? ClaimOutcome::Mine : ClaimOutcome::Others;
        fs::remove(file(batch), ignored);
    }
    CREST_TRY(created, createClaim(batch));
    return created ? ClaimOutcome::Mine : ClaimOutcome::Others;
}

Result<bool> Claims::createClaim(int batch) {
    const fs::path path = file(batch);
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0 && errno == EEXIST)
        return false;
    if (descriptor < 0)
        return fail(io::systemError(errno, "create", path));
    const std::string text = m_writer + "\n";
    const ssize_t wrote = ::write(descriptor, text.data(), text.size());
    const int code = wrote < 0 ? errno : ENOSPC;
    ::close(descriptor);
    if (wrote == static_cast<ssize_t>(text.size()))
        return true;
    ::unlink(path.c_str());
    return fail(io::systemError(code, "write", path));
}

void Claims::release(int batch) {
    if (!m_shared)
        return;
    const std::scoped_lock guard(m_mutex);
    std::error_code ignored;
    fs::remove(file(batch), ignored);
}

void Claims::markDone(int batch) {
    createEmpty(file(batch, ".done"));
}
void Claims::markFailed(int batch) {
    createEmpty(file(batch, ".failed"));
}

void Claims::forgetFailures() {
    std::error_code error;
    for (fs::directory_iterator entry(m_claims, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".failed") {
            std::error_code ignored;
            fs::remove(entry->path(), ignored);
            fs::remove(fs::path(entry->path()).replace_extension(), ignored);
        }
}

} // namespace crest::run
