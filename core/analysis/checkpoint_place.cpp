// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/checkpoint_place.h"

#include <cmath>

#include "core/base/units.h"

namespace crest::analysis {

std::string stepText(std::int64_t step) {
    std::string digits = std::to_string(step);
    const std::ptrdiff_t first = step < 0 ? 1 : 0;
    for (auto at = std::ssize(digits) - 3; at > first; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return "step " + digits;
}

std::string budgetHeading(double place, bool isStep) {
    return isStep ? stepText(std::llround(place)) : formatTokens(place);
}

std::string budgetText(double place, bool isStep) {
    return budgetHeading(place, isStep) + (isStep ? "" : " tokens");
}

std::string placeHeading(const CheckpointPlace& place) {
    if (place.tokens)
        return formatTokens(static_cast<double>(*place.tokens));
    return place.step ? stepText(*place.step) : place.name;
}

std::string placeText(const CheckpointPlace& place) {
    return placeHeading(place) + (place.tokens ? " tokens" : "");
}

} // namespace crest::analysis
