// SPDX-License-Identifier: Apache-2.0
// config.json on arbitrary bytes; a spec that is accepted must survive the way out and back in.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/json.h"
#include "core/series/decoder_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const auto json = parseJson(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    if (!json)
        return 0;
    const auto spec = series::decoderSpecFromConfig(*json, "fuzz");
    if (!spec)
        return 0;
    if (series::parameterCount(*spec) <= 0 || series::forwardFlopsPerToken(*spec, 1) <= 0)
        std::abort();
    if (spec->layers <= 64 && series::expectedTensors(*spec).empty())
        std::abort();
    // The way out exists for what Crest trains.
    const bool trained = spec->family == "llama" || spec->family == "gpt_neox";
    if (!trained || spec->ropeScaling.kind != series::RopeScaling::Kind::None)
        return 0;
    const auto again = series::decoderSpecFromConfig(series::configFromDecoderSpec(*spec), "again");
    if (!again || *again != *spec)
        std::abort();
    return 0;
}
