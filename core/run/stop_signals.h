// SPDX-License-Identifier: Apache-2.0
// SIGTERM (what a cluster sends) and SIGINT as a stop token: stop after this step and keep.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace crest::run {

/// Made once, in main(), before any other thread: the signals are blocked in this thread and in those it starts, and
/// waited for in one of its own. A second signal ends the process at once (exit code 128 + signal); what is stored
/// stays stored.
class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    std::stop_token token() const { return m_stop.get_token(); }
    bool received() const { return m_stop.stop_requested(); }

private:
    std::stop_source m_stop;
    std::jthread m_thread;
};

/// The runner gives way to the window and other programs (nice 5).
void lowerPriority();

} // namespace crest::run
