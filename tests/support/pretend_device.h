// SPDX-License-Identifier: Apache-2.0
// A device of LibTorch other than the CPU, "pretend:0", on any machine: its memory is the machine's, counted and limited, and LibTorch computes
// its operations on the CPU (at::native::cpu_fallback). So whatever is written for a GPU runs: tensors of two devices do not mix, and every
// operation's result and temporaries are the device's. One thread.
#pragma once

#include <cstdint>
#include <limits>

namespace crest::test {

inline constexpr const char* kPretendDevice = "pretend:0";

struct PretendDevice {
    std::int64_t now = 0, most = 0;                              ///< bytes of tensors, and the most since `most` was set
    std::int64_t room = std::numeric_limits<std::int64_t>::max(); ///< bytes beyond which it has none: c10::OutOfMemoryError
    std::int64_t free = -1;                                      ///< what it says it has; -1: it does not say
    bool lost = false;                                           ///< every operation fails, as on a GPU that fell off
};
/// There is one; the first call makes it known to LibTorch, before anybody asks for devices.
PretendDevice& pretendDevice();

} // namespace crest::test
