// SPDX-License-Identifier: Apache-2.0
#include "core/io/limited_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/io/descriptor.h"
#include "core/io/files.h"

extern char** environ; // NOLINT: POSIX names it so

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CREST_SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CREST_SHADOW_MEMORY 1
#endif
#endif

namespace crest::io {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxMessageBytes = 2000;
constexpr rlim_t kOpenFiles = 64; // the libraries of the program are opened one after the other
constexpr int kNotStarted = 127;  // of the child where exec failed

struct Pipe {
    Descriptor read, write;
};

Result<Pipe> makePipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail(ErrorKind::Io, fmt::format("A reader cannot be started: {}.", std::strerror(errno)));
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

void limit(__rlimit_resource_t what, rlim_t most) {
    const rlimit both{most, most};
    ::setrlimit(what, &both);
}

/// Everything that the child needs, made before the fork: behind it only async-signal-safe calls are allowed.
struct ChildSetup {
    const char* program = nullptr;
    std::vector<char*> arguments;
    ProcessLimits limits;
    int input = -1, output = -1, messages = -1;
    pid_t parent = 0;
};

[[noreturn]] void runChild(const ChildSetup& setup) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // nobody reads what it says when its parent is gone
    if (::getppid() != setup.parent)
        ::_exit(kNotStarted);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::dup2(setup.input, STDIN_FILENO);
    ::dup2(setup.output, STDOUT_FILENO);
    ::dup2(setup.messages, STDERR_FILENO);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, kOpenFiles);
    const auto seconds = static_cast<rlim_t>(setup.limits.processor.count());
    const rlimit processor{seconds, seconds + 1}; // SIGXCPU first, which says what it is
    ::setrlimit(RLIMIT_CPU, &processor);
#ifndef CREST_SHADOW_MEMORY
    limit(RLIMIT_AS, static_cast<rlim_t>(setup.limits.memoryBytes));
#endif
    ::execve(setup.program, setup.arguments.data(), environ);
    ::_exit(kNotStarted);
}

/// The child, killed and waited for by the destructor where `wait` was not called.
class Child {
public:
    explicit Child(pid_t id)
        : m_id(id) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (m_id > 0) {
            ::kill(m_id, SIGKILL);
            wait();
        }
    }
    int wait() {
        int status = 0;
        while (::waitpid(m_id, &status, 0) < 0 && errno == EINTR) {
        }
        m_id = 0;
        return status;
    }

private:
    pid_t m_id;
};

tl::unexpected<Error> malformed(const LimitedProcess& process, std::string why) {
    return fail(ErrorKind::Malformed, std::move(why), process.input.string());
}

