// SPDX-License-Identifier: Apache-2.0
#include "core/run/result_sink.h"

namespace crest::run {
namespace {

constexpr std::size_t kQueueLimit = 512;
constexpr std::size_t kGroup = 128;                         ///< results that share one sync
constexpr auto kGroupWait = std::chrono::milliseconds(250); ///< the longest a result waits for others
constexpr auto kSpacePoll = std::chrono::seconds(1);

} // namespace

std::string pausedForRoom(const Error& full) {
    return "Paused: " + full.text() + " It goes on by itself as soon as results can be written.";
}

ResultSink::ResultSink(study::JournalWriter& journal, Callbacks callbacks)
    : m_journal(journal)
    , m_callbacks(std::move(callbacks))
    , m_thread([this] { work(); }) {}

ResultSink::~ResultSink() {
    {
        const std::scoped_lock lock(m_mutex);
        m_closing = true;
    }
    m_changed.notify_all();
}

Result<void> ResultSink::put(PendingResult result) {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_failure || m_queue.size() < kQueueLimit; });
    if (m_failure)
        return fail(*m_failure);
    m_queue.push_back(std::move(result));
    ++m_put;
    m_changed.notify_all();
    return {};
}

Result<void> ResultSink::flush() {
    std::unique_lock lock(m_mutex);
    const std::uint64_t upTo = m_put;
    ++m_flushing;
    m_changed.notify_all();
    m_changed.wait(lock, [&] { return m_failure || m_stored >= upTo; });
    --m_flushing;
    if (m_failure && m_stored < upTo)
        return fail(*m_failure);
    return {};
}

void ResultSink::giveUp() {
    {
        const std::scoped_lock lock(m_mutex);
        m_giveUp = true;
    }
    m_changed.notify_all();
}

void ResultSink::work() {
    std::unique_lock lock(m_mutex);
    for (;;) {
        m_changed.wait(lock, [&] { return m_closing || !m_queue.empty(); });
        if (m_queue.empty())
            return;
        m_changed.wait_for(lock, kGroupWait, [&] { return m_closing || m_flushing > 0 || m_queue.size() >= kGroup; });
        std::vector<PendingResult> group;
        group.swap(m_queue);
        lock.unlock();
        m_changed.notify_all();
        const auto stored = store(group);
        if (stored && m_callbacks.stored)
            m_callbacks.stored(group);
        lock.lock();
        if (stored)
            m_stored += group.size();
        else
            m_failure = stored.error();
        m_changed.notify_all();
        if (m_failure)
            return;
    }
}

Result<void> ResultSink::store(const std::vector<PendingResult>& group) {
    std::vector<study::ResultRow> rows;
    rows.reserve(group.size());
    for (const PendingResult& result : group)
        rows.push_back(result.row);
    bool waited = false;
    for (;;) {
        auto stored = m_journal.commit(rows);
        if (stored || stored.error().kind != ErrorKind::NoSpace) {
            if (waited && m_callbacks.waiting)
                m_callbacks.waiting("");
            return stored;
        }
        if (m_callbacks.makeRoom && m_callbacks.makeRoom())
            continue;
        if (!waited && m_callbacks.waiting)
            m_callbacks.waiting(pausedForRoom(stored.error()));
        waited = true;
        std::unique_lock lock(m_mutex);
        if (m_changed.wait_for(lock, kSpacePoll, [&] { return m_giveUp; }))
            return stored;
    }
}

} // namespace crest::run
