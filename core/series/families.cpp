// SPDX-License-Identifier: Apache-2.0
#include "core/series/families.h"

#include <fmt/format.h>

namespace crest::series {
namespace {

constexpr Family kFamilies[] = {
    {
        .modelType = "llama",
        .architecture = "LlamaForCausalLM",
        .vocabSize = 32000,
        .width = 4096,
        .layers = 32,
        .heads = 32,
        .mlpWidth = 11008,
        .contextLength = 2048,
        .groupedHeads = true,
        .norm = NormKind::RmsNorm,
        .normEpsKey = "rms_norm_eps",
        .normEps = 1e-6,
        .normBias = false,
        .mlp = MlpKind::Gated,
        .activation = "silu",
        .attentionBias = {"attention_bias", false},
        .mlpBias = {"mlp_bias", false},
        .parallelResidual = {nullptr, false},
        .fusedQkv = false,
        .ropeBaseKey = "rope_theta",
        .partialRotaryKey = nullptr,
        .partialRotary = 1.0,
        .names = {.bodyPrefix = "model.",
                  .embedding = "model.embed_tokens",
                  .head = "lm_head",
                  .headAlias = nullptr,
                  .finalNorm = "model.norm",
                  .layerPrefix = "model.layers.",
                  .inputNorm = "input_layernorm",
                  .query = "self_attn.q_proj",
                  .key = "self_attn.k_proj",
                  .value = "self_attn.v_proj",
                  .queryKeyValue = nullptr,
                  .attentionOutput = "self_attn.o_proj",
                  .mlpNorm = "post_attention_layernorm",
                  .gate = "mlp.gate_proj",
                  .up = "mlp.up_proj",
                  .down = "mlp.down_proj"},
    },
    {
        .modelType = "gpt_neox",
        .architecture = "GPTNeoXForCausalLM",
        .vocabSize = 50432,
        .width = 6144,
        .layers = 44,
        .heads = 64,
        .mlpWidth = 24576,
        .contextLength = 2048,
        .groupedHeads = false,
        .norm = NormKind::LayerNorm,
        .normEpsKey = "layer_norm_eps",
        .normEps = 1e-5,
        .normBias = true,
        .mlp = MlpKind::Plain,
        .activation = "gelu",
        .attentionBias = {"attention_bias", true},
        .mlpBias = {nullptr, true},
        .parallelResidual = {"use_parallel_residual", true},
        .fusedQkv = true,
        .ropeBaseKey = "rotary_emb_base", // a top-level rope_theta is ignored by transformers, too
        .partialRotaryKey = "rotary_pct",
        .partialRotary = 0.25,
        .names = {.bodyPrefix = "gpt_neox.",
                  .embedding = "gpt_neox.embed_in",
                  .head = "embed_out",
                  .headAlias = "lm_head", // in memory of transformers 5
                  .finalNorm = "gpt_neox.final_layer_norm",
                  .layerPrefix = "gpt_neox.layers.",
                  .inputNorm = "input_layernorm",
                  .query = nullptr,
                  .key = nullptr,
                  .value = nullptr,
                  .queryKeyValue = "attention.query_key_value",
                  .attentionOutput = "attention.dense",
                  .mlpNorm = "post_attention_layernorm",
                  .gate = nullptr,
                  .up = "mlp.dense_h_to_4h",
                  .down = "mlp.dense_4h_to_h"},
    },
};

struct Refusal {
    const char* prefix; ///< of model_type
    const char* reason;
};
constexpr Refusal kRefusals[] = {
    {"smollm3", "every fourth layer has no rotary positions"},
    {"olmo3", "it mixes sliding and full attention"},
    {"olmo_hybrid", "it mixes attention with another kind of layer"},
    {"olmoe", "it is a mixture of experts"},
    {"flex_olmo", "it is a mixture of experts"},
    {"mixtral", "it is a mixture of experts"},
    {"gemma", "its norm weights are offsets from one and its embeddings are scaled"},
    {"qwen3", "it norms queries and keys per head"},
    {"olmo", "its norm layers differ"},
    {"hf_olmo", "its files use another layout; convert them with transformers"},
    {"gpt2", "it has learned positions and transposed matrices"},
    {"opt", "it has learned positions"},
    {"mistral", "it may use sliding windows"},
    {"qwen2", "its biases and windows follow other rules"},
    {"phi", "its blocks differ"},
    {"falcon", "its blocks differ"},
};

} // namespace

const Family* findFamily(std::string_view modelType) {
    for (const Family& family : kFamilies)
        if (modelType == family.modelType)
            return &family;
    return nullptr;
}

std::string unsupportedFamilyReason(std::string_view modelType) {
    std::string known;
    for (const Family& family : kFamilies)
        known += (known.empty() ? "" : ", ") + std::string(family.modelType);
    for (const Refusal& refusal : kRefusals)
        if (modelType.starts_with(refusal.prefix))
            return fmt::format("The family \"{}\" cannot be used yet ({}); those that can are {}.", modelType,
                               refusal.reason, known);
    return fmt::format("The family \"{}\" is unknown; those that can be used are {}.", modelType.substr(0, 80), known);
}

} // namespace crest::series
