// SPDX-License-Identifier: Apache-2.0
// The progress of one job on a terminal: a line of stderr that changes.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "core/base/job_context.h"
#include "core/base/units.h"

namespace crest {

/// "checking 3 of 8 checkpoints", at most ten times a second, gone at the end. Shown where stderr is a terminal and
/// `wanted`. One thread.
inline JobContext::Sink progressSink(std::string doing, bool wanted) {
    if (!wanted || ::isatty(STDERR_FILENO) != 1)
        return {};
    using Clock = std::chrono::steady_clock;
    struct Line {
        Clock::time_point next = Clock::now() + std::chrono::milliseconds(300); ///< a short job shows none
        bool shown = false;
        ~Line() {
            if (shown)
                fmt::print(stderr, "\r\x1b[K");
        }
    };
    return [doing = std::move(doing), line = std::make_shared<Line>()](const Progress& progress) {
        if (Clock::now() < line->next)
            return;
        line->next = Clock::now() + std::chrono::milliseconds(100);
        line->shown = true;
        if (progress.total < 0) // the text is whole
            fmt::print(stderr, "\r\x1b[K{}", progress.what);
        else
            fmt::print(stderr, "\r\x1b[K{} {}{} {}", doing, progress.done,
                       progress.total > 0 ? fmt::format(" of {}", progress.total) : "", progress.what);
        std::fflush(stderr);
    };
}

/// "hellaswag: 12k of 50k tokens, 3.1k tokens/s, 0:12 left": the same line with a rate over the whole of what is being
/// done, which begins anew where the unit changes.
inline JobContext::Sink rateSink(std::string doing) {
    using Clock = std::chrono::steady_clock;
    const JobContext::Sink line = progressSink("", true);
    if (!line)
        return {};
    struct Start {
        std::string what;
        Clock::time_point time;
        std::int64_t done = 0;
    };
    return [doing = std::move(doing), line, start = std::make_shared<Start>()](const Progress& progress) {
        if (start->what != progress.what || progress.done < start->done)
            *start = {std::string(progress.what), Clock::now(), progress.done};
        const double seconds = std::chrono::duration<double>(Clock::now() - start->time).count();
        const double rate = seconds > 0 ? static_cast<double>(progress.done - start->done) / seconds : 0;
        const auto number = [](std::int64_t n) { return formatTokens(static_cast<double>(n)); };
        std::string text = fmt::format("{}: {}{} {}", doing, number(progress.done),
                                       progress.total > 0 ? " of " + number(progress.total) : "", progress.what);
        if (rate > 0 && progress.total > 0)
            text += fmt::format(", {} {}/s, {} left", formatTokens(rate), progress.what,
                                formatDuration(static_cast<double>(progress.total - progress.done) / rate));
        line({0, -1, text});
    };
}

} // namespace crest
