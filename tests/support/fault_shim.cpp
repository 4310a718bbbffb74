// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that lets the n-th system call on a study's files fail, or records them all. Settings, in
// the environment:
//   CREST_FAULT_UNDER   only calls on paths that begin so count
//   CREST_FAULT_CALL    write (and pwrite), sync, rename, open (for writing) or truncate
//   CREST_FAULT_AT      n, from 1: in each process by itself
//   CREST_FAULT_ERROR   errno, or 0: the call does half of its work (write alone)
//   CREST_FAULT_ALWAYS  1: every such call from the n-th on
//   CREST_FAULT_TRACE   file that the records of file_trace.h go to; ends with the counts of calls in each process
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/file_trace.h"

namespace {

using crest::trace::Call;
using crest::trace::Record;

constexpr int kMostFiles = 4096;

struct Settings {
    std::string under, call;
    long at = 0;
    int error = 0;
    bool always = false;
    int trace = -1;
};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

const Settings& settings() {
    static const Settings* all = [] {
        auto* it = new Settings;
        it->under = variable("CREST_FAULT_UNDER");
        it->call = variable("CREST_FAULT_CALL");
        it->at = std::atol(variable("CREST_FAULT_AT").c_str());
        it->error = std::atoi(variable("CREST_FAULT_ERROR").c_str());
        it->always = variable("CREST_FAULT_ALWAYS") == "1";
        if (const std::string trace = variable("CREST_FAULT_TRACE"); !trace.empty())
            it->trace = static_cast<int>(
                ::syscall(SYS_openat, AT_FDCWD, trace.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
        return it;
    }();
    return *all;
}

template<class Function> Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

bool counts(const char* path) {
    const std::string& under = settings().under;
    return path && !under.empty() && std::strncmp(path, under.c_str(), under.size()) == 0;
}

std::mutex g_mutex;
std::string g_paths[kMostFiles];
std::atomic<long> g_counts[5];
constexpr const char* kNames[] = {"write", "sync", "rename", "open", "truncate"};

std::string pathOf(int file) {
    const std::scoped_lock lock(g_mutex);
    return file >= 0 && file < kMostFiles ? g_paths[file] : std::string();
}

/// The errno that this call fails with, 0 for half of a write, -1 for a call that works.
int faultOf(int name) {
    const long n = ++g_counts[name];
    const Settings& set = settings();
    const bool hit = set.call == kNames[name] && set.at > 0 && (n == set.at || (set.always && n > set.at));
    return hit ? set.error : -1;
}

void record(Call call, const std::string& path, const std::string& second, const void* data, std::size_t size,
            std::uint64_t offset) {
    if (settings().trace < 0)
        return;
    const Record head{call, static_cast<std::uint32_t>(path.size()), static_cast<std::uint32_t>(second.size()),
                      static_cast<std::uint32_t>(size), offset};
    std::string text(reinterpret_cast<const char*>(&head), sizeof head);
    text += path + second;
    text.append(static_cast<const char*>(data), size);
    (void)::syscall(SYS_write, settings().trace, text.data(), text.size());
}

int opened(const char* path, int flags, mode_t mode, int (*real)(const char*, int, ...)) {
    const int at = flags & (O_WRONLY | O_RDWR);
    if (!counts(path))
        return real(path, flags, mode);
    if (at != 0)
        if (const int code = faultOf(3); code > 0) {
            errno = code;
            return -1;
        }
    struct stat before {};
    const bool isNew = (flags & O_CREAT) != 0 && ::stat(path, &before) != 0;
    const int file = real(path, flags, mode);
    if (file < 0 || file >= kMostFiles)
        return file;
    {
        const std::scoped_lock lock(g_mutex);
        g_paths[file] = path;
    }
    if (isNew)
        record(Call::Create, path, "", nullptr, 0, 0);
    else if ((flags & O_TRUNC) != 0 && at != 0)
        record(Call::Truncate, path, "", nullptr, 0, 0);
    return file;
}

mode_t modeOf(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, unsigned)) : 0;
}

int synced(int file, int (*real)(int)) {
    const std::string path = pathOf(file);
    if (path.empty())
        return real(file);
    if (const int code = faultOf(1); code > 0) {
        errno = code;
        return -1;
    }
    const int done = real(file);
    if (done == 0)
        record(Call::Sync, path, "", nullptr, 0, 0);
    return done;
}

int truncated(int file, off_t size, int (*real)(int, off_t)) {
    const std::string path = pathOf(file);
    if (path.empty())
        return real(file, size);
    if (const int code = faultOf(4); code > 0) {
        errno = code;
        return -1;
    }
    const int done = real(file, size);
    if (done == 0)
        record(Call::Truncate, path, "", nullptr, 0, static_cast<std::uint64_t>(size));
    return done;
}

ssize_t written(const std::string& path, const void* data, std::size_t size, off_t offset,
                ssize_t (*real)(int, const void*, std::size_t, off_t), int file) {
    if (const int code = faultOf(0); code > 0) {
        errno = code;
        return -1;
    } else if (code == 0 && size > 1) {
        size /= 2;
    }
    const ssize_t done = real(file, data, size, offset);
    if (done > 0) {
        const off_t begin = offset >= 0 ? offset : ::lseek(file, 0, SEEK_CUR) - done;
        record(Call::Write, path, "", data, static_cast<std::size_t>(done), static_cast<std::uint64_t>(begin));
    }
    return done;
}

__attribute__((destructor)) void writeCounts() {
    if (settings().trace < 0)
        return;
    std::string text = "counts";
    for (const auto& count : g_counts)
        text += " " + std::to_string(count.load());
    record(Call::Create, "", text, nullptr, 0, 0);
}

} // namespace

