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
        fmt::print(stderr, "\r\x1b[K{} {}{} {}", doing, progress.done,
                   progress.total > 0 ? fmt::format(" of {}", progress.total) : "", progress.what);
        std::fflush(stderr);
    };
}

} // namespace crest
