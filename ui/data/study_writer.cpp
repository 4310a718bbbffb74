// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/study_writer.h"

#include "ui/data/format.h"

namespace crest::ui {
namespace {

constexpr std::chrono::seconds kRetryAfter{3};

} // namespace

StudyWriter::StudyWriter(SaveStudy save, QObject* parent)
    : QObject(parent)
    , m_save(save ? std::move(save)
                  : [](study::StudyFolder& folder, const study::Study& study) { return folder.save(study); })
    , m_thread([this] { work(); }) {}

StudyWriter::~StudyWriter() {
    end();
    {
        const std::lock_guard held(m_mutex);
        m_quit = true;
    }
    m_wake.notify_all();
    m_thread.join();
}

void StudyWriter::begin(study::StudyFolder folder, std::optional<study::WindowLock> lock) {
    end();
    const std::lock_guard held(m_mutex);
    m_current = std::make_shared<Target>(Target{std::move(folder), std::move(lock), {}, false, {}});
}

void StudyWriter::save(const study::Study& study) {
    {
        const std::lock_guard held(m_mutex);
        if (!m_current)
            return;
        m_current->pending = study;
        m_current->retryAt = {};
    }
    m_wake.notify_all();
}

void StudyWriter::end() {
    {
        const std::lock_guard held(m_mutex);
        if (!m_current)
            return;
        m_ending.push_back(std::move(m_current));
        m_current.reset();
    }
    m_wake.notify_all();
}

Result<void> StudyWriter::flush() {
    std::unique_lock held(m_mutex);
    if (m_current && m_current->pending) {
        m_current->retryAt = {};
        m_wake.notify_all();
    }
    m_idle.wait(held, [this] {
        const bool waits = m_current && m_current->pending && !m_current->refused;
        return !m_busy && m_ending.empty() && !waits;
    });
    if (m_current && m_current->pending)
        return fail(ErrorKind::Io, "The last edits of the study could not be saved yet.",
                    m_current->folder.path().string());
    return {};
}

/// What is to be done next; waits for it. Null at the end.
std::shared_ptr<StudyWriter::Target> StudyWriter::next(std::unique_lock<std::mutex>& held) {
    while (true) {
        if (!m_ending.empty())
            return m_ending.front();
        if (m_quit)
            return nullptr;
        if (!m_current || !m_current->pending) {
            m_wake.wait(held);
            continue;
        }
        const auto due = m_current->retryAt;
        if (std::chrono::steady_clock::now() >= due)
            return m_current;
        m_wake.wait_until(held, due);
    }
}

void StudyWriter::write(const std::shared_ptr<Target>& target, std::unique_lock<std::mutex>& held) {
    const study::Study study = *std::exchange(target->pending, std::nullopt);
    held.unlock();
    const Result<void> saved = m_save(target->folder, study);
    held.lock();
    const bool saidAlready = std::exchange(target->refused, !saved.has_value());
    if (saved)
        return;
    if (!target->pending)
        target->pending = study;
    target->retryAt = std::chrono::steady_clock::now() + kRetryAfter;
    if (saidAlready)
        return;
    const QString message = toQString(saved.error().text()) +
                            tr(" The edit is kept in this window and is saved as soon as the folder takes it.");
    QMetaObject::invokeMethod(
        this, [this, message] { Q_EMIT failed(message); }, Qt::QueuedConnection);
}

void StudyWriter::work() {
    std::unique_lock held(m_mutex);
    while (std::shared_ptr<Target> target = next(held)) {
        m_busy = true;
        const bool ending = !m_ending.empty() && m_ending.front() == target;
        if (target->pending)
            write(target, held);
        // A study that was closed during the write may have a later edit waiting: it comes up once more.
        if (ending) {
            m_ending.pop_front();
            held.unlock();
            target.reset(); // frees the window's lock
            held.lock();
        }
        m_busy = false;
        m_idle.notify_all();
    }
}

} // namespace crest::ui
