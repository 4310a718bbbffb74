// SPDX-License-Identifier: Apache-2.0
// A study folder on disk: what the window, the command line and the runners share (layout and formats:
// core/study/README.md).
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/files.h"
#include "core/study/types.h"

namespace crest::study {

class StudyFolder {
public:
    /// Makes the folder and its study.json; an existing study there is an error.
    static Result<StudyFolder> create(const std::filesystem::path& folder, const Study& study);
    /// Opens an existing one. A study of a newer format is Unsupported, with the version it wants.
    static Result<StudyFolder> open(const std::filesystem::path& folder);

    /// A study that is in memory only, to plan with: nothing is made or read at `folder`. It cannot be written.
    static Result<StudyFolder> draft(const std::filesystem::path& folder, const Study& study);

    const std::filesystem::path& path() const { return m_path; }
    const Study& study() const { return m_study; }
    /// False where the folder cannot be written, or another window holds the study: everything can still be looked at.
    bool writable() const { return m_writable; }

    /// For a window that found the study held by another one (WindowLock).
    void makeReadOnly() { m_writable = false; }

    /// Replaces study.json (temporary + fsync + rename).
    Result<void> save(const Study& study);

    std::filesystem::path runFolder(const std::string& runId) const { return m_path / "runs" / runId; }
    std::filesystem::path runsFolder() const { return m_path / "runs"; }
    std::filesystem::path runnersFolder() const { return m_path / "runners"; }
    std::filesystem::path journalFolder() const { return m_path / "journal"; }
    std::filesystem::path resultsFile() const { return m_path / "results.h5"; }
    std::filesystem::path figuresFolder() const { return m_path / "figures"; }
    std::filesystem::path keptFolder() const { return m_path / "artifacts" / "tuned"; }     ///< of KeptWeights
    std::filesystem::path trainingsFolder() const { return m_path / "trainings"; } ///< of trainingPlace
    /// `text` relative to the study folder, unless it is absolute.
    std::filesystem::path resolve(const std::string& text) const;

private:
    StudyFolder(std::filesystem::path path, Study study)
        : m_path(std::move(path))
        , m_study(std::move(study)) {}

    std::filesystem::path m_path;
    Study m_study;
    bool m_writable = true;
};

/// Held by the window that may change study.json; others look only. Freed when the window ends, however it ends.
class WindowLock {
public:
    /// Waits up to `longest` for another one to let go: a command holds it only while it writes. An error of kind Io
    /// where a window holds the study; the system's own where it cannot be locked at all.
    static Result<WindowLock> tryLock(const StudyFolder& folder,
                                      std::chrono::milliseconds longest = std::chrono::milliseconds(0));

private:
    explicit WindowLock(io::FileLock lock)
        : m_lock(std::move(lock)) {}
    io::FileLock m_lock;
};

} // namespace crest::study
