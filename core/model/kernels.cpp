// SPDX-License-Identifier: Apache-2.0
#include "core/model/kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace crest::model {

namespace base {
extern const CpuKernels kKernels;
}
#ifdef CREST_X86_KERNELS
namespace avx2 {
extern const CpuKernels kKernels;
}
namespace avx512 {
extern const CpuKernels kKernels;
}
#endif

const CpuKernels* cpuKernelsFor(const char* isa) {
#ifdef CREST_X86_KERNELS
    __builtin_cpu_init();
    const bool hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool hasAvx512 = hasAvx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (std::strcmp(isa, "avx512") == 0)
        return hasAvx512 ? &avx512::kKernels : nullptr;
    if (std::strcmp(isa, "avx2") == 0)
        return hasAvx2 ? &avx2::kKernels : nullptr;
#endif
    return std::strcmp(isa, "base") == 0 ? &base::kKernels : nullptr;
}

const CpuKernels& cpuKernels() {
    static const CpuKernels& chosen = [&]() -> const CpuKernels& {
        const char* wanted = std::getenv("CREST_ISA");
        if (const CpuKernels* kernels = wanted ? cpuKernelsFor(wanted) : nullptr)
            return *kernels;
        for (const char* isa : {"avx512", "avx2"})
            if (const CpuKernels* kernels = cpuKernelsFor(isa))
                return *kernels;
        return base::kKernels;
    }();
    return chosen;
}

std::int64_t attentionScratch(const AttentionShape& s) {
    constexpr std::int64_t lanes = 16; // the widest
    const std::int64_t padded = (s.headSize + lanes - 1) / lanes * lanes;
    const std::int64_t group = s.heads / s.kvHeads;
    const std::int64_t keys = s.keys + 8; // up to whole blocks
    const std::int64_t gathered = 2 * keys * std::min<std::int64_t>(128, std::max<std::int64_t>(64, 2 * padded));
    return (2 * s.queries + keys) * lanes + 6 * padded * lanes + group * s.queries * (padded + 1) + gathered;
}

std::int64_t panelScratch(std::int64_t k) {
    constexpr std::int64_t widest = 48, rows = 192, inner = 1024 + 16; // of kernels_panels.inc
    return std::max(widest * k, rows * inner);
}

} // namespace crest::model
