// SPDX-License-Identifier: Apache-2.0
// The other side of limited_process.h: what a helper program does before and after its work.
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <new>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/io/limited_process.h"

namespace crest::io {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

/// Calls by which a process reaches beyond its memory and its open descriptors.
const std::vector<std::uint32_t>& closedCalls() {
    static const std::vector<std::uint32_t> calls = {
#ifdef __NR_open
        __NR_open,
        __NR_creat,
        __NR_unlink,
        __NR_rename,
        __NR_mkdir,
        __NR_rmdir,
        __NR_link,
        __NR_symlink,
        __NR_chmod,
        __NR_chown,
        __NR_fork,
        __NR_vfork,
        __NR_mknod,
#endif
        __NR_openat,
        __NR_openat2,
        __NR_unlinkat,
        __NR_renameat2,
        __NR_mkdirat,
        __NR_linkat,
        __NR_symlinkat,
        __NR_fchmodat,
        __NR_fchownat,
        __NR_mknodat,
        __NR_truncate,
        __NR_ftruncate,
        __NR_fallocate,
        __NR_execve,
        __NR_execveat,
        __NR_socket,
        __NR_socketpair,
        __NR_connect,
        __NR_bind,
        __NR_accept,
        __NR_accept4,
        __NR_ptrace,
        __NR_process_vm_readv,
        __NR_process_vm_writev,
        __NR_kill,
        __NR_tkill,
        __NR_prctl,
        __NR_setrlimit,
        __NR_mount,
        __NR_umount2,
        __NR_chroot,
        __NR_pivot_root,
        __NR_unshare,
        __NR_setns,
        __NR_bpf,
        __NR_perf_event_open,
        __NR_keyctl,
        __NR_add_key,
        __NR_request_key,
        __NR_init_module,
        __NR_finit_module,
        __NR_open_by_handle_at,
        __NR_io_uring_setup,
        __NR_memfd_create,
        __NR_userfaultfd,
        __NR_pidfd_open,
        __NR_pidfd_send_signal};
    return calls;
}

sock_filter statement(std::uint16_t code, std::uint32_t value) {
    return BPF_STMT(code, value);
}

sock_filter jump(std::uint16_t code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return BPF_JUMP(code, value, yes, no);
}

/// Unknown architectures and the x32 numbers are refused whole; clone() may make threads, clone3() does not exist, so
/// that the C library takes clone().
std::vector<sock_filter> makeFilter() {
    constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
    constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
    constexpr std::uint16_t kEqual = BPF_JMP | BPF_JEQ | BPF_K;
    std::vector<sock_filter> filter = {statement(kLoad, offsetof(seccomp_data, arch)),
                                       jump(kEqual, kArchitecture, 1, 0),
                                       statement(BPF_RET | BPF_K, kRefuse),
                                       statement(kLoad, offsetof(seccomp_data, nr)),
                                       jump(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
                                       statement(BPF_RET | BPF_K, kRefuse)};
    for (const std::uint32_t call : closedCalls()) {
        filter.push_back(jump(kEqual, call, 0, 1));
        filter.push_back(statement(BPF_RET | BPF_K, kRefuse));
    }
    filter.push_back(jump(kEqual, __NR_clone3, 0, 1));
    filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    filter.push_back(jump(kEqual, __NR_clone, 0, 3));
    filter.push_back(statement(kLoad, offsetof(seccomp_data, args))); // the low half of the flags
    filter.push_back(jump(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
    filter.push_back(statement(BPF_RET | BPF_K, kRefuse));
    filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return filter;
}

int say(const char* sentence, int code) {
    std::fputs(sentence, stderr);
    std::fputc('\n', stderr);
    return code;
}

int exitOf(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::Unsupported:
        return kHelperUnsupported;
    case ErrorKind::NotFound:
        return kHelperNotFound;
    case ErrorKind::OutOfRange:
        return kHelperTooLarge;
    default:
        return kHelperMalformed;
    }
}

} // namespace

bool closeDoors() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || kArchitecture == 0)
        return kArchitecture == 0;
    std::vector<sock_filter> filter = makeFilter();
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

int helperMain(const std::function<Result<void>()>& work) {
    // A kernel without filters still has the limits that the parent set.
    [[maybe_unused]] const bool closed = closeDoors();
    try {
        const Result<void> done = work();
        if (!done)
            return say(done.error().message.c_str(), exitOf(done.error().kind));
        if (std::fflush(stdout) != 0)
            return say("Its reader could not say what it read.", kHelperMalformed);
        return 0;
    } catch (const std::bad_alloc&) {
        return say("Reading it would take more memory than a reader may have.", kHelperTooLarge);
    } catch (const std::exception& problem) {
        return say(problem.what(), kHelperMalformed);
    }
}

} // namespace crest::io
