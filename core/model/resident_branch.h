// SPDX-License-Identifier: Apache-2.0
// Shared by the files of ResidentDecoder.
#pragma once

#include "core/model/resident_decoder.h"

namespace crest::model {

/// Tokens first .. of a slot's prompt, or, where there are rows, one token of each.
struct ResidentDecoder::Branch {
    KvCache& cache;
    std::int64_t slot = 0, first = 0;
    std::span<const StepRow> rows{};
    std::int64_t unread = 0; ///< tokens at the front of which the last block makes keys and values alone
};

/// True where a layer turns by the table of windows.
inline bool hasWindowRotary(const series::DecoderSpec& spec, std::int64_t layer) {
    return spec.windowRopeBase > 0 && spec.window(layer) > 0;
}

} // namespace crest::model
