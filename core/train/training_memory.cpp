// SPDX-License-Identifier: Apache-2.0
#include "core/train/training_memory.h"

#include <algorithm>

#include "core/train/plain_workspace.h"

namespace crest::train {

using series::MlpKind;
using series::NormPlacement;
using series::QkNorm;
using series::TensorInfo;
using series::TensorSlot;

namespace {

/// Logits held at a time: within the cache where the head's matrix is, too; else enough rows to make reading it worth
/// while.
constexpr std::int64_t kLogitBytes = 1 << 19, kManyLogitBytes = 1 << 25, kSmallHead = 1 << 18;

std::int64_t elementsOf(const TensorInfo& info) {
    std::int64_t elements = 1;
    for (const std::int64_t size : info.shape)
        elements *= size;
    return elements;
}

} // namespace

std::int64_t BlockColumns::bytes() const {
    return 4 * (x + attentionIn + qkv + attendedRows + middle + mlpSource + mlpIn + hidden + branch1 + branch2 + queries + keys +
                queryRstd + keyRstd + lse + kStatistics) +
           clipped;
}

BlockColumns blockColumns(const series::DecoderSpec& s) {
    const std::int64_t heads = s.heads * s.headSize, keys = s.kvHeads * s.headSize;
    const bool before = s.normPlacement == NormPlacement::BeforeBranch;
    BlockColumns c;
    c.x = s.width;
    c.attentionIn = before ? s.width : 0;
    c.qkv = heads + 2 * keys;
    c.clipped = s.clipQkv > 0 ? c.qkv : 0;
    if (s.qkNorm != QkNorm::None) {
        const bool each = s.qkNorm == QkNorm::EachHead;
        c.queries = heads, c.keys = keys;
        c.queryRstd = each ? s.heads : 1, c.keyRstd = each ? s.kvHeads : 1;
    }
    c.attendedRows = heads;
    c.lse = s.heads;
    c.middle = s.parallelResidual ? 0 : s.width;
    c.mlpSource = before ? s.width : 0;
    c.branch1 = c.branch2 = before ? 0 : s.width;
    c.mlpIn = s.mlp == MlpKind::Gated ? 2 * s.mlpWidth : s.mlpWidth;
    c.hidden = s.mlpWidth;
    return c;
}

std::int64_t WorkColumns::bytes() const {
    return 4 * (last + endX + endAttended + lastNormed + embedded + projected + heads + dx + dNormed + dNormed2 + dEnd + dEndAttended +
                dBranch + dEmbedded + dProjected + dHeads + dQkv + dAttendedRows + dHidden + kStatistics);
}

WorkColumns workColumns(const series::DecoderSpec& s, bool withGradients) {
    const std::int64_t heads = s.heads * s.headSize;
    WorkColumns c;
    c.last = c.endX = c.lastNormed = s.width;
    c.endAttended = heads;
    c.embedded = c.projected = s.embeddingWidth;
    c.heads = s.qkNorm != QkNorm::None ? heads : 0;
    if (!withGradients)
        return c;
    c.dx = c.dNormed = c.dNormed2 = c.dEnd = s.width;
    c.dEndAttended = heads;
    c.dBranch = s.normPlacement != NormPlacement::BeforeBranch ? s.width : 0;
    c.dEmbedded = c.dProjected = s.embeddingWidth;
    c.dHeads = c.heads;
    c.dQkv = heads + 2 * s.kvHeads * s.headSize;
    c.dAttendedRows = heads;
    c.dHidden = s.mlpWidth;
    return c;
}

std::int64_t logitRows(const series::DecoderSpec& spec, std::int64_t rows) {
    const std::int64_t bytes = spec.vocabSize * spec.tableWidth() <= kSmallHead ? kLogitBytes : kManyLogitBytes;
    return std::min(rows, std::clamp<std::int64_t>(bytes / (4 * spec.vocabSize), 64, 512));
}

std::int64_t passBytes(const series::DecoderSpec& spec, std::int64_t rows, bool recompute, bool withGradients) {
    const BlockColumns block = blockColumns(spec);
    const std::int64_t ofBlocks = recompute ? block.bytes() + 4 * block.x * (spec.layers - 1) : block.bytes() * spec.layers;
    return rows * (ofBlocks + workColumns(spec, withGradients).bytes()) + 4 * logitRows(spec, rows) * spec.vocabSize;
}

std::int64_t roughBytesPerRow(const series::DecoderSpec& spec) {
    return 4 * (spec.layers * (5 * spec.width + (spec.heads + 2 * spec.kvHeads) * spec.headSize +
                               spec.heads * spec.headSize + 3 * spec.mlpWidth) +
                6 * spec.width);
}

std::int64_t rowsOfPass(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t longest) {
    const std::int64_t bytes = std::clamp<std::int64_t>(32 * series::parameterCount(spec), 4'000'000, 1'000'000'000);
    const std::int64_t ofLane =
        settings.packing ? (settings.batchExamples + settings.gradientLanes - 1) / settings.gradientLanes : 1;
    return std::max(longest, std::min(bytes / roughBytesPerRow(spec), ofLane * longest));
}

namespace {

constexpr std::int64_t kOwnProductWidth = 256; ///< of ops.cpp
constexpr double kLibraryProducts = 32e6;      ///< as measured: LibTorch's products pack parts of both factors

/// Most elements that a product has of each: the gradient of its result, what it is of, its matrix.
struct ProductSizes {
    double result = 0, rows = 0, matrix = 0;
};
ProductSizes productSizes(const series::DecoderSpec& spec, std::int64_t rows) {
    const BlockColumns block = blockColumns(spec);
    const std::int64_t logits = logitRows(spec, rows), widest = std::max({block.qkv, block.mlpIn, spec.width});
    const std::int64_t deepest = std::max({block.attendedRows, block.hidden, spec.width});
    std::int64_t matrix = spec.vocabSize * spec.tableWidth();
    for (const std::int64_t elements : {block.qkv * spec.width, block.mlpIn * spec.width, block.hidden * spec.width})
        matrix = std::max(matrix, elements);
    return {static_cast<double>(std::max(rows * widest, logits * spec.vocabSize)), static_cast<double>(rows * deepest),
            static_cast<double>(matrix)};
}

/// What products hold for a while: LibTorch's of packed parts, those in bfloat16 (ops_bfloat16.cpp) of both factors: as floats where the
/// processor has no kernels for them. Where it has, as words, packed and in whole blocks, which takes no more: whether it has is not known here.
double workspacesOf(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t rows) {
    std::int64_t shortest = 0;
    for (const TensorInfo& info : series::expectedTensors(spec))
        if (info.shape.size() == 2)
            shortest = std::max(shortest, std::min(info.shape[0], info.shape[1]));
    const double library = shortest <= kOwnProductWidth ? 0.0 : kLibraryProducts;
    if (settings.compute == ComputeType::Float32)
        return library;
    const ProductSizes sizes = productSizes(spec, rows);
    return 4 * (std::max(sizes.result, sizes.rows) + sizes.rows + sizes.matrix) + library;
}

} // namespace

TrainingMemory trainingMemory(const series::DecoderSpec& spec, const FineTuneSettings& settings, std::int64_t longest,
                              int threads, bool recompute, Operations operations) {
    std::int64_t adapters = 0, blockMatrices = 0;
    const auto isAdapted = [&](const TensorInfo& info) {
        const bool attention = info.slot == TensorSlot::Query || info.slot == TensorSlot::Key || info.slot == TensorSlot::Value ||
                               info.slot == TensorSlot::QueryKeyValue || info.slot == TensorSlot::AttentionOutput;
        return settings.loraMatrices == LoraMatrices::All || attention == (settings.loraMatrices == LoraMatrices::Attention);
    };
    for (const TensorInfo& info : series::expectedTensors(spec))
        if (info.layer >= 0 && info.shape.size() == 2) {
            blockMatrices += elementsOf(info);
            adapters += isAdapted(info) ? settings.loraRank * (info.shape[0] + info.shape[1]) : 0;
        }
    const auto all = static_cast<double>(series::parameterCount(spec)), ofAdapters = static_cast<double>(adapters);
    const bool low = settings.loraRank > 0;
    const bool plain = operations == Operations::Plain;
    const std::int64_t rows = rowsOfPass(spec, settings, longest), lanes = plain ? 1 : settings.gradientLanes;
    const double workers = static_cast<double>(std::min<std::int64_t>(std::max(threads, 1), lanes));
    TrainingMemory memory;
    memory.weights = 4 * all + ((low ? plain : settings.l2ToStart > 0) ? 4 * all : 0);
    memory.moments = low ? 16 * ofAdapters : 8 * all;
    memory.gradients = 4 * static_cast<double>(lanes) * (low ? static_cast<double>(blockMatrices) : all);
    memory.rounded = settings.compute == ComputeType::BFloat16 ? 2 * all : 0;
    memory.passes = workers * static_cast<double>(passBytes(spec, rows, recompute));
    memory.workspaces = plain ? static_cast<double>(plainWorkspace(spec, settings, rows, longest) + kProductLibraryBytes)
                              : workers * (workspacesOf(spec, settings, rows) + static_cast<double>(windowedWorkspace(spec, rows, longest)));
    memory.host = plain ? 4 * all : 0;
    return memory;
}

} // namespace crest::train
