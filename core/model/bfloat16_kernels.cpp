// SPDX-License-Identifier: Apache-2.0
#include "core/model/bfloat16_kernels.h"
#include "core/model/bfloat16_forward.h"

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
extern const BFloat16Kernels kKernels;
extern const BFloat16Forward kForward;
}
namespace avx512_bf16 {
extern const BFloat16Kernels kKernels;
extern const BFloat16Forward kForward;
}
#endif

namespace {

/// Both null where there are none.
struct BFloat16Tables {
    const BFloat16Kernels* kernels = nullptr;
    const BFloat16Forward* forward = nullptr;
};

#ifdef CREST_X86_KERNELS
/// CPUID leaf 7, subleaf 1, EAX 5: AVX512_BF16; and AVX-512 as the kernels use it.
bool processorHasBFloat16Vectors() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1))
        return false;
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/// CPUID leaf 7, EDX 22 and 24: AMX_BF16 and AMX_TILE.
bool processorHasTiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
}

/// Linux lends the tile registers to a process that asks (ARCH_REQ_XCOMP_PERM for XTILEDATA).
bool systemLendsTiles() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

BFloat16Tables chooseTables() {
    const char* wanted = std::getenv("CREST_ISA");
    const bool any = !wanted || !*wanted || std::strcmp(wanted, "amx") == 0;
    if ((!any && std::strcmp(wanted, "avx512_bf16") != 0) || !processorHasBFloat16Vectors())
        return {};
    if (any && processorHasTiles() && systemLendsTiles())
        return {&amx::kKernels, &amx::kForward};
    return {&avx512_bf16::kKernels, &avx512_bf16::kForward};
}
#else
BFloat16Tables chooseTables() {
    return {};
}
#endif

const BFloat16Tables& tables() {
    static const BFloat16Tables chosen = chooseTables();
    return chosen;
}

} // namespace

const BFloat16Kernels* bfloat16Kernels() {
    return tables().kernels;
}

const BFloat16Forward* bfloat16Forward() {
    return tables().forward;
}

} // namespace crest::model
