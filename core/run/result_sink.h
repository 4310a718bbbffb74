// SPDX-License-Identifier: Apache-2.0
// The one writer of a runner: takes measurements from the workers, stores them in groups, and says which are on the
// disk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/study/journal_writer.h"

namespace crest::run {

/// A result on its way to the journal.
struct PendingResult {
    int cell = 0, task = 0;
    study::ResultRow row;
};

/// What a runner says while it waits for space; the error says what to do.
std::string pausedForRoom(const Error& full);

class ResultSink {
public:
    struct Callbacks {
        /// On the writer thread: these are durable now.
        std::function<void(const std::vector<PendingResult>&)> stored;
        /// On the writer thread: why nothing can be stored at the moment, "" when it goes on.
        std::function<void(const std::string&)> waiting;
        /// On the writer thread, where the disk is full: whether something else went for the results.
        std::function<bool()> makeRoom;
    };
    ResultSink(study::JournalWriter& journal, Callbacks callbacks);
    ~ResultSink(); ///< stores what is queued

    /// Any thread. Blocks while the queue is full (a slow or full disk). Fails once the disk has failed, or giveUp()
    /// ended the wait for space.
    Result<void> put(PendingResult result);
    /// Waits until everything that was put before is durable.
    Result<void> flush();
    /// Do not wait for space any longer: what cannot be stored now is lost and will be computed again.
    void giveUp();

private:
    study::JournalWriter& m_journal;
    Callbacks m_callbacks;
    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::vector<PendingResult> m_queue;
    std::uint64_t m_put = 0, m_stored = 0; ///< counts of results
    int m_flushing = 0;
    bool m_closing = false, m_giveUp = false;
    std::optional<Error> m_failure;
    std::jthread m_thread; ///< last member: joins before the others go

    void work();
    Result<void> store(const std::vector<PendingResult>& group);
};

} // namespace crest::run
