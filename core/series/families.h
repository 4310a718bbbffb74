// SPDX-License-Identifier: Apache-2.0
// The table of model families: how each writes its config.json and names its tensors (formats.md 2.2 and 2.4, checked
// against transformers 5.23). A new family that fits the shape of DecoderSpec is one row here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/series/decoder_spec.h"

namespace crest::series {

/// A switch of config.json: read from `key` with `fallback` where absent; always `fallback` where `key` is null.
struct ConfigSwitch {
    const char* key = nullptr;
    bool fallback = false;
};

/// Names without ".weight" and ".bias"; those of a layer follow layerPrefix + index + ".". Null where a family has
/// none.
struct TensorNames {
    const char* bodyPrefix; ///< what files saved from the bare body leave out
    const char* embedding;
    const char* head;
    const char* headAlias; ///< another name that files use for the head, or null
    const char* finalNorm;
    const char* layerPrefix;
    const char *inputNorm, *query, *key, *value, *queryKeyValue, *attentionOutput, *mlpNorm, *gate, *up, *down;
};

struct Family {
    const char* modelType;
    const char* architecture; ///< class name that transformers writes into "architectures"

    // What an absent key means: the class defaults of transformers.
    std::int64_t vocabSize, width, layers, heads, mlpWidth, contextLength;
    bool groupedHeads; ///< num_key_value_heads and head_dim are read
    NormKind norm;
    const char* normEpsKey;
    double normEps;
    bool normBias;
    MlpKind mlp;
    const char* activation;
    ConfigSwitch attentionBias, mlpBias, parallelResidual;
    bool fusedQkv;
    const char* ropeBaseKey;      ///< top-level key of older files
    const char* partialRotaryKey; ///< top-level key of older files; null where partial rotation has no effect
    double partialRotary;

    TensorNames names;
};

/// Null for families that are not built.
const Family* findFamily(std::string_view modelType);

/// Why a family cannot be used, in a plain sentence.
std::string unsupportedFamilyReason(std::string_view modelType);

} // namespace crest::series
