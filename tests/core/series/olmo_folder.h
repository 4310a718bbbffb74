// SPDX-License-Identifier: Apache-2.0
// Folders as OLMo's own trainer leaves them.
#pragma once

#include <algorithm>
#include <string>

#include "core/base/base64.h"
#include "core/series/olmo_native.h"
#include "tests/core/series/make_checkpoint.h"

namespace crest::test {

inline constexpr const char* kOlmoYaml = R"(run_name: tiny
model:
  d_model: 8
  n_heads: 2
  n_layers: 2
  mlp_ratio: 4
  weight_tying: true
  alibi: false
  rope: true
  multi_query_attention: false
  attention_layer_norm: false
  include_bias: false
  block_type: sequential
  layer_norm_type: default
  layer_norm_with_affine: false
  bias_for_layer_norm: null
  activation_type: swiglu
  max_sequence_length: 64
  vocab_size: 12
  embedding_size: 16
  init_fn: mitchell
global_train_batch_size: 8
tokenizer:
  identifier: tokenizers/own.json
)";

/// base64 of Python's pickle of ((name,), False), for addresses.
inline std::string packedOlmoName(const std::string& name) {
    std::string bytes("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c", 12);
    bytes[3] = static_cast<char>(name.size() + 9); // of the frame
    bytes += static_cast<char>(name.size());
    std::string text = toBase64(bytes + name + "\x94\x85\x94\x89\x86\x94.");
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
}

/// config.yaml and model.safetensors of it; no tokenizer.
inline bool makeOlmoFolder(const std::filesystem::path& folder, unsigned seed) {
    const auto native = series::parseNativeOlmo(kOlmoYaml, "config.yaml");
    const auto spec = native ? series::decoderSpecFromConfig(native->config, "") : Result<series::DecoderSpec>();
    if (!native || !spec)
        return false;
    std::vector<NamedTensor> tensors = randomTensors(*spec, seed);
    for (NamedTensor& tensor : tensors)
        tensor.name = packedOlmoName(tensor.name.substr(std::string("model.").size()));
    writeText(folder / "config.yaml", kOlmoYaml);
    return writeTensors(folder / "model.safetensors", tensors);
}

} // namespace crest::test
