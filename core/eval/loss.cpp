// SPDX-License-Identifier: Apache-2.0
#include "core/eval/loss.h"

#include <algorithm>
#include <utility>

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "core/eval/embedding.h"
#include "core/eval/head_loss.h"
#include "core/eval/row_layout.h"

namespace crest::eval {

using model::Decoder;
using model::WeightSource;

namespace {

/// The rows of a group and how they go through a block.
struct Group {
    RowLayout layout;
    std::vector<RowChunk> chunks, last; ///< last: in the last block

    Group(RowLayout rows, const Decoder& decoder)
        : layout(std::move(rows))
        , chunks(chunksOf(layout, decoder.chunkTokens(), decoder.longestPiece()))
        , last(lastChunks(layout, chunks)) {}
    std::int64_t rows() const { return layout.rows(); }
};

void forwardLayer(Decoder& decoder, int buffer, at::Tensor& x, std::span<const RowChunk> chunks) {
    for (const RowChunk& chunk : chunks) {
        at::Tensor part = x.narrow(0, chunk.begin, chunk.count);
        decoder.forwardBlock(buffer, part, chunk.pieces);
    }
}

/// All layers of versions firstVersion .. + x.size() - 1; the final norm is made, and left to the head.
Result<void> forwardLayers(Decoder& decoder, WeightSource& source, const Group& group, int firstVersion,
                           std::vector<at::Tensor>& x, const LossOptions& options, const JobContext& job) {
    const int count = static_cast<int>(x.size());
    const double share = static_cast<double>(group.rows()) / static_cast<double>(decoder.spec().layers + 1);
    embed(decoder, source, group.layout.inputs, group.layout.positions, firstVersion, x);
    for (int layer = 0; layer < decoder.spec().layers; ++layer) {
        const bool last = layer + 1 == decoder.spec().layers;
        decoder.loadBlock(source, layer, firstVersion, count, group.rows());
        for (int k = 0; k < count; ++k) {
            if (job.stopRequested())
                return stopped();
            forwardLayer(decoder, k, x[static_cast<std::size_t>(k)], last ? group.last : group.chunks);
            if (options.tokensDone)
                options.tokensDone(share);
        }
    }
    decoder.loadFinalNorm(source, firstVersion, count);
    return {};
}

/// What stands twice is copied from where it was computed.
void copyEqual(const RowLayout& layout, VersionLoss& loss) {
    for (const auto& [token, equal] : layout.copies) {
        const auto to = static_cast<std::size_t>(token), from = static_cast<std::size_t>(equal);
        loss.tokenNats[to] = loss.tokenNats[from];
        if (!loss.greedy.empty())
            loss.greedy[to] = loss.greedy[from];
    }
}

Result<void> runGroup(Decoder& decoder, WeightSource& source, const Group& group, const LossOptions& options,
                      const JobContext& job, std::vector<VersionLoss>& losses) {
    const std::int64_t width = decoder.spec().width, rows = group.rows();
    const std::int64_t perVersion = decoder.blockBytes() + rows * width * 4;
    const int versions = source.versions();
    const int together = static_cast<int>(
        std::clamp<std::int64_t>((options.memoryBytes + decoder.blockBytes()) / perVersion, 1, versions));
    for (int first = 0; first < versions; first += together) {
        const int count = std::min(together, versions - first);
        const at::Tensor all = decoder.buffer("activations", count * rows, width);
        std::vector<at::Tensor> x;
        for (int k = 0; k < count; ++k)
            x.push_back(all.narrow(0, k * rows, rows));
        CREST_CHECK(forwardLayers(decoder, source, group, first, x, options, job));
        HeadLoss head(decoder, source, group.layout.head, options);
        CREST_CHECK(head.run(first, x, std::span(losses).subspan(static_cast<std::size_t>(first), x.size()), job));
        if (options.tokensDone)
            options.tokensDone(static_cast<double>(count) * static_cast<double>(rows) /
                               static_cast<double>(decoder.spec().layers + 1));
    }
    for (VersionLoss& loss : losses)
        copyEqual(group.layout, loss);
    return {};
}

Result<void> checkSequences(const series::DecoderSpec& spec, std::span<const Sequence> sequences) {
    for (std::size_t s = 0; s < sequences.size(); ++s) {
        const Sequence& sequence = sequences[s];
        if (sequence.inputs() < 1 || sequence.firstScored < 1 || sequence.scored() < 1)
            return fail(ErrorKind::OutOfRange, fmt::format("sequence {} has no token to predict", s + 1));
        if (sequence.inputs() > spec.contextLength)
            return fail(ErrorKind::OutOfRange, fmt::format("sequence {} has {} tokens; the model's context is {}",
                                                           s + 1, sequence.inputs(), spec.contextLength));
        for (const std::int32_t id : sequence.ids)
            if (id < 0 || id >= spec.vocabSize)
                return fail(ErrorKind::Mismatch,
                            fmt::format("sequence {} holds the token id {}; the model has {} tokens: "
                                        "is the tokenizer that of another model?",
                                        s + 1, id, spec.vocabSize));
    }
    return {};
}

} // namespace

Result<std::vector<VersionLoss>> sequenceLosses(Decoder& decoder, WeightSource& source,
                                                std::span<const Sequence> sequences, const LossOptions& options,
                                                const JobContext& job) {
    CREST_CHECK(checkSequences(decoder.spec(), sequences));
    const c10::InferenceMode inference;
    const std::vector<std::int64_t> firstToken = firstTokens(sequences);
    const auto tokens = static_cast<std::size_t>(firstToken.back());
    const bool greedy = options.greedy || std::any_of(sequences.begin(), sequences.end(),
                                                      [](const Sequence& sequence) { return sequence.greedy; });
    std::vector<VersionLoss> losses(static_cast<std::size_t>(source.versions()));
    for (VersionLoss& loss : losses) {
        loss.tokenNats.resize(tokens);
        loss.greedy.resize(greedy ? tokens : 0, -1);
    }
    const std::vector<std::size_t> order = layoutOrder(sequences, options.share);
    // As many rows at a time as one version's activations may take.
    const std::int64_t mostRows = std::max<std::int64_t>(1, options.memoryBytes / (decoder.spec().width * 4));
    const auto layOutFrom = [&](std::size_t first, std::size_t& next) {
        return layOut(sequences, order, first, mostRows, options.share, firstToken, next);
    };
    if (options.tokensPlanned) {
        std::int64_t rows = 0;
        for (std::size_t first = 0; first < order.size();)
            rows += layOutFrom(first, first).rows();
        options.tokensPlanned(static_cast<double>(rows) * source.versions());
    }
    for (std::size_t first = 0; first < order.size();) {
        const Group group(layOutFrom(first, first), decoder);
        CREST_CHECK(runGroup(decoder, source, group, options, job, losses));
    }
    return losses;
}

Result<at::Tensor> sequenceLogits(Decoder& decoder, WeightSource& source, std::span<const std::int32_t> inputs) {
    std::vector<std::int32_t> ids(inputs.begin(), inputs.end());
    ids.push_back(0); // a target that nobody reads
    const Sequence sequence{ids, 1};
    CREST_CHECK(checkSequences(decoder.spec(), {&sequence, 1}));
    const c10::InferenceMode inference;
    const std::size_t order = 0;
    std::size_t next = 0;
    const std::vector<std::int64_t> firstToken = firstTokens({&sequence, 1});
    const Group group(layOut({&sequence, 1}, {&order, 1}, 0, sequence.inputs(), false, firstToken, next), decoder);
    const auto options = at::TensorOptions().device(decoder.options().device);
    std::vector<at::Tensor> x{at::empty({group.rows(), decoder.spec().width}, options.dtype(at::kFloat))};
    CREST_CHECK(forwardLayers(decoder, source, group, 0, x, {}, {}));
    decoder.finalNorm(0, x[0]);
    projectOut(decoder, source, 0, x);
    const int tensor = headTensor(source.reader());
    std::vector<at::Tensor> weight{
        at::empty({decoder.spec().vocabSize, decoder.spec().tableWidth()}, options.dtype(decoder.weightType()))};
    decoder.makeInto(source, tensor, 0, 0, weight);
    at::Tensor logits = at::empty({group.rows(), decoder.spec().vocabSize}, options.dtype(at::kFloat));
    model::linear(x[0], weight[0], {}, logits);
    return logits.cpu();
}

} // namespace crest::eval
