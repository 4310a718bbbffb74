// SPDX-License-Identifier: Apache-2.0
// The pickle of nanoGPT's ckpt.pt on arbitrary bytes: what is taken for a checkpoint has numbers that make sense.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/io/pickle_reader.h"
#include "core/series/decoder_spec.h"
#include "core/series/nanogpt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest;
    const auto object = io::readTorchPickle(std::as_bytes(std::span(data, size)), "fuzz");
    if (!object)
        return 0;
    const auto file = series::parseNanoGpt(object->values);
    if (!file)
        return 0;
    if (file->iteration.value_or(0) < 0 || file->tokensPerStep.value_or(1) < 1)
        std::abort();
    const auto spec = series::decoderSpecFromConfig(file->config, "fuzz");
    if (!spec)
        return spec.error().message.empty() ? std::abort(), 1 : 0;
    if (series::parameterCount(*spec) <= 0 || spec->vocabSize < 1 || spec->layers < 1)
        std::abort();
    return 0;
}
