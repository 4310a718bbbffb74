// SPDX-License-Identifier: Apache-2.0
#include "core/study/scoring_memory.h"

#include <algorithm>
#include <cmath>

#include "core/study/probe_kind.h"

namespace crest::study {
namespace {

using series::DecoderSpec;

/// As eval/loss.h, eval/task_scoring.cpp and model/decoder.cpp have them.
constexpr double kWindowBytes = 32e6, kTaskBytes = 256e6, kTaskRows = 16'384; ///< activations of all versions at a time
constexpr double kChunkBytes = 2 << 20, kLeastChunk = 1024, kMostChunk = 2048;
constexpr double kHeadBytes = 3e6, kLogitBytes = 5e5; ///< rows of the head and logits that are held at a time
/// Of a row that goes through the model at a time (its id, position, target, place, while they are collected); of a token (its id and loss,
/// what is answered).
constexpr double kNotedBytes = 150, kTokenBytes = 24;

/// Of a block: float32 values of a row between its products, weights of all of them and of the largest, and the widest input.
struct BlockSizes {
    double row = 0, weights = 0, largest = 0, widest = 0;
};
BlockSizes blockSizes(const DecoderSpec& s) {
    const std::int64_t heads = s.heads * s.headSize, qkv = heads + 2 * s.kvHeads * s.headSize;
    const std::int64_t mlpIn = (s.mlp == series::MlpKind::Gated ? 2 : 1) * s.mlpWidth;
    return {static_cast<double>(2 * s.width + std::max(qkv + heads, mlpIn + s.mlpWidth)),
            static_cast<double>(s.width * (qkv + heads + mlpIn + s.mlpWidth)), static_cast<double>(s.width * std::max(qkv, mlpIn)),
            static_cast<double>(std::max({s.width, heads, s.mlpWidth}))};
}

/// In what products multiply. On a CPU with kernels for bfloat16 the head's rows lie there rounded (eval/head_loss.cpp); without, products hold
/// both rounded factors once more, as float32 (model/ops_bfloat16.cpp). Which is not known here: the larger.
struct Products {
    bool rounded = false, onCpu = true;
    double factorBytes(const BlockSizes& block, double rows, double headValues) const {
        return rounded && onCpu ? std::max(4 * (block.largest + rows * block.widest), 2 * headValues) : 0;
    }
};

/// Of `tokens` that are scored together, under so many versions of the weights: as many go side by side as `limit` has room for. `some`: not
/// all of them count, so that the rows that do are copied for the head.
double bytesTogether(const DecoderSpec& spec, const Products& products, double tokens, double versions, double limit, bool some) {
    const BlockSizes block = blockSizes(spec);
    const double weights = (products.rounded ? 2 : 4) * block.weights, width = 4 * static_cast<double>(spec.width);
    const double rows = std::min(tokens, limit / width);
    const double together = std::clamp(std::floor((limit + weights) / (weights + rows * width)), 1.0, versions);
    const double chunk = std::min(rows, std::clamp(kChunkBytes / (4 * block.row), kLeastChunk, kMostChunk));
    const double head = std::min(kHeadBytes, width * static_cast<double>(spec.vocabSize)) + kLogitBytes;
    const double copied = some ? (products.rounded && products.onCpu ? 1 : together) * rows * width : 0;
    return together * (weights + rows * width) + copied + 4 * block.row * chunk +
           products.factorBytes(block, chunk, together * rows * static_cast<double>(spec.width)) + head + kNotedBytes * rows + kTokenBytes * tokens;
}

} // namespace

double scoringBytes(const Plan& plan, const DecoderSpec& spec, bool onCpu) {
    const ProbeKind& kind = probeKind(plan.probe.kind);
    const bool single = plan.probe.isBaseEvaluation() || kind.cellByCell;
    const double versions = single ? 1.0 : kind.members * static_cast<double>(plan.probe.strengths.size());
    const Products products{plan.probe.compute == ComputeType::BFloat16, onCpu};
    const double ofSuite = std::clamp(kTaskRows * 4 * static_cast<double>(spec.width), kWindowBytes, kTaskBytes);
    double texts = 0, most = 0; // texts are scored together, suites' tasks one after the other
    for (std::size_t t = 0; t < plan.tasks.size() && t < plan.taskTokens.size(); ++t) {
        const auto tokens = static_cast<double>(plan.taskTokens[t]);
        if (plan.tasks[t].kind == TaskKind::Suite)
            most = std::max(most, bytesTogether(spec, products, tokens, versions, ofSuite, true));
        else
            texts += tokens;
    }
    return std::max(most, bytesTogether(spec, products, texts, versions, kWindowBytes, false));
}

double taskBytes(const Plan& plan) {
    double tokens = 0;
    for (const std::int64_t ofTask : plan.taskTokens)
        tokens += static_cast<double>(ofTask);
    return kTokenBytes * tokens;
}

} // namespace crest::study
