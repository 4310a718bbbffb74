// SPDX-License-Identifier: Apache-2.0
// The tensors that a decoder of a given shape consists of, and what they cost.
#include <fmt/format.h>

#include "core/series/decoder_spec.h"
#include "core/series/families.h"

namespace crest::series {
namespace {

/// Collects weight and bias of one slot after the other.
class TensorList {
public:
    std::vector<TensorInfo> tensors;
    std::string prefix;
    int layer = -1;

    void matrix(TensorSlot slot, const char* name, TensorRole role, std::int64_t out, std::int64_t in, bool bias) {
        add(slot, name, ".weight", role, {out, in});
        if (bias)
            add(slot, name, ".bias", TensorRole::Bias, {out});
    }
    void norm(TensorSlot slot, const char* name, std::int64_t width, bool bias) {
        add(slot, name, ".weight", TensorRole::NormGain, {width});
        if (bias)
            add(slot, name, ".bias", TensorRole::Bias, {width});
    }

private:
    void add(TensorSlot slot, const char* name, const char* ending, TensorRole role, std::vector<std::int64_t> shape) {
        tensors.push_back({prefix + name + ending, std::move(shape), role, layer, slot, role == TensorRole::Bias});
    }
};

/// Sums the elements of one layer, the same for all.
struct Sizes {
    std::int64_t attention, mlp, layerOther, embedding, other;
};
Sizes sizesOf(const DecoderSpec& s) {
    const std::int64_t q = s.heads * s.headSize, kv = s.kvHeads * s.headSize;
    const std::int64_t mlpMatrices = s.mlp == MlpKind::Gated ? 3 : 2;
    const std::int64_t norm = s.width * (s.normBias ? 2 : 1);
    std::int64_t other = 2 * norm;
    other += s.qkvBias ? q + 2 * kv : 0;
    other += s.attentionOutputBias ? s.width : 0;
    other += s.mlpBias ? (mlpMatrices - 1) * s.mlpWidth + s.width : 0;
    return {2 * q * s.width + 2 * kv * s.width, mlpMatrices * s.width * s.mlpWidth, other, s.vocabSize * s.width, norm};
}

} // namespace

std::vector<TensorInfo> expectedTensors(const DecoderSpec& spec) {
    const Family* family = findFamily(spec.family);
    if (!family)
        return {};
    const TensorNames& names = family->names;
    const std::int64_t query = spec.heads * spec.headSize, keyValue = spec.kvHeads * spec.headSize;
    TensorList list;
    list.matrix(TensorSlot::Embedding, names.embedding, TensorRole::Embedding, spec.vocabSize, spec.width, false);
    for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
        list.layer = static_cast<int>(layer);
        list.prefix = fmt::format("{}{}.", names.layerPrefix, layer);
        list.norm(TensorSlot::InputNorm, names.inputNorm, spec.width, spec.normBias);
        const TensorRole in = TensorRole::InputMatrix, out = TensorRole::ResidualOutput;
        if (spec.fusedQkv) {
            list.matrix(TensorSlot::QueryKeyValue, names.queryKeyValue, in, query + 2 * keyValue, spec.width,
                        spec.qkvBias);
        } else {
            list.matrix(TensorSlot::Query, names.query, in, query, spec.width, spec.qkvBias);
            list.matrix(TensorSlot::Key, names.key, in, keyValue, spec.width, spec.qkvBias);
            list.matrix(TensorSlot::Value, names.value, in, keyValue, spec.width, spec.qkvBias);
        }
        list.matrix(TensorSlot::AttentionOutput, names.attentionOutput, out, spec.width, query,
                    spec.attentionOutputBias);
        list.norm(TensorSlot::MlpNorm, names.mlpNorm, spec.width, spec.normBias);
        if (spec.mlp == MlpKind::Gated)
            list.matrix(TensorSlot::Gate, names.gate, in, spec.mlpWidth, spec.width, spec.mlpBias);
        list.matrix(TensorSlot::Up, names.up, in, spec.mlpWidth, spec.width, spec.mlpBias);
        list.matrix(TensorSlot::Down, names.down, out, spec.width, spec.mlpWidth, spec.mlpBias);
    }
    list.layer = -1;
    list.prefix.clear();
    list.norm(TensorSlot::FinalNorm, names.finalNorm, spec.width, spec.normBias);
    if (!spec.tiedHead)
        list.matrix(TensorSlot::Head, names.head, TensorRole::Head, spec.vocabSize, spec.width, false);
    return std::move(list.tensors);
}

std::int64_t parameterCount(const DecoderSpec& spec) {
    const Sizes sizes = sizesOf(spec);
    return spec.layers * (sizes.attention + sizes.mlp + sizes.layerOther) + (spec.tiedHead ? 1 : 2) * sizes.embedding +
           sizes.other;
}

double forwardFlopsPerToken(const DecoderSpec& spec, double meanSpan) {
    const Sizes sizes = sizesOf(spec);
    const auto layers = static_cast<double>(spec.layers);
    const double matmulWeights =
        layers * static_cast<double>(sizes.attention + sizes.mlp) + static_cast<double>(sizes.embedding);
    return 2 * matmulWeights + 4 * layers * meanSpan * static_cast<double>(spec.heads * spec.headSize);
}

} // namespace crest::series
