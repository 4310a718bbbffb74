// SPDX-License-Identifier: Apache-2.0
// A helper program that tries what its argument names: what it manages to do it says on standard output.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/io/limited_process.h"

using namespace crest;

namespace {

using Action = std::function<Result<void>(const std::string&)>;

Result<void> say(bool managed) {
    std::printf("%s", managed ? "managed" : errno == EPERM ? "refused" : std::strerror(errno));
    return {};
}

const std::map<std::string, Action>& actions() {
    static volatile std::uint64_t counter = 0;
    static const std::map<std::string, Action> all = {
        {"echo",
         [](const std::string&) -> Result<void> {
             char buffer[4096];
             for (ssize_t got = 0; (got = ::read(0, buffer, sizeof buffer)) > 0;)
                 std::fwrite(buffer, 1, static_cast<std::size_t>(got), stdout);
             return {};
         }},
        {"refuse",
         [](const std::string&) -> Result<void> { return fail(ErrorKind::Unsupported, "It is of version 9."); }},
        {"memory",
         [](const std::string&) -> Result<void> {
             std::vector<std::string> kept;
             for (;;)
                 kept.emplace_back(10'000'000, 'x');
         }},
        {"spin",
         [](const std::string&) -> Result<void> {
             for (;;)
                 counter = counter + 1;
         }},
        {"sleep",
         [](const std::string&) -> Result<void> {
             std::this_thread::sleep_for(std::chrono::hours(1));
             return {};
         }},
        {"flood",
         [](const std::string&) -> Result<void> {
             const std::string line(1000, 'x');
             for (;;)
                 std::fputs(line.c_str(), stdout);
         }},
        {"crash",
         [](const std::string&) -> Result<void> {
             volatile int* volatile nowhere = nullptr;
             *nowhere = 1;
             return {};
         }},
        {"open", [](const std::string& file) { return say(::open(file.c_str(), O_RDONLY) >= 0); }},
        {"create", [](const std::string& file) { return say(::open(file.c_str(), O_CREAT | O_WRONLY, 0600) >= 0); }},
        {"remove", [](const std::string& file) { return say(::unlink(file.c_str()) == 0); }},
        {"connect", [](const std::string&) { return say(::socket(AF_INET, SOCK_STREAM, 0) >= 0); }},
        {"fork", [](const std::string&) { return say(::fork() >= 0); }},
        {"exec", [](const std::string&) { return say(::execl("/bin/true", "true", nullptr) == 0); }},
        {"thread",
         [](const std::string&) -> Result<void> {
             bool ran = false;
             std::thread([&] { ran = true; }).join();
             return say(ran);
         }},
        {"limits",
         [](const std::string&) -> Result<void> {
             rlimit memory{}, files{};
             ::getrlimit(RLIMIT_AS, &memory);
             ::getrlimit(RLIMIT_FSIZE, &files);
             std::printf("%llu %llu", static_cast<unsigned long long>(memory.rlim_max),
                         static_cast<unsigned long long>(files.rlim_max));
             return {};
         }},
    };
    return all;
}

} // namespace

int main(int argc, char** argv) {
    return io::helperMain([&]() -> Result<void> {
        const auto found = argc > 1 ? actions().find(argv[1]) : actions().end();
        if (found == actions().end())
            return fail(ErrorKind::NotFound, "There is no such action.");
        return found->second(argc > 2 ? argv[2] : "");
    });
}
