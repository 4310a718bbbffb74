// SPDX-License-Identifier: GPL-3.0-or-later
// One-shot work beside the window: runs on a pool's thread, its answer arrives on the owner's thread, the latest
// request wins.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <QFuture>
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

    /// `work(const JobContext&)` on the pool's thread, then `done(result)` on the owner's. Returns the request's
    /// number.
    template<class Work, class Done> quint64 start(Work work, Done done, JobContext::Sink progress = {}) {
        using Answer = std::invoke_result_t<Work, const JobContext&>;
        m_stop.request_stop();
        m_stop = std::stop_source();
        const quint64 request = ++m_latest;
        const JobContext job(m_stop.get_token(), std::move(progress));
        QtConcurrent::run(&m_pool, [work = std::move(work), job]() mutable {
            return work(job);
        }).then(m_owner, [this, request, done = std::move(done)](Answer result) mutable {
            if (request == m_latest)
                done(std::move(result));
        });
        return request;
    }
    /// Asks to stop and drops the answer; returns at once.
    void cancel() {
        m_stop.request_stop();
        ++m_latest;
    }
    void cancelAndWait() {
        cancel();
        m_pool.waitForDone();
    }

private:
    QObject* m_owner;
    QThreadPool m_pool;
    std::stop_source m_stop;
    quint64 m_latest = 0;
};

} // namespace crest::ui
