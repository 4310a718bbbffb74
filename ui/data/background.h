// SPDX-License-Identifier: GPL-3.0-or-later
// One-shot work beside the window: runs on a pool's thread, its answer arrives on the owner's thread, the latest
// request wins.
#pragma once

#include <memory>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <QObject>
#include <QThreadPool>
#include <QtConcurrent>

#include "core/base/job_context.h"

namespace crest::ui {

/// One kind of work. `start` asks what runs to stop and drops its answer. The destructor asks to stop and waits.
/// Owner's thread only.
class Background {
public:
    explicit Background(QObject* owner)
        : m_owner(owner) {
        m_pool.setMaxThreadCount(1);
    }
    ~Background() { cancelAndWait(); }
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    /// `work(const JobContext&)` on the pool's thread, then `done(result)` on the owner's, never before this has returned the
    /// request's number.
    template<class Work, class Done> quint64 start(Work work, Done done, JobContext::Sink progress = {}) {
        using Answer = std::invoke_result_t<Work, const JobContext&>;
        m_stop.request_stop();
        m_stop = std::stop_source();
        const quint64 request = ++*m_latest;
        const JobContext job(m_stop.get_token(), std::move(progress));
        // Not QFuture::then: where the work is through before that is attached, Qt calls `done` at once, within this call, and a
        // caller that tells answers by the number returned here takes its own for another's.
        auto take = [latest = m_latest, request, done = std::move(done)](const std::shared_ptr<Answer>& answer) mutable {
            if (request == *latest)
                done(std::move(*answer));
        };
        (void)QtConcurrent::run(&m_pool, [owner = m_owner, work = std::move(work), job, take = std::move(take)]() mutable {
            auto answer = std::make_shared<Answer>(work(job));
            QMetaObject::invokeMethod(
                owner, [take = std::move(take), answer = std::move(answer)]() mutable { take(answer); }, Qt::QueuedConnection);
        });
        return request;
    }
    /// Asks to stop and drops the answer; returns at once.
    void cancel() {
        m_stop.request_stop();
        ++*m_latest;
    }
    void cancelAndWait() {
        cancel();
        m_pool.waitForDone();
    }

private:
    QObject* m_owner;
    QThreadPool m_pool;
    std::stop_source m_stop;
    std::shared_ptr<quint64> m_latest = std::make_shared<quint64>(0); ///< outlives this: an answer may be on its way
};

} // namespace crest::ui
