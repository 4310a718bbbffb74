// SPDX-License-Identifier: Apache-2.0
#include "core/run/runner_registration.h"

#include <cctype>
#include <random>

#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/study/study_json.h"

namespace crest::run {

std::string hostName() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0)
        return "host";
    std::string clean;
    for (const char c : std::string(name))
        clean += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
    return clean.substr(0, 40);
}

std::string ownWriterPrefix() {
    return hostName() + "-" + std::to_string(::getpid()) + "-";
}

Result<RunnerRegistration> RunnerRegistration::make(const study::StudyFolder& folder, const std::string& device,
                                                    int workers, int threadsPerWorker) {
    std::random_device random;
    const std::string writer = ownWriterPrefix() + hex((std::uint64_t{random()} << 32) | random(), 12);
    // The lock before the description: whoever sees the runner sees it alive.
    CREST_TRY(lock, io::FileLock::tryLock(runnerLockFile(folder, writer)));
    const Json description = {{"format", 1},
                              {"host", hostName()},
                              {"boot_id", bootId()},
                              {"pid", static_cast<std::int64_t>(::getpid())},
                              {"started_at", study::utcNow()},
                              {"memory_kills", memoryKills()},
                              {"device", device},
                              {"workers", workers},
                              {"threads_per_worker", threadsPerWorker},
                              {"producer", std::string("crest-run ") + version()}};
    CREST_CHECK(io::writeFileAtomic(folder.runnersFolder() / (writer + ".json"), canonicalJson(description) + "\n"));
    return RunnerRegistration(writer, std::move(lock), DeathNote(runnerLockFile(folder, writer)));
}

std::filesystem::path runnerLockFile(const study::StudyFolder& folder, const std::string& writer) {
    return folder.runnersFolder() / (writer + ".lock");
}

bool runnerLives(const study::StudyFolder& folder, const std::string& writer) {
    return io::FileLock::isHeld(runnerLockFile(folder, writer)).value_or(true);
}

} // namespace crest::run
