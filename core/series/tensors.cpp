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
    bool transposed = false; ///< matrices as [in, out]

    void matrix(TensorSlot slot, const char* name, TensorRole role, std::int64_t out, std::int64_t in, bool bias) {
        add(slot, name, ".weight", role, transposed ? std::vector{in, out} : std::vector{out, in});
        tensors.back().transposed = transposed;
        if (bias)
            add(slot, name, ".bias", TensorRole::Bias, {out});
    }
    void norm(TensorSlot slot, const char* name, std::int64_t width, const DecoderSpec& spec) {
        if (spec.normGain)
            add(slot, name, ".weight", TensorRole::NormGain, {width});
        if (spec.normGain && spec.normBias)
            add(slot, name, ".bias", TensorRole::Bias, {width});
    }

private:
    void add(TensorSlot slot, const char* name, const char* ending, TensorRole role, std::vector<std::int64_t> shape) {
        tensors.push_back({prefix + name + ending, std::move(shape), role, layer, slot, role == TensorRole::Bias});
    }
};

void addAttention(TensorList& list, const DecoderSpec& spec, const TensorNames& names) {
    const std::int64_t query = spec.heads * spec.headSize, keyValue = spec.kvHeads * spec.headSize;
    const TensorRole in = TensorRole::InputMatrix;
    if (spec.qkv != QkvLayout::Separate) {
        list.matrix(TensorSlot::QueryKeyValue, names.queryKeyValue, in, query + 2 * keyValue, spec.width, spec.qkvBias);
    } else {
        list.matrix(TensorSlot::Query, names.query, in, query, spec.width, spec.qkvBias);
        list.matrix(TensorSlot::Key, names.key, in, keyValue, spec.width, spec.qkvBias);
        list.matrix(TensorSlot::Value, names.value, in, keyValue, spec.width, spec.qkvBias);
    }
    if (spec.qkNorm != QkNorm::None) {
        const bool each = spec.qkNorm == QkNorm::EachHead;
        list.norm(TensorSlot::QueryNorm, names.queryNorm, each ? spec.headSize : query, spec);
        list.norm(TensorSlot::KeyNorm, names.keyNorm, each ? spec.headSize : keyValue, spec);
    }
    list.matrix(TensorSlot::AttentionOutput, names.attentionOutput, TensorRole::ResidualOutput, spec.width, query,
                spec.attentionOutputBias);
}

void addMlp(TensorList& list, const DecoderSpec& spec, const TensorNames& names) {
    const TensorRole in = TensorRole::InputMatrix;
    if (spec.fusedUpGate) {
        list.matrix(TensorSlot::UpGate, names.upGate, in, 2 * spec.mlpWidth, spec.width, spec.mlpBias);
    } else {
        if (spec.mlp == MlpKind::Gated)
            list.matrix(TensorSlot::Gate, names.gate, in, spec.mlpWidth, spec.width, spec.mlpBias);
        list.matrix(TensorSlot::Up, names.up, in, spec.mlpWidth, spec.width, spec.mlpBias);
    }
    list.matrix(TensorSlot::Down, names.down, TensorRole::ResidualOutput, spec.width, spec.mlpWidth, spec.mlpBias);
}

void addLayer(TensorList& list, const DecoderSpec& spec, const TensorNames& names, std::int64_t layer) {
    list.layer = static_cast<int>(layer);
    list.prefix = fmt::format("{}{}.", names.layerPrefix, layer);
    list.transposed = spec.transposedBlocks;
    list.norm(TensorSlot::InputNorm, names.inputNorm, spec.width, spec);
    addAttention(list, spec, names);
    list.norm(TensorSlot::MlpNorm, names.mlpNorm, spec.width, spec);
    addMlp(list, spec, names);
    list.layer = -1;
    list.prefix.clear();
    list.transposed = false;
}

void addEmbeddings(TensorList& list, const DecoderSpec& spec, const TensorNames& names) {
    const std::int64_t width = spec.tableWidth();
    list.matrix(TensorSlot::Embedding, names.embedding, TensorRole::Embedding, spec.vocabSize, width, false);
    if (spec.positions == Positions::Learned)
        list.matrix(TensorSlot::Position, names.position, TensorRole::Embedding,
                    spec.contextLength + spec.positionOffset, spec.width, false);
    if (spec.embeddingWidth > 0) {
        list.matrix(TensorSlot::ProjectIn, names.projectIn, TensorRole::InputMatrix, spec.width, width, false);
        list.matrix(TensorSlot::ProjectOut, names.projectOut, TensorRole::InputMatrix, width, spec.width, false);
    }
}

void addHead(TensorList& list, const DecoderSpec& spec, const TensorNames& names) {
    if (spec.finalNorm)
        list.norm(TensorSlot::FinalNorm, names.finalNorm, spec.width, spec);
    if (!spec.tiedHead)
        list.matrix(TensorSlot::Head, names.head, TensorRole::Head, spec.vocabSize, spec.tableWidth(), false);
}

/// Elements of tensors that `wanted` picks, in one layer (all have the same) and outside the layers.
struct Elements {
    std::int64_t layer = 0, other = 0;
};
template<class Wanted> Elements elementsOf(const DecoderSpec& spec, const Wanted& wanted) {
    const Family* family = findFamily(spec.family);
    Elements sum;
    if (!family)
        return sum;
    TensorList list;
    addLayer(list, spec, family->names, 0);
    addEmbeddings(list, spec, family->names);
    addHead(list, spec, family->names);
    for (const TensorInfo& tensor : list.tensors) {
        std::int64_t count = 1;
        for (const std::int64_t size : tensor.shape)
            count *= size;
        if (wanted(tensor))
            (tensor.layer == 0 ? sum.layer : sum.other) += count;
    }
    return sum;
}

} // namespace

std::vector<TensorInfo> expectedTensors(const DecoderSpec& spec) {
    const Family* family = findFamily(spec.family);
    if (!family)
        return {};
    TensorList list;
    addEmbeddings(list, spec, family->names);
    for (std::int64_t layer = 0; layer < spec.layers; ++layer)
        addLayer(list, spec, family->names, layer);
    addHead(list, spec, family->names);
    return std::move(list.tensors);
}

std::int64_t parameterCount(const DecoderSpec& spec) {
    const Elements all = elementsOf(spec, [](const TensorInfo&) { return true; });
    return spec.layers * all.layer + all.other;
}

double forwardFlopsPerToken(const DecoderSpec& spec, double meanSpan) {
    const Elements products = elementsOf(spec, [](const TensorInfo& tensor) {
        return tensor.role == TensorRole::InputMatrix || tensor.role == TensorRole::ResidualOutput;
    });
    const auto layers = static_cast<double>(spec.layers);
    const double weights = layers * static_cast<double>(products.layer) + static_cast<double>(products.other) +
                           static_cast<double>(spec.vocabSize * spec.tableWidth());
    return 2 * weights + 4 * layers * meanSpan * static_cast<double>(spec.heads * spec.headSize);
}

} // namespace crest::series
