// SPDX-License-Identifier: GPL-3.0-or-later
// One-shot work beside the window: runs on a pool's thread, its answer arrives on the owner's thread, the latest
// request wins.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <QObject>
#include <QThreadPool>
#include <QtConcurrent>

#include "core/base/job_context.h"
#include "core/base/result.h"

namespace crest::ui {

/// One kind of work. `start` asks what runs to stop and drops its answer. The destructor asks to stop and waits.
/// Owner's thread only. Work that throws (no memory; a mistake of ours) gives its error as the answer where that is a Result, and else
/// goes to `failed`, in place of the answer.
class Background {
public:
    using Failed = std::function<void(const Error& error)>;
    explicit Background(QObject* owner, Failed failed = {})
        : m_owner(owner)
        , m_failed(failed ? std::move(failed) : [](const Error& error) { qCritical("%s", error.text().c_str()); }) {
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
        using Outcome = std::pair<std::optional<Answer>, Error>;
        auto take = [latest = m_latest, request, done = std::move(done), failed = m_failed](const std::shared_ptr<Outcome>& answer) mutable {
            if (request != *latest)
                return;
            if (answer->first)
                done(std::move(*answer->first));
            else if constexpr (std::is_constructible_v<Answer, tl::unexpected<Error>>)
                done(Answer(fail(answer->second)));
            else
                failed(answer->second);
        };
        (void)QtConcurrent::run(&m_pool, [owner = m_owner, work = std::move(work), job, take = std::move(take)]() mutable {
            auto answer = std::make_shared<Outcome>();
            try {
                answer->first.emplace(work(job));
            } catch (const std::exception& error) {
                answer->second = {ErrorKind::Internal, std::string("Work in the background ended early: ") + error.what() + ".", ""};
            }
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
    Failed m_failed;
    QThreadPool m_pool;
    std::stop_source m_stop;
    std::shared_ptr<quint64> m_latest = std::make_shared<quint64>(0); ///< outlives this: an answer may be on its way
};

} // namespace crest::ui
