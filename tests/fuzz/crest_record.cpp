// SPDX-License-Identifier: Apache-2.0
// crest.json of a checkpoint on arbitrary bytes: what is believed is in range, and what is not has a reason.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/series/checkpoint_records.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest::series;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    Checkpoint checkpoint;
    const std::string series = parseCrestRecord(bytes, "crest.json", checkpoint);
    if (series.size() > 200 || series.find('\n') != std::string::npos)
        std::abort();
    for (const auto& number : {checkpoint.tokens, checkpoint.step})
        if (number && (*number < 0 || *number > kMaxTokens))
            std::abort();
    for (const auto& [tensor, std] : checkpoint.initStd)
        if (!std::isfinite(std) || !(std > 0))
            std::abort();
    if (checkpoint.state == CheckpointState::Broken || (checkpoint.state == CheckpointState::Ok) != checkpoint.reason.empty())
        std::abort();
    return 0;
}
