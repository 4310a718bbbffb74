// SPDX-License-Identifier: Apache-2.0
#include "core/series/families.h"

#include <fmt/format.h>

namespace crest::series {
namespace {

constexpr Family kLlama = {
    .modelType = "llama",
    .architecture = "LlamaForCausalLM",
    .vocabSize = {"vocab_size", 32000},
    .width = {"hidden_size", 4096},
    .layers = {"num_hidden_layers", 32},
    .heads = {"num_attention_heads", 32},
    .mlpWidth = {"intermediate_size", 11008},
    .contextLength = {"max_position_embeddings", 2048},
    .groupedHeads = true,
    .normEpsKey = "rms_norm_eps",
    .normEps = 1e-6,
    .qkvBias = {"attention_bias", false},
    .attentionOutputBias = {"attention_bias", false},
    .mlpBias = {"mlp_bias", false},
    .ropeBaseKey = "rope_theta",
    .names = {.bodyPrefix = "model.",
              .embedding = "model.embed_tokens",
              .head = "lm_head",
              .finalNorm = "model.norm",
              .layerPrefix = "model.layers.",
              .inputNorm = "input_layernorm",
              .query = "self_attn.q_proj",
              .key = "self_attn.k_proj",
              .value = "self_attn.v_proj",
              .attentionOutput = "self_attn.o_proj",
              .mlpNorm = "post_attention_layernorm",
              .gate = "mlp.gate_proj",
              .up = "mlp.up_proj",
              .down = "mlp.down_proj"},
};

constexpr Family kMistral = [] {
    Family f = kLlama;
    f.modelType = "mistral";
    f.architecture = "MistralForCausalLM";
    f.mlpWidth.absent = 14336;
    f.contextLength.absent = 131072;
    f.kvHeadsAbsent = 8;
    f.qkvBias = f.attentionOutputBias = f.mlpBias = {};
    f.windows = WindowRule::EveryLayer;
    return f;
}();

constexpr Family kQwen2 = [] {
    Family f = kLlama;
    f.modelType = "qwen2";
    f.architecture = "Qwen2ForCausalLM";
    f.vocabSize.absent = 151936;
    f.mlpWidth.absent = 22016;
    f.contextLength.absent = 32768;
    f.kvHeadsAbsent = 32;
    f.qkvBias = {nullptr, true};
    f.attentionOutputBias = f.mlpBias = {};
    f.windows = WindowRule::Switched;
    return f;
}();

constexpr Family kQwen3 = [] {
    Family f = kQwen2;
    f.modelType = "qwen3";
    f.architecture = "Qwen3ForCausalLM";
    f.headSizeAbsent = 128;
    f.qkvBias = f.attentionOutputBias = {"attention_bias", false};
    f.qkNorm = QkNorm::EachHead;
    f.names.queryNorm = "self_attn.q_norm";
    f.names.keyNorm = "self_attn.k_norm";
    return f;
}();

constexpr Family kOlmo = [] {
    Family f = kLlama;
    f.modelType = "olmo";
    f.architecture = "OlmoForCausalLM";
    f.vocabSize.absent = 50304;
    f.norm = NormKind::LayerNorm;
    f.normEpsKey = nullptr;
    f.normEps = 1e-5;
    f.normGain = false;
    f.mlpBias = {};
    f.clipsQkv = true;
    return f;
}();

constexpr Family kOlmo2 = [] {
    Family f = kLlama;
    f.modelType = "olmo2";
    f.architecture = "Olmo2ForCausalLM";
    f.vocabSize.absent = 50304;
    f.normEps = 1e-5;
    f.normPlacement = NormPlacement::AfterBranch;
    f.qkNorm = QkNorm::AllHeads;
    f.mlpBias = {};
    f.names.inputNorm = "post_attention_layernorm";
    f.names.mlpNorm = "post_feedforward_layernorm";
    f.names.queryNorm = "self_attn.q_norm";
    f.names.keyNorm = "self_attn.k_norm";
    return f;
}();

constexpr Family kOlmo3 = [] {
    Family f = kOlmo2;
    f.modelType = "olmo3";
    f.architecture = "Olmo3ForCausalLM";
    f.ropeBase = 500000;
    f.windows = WindowRule::ThreeOfFour;
    return f;
}();

/// The first OLMo repositories: other keys, other names, fused tensors, the same mathematics as olmo.
constexpr ConfigDemand kFirstOlmoDemands[] = {
    {"rope", "true", "other positions"},
    {"alibi", "false", "other positions"},
    {"layer_norm_with_affine", "false", "norms with weights"},
    {"attention_layer_norm", "false", "norms of queries and keys"},
    {"include_bias", "false", "biases"},
    {"bias_for_layer_norm", "false", "biases"},
    {"activation_type", "\"swiglu\"", "another activation"},
    {"block_type", "\"sequential\"", "another block"},
    {"scale_logits", "false", "scaled logits"},
    {"block_group_size", "1", "grouped blocks"},
    {"multi_query_attention", "false", "a single head of keys and values"},
    {"norm_after", "false", "norms after the branches (OLMo 2)"},
    {"layer_norm_type", R"(["default", "low_precision", "amd_compatible"])", "another norm"},
};
constexpr Family kFirstOlmo = [] {
    Family f = kOlmo;
    f.modelType = "hf_olmo";
    f.architecture = "OLMoForCausalLM";
    f.vocabSize = {"embedding_size", 50304};
    f.width = {"d_model", 768};
    f.layers = {"n_layers", 12};
    f.heads = {"n_heads", 12};
    f.mlpWidth = {"mlp_hidden_size", 0};
    f.mlpWidthRule = MlpWidthRule::BothHalves;
    f.contextLength = {"max_sequence_length", 1024};
    f.kvHeadsKey = "n_kv_heads";
    f.qkvBias = f.attentionOutputBias = {};
    f.activationKey = nullptr;
    f.normEpsKey = "layer_norm_eps";
    f.tiedHead = {"weight_tying", true};
    f.qkv = QkvLayout::Consecutive;
    f.fusedUpGate = true;
    f.demands = kFirstOlmoDemands;
    f.names = {.bodyPrefix = "model.",
               .embedding = "model.transformer.wte",
               .head = "model.transformer.ff_out",
               .layerPrefix = "model.transformer.blocks.",
               .queryKeyValue = "att_proj",
               .attentionOutput = "attn_out",
               .upGate = "ff_proj",
               .down = "ff_out"};
    return f;
}();

constexpr Family kNeox = {
    .modelType = "gpt_neox",
    .architecture = "GPTNeoXForCausalLM",
    .vocabSize = {"vocab_size", 50432},
    .width = {"hidden_size", 6144},
    .layers = {"num_hidden_layers", 44},
    .heads = {"num_attention_heads", 64},
    .mlpWidth = {"intermediate_size", 24576},
    .contextLength = {"max_position_embeddings", 2048},
    .norm = NormKind::LayerNorm,
    .normEpsKey = "layer_norm_eps",
    .normBias = {nullptr, true},
    .mlp = MlpKind::Plain,
    .activation = "gelu",
    .qkvBias = {"attention_bias", true},
    .attentionOutputBias = {"attention_bias", true},
    .mlpBias = {nullptr, true},
    .parallelResidual = {"use_parallel_residual", true},
    .qkv = QkvLayout::PerHead,
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
              .queryKeyValue = "attention.query_key_value",
              .attentionOutput = "attention.dense",
              .mlpNorm = "post_attention_layernorm",
              .up = "mlp.dense_h_to_4h",
              .down = "mlp.dense_4h_to_h"},
};

constexpr ConfigDemand kGpt2Demands[] = {{"scale_attn_weights", "true", "unscaled attention scores"}};
constexpr Family kGpt2 = {
    .modelType = "gpt2",
    .architecture = "GPT2LMHeadModel",
    .vocabSize = {"vocab_size", 50257},
    .width = {"n_embd", 768},
    .layers = {"n_layer", 12},
    .heads = {"n_head", 12},
    .mlpWidth = {"n_inner", 0},
    .contextLength = {"n_positions", 1024},
    .mlpWidthRule = MlpWidthRule::FourTimes,
    .norm = NormKind::LayerNorm,
    .normEpsKey = "layer_norm_epsilon",
    .normBias = {nullptr, true},
    .mlp = MlpKind::Plain,
    .activationKey = "activation_function",
    .activation = "gelu_new",
    .qkvBias = {nullptr, true},
    .attentionOutputBias = {nullptr, true},
    .mlpBias = {nullptr, true},
    .tiedHead = {"tie_word_embeddings", true},
    .qkv = QkvLayout::Consecutive,
    .transposedBlocks = true,
    .attentionScaleByLayer = {"scale_attn_by_inverse_layer_idx", false},
    .positions = Positions::Learned,
    .demands = kGpt2Demands,
    .names = {.bodyPrefix = "transformer.",
              .embedding = "transformer.wte",
              .position = "transformer.wpe",
              .head = "lm_head",
              .finalNorm = "transformer.ln_f",
              .layerPrefix = "transformer.h.",
              .inputNorm = "ln_1",
              .queryKeyValue = "attn.c_attn",
              .attentionOutput = "attn.c_proj",
              .mlpNorm = "ln_2",
              .up = "mlp.c_fc",
              .down = "mlp.c_proj"},
};

/// Read from ckpt.pt: the same blocks as gpt2, but plain Linear (not [in, out]), GELU by erf, one switch for all
/// biases.
constexpr Family kNanoGpt = [] {
    Family f = kGpt2;
    f.modelType = "nanogpt";
    f.architecture = "GPT";
    f.vocabSize.absent = 50304;
    f.contextLength = {"block_size", 1024};
    f.normEpsKey = nullptr;
    f.activationKey = nullptr;
    f.activation = "gelu";
    f.normBias = f.qkvBias = f.attentionOutputBias = f.mlpBias = {"bias", true};
    f.tiedHead = {nullptr, true};
    f.transposedBlocks = false;
    f.attentionScaleByLayer = {};
    f.demands = {};
    return f;
}();

constexpr Family kOpt = {
    .modelType = "opt",
    .architecture = "OPTForCausalLM",
    .vocabSize = {"vocab_size", 50272},
    .width = {"hidden_size", 768},
    .layers = {"num_hidden_layers", 12},
    .heads = {"num_attention_heads", 12},
    .mlpWidth = {"ffn_dim", 3072},
    .contextLength = {"max_position_embeddings", 2048},
    .norm = NormKind::LayerNorm,
    .normBias = {nullptr, true},
    .mlp = MlpKind::Plain,
    .activationKey = "activation_function",
    .activation = "relu",
    .qkvBias = {"enable_bias", true},
    .attentionOutputBias = {"enable_bias", true},
    .mlpBias = {"enable_bias", true},
    .tiedHead = {"tie_word_embeddings", true},
    .normBefore = {"do_layer_norm_before", true},
    .embeddingWidthKey = "word_embed_proj_dim",
    .positions = Positions::Learned,
    .positionOffset = 2,
    .names = {.bodyPrefix = "model.",
              .embedding = "model.decoder.embed_tokens",
              .position = "model.decoder.embed_positions",
              .projectIn = "model.decoder.project_in",
              .projectOut = "model.decoder.project_out",
              .head = "lm_head",
              .finalNorm = "model.decoder.final_layer_norm",
              .layerPrefix = "model.decoder.layers.",
              .inputNorm = "self_attn_layer_norm",
              .query = "self_attn.q_proj",
              .key = "self_attn.k_proj",
              .value = "self_attn.v_proj",
              .attentionOutput = "self_attn.out_proj",
              .mlpNorm = "final_layer_norm",
              .up = "fc1",
              .down = "fc2"},
};

constexpr const Family* kFamilies[] = {&kLlama,   &kNeox,  &kOlmo,  &kOlmo2, &kOlmo3, &kFirstOlmo,
                                       &kMistral, &kQwen2, &kQwen3, &kGpt2,  &kOpt,   &kNanoGpt};

struct Refusal {
    const char* prefix; ///< of model_type
    const char* reason;
};
constexpr Refusal kRefusals[] = {
    {"smollm3", "every fourth layer has no rotary positions"},
    {"olmo_hybrid", "it mixes attention with another kind of layer"},
    {"olmoe", "it is a mixture of experts"},
    {"flex_olmo", "it is a mixture of experts"},
    {"mixtral", "it is a mixture of experts"},
    {"qwen2_moe", "it is a mixture of experts"},
    {"qwen3_moe", "it is a mixture of experts"},
    {"qwen3_next", "it mixes attention with another kind of layer"},
    {"gemma", "its norm weights are offsets from one and its embeddings are scaled"},
    {"phi", "its blocks differ"},
    {"falcon", "its blocks differ"},
};

} // namespace

const Family* findFamily(std::string_view modelType, const Json& config) {
    // Early files of the first OLMo repositories carry the model_type of the later layout.
    if (modelType == "olmo" && config.is_object() && config.contains("d_model"))
        modelType = "hf_olmo";
    for (const Family* family : kFamilies)
        if (modelType == family->modelType)
            return family;
    return nullptr;
}

std::string unsupportedFamilyReason(std::string_view modelType) {
    std::string known;
    for (const Family* family : kFamilies)
        known += (known.empty() ? "" : ", ") + std::string(family->modelType);
    for (const Refusal& refusal : kRefusals)
        if (modelType.starts_with(refusal.prefix))
            return fmt::format("The family \"{}\" cannot be used yet ({}); those that can are {}.", modelType,
                               refusal.reason, known);
    return fmt::format("The family \"{}\" is unknown; those that can be used are {}.", modelType.substr(0, 80), known);
}

} // namespace crest::series
