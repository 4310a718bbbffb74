// SPDX-License-Identifier: Apache-2.0
// config.yaml of OLMo's trainer on arbitrary bytes, and the packed names of its tensors.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/series/decoder_spec.h"
#include "core/series/olmo_native.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    (void)series::plainOlmoName(std::string(bytes));
    const auto native = series::parseNativeOlmo(bytes, "fuzz");
    if (!native)
        return native.error().message.empty() ? std::abort(), 1 : 0;
    if (native->config.value("model_type", Json()) != "hf_olmo" || native->tokensPerStep.value_or(1) < 1)
        std::abort();
    const auto spec = series::decoderSpecFromConfig(native->config, "fuzz");
    if (spec && (spec->family != "hf_olmo" || series::parameterCount(*spec) <= 0))
        std::abort();
    return 0;
}
