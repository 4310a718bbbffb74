// SPDX-License-Identifier: Apache-2.0
// The table of model families: how each writes its config.json and names its tensors (formats.md 2.2 and 2.4, checked
// against transformers 5.23). A new family that fits the shape of DecoderSpec is one row here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/series/decoder_spec.h"

namespace crest::series {

/// A switch of config.json: read from `key` with `fallback` where absent; always `fallback` where `key` is null.
struct ConfigSwitch {
    const char* key = nullptr;
    bool fallback = false;
};

/// A size of config.json and what its absence means.
struct ConfigSize {
    const char* key;
    std::int64_t absent;
};

/// A key that must have this value, or one of this list (JSON text), where it is there: another one would change
/// numbers.
struct ConfigDemand {
    const char* key;
    const char* value;
    const char* why;
};

/// Names without ".weight" and ".bias"; those of a layer follow layerPrefix + index + ".". Null where a family has
/// none.
struct TensorNames {
    const char* bodyPrefix = nullptr; ///< what files saved from the bare body leave out
    const char* embedding = nullptr;
    const char* position = nullptr;
    const char* projectIn = nullptr;
    const char* projectOut = nullptr;
    const char* head = nullptr;
    const char* headAlias = nullptr; ///< another name that files use for the head
    const char* finalNorm = nullptr;
    const char* layerPrefix = nullptr;
    const char* inputNorm = nullptr;
    const char* query = nullptr;
    const char* key = nullptr;
    const char* value = nullptr;
    const char* queryKeyValue = nullptr;
    const char* queryNorm = nullptr;
    const char* keyNorm = nullptr;
    const char* attentionOutput = nullptr;
    const char* mlpNorm = nullptr;
    const char* gate = nullptr;
    const char* up = nullptr;
    const char* upGate = nullptr;
    const char* down = nullptr;
};

/// How the width of the MLP follows from its key.
enum class MlpWidthRule {
    Plain,     ///< the key, or the family's default
    FourTimes, ///< the key, or 4 E
    BothHalves ///< the key counts gate and up together; without it "mlp_ratio" x E does (the first OLMo files)
};

/// Where sliding windows come from ("sliding_window" tokens, absent: 4096, null: none).
enum class WindowRule {
    None,
    EveryLayer, ///< mistral
    Switched,   ///< qwen2, qwen3: only with "use_sliding_window", from layer "max_window_layers" up, or "layer_types"
    ThreeOfFour ///< olmo3: "layer_types", or all but every fourth layer
};

struct Family {
    const char* modelType;
    const char* architecture; ///< class name that transformers writes into "architectures"

    // What an absent key means: the class defaults of transformers.
    ConfigSize vocabSize, width, layers, heads, mlpWidth, contextLength;
    MlpWidthRule mlpWidthRule = MlpWidthRule::Plain;
    bool groupedHeads = false; ///< kvHeadsKey and head_dim are read
    const char* kvHeadsKey = "num_key_value_heads";
    std::int64_t kvHeadsAbsent = 0;  ///< where the key is absent; null always means as many as heads. 0: as many
    std::int64_t headSizeAbsent = 0; ///< 0: width / heads
    NormKind norm = NormKind::RmsNorm;
    NormPlacement normPlacement = NormPlacement::BeforeBranch;
    const char* normEpsKey = nullptr; ///< null: fixed in the code
    double normEps = 1e-5;
    bool normGain = true;
    ConfigSwitch normBias = {};
    QkNorm qkNorm = QkNorm::None;
    MlpKind mlp = MlpKind::Gated;
    const char* activationKey = "hidden_act"; ///< null: fixed
    const char* activation = "silu";
    ConfigSwitch qkvBias = {}, attentionOutputBias = {}, mlpBias = {}, parallelResidual = {};
    ConfigSwitch tiedHead = {"tie_word_embeddings", false};
    QkvLayout qkv = QkvLayout::Separate;
    bool fusedUpGate = false, transposedBlocks = false;
    bool clipsQkv = false; ///< "clip_qkv" is read
    ConfigSwitch attentionScaleByLayer = {};
    ConfigSwitch normBefore = {nullptr, true}; ///< off: NormPlacement::AfterSum and no final norm
    const char* embeddingWidthKey = nullptr;
    Positions positions = Positions::Rotary;
    std::int64_t positionOffset = 0;
    double ropeBase = 10000;
    const char* ropeBaseKey = nullptr;      ///< top-level key of older files
    const char* partialRotaryKey = nullptr; ///< top-level key of older files; null where partial rotation has no effect
    double partialRotary = 1;
    WindowRule windows = WindowRule::None;
    std::span<const ConfigDemand> demands = {};

    TensorNames names = {};
};

/// Null for families that are not built. `config` tells apart families that share a model_type.
const Family* findFamily(std::string_view modelType, const Json& config = Json());

/// Why a family cannot be used, in a plain sentence.
std::string unsupportedFamilyReason(std::string_view modelType);

} // namespace crest::series
