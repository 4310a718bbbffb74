// SPDX-License-Identifier: Apache-2.0
#include "core/run/stop_signals.h"

#include <chrono>
#include <csignal>
#include <ctime>

#include <sys/resource.h>
#include <unistd.h>

namespace crest::run {
namespace {

/// One request may come twice: from the terminal, and handed on by the supervisor.
constexpr auto kSameRequest = std::chrono::milliseconds(300);

sigset_t stopSet() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

} // namespace

StopSignals::StopSignals() {
    const sigset_t set = stopSet();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    m_thread = std::jthread([this, set](std::stop_token ended) {
        auto first = std::chrono::steady_clock::time_point::max();
        while (!ended.stop_requested()) {
            const timespec wait{0, 100'000'000};
            const int signal = sigtimedwait(&set, nullptr, &wait);
            if (signal <= 0)
                continue;
            const auto now = std::chrono::steady_clock::now();
            if (m_stop.request_stop())
                first = now;
            else if (now - first > kSameRequest)
                ::_exit(128 + signal);
        }
    });
}

StopSignals::~StopSignals() {
    m_thread.request_stop();
    m_thread.join();
    const sigset_t set = stopSet();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void lowerPriority() {
    (void)::setpriority(PRIO_PROCESS, 0, 5);
}

} // namespace crest::run
