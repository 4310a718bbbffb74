// SPDX-License-Identifier: Apache-2.0
#include "core/model/amx.h"
#include "core/model/amx_forward.h"

#include <cstdlib>
#include <cstring>

#ifdef CREST_X86_KERNELS
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace crest::model {

#ifdef CREST_X86_KERNELS
namespace amx {
extern const AmxKernels kKernels;
extern const AmxForward kForward;
}

namespace {

/// CPUID leaf 7: AMX_BF16 and AMX_TILE (EDX 22, 24), AVX512_BF16 (subleaf 1, EAX 5), and AVX-512 as the kernels use it.
bool processorHasTiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1))
        return false;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1))
        return false;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/// Linux lends the tile registers to a process that asks (ARCH_REQ_XCOMP_PERM for XTILEDATA).
bool systemLendsTiles() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

} // namespace
#endif

const AmxKernels* amxKernels() {
#ifdef CREST_X86_KERNELS
    static const AmxKernels* const chosen = [] {
        const char* wanted = std::getenv("CREST_ISA");
        const bool lower = wanted && *wanted && std::strcmp(wanted, "amx") != 0;
        return !lower && processorHasTiles() && systemLendsTiles() ? &amx::kKernels : nullptr;
    }();
    return chosen;
#else
    return nullptr;
#endif
}

const AmxForward* amxForward() {
#ifdef CREST_X86_KERNELS
    return amxKernels() ? &amx::kForward : nullptr;
#else
    return nullptr;
#endif
}

} // namespace crest::model