#define CREST_EXPORT extern "C" __attribute__((visibility("default")))

CREST_EXPORT int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = modeOf(flags, arguments);
    va_end(arguments);
    return opened(path, flags, mode, next<int (*)(const char*, int, ...)>("open"));
}
CREST_EXPORT int open64(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = modeOf(flags, arguments);
    va_end(arguments);
    return opened(path, flags, mode, next<int (*)(const char*, int, ...)>("open64"));
}
CREST_EXPORT int close(int file) {
    if (file >= 0 && file < kMostFiles) {
        const std::scoped_lock lock(g_mutex);
        g_paths[file].clear();
    }
    return next<int (*)(int)>("close")(file);
}
CREST_EXPORT int fsync(int file) {
    return synced(file, next<int (*)(int)>("fsync"));
}
CREST_EXPORT int fdatasync(int file) {
    return synced(file, next<int (*)(int)>("fdatasync"));
}
CREST_EXPORT int ftruncate(int file, off_t size) {
    return truncated(file, size, next<int (*)(int, off_t)>("ftruncate"));
}
CREST_EXPORT int ftruncate64(int file, off64_t size) {
    return truncated(file, size, next<int (*)(int, off_t)>("ftruncate64"));
}
CREST_EXPORT ssize_t write(int file, const void* data, std::size_t size) {
    const std::string path = pathOf(file);
    if (path.empty())
        return ::syscall(SYS_write, file, data, size);
    return written(
        path, data, size, -1,
        [](int f, const void* d, std::size_t s, off_t) -> ssize_t { return ::syscall(SYS_write, f, d, s); }, file);
}
CREST_EXPORT ssize_t pwrite(int file, const void* data, std::size_t size, off_t offset) {
    const auto real = [](int f, const void* d, std::size_t s, off_t o) -> ssize_t {
        return ::syscall(SYS_pwrite64, f, d, s, o);
    };
    const std::string path = pathOf(file);
    return path.empty() ? real(file, data, size, offset) : written(path, data, size, offset, real, file);
}
CREST_EXPORT ssize_t pwrite64(int file, const void* data, std::size_t size, off64_t offset) {
    return ::pwrite(file, data, size, offset);
}
CREST_EXPORT int rename(const char* from, const char* to) {
    const auto real = next<int (*)(const char*, const char*)>("rename");
    if (!counts(from))
        return real(from, to);
    if (const int code = faultOf(2); code > 0) {
        errno = code;
        return -1;
    }
    const int done = real(from, to);
    if (done == 0)
        record(Call::Rename, from, to, nullptr, 0, 0);
    return done;
}
CREST_EXPORT int unlink(const char* path) {
    const int done = next<int (*)(const char*)>("unlink")(path);
    if (done == 0 && counts(path))
        record(Call::Remove, path, "", nullptr, 0, 0);
    return done;
}
CREST_EXPORT int remove(const char* path) {
    const int done = next<int (*)(const char*)>("remove")(path);
    if (done == 0 && counts(path))
        record(Call::Remove, path, "", nullptr, 0, 0);
    return done;
}
CREST_EXPORT int mkdir(const char* path, mode_t mode) {
    const int done = next<int (*)(const char*, mode_t)>("mkdir")(path, mode);
    if (done == 0 && counts(path))
        record(Call::MakeFolder, path, "", nullptr, 0, 0);
    return done;
}