/// What stands on a pipe now; false at its end.
bool readSome(int descriptor, std::string& into) {
    std::array<char, 65'536> buffer;
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    into.assign(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/// Hands output on until both pipes are closed; the first 2 kB of standard error stay in `said`.
Result<void> listen(const LimitedProcess& process, int output, int messages, const OutputSink& sink,
                    const JobContext& job, std::string& said) {
    const auto until = Clock::now() + process.limits.wall;
    std::array<pollfd, 2> ends{{{output, POLLIN, 0}, {messages, POLLIN, 0}}};
    std::uint64_t total = 0;
    std::string piece;
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        if (job.stopRequested())
            return stopped();
        if (Clock::now() > until)
            return malformed(process,
                             fmt::format("Its reader was not done after {} s; the file is damaged, or made to do harm.",
                                         process.limits.wall.count()));
        if (::poll(ends.data(), ends.size(), 100) <= 0)
            continue;
        if (ends[0].revents != 0) {
            if (!readSome(output, piece))
                ends[0].fd = -1;
            total += piece.size();
            if (total > process.limits.outputBytes)
                return malformed(process, fmt::format("It holds more than {}, the limit.",
                                                      formatBytes(static_cast<double>(process.limits.outputBytes))));
            if (!piece.empty())
                CREST_CHECK(sink(piece));
        }
        if (ends[1].revents != 0) {
            if (!readSome(messages, piece))
                ends[1].fd = -1;
            said += piece.substr(0, kMaxMessageBytes - std::min(said.size(), kMaxMessageBytes));
        }
    }
    return {};
}

ErrorKind kindOfExit(int code) {
    switch (code) {
    case kHelperUnsupported:
        return ErrorKind::Unsupported;
    case kHelperNotFound:
        return ErrorKind::NotFound;
    case kHelperTooLarge:
        return ErrorKind::OutOfRange;
    default:
        return ErrorKind::Malformed;
    }
}

Result<void> judge(const LimitedProcess& process, int status, std::string said) {
    while (said.ends_with('\n'))
        said.pop_back();
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        if (signal == SIGXCPU)
            return malformed(process,
                             fmt::format("Its reader used more than {} s of processor time; the file is damaged, or "
                                         "made to do harm.",
                                         process.limits.processor.count()));
        return malformed(
            process, fmt::format("Its reader crashed (signal {}); the file is damaged, or made to do harm.", signal));
    }
    const int code = WEXITSTATUS(status);
    if (code == 0)
        return {};
    if (code == kNotStarted)
        return fail(ErrorKind::Io, "This program of Crest's cannot be started" + (said.empty() ? "." : ": " + said),
                    process.program.string());
    if (said.empty())
        said = fmt::format("Its reader ended with the code {} and no word.", code);
    return fail(kindOfExit(code), std::move(said), process.input.string());
}

Result<Descriptor> openInput(const fs::path& input) {
    const fs::path file = input.empty() ? fs::path("/dev/null") : input;
    if (!input.empty())
        CREST_CHECK(readFileHead(input, 0)); // says what is wrong, and that it is a regular file
    Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (opened.get() < 0)
        return fail(systemError(errno, "open", file));
    return opened;
}

} // namespace

Result<void> runLimited(const LimitedProcess& process, const OutputSink& sink, const JobContext& job) {
    CREST_TRY(input, openInput(process.input));
    CREST_TRY(output, makePipe());
    CREST_TRY(messages, makePipe());
    const std::string program = process.program.string();
    ChildSetup setup;
    setup.program = program.c_str();
    setup.arguments.push_back(const_cast<char*>(program.c_str()));
    for (const std::string& argument : process.arguments)
        setup.arguments.push_back(const_cast<char*>(argument.c_str()));
    setup.arguments.push_back(nullptr);
    setup.limits = process.limits;
    setup.input = input.get();
    setup.output = output.write.get();
    setup.messages = messages.write.get();
    setup.parent = ::getpid();
    const pid_t id = ::fork();
    if (id == 0)
        runChild(setup);
    if (id < 0)
        return fail(ErrorKind::Io, fmt::format("This program of Crest's cannot be started: {}.", std::strerror(errno)),
                    program);
    Child child(id);
    input.reset();
    output.write.reset();
    messages.write.reset();
    std::string said;
    CREST_CHECK(listen(process, output.read.get(), messages.read.get(), sink, job, said));
    return judge(process, child.wait(), std::move(said));
}

Result<std::string> runLimited(const LimitedProcess& process, const JobContext& job) {
    std::string all;
    CREST_CHECK(runLimited(
        process,
        [&](std::string_view piece) -> Result<void> {
            all += piece;
            return {};
        },
        job));
    return all;
}

Result<fs::path> helperProgram(const std::string& name) {
    std::error_code problem;
    const fs::path folder = fs::read_symlink("/proc/self/exe", problem).parent_path();
    for (const fs::path& place : {folder, folder / "../bin", folder / "../libexec/crest"}) {
        const fs::path candidate = (place / name).lexically_normal();
        if (!problem && ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return fail(
        ErrorKind::NotFound,
        fmt::format("The program {} of Crest's is missing; it belongs beside this one. Build or install Crest again.",
                    name),
        folder.string());
}

} // namespace crest::io
