// SPDX-License-Identifier: Apache-2.0
// One decoder described by data: what a config.json says, as plain facts. Families (llama, gpt_neox, ...) are rows of a
// table in families.cpp; nothing else in Crest asks for a family by name.
//
// Letters: B batch, T tokens, V vocabulary rows, E width, L layers, H heads, K key/value heads, D head size, F MLP
// width.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::series {

enum class NormKind { RmsNorm, LayerNorm };
enum class MlpKind { Gated, Plain }; ///< Gated: down(act(gate x) * up x); Plain: down(act(up x))
enum class Activation { Silu, GeluErf, GeluTanh, Relu };

/// How noise and re-initialisation treat a tensor, and which init rule it falls under.
enum class TensorRole {
    Embedding,      ///< [V, E]; with a tied head it is the head, too: one tensor, one draw
    Head,           ///< [V, E], only where untied
    InputMatrix,    ///< q, k, v, gate, up: [out, in]
    ResidualOutput, ///< attention output and MLP down: [out, in]
    NormGain,       ///< deterministic start: gets no noise
    Bias            ///< deterministic start: gets no noise
};

/// Where a tensor sits in the decoder, so that code above never reads names.
enum class TensorSlot {
    Embedding,
    InputNorm, ///< before attention
    Query,
    Key,
    Value,
    QueryKeyValue, ///< fused, only where DecoderSpec::fusedQkv
    AttentionOutput,
    MlpNorm, ///< before the MLP
    Gate,    ///< only MlpKind::Gated
    Up,
    Down,
    FinalNorm,
    Head
};

/// One tensor as the checkpoint's files name it.
struct TensorInfo {
    std::string name;                ///< canonical name of the family (Hugging Face layout)
    std::vector<std::int64_t> shape; ///< as in the file
    TensorRole role = TensorRole::InputMatrix;
    int layer = -1; ///< block index from 0, or -1
    TensorSlot slot = TensorSlot::Embedding;
    bool isBias = false; ///< the bias of the slot, not its weight
    bool operator==(const TensorInfo&) const = default;
};

struct DecoderSpec {
    std::string family; ///< model_type of config.json; for messages and provenance only
    std::int64_t vocabSize = 0, width = 0, layers = 0, heads = 0, kvHeads = 0, headSize = 0, mlpWidth = 0;
    std::int64_t contextLength = 0; ///< max_position_embeddings, tokens

    NormKind norm = NormKind::RmsNorm;
    double normEps = 1e-6;
    MlpKind mlp = MlpKind::Gated;
    Activation activation = Activation::Silu;
    bool parallelResidual = false; ///< x + attn(ln1 x) + mlp(ln2 x) instead of one after the other
    bool fusedQkv = false;         ///< one [H, 3, D, E] tensor, interleaved per head (gpt_neox)
    bool qkvBias = false, attentionOutputBias = false, mlpBias = false, normBias = false;
    bool tiedHead = false;
    double ropeBase = 10000;
    std::int64_t ropeDims = 0; ///< rotated dimensions of each head (half-split form), <= headSize

    bool operator==(const DecoderSpec&) const = default;
};

/// Reads a parsed config.json. Unknown families and options that change numbers but are not built (rope scaling,
/// sliding windows, quantisation, custom code) are Unsupported with the key named; contradictory or absurd sizes are
/// OutOfRange. Bounds: every size > 0 and <= 2^24, layers <= 1024, checked products. `where` names the file.
Result<DecoderSpec> decoderSpecFromConfig(const Json& config, const std::string& where);

/// The config.json that transformers loads back as the same model.
Json configFromDecoderSpec(const DecoderSpec& spec);

/// Every tensor that a checkpoint of this shape must hold, in canonical order (embedding, layers ascending, final norm,
/// head).
std::vector<TensorInfo> expectedTensors(const DecoderSpec& spec);

/// Parameters in all tensors; a tied head counts once.
std::int64_t parameterCount(const DecoderSpec& spec);

/// Floating-point operations of a forward pass per token with mean attention span `meanSpan` tokens, head included,
/// input embedding not (performance.md 2.4: 2 * matmul weights + 4 * L * span * H * D).
double forwardFlopsPerToken(const DecoderSpec& spec, double meanSpan);

} // namespace crest::series
