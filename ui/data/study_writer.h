// SPDX-License-Identifier: GPL-3.0-or-later
// Writes study.json on a thread of its own, so that no edit waits for a disk. Of several edits in a row the last is
// written; none is lost at the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <QObject>
#include <QString>

#include "core/study/study_folder.h"

namespace crest::ui {

/// How a study gets to the disk; a test puts a slow one in.
using SaveStudy = std::function<Result<void>(study::StudyFolder&, const study::Study&)>;

/// Owner's thread only, but for flush(). failed() comes on the owner's thread.
class StudyWriter : public QObject {
    Q_OBJECT
public:
    explicit StudyWriter(SaveStudy save, QObject* parent = nullptr);
    /// Waits until all is written; what a disk refuses then is lost, and was said.
    ~StudyWriter() override;

    /// From now on edits belong to this study; `lock` is held until its last edit is written.
    void begin(study::StudyFolder folder, std::optional<study::WindowLock> lock);
    /// Returns at once. An edit that cannot be written is tried again with the next one, and every few seconds.
    void save(const study::Study& study);
    /// The study is closed: what waits is written, then its lock is freed. Returns at once.
    void end();
    /// Waits until nothing is left to be written; any thread but the owner's. An error where the disk refuses.
    Result<void> flush();

Q_SIGNALS:
    void failed(const QString& message);

private:
    struct Target {
        study::StudyFolder folder;
        std::optional<study::WindowLock> lock;
        std::optional<study::Study> pending;
        bool refused = false; ///< the last attempt failed
        std::chrono::steady_clock::time_point retryAt;
    };
    void work();
    std::shared_ptr<Target> next(std::unique_lock<std::mutex>& held);
    void write(const std::shared_ptr<Target>& target, std::unique_lock<std::mutex>& held);

    SaveStudy m_save;
    std::mutex m_mutex; ///< guards all below
    std::condition_variable m_wake, m_idle;
    std::shared_ptr<Target> m_current;
    std::deque<std::shared_ptr<Target>> m_ending;
    bool m_busy = false, m_quit = false;
    std::thread m_thread;
};

} // namespace crest::ui
