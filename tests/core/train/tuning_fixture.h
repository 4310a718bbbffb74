// SPDX-License-Identifier: Apache-2.0
// A small checkpoint of random weights and examples of many lengths to fine-tune it on.
#pragma once

#include <filesystem>
#include <fstream>
#include <vector>

#include <ATen/ATen.h>

#include "core/data/tuning_example.h"
#include "core/io/safetensors.h"
#include "core/model/weight_reader.h"
#include "core/train/parameters.h"
#include "core/train/random.h"

namespace crest::test {

inline series::DecoderSpec smallSpec(std::int64_t vocab = 97) {
    series::DecoderSpec s;
    s.family = "llama";
    s.vocabSize = vocab, s.width = 32, s.layers = 2, s.heads = 4, s.kvHeads = 2, s.headSize = s.ropeDims = 8;
    s.mlpWidth = 48, s.contextLength = 64, s.normEps = 1e-5;
    return s;
}

/// Writes config.json and weights N(0, 1/sqrt(E)), norms 1, below `folder`, and opens them.
inline Result<model::WeightReader> makeStart(const std::filesystem::path& folder, const series::DecoderSpec& spec) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "config.json") << series::configFromDecoderSpec(spec).dump(2);
    const train::ParameterLayout layout = train::parameterLayout(spec);
    std::vector<at::Tensor> kept;
    std::vector<io::TensorToWrite> tensors;
    for (const train::ParameterSlot& slot : layout.slots) {
        at::Tensor values = at::ones(slot.info.shape, at::kFloat);
        if (slot.info.shape.size() == 2)
            train::fillNormal(values, 5, slot.info.name, 1 / std::sqrt(static_cast<double>(spec.width)));
        kept.push_back(values);
        tensors.push_back({slot.info.name, io::DType::F32, slot.info.shape,
                           {static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()}});
    }
    CREST_CHECK(io::writeSafetensors(folder / "model.safetensors", tensors));
    return model::WeightReader::open(folder, spec);
}

/// `count` examples: a prompt, then tokens that follow from the one before, which are learned.
inline std::vector<data::TuningExample> makeExamples(int count, std::int32_t vocab, std::uint32_t seed = 1) {
    std::vector<data::TuningExample> examples;
    const auto draw = [&](std::uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return static_cast<std::int32_t>((seed >> 16) % below);
    };
    for (int i = 0; i < count; ++i) {
        data::TuningExample example;
        const std::int32_t prompt = 1 + draw(12), answer = 1 + draw(30);
        for (std::int32_t t = 0; t < prompt + answer; ++t) {
            const bool learned = t >= prompt;
            example.ids.push_back(learned ? (example.ids.back() * 7 + 3) % vocab
                                          : draw(static_cast<std::uint32_t>(vocab)));
            example.learned.push_back(learned);
        }
        examples.push_back(std::move(example));
    }
    return examples;
}

} // namespace crest::test
