// SPDX-License-Identifier: Apache-2.0
// A number with what it counts, as people write it.
#pragma once

#include <cstdint>
#include <string>

namespace crest {

/// "1 cell", "12 cells", "0 cells"; `what` is the singular and takes an s.
inline std::string counted(std::int64_t count, const char* what) {
    return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

} // namespace crest
