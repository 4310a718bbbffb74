// SPDX-License-Identifier: Apache-2.0
// What every long function of core takes: where to report progress, and when to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

#include "core/base/result.h"

namespace crest {

/// `done` of `total` units of `what`; total 0 where it is unknown.
struct Progress {
    std::int64_t done = 0;
    std::int64_t total = 0;
    std::string_view what;
};

/// Passed by const reference into long functions, which check `stopRequested()` once per batch or file and call
/// `report` as often as they like: the sink thins. The sink is called on the computing thread and must not block.
class JobContext {
public:
    using Sink = std::function<void(const Progress&)>;

    JobContext() = default;
    explicit JobContext(std::stop_token token, Sink sink = {})
        : m_token(std::move(token))
        , m_sink(std::move(sink)) {}

    bool stopRequested() const { return m_token.stop_requested(); }
    const std::stop_token& token() const { return m_token; }
    void report(std::int64_t done, std::int64_t total, std::string_view what) const {
        if (m_sink)
            m_sink(Progress{done, total, what});
    }

private:
    std::stop_token m_token;
    Sink m_sink;
};

/// The error of a job that was asked to stop.
inline tl::unexpected<Error> stopped() {
    return fail(ErrorKind::Stopped, "Stopped; what was finished is kept.");
}

} // namespace crest
