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
/// Where a block norms: x + f(norm x); x + norm(f(x)) (olmo2); norm(x + f(x)) (opt-350m).
enum class NormPlacement { BeforeBranch, AfterBranch, AfterSum };
/// Norms of queries and keys before rotation: over all heads together (olmo2), or head by head (qwen3).
enum class QkNorm { None, AllHeads, EachHead };
/// How files hold queries, keys and values: three tensors; one, interleaved per head [H, 3, D, E] (gpt_neox); one of
/// three stretches q | k | v (gpt2).
enum class QkvLayout { Separate, PerHead, Consecutive };
enum class Positions { Rotary, Learned };
enum class MlpKind { Gated, Plain }; ///< Gated: down(act(gate x) * up x); Plain: down(act(up x))
enum class Activation { Silu, GeluErf, GeluTanh, Relu };

/// How noise and re-initialisation treat a tensor, and which init rule it falls under.
enum class TensorRole {
    Embedding,      ///< [V, E]; with a tied head it is the head, too: one tensor, one draw. Learned positions, too
    Head,           ///< [V, E], only where untied
    InputMatrix,    ///< q, k, v, gate, up: [out, in]
    ResidualOutput, ///< attention output and MLP down: [out, in]
    NormGain,       ///< deterministic start: gets no noise
    Bias            ///< deterministic start: gets no noise
};

/// Where a tensor sits in the decoder, so that code above never reads names.
enum class TensorSlot {
    Embedding,
    Position,   ///< learned positions, [contextLength + positionOffset, E]
    ProjectIn,  ///< [E, P] from an embedding of another width P
    ProjectOut, ///< [P, E] back to it before the head
    InputNorm,  ///< of the attention branch: where, NormPlacement says
    Query,
    Key,
    Value,
    QueryKeyValue, ///< fused, where QkvLayout is not Separate
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    MlpNorm, ///< of the MLP branch
    Gate,    ///< only MlpKind::Gated
    Up,
    UpGate, ///< fused up | gate, [2F, E] (the first OLMo files)
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
    bool isBias = false;     ///< the bias of the slot, not its weight
    bool transposed = false; ///< the file holds [in, out] (gpt2's Conv1D)
    bool operator==(const TensorInfo&) const = default;
};

/// Stretching of rotary positions beyond the length that a model was trained on (formats.md 2.6).
struct RopeScaling {
    enum class Kind { None, Linear, Dynamic, Llama3, Yarn };
    Kind kind = Kind::None;
    double factor = 1;
    std::int64_t originalContext = 0;           ///< Llama3 and Yarn: length before stretching
    double lowFrequency = 1, highFrequency = 4; ///< Llama3
    double betaFast = 32, betaSlow = 1;         ///< Yarn
    bool truncate = true;                       ///< Yarn: whole dimensions as borders
    double attentionFactor = 1;                 ///< Yarn: multiplies cosine and sine
    bool operator==(const RopeScaling&) const = default;
};

struct DecoderSpec {
    std::string family; ///< model_type of config.json; for messages and provenance only
    std::int64_t vocabSize = 0, width = 0, layers = 0, heads = 0, kvHeads = 0, headSize = 0, mlpWidth = 0;
    std::int64_t contextLength = 0; ///< max_position_embeddings, tokens

    NormKind norm = NormKind::RmsNorm;
    NormPlacement normPlacement = NormPlacement::BeforeBranch;
    double normEps = 1e-6;
    bool normGain = true;  ///< false: norms have no weights at all (olmo)
    bool finalNorm = true; ///< false: none after the last block (opt-350m)
    QkNorm qkNorm = QkNorm::None;
    MlpKind mlp = MlpKind::Gated;
    Activation activation = Activation::Silu;
    bool parallelResidual = false; ///< x + attn(ln1 x) + mlp(ln2 x) instead of one after the other
    QkvLayout qkv = QkvLayout::Separate;
    bool fusedUpGate = false;           ///< one tensor up | gate
    bool transposedBlocks = false;      ///< matrices of the blocks stand in the files as [in, out]
    double clipQkv = 0;                 ///< queries, keys and values are clamped to +- this after projection; 0: not
    bool attentionScaleByLayer = false; ///< scores are divided by layer + 1, too
    bool qkvBias = false, attentionOutputBias = false, mlpBias = false, normBias = false;
    bool tiedHead = false;
    std::int64_t embeddingWidth = 0; ///< P where embedding and head have another width than E; else 0

    Positions positions = Positions::Rotary;
    std::int64_t positionOffset = 0; ///< Learned: row of the first token
    double ropeBase = 10000;
    std::int64_t ropeDims = 0; ///< rotated dimensions of each head (half-split form), <= headSize; 0: Learned
    RopeScaling ropeScaling;
    /// Attention window of each layer in tokens: position i sees i - W + 1 .. i; 0 sees all. Empty: all see all.
    std::vector<std::int64_t> windows;
    double windowRopeBase = 0; ///< base, without scaling, of the layers that have a window; 0: as the others

    std::int64_t window(std::int64_t layer) const {
        return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)];
    }
    std::int64_t tableWidth() const { return embeddingWidth > 0 ? embeddingWidth : width; }

    bool operator==(const DecoderSpec&) const = default;
};

/// Reads a parsed config.json. Unknown families and options that change numbers but are not built (quantisation, custom
/// code, mixtures of experts) are Unsupported with the key named; contradictory or absurd sizes are
/// OutOfRange. Bounds: every size > 0 and <= 2^24, layers <= 1024, checked products. `where` names the file.
Result<DecoderSpec> decoderSpecFromConfig(const Json& config, const std::string& where);

/// The config.json that transformers loads back as the same model; for the families that Crest trains (llama,
/// gpt_neox).
Json configFromDecoderSpec(const DecoderSpec& spec);

/// Every tensor that a checkpoint of this shape must hold, in canonical order (embedding, layers ascending, final norm,
/// head).
std::vector<TensorInfo> expectedTensors(const DecoderSpec& spec);

/// Inverse frequencies of the rotated pairs of a layer, ropeDims / 2 of them, for a sequence of `tokens` tokens
/// (formats.md 2.6; Dynamic alone depends on the length). Times position: the angle; cosine and sine are multiplied by
/// ropeScaling.attentionFactor where the layer is scaled (ropeAttentionFactor).
std::vector<double> ropeFrequencies(const DecoderSpec& spec, std::int64_t layer, std::int64_t tokens);
double ropeAttentionFactor(const DecoderSpec& spec, std::int64_t layer);

/// Parameters in all tensors; a tied head counts once.
std::int64_t parameterCount(const DecoderSpec& spec);

/// Floating-point operations of a forward pass per token with mean attention span `meanSpan` tokens, head included,
/// input embedding not (performance.md 2.4: 2 * matmul weights + 4 * L * span * H * D).
double forwardFlopsPerToken(const DecoderSpec& spec, double meanSpan);

} // namespace crest::series
