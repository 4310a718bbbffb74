// SPDX-License-Identifier: Apache-2.0
// How far a run is, on stderr, for all commands that follow one.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/study/runs.h"

namespace crest {

/// "running  63/128 cells  gamma 0.1, 16M tokens  12.3k tokens/s  0:24 left"; what is not known yet is left out.
inline std::string runProgress(const study::RunStatus& status) {
    std::string line =
        fmt::format("{}  {}/{}", study::runStateName(status.state), status.doneCells, counted(status.totalCells, "cell"));
    if (!status.failed.empty())
        line += fmt::format(", {} failed", status.failed.size());
    if (!status.phase.empty())
        line += "  " + status.phase;
    if (status.tokensPerSecond > 0)
        line += fmt::format("  {} tokens/s", formatTokens(status.tokensPerSecond));
    if (status.secondsLeft)
        line += "  " + formatDuration(*status.secondsLeft) + " left";
    return visible(status.message.empty() ? line : line + "  " + status.message);
}

/// On a terminal one line that changes and is gone at the end; elsewhere a line every ten seconds. One thread.
class PassingLine {
public:
    ~PassingLine() {
        if (m_terminal)
            fmt::print(stderr, "\r\x1b[K");
    }
    bool isDue() const { return m_terminal || std::chrono::steady_clock::now() - m_last >= std::chrono::seconds(10); }
    void show(const std::string& text) {
        m_last = std::chrono::steady_clock::now();
        fmt::print(stderr, "{}{}{}", m_terminal ? "\r\x1b[K" : "", text, m_terminal ? "" : "\n");
        std::fflush(stderr);
    }

private:
    bool m_terminal = ::isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point m_last = std::chrono::steady_clock::now();
};

} // namespace crest
