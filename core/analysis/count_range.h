// SPDX-License-Identifier: Apache-2.0
// A count that may differ from point to point: its least and its most, so that no text claims the most for all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>

#include "core/base/counted.h"

namespace crest::analysis {

struct CountRange {
    std::int64_t least = 0, most = 0;
    bool operator==(const CountRange&) const = default;
};

/// Of `count` over `items`; 0 to 0 without any.
template <typename Items, typename Count>
CountRange countRange(const Items& items, Count count) {
    if (std::empty(items))
        return {};
    const auto ends = std::ranges::minmax_element(items, {}, count);
    return {std::invoke(count, *ends.min), std::invoke(count, *ends.max)};
}

/// "7 noise draws", "6 to 7 noise draws".
inline std::string countedRange(const CountRange& range, const char* what) {
    const std::string most = counted(range.most, what);
    return range.least == range.most ? most : std::to_string(range.least) + " to " + most;
}

} // namespace crest::analysis
