// SPDX-License-Identifier: Apache-2.0
#include "core/train/plain_workspace.h"

#include <algorithm>

#include "core/train/training_memory.h"

namespace crest::train {

using series::DecoderSpec;

namespace {

/// Tensors of one size that an expression holds at its end, temporaries of all its operators among them.
constexpr std::int64_t kRmsNormTensors = 6, kLayerNormTensors = 7; ///< backward, of [rows, width]
constexpr std::int64_t kGatedTensors = 3;                          ///< backward, of [rows, MLP width]
constexpr std::int64_t kScoreTensors = 5, kWindowedTensors = 6;    ///< backward, of the scores
constexpr std::int64_t kLeastScores = 1 << 16;
constexpr std::int64_t kLogitTensors = 3;                          ///< the loss, of [rows at a time, vocabulary]

std::int64_t ofNorms(const DecoderSpec& spec, std::int64_t rows) {
    const std::int64_t tensors = spec.norm == series::NormKind::RmsNorm ? kRmsNormTensors : kLayerNormTensors;
    const std::int64_t ofHeads = spec.qkNorm == series::QkNorm::None ? 0 : kRmsNormTensors * spec.heads * spec.headSize;
    return 4 * rows * std::max(tensors * spec.width, ofHeads);
}

/// `tensors` of scores; of grouped heads keys and values are repeated for the whole expression.
std::int64_t ofAttention(const DecoderSpec& spec, std::int64_t tensors, std::int64_t rows, std::int64_t longest) {
    const std::int64_t repeated = spec.kvHeads == spec.heads ? 0 : 2 * longest * spec.heads * spec.headSize;
    return 4 * (tensors * std::min(scoresAtATime(spec, longest), spec.heads * rows * longest) + repeated);
}

/// bfloat16: both factors and the result, and backward the gradient of the matrix.
std::int64_t ofNarrowProducts(const DecoderSpec& spec, std::int64_t rows) {
    const auto product = [](std::int64_t n, std::int64_t in, std::int64_t out) { return 2 * (n * (in + out) + in * out); };
    const BlockColumns block = blockColumns(spec);
    return std::max({product(rows, spec.width, block.qkv), product(rows, spec.width, block.mlpIn), product(rows, block.hidden, spec.width),
                     product(rows, block.attendedRows, spec.width), product(logitRows(spec, rows), spec.tableWidth(), spec.vocabSize)});
}

} // namespace

std::int64_t scoresAtATime(const DecoderSpec& spec, std::int64_t longest) {
    return std::max(kLeastScores, spec.heads * longest * longest);
}

std::int64_t windowedWorkspace(const DecoderSpec& spec, std::int64_t rows, std::int64_t longest) {
    bool windowed = false;
    for (std::int64_t layer = 0; layer < spec.layers; ++layer)
        windowed = windowed || (spec.window(layer) > 0 && spec.window(layer) < longest);
    return windowed ? ofAttention(spec, kWindowedTensors, rows, longest) : 0;
}

std::int64_t plainWorkspace(const DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t rows, std::int64_t longest) {
    const std::int64_t mlp = 4 * rows * spec.mlpWidth * (spec.mlp == series::MlpKind::Gated ? kGatedTensors : 1);
    const std::int64_t head = 4 * kLogitTensors * logitRows(spec, rows) * spec.vocabSize;
    const std::int64_t narrow = settings.compute == ComputeType::BFloat16 ? ofNarrowProducts(spec, rows) : 0;
    return std::max({ofNorms(spec, rows), mlp, ofAttention(spec, kScoreTensors, rows, longest), windowedWorkspace(spec, rows, longest), head, narrow});
}

} // namespace crest::train
