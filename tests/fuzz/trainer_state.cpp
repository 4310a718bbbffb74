// SPDX-License-Identifier: Apache-2.0
// trainer_state.json on arbitrary bytes, whole and as the two ends of a large one: every number is in range.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/series/checkpoint_records.h"

namespace {

void checkNumbers(const crest::series::TrainerNumbers& numbers) {
    for (const auto& number : {numbers.step, numbers.tokens, numbers.batch})
        if (number && (*number < 0 || *number > crest::series::kMaxTokens))
            std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest::series;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto whole = trainerNumbers(bytes))
        checkNumbers(*whole);
    checkNumbers(trainerNumbers(bytes, bytes));
    checkNumbers(trainerNumbers(bytes.substr(0, size / 2), bytes.substr(size / 2)));
    return 0;
}
