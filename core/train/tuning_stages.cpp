// SPDX-License-Identifier: Apache-2.0
#include "core/train/tuning_stages.h"

#include <algorithm>
#include <cmath>

namespace crest::train {

std::vector<TuningStage> stagesOf(const FineTuneSettings& settings, const series::DecoderSpec& spec, const ParameterLayout& all,
                            std::int64_t steps) {
    if (settings.loraRank > 0)
        return {{0, steps, partOf(all, [](const auto& info) { return info.layer >= 0 && info.shape.size() == 2; }), 0}};
    const std::int64_t ofHead =
        std::min(std::llround(settings.headShare * static_cast<double>(steps)), static_cast<long long>(steps - 1));
    if (ofHead < 1)
        return {{0, steps, all, 0}};
    const auto head = spec.tiedHead ? series::TensorSlot::Embedding : series::TensorSlot::Head;
    TuningStage first{0, ofHead, partOf(all, [&](const auto& info) { return info.slot == head; }), 0};
    first.first = std::ranges::find_if(all.slots, [&](const ParameterSlot& slot) {
                      return slot.info.slot == head;
                  })->offset;
    return {std::move(first), {ofHead, steps, all, 0}};
}

} // namespace crest::train
