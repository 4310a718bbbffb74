// SPDX-License-Identifier: Apache-2.0
#include "core/train/weight_distance.h"

#include <algorithm>
#include <cmath>

namespace crest::train {

WeightDistance distanceBetween(const model::WeightReader& start, model::WeightSource& now) {
    constexpr std::int64_t kStretch = 1 << 14;
    std::vector<float> before(kStretch), after(kStretch);
    WeightDistance all;
    for (std::size_t i = 0; i < start.tensors().size(); ++i) {
        const int tensor = static_cast<int>(i);
        double difference = 0, size = 0;
        for (std::int64_t first = 0; first < start.elements(tensor); first += kStretch) {
            const std::int64_t count = std::min(kStretch, start.elements(tensor) - first);
            float* const to[] = {after.data()};
            start.read(tensor, first, {before.data(), static_cast<std::size_t>(count)});
            now.make(tensor, first, count, 0, to);
            for (std::int64_t j = 0; j < count; ++j) {
                const double was = before[static_cast<std::size_t>(j)], moved = after[static_cast<std::size_t>(j)] - was;
                difference += moved * moved;
                size += was * was;
            }
        }
        all.distance += difference, all.start += size;
        all.tensors.push_back({start.tensors()[i].name, std::sqrt(difference), std::sqrt(size)});
    }
    all.distance = std::sqrt(all.distance), all.start = std::sqrt(all.start);
    return all;
}

} // namespace crest::train
