// SPDX-License-Identifier: Apache-2.0
#include "core/run/supervise.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/run/deaths.h"

namespace crest::run {
namespace {

constexpr int kMostLives = 50; ///< a run that needs more is looked at by a person first

bool hasOtherThreads() {
    std::error_code error;
    std::filesystem::directory_iterator task("/proc/self/task", error), end;
    return error || std::distance(task, end) != 1;
}

sigset_t watched() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD})
        sigaddset(&set, signal);
    return set;
}

/// Hands signals on until the child has ended; its status as waitpid gives it.
int waitFor(pid_t child, bool& toldToStop) {
    const sigset_t set = watched();
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        const int signal = ::sigwaitinfo(&set, nullptr);
        if (signal == SIGTERM || signal == SIGINT) {
            toldToStop = true;
            ::kill(child, signal);
        }
    }
    return status;
}

} // namespace

int supervise(const std::function<int(bool again)>& work) {
    if (hasOtherThreads())
        return work(false);
    const sigset_t set = watched();
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, &set, &before);
    bool toldToStop = false;
    for (int life = 0;; ++life) {
        const std::int64_t killsBefore = memoryKills();
        const pid_t parent = ::getpid();
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child <= 0) {
            ::sigprocmask(SIG_SETMASK, &before, nullptr);
            if (child == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (::getppid() != parent) // it died meanwhile
                    ::raise(SIGTERM);
            }
            return work(life > 0);
        }
        const int status = waitFor(child, toldToStop);
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        const int signal = WTERMSIG(status);
        const bool forMemory = signal == SIGKILL && memoryKills() > killsBefore;
        const std::string how = forMemory ? "was killed by the system for want of memory"
                                          : fmt::format("died of signal {} ({})", signal, ::strsignal(signal));
        const bool again = (isCrash(signal) || forMemory) && !toldToStop && life + 1 < kMostLives;
        fmt::print(stderr, "The runner {}; what is finished is kept.{}\n", how, again ? " It is started again." : "");
        if (!again)
            return 128 + signal;
    }
}

} // namespace crest::run
