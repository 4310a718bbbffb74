// SPDX-License-Identifier: Apache-2.0
// A runner's presence in a study: runners/<writer>.json says who it is, runners/<writer>.lock is held as long as it
// lives.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/run/deaths.h"
#include "core/study/study_folder.h"

namespace crest::run {

class RunnerRegistration {
public:
    static Result<RunnerRegistration> make(const study::StudyFolder& folder, const std::string& device, int workers,
                                           int threadsPerWorker);

    /// Unique over machines, processes and time; letters, digits, '-' only: part of file names.
    const std::string& writer() const { return m_writer; }

private:
    RunnerRegistration(std::string writer, io::FileLock lock, DeathNote note)
        : m_writer(std::move(writer))
        , m_lock(std::move(lock))
        , m_note(std::move(note)) {}
    std::string m_writer;
    io::FileLock m_lock;
    DeathNote m_note;
};

/// runners/<writer>.lock: held while it lives; holds a signal's number where it died by one (deaths.h).
std::filesystem::path runnerLockFile(const study::StudyFolder& folder, const std::string& writer);

/// This machine's name, as it stands in writers' names.
std::string hostName();

/// How the names of this process's writers begin.
std::string ownWriterPrefix();

/// Whether the runner of this name still lives (its lock is held), or may do so.
bool runnerLives(const study::StudyFolder& folder, const std::string& writer);

} // namespace crest::run
