// SPDX-License-Identifier: Apache-2.0
// Small checkpoint folders for tests: right unless a test breaks them.
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/io/safetensors.h"
#include "core/series/decoder_spec.h"

namespace crest::test {

inline series::DecoderSpec tinySpec(const std::string& family = "llama") {
    series::DecoderSpec spec;
    spec.family = family;
    spec.vocabSize = 12;
    spec.width = 8;
    spec.layers = 2;
    spec.heads = 2;
    spec.kvHeads = family == "llama" ? 1 : 2;
    spec.headSize = 4;
    spec.mlpWidth = 12;
    spec.contextLength = 128;
    spec.ropeDims = 4;
    if (family == "gpt_neox") {
        spec.norm = series::NormKind::LayerNorm;
        spec.normEps = 1e-5;
        spec.normBias = spec.qkvBias = spec.attentionOutputBias = spec.mlpBias = true;
        spec.mlp = series::MlpKind::Plain;
        spec.activation = series::Activation::GeluErf;
        spec.parallelResidual = true;
        spec.qkv = series::QkvLayout::PerHead;
        spec.ropeDims = 2;
    }
    return spec;
}

struct NamedTensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

/// Every tensor of the spec with values drawn from `seed`.
inline std::vector<NamedTensor> randomTensors(const series::DecoderSpec& spec, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<NamedTensor> out;
    for (const series::TensorInfo& tensor : series::expectedTensors(spec)) {
        std::size_t count = 1;
        for (const std::int64_t size : tensor.shape)
            count *= static_cast<std::size_t>(size);
        NamedTensor& made = out.emplace_back(NamedTensor{tensor.name, tensor.shape, std::vector<float>(count)});
        for (float& value : made.values)
            value = normal(generator);
    }
    return out;
}

inline void writeText(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
}

inline bool writeTensors(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors) {
    std::filesystem::create_directories(file.parent_path());
    std::vector<io::TensorToWrite> out;
    for (const NamedTensor& tensor : tensors)
        out.push_back({tensor.name, io::DType::F32, tensor.shape, std::as_bytes(std::span(tensor.values))});
    return io::writeSafetensors(file, std::move(out)).has_value();
}

/// The tensors dealt out to `count` shards with an index.
inline bool writeShards(const std::filesystem::path& folder, const std::vector<NamedTensor>& tensors,
                        std::size_t count) {
    Json weightMap = Json::object();
    for (std::size_t shard = 0; shard < count; ++shard) {
        std::vector<NamedTensor> part;
        const std::string name = "model-" + std::to_string(shard + 1) + "-of-" + std::to_string(count) + ".safetensors";
        for (std::size_t i = shard; i < tensors.size(); i += count) {
            part.push_back(tensors[i]);
            weightMap[tensors[i].name] = name;
        }
        if (!writeTensors(folder / name, part))
            return false;
    }
    writeText(folder / "model.safetensors.index.json",
              canonicalJson({{"metadata", Json::object()}, {"weight_map", weightMap}}));
    return true;
}

inline void writeConfig(const std::filesystem::path& folder, const series::DecoderSpec& spec) {
    writeText(folder / "config.json", canonicalJson(series::configFromDecoderSpec(spec)));
}

/// A tokenizer of one token.
inline constexpr const char* kTinyTokenizer = R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})";

/// Config, weights and a tokenizer file.
inline bool makeCheckpoint(const std::filesystem::path& folder, const series::DecoderSpec& spec = tinySpec(),
                           unsigned seed = 1) {
    writeConfig(folder, spec);
    writeText(folder / "tokenizer.json", kTinyTokenizer);
    return writeTensors(folder / "model.safetensors", randomTensors(spec, seed));
}

inline void writeRecord(const std::filesystem::path& folder, const std::string& series, std::int64_t tokens,
                        std::int64_t seed) {
    writeText(folder / "crest.json", canonicalJson({{"format", 1},
                                                    {"series", series},
                                                    {"tokens", tokens},
                                                    {"step", tokens / 1000},
                                                    {"pretrain_seed", seed},
                                                    {"annealed", true},
                                                    {"init_std", {{"model.embed_tokens.weight", 0.02}}}}));
}

} // namespace crest::test
