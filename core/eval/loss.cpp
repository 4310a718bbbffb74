// SPDX-License-Identifier: Apache-2.0
#include "core/eval/loss.h"

#include <algorithm>
#include <numeric>

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "core/eval/embedding.h"
#include "core/eval/head_loss.h"

namespace crest::eval {

using model::Decoder;
using model::WeightSource;
using series::TensorSlot;

namespace {

/// Sequences of one length, side by side.
struct Batch {
    std::int64_t firstRow = 0, count = 0, length = 0;
};

/// Some sequences laid out as rows: sequence after sequence, equal lengths together.
struct Layout {
    std::vector<std::int32_t> inputs;    ///< one id per row
    std::vector<std::int32_t> positions; ///< of the row within its sequence, from 0
    std::vector<Batch> batches;
    HeadRows head;

    std::int64_t rows() const { return static_cast<std::int64_t>(inputs.size()); }
};

/// `order` names sequences by index, equal lengths together; firstToken[s] is where sequence s starts among all scored
/// tokens.
Layout layOut(std::span<const Sequence> sequences, std::span<const std::size_t> order,
              std::span<const std::int64_t> firstToken) {
    Layout layout;
    for (const std::size_t s : order) {
        const Sequence& sequence = sequences[s];
        if (layout.batches.empty() || layout.batches.back().length != sequence.inputs())
            layout.batches.push_back({layout.rows(), 0, sequence.inputs()});
        layout.batches.back().count += 1;
        const std::int64_t row = layout.rows();
        layout.inputs.insert(layout.inputs.end(), sequence.ids.begin(), sequence.ids.end() - 1);
        for (std::int64_t i = 0; i < sequence.inputs(); ++i)
            layout.positions.push_back(static_cast<std::int32_t>(i));
        for (std::int64_t i = sequence.firstScored; i <= sequence.inputs(); ++i) {
            layout.head.rows.push_back(row + i - 1);
            layout.head.targets.push_back(sequence.ids[static_cast<std::size_t>(i)]);
            layout.head.output.push_back(firstToken[s] + i - sequence.firstScored);
        }
    }
    return layout;
}

void forwardLayer(Decoder& decoder, int buffer, at::Tensor& x, const Layout& layout) {
    for (const Batch& batch : layout.batches) {
        const std::int64_t step = std::max<std::int64_t>(1, decoder.chunkTokens() / batch.length);
        for (std::int64_t b = 0; b < batch.count; b += step) {
            const std::int64_t count = std::min(step, batch.count - b);
            at::Tensor part = x.narrow(0, batch.firstRow + b * batch.length, count * batch.length);
            decoder.forwardBlock(buffer, part, count, batch.length);
        }
    }
}

/// All layers of versions firstVersion .. + x.size() - 1; the final norm is made, and left to the head.
Result<void> forwardLayers(Decoder& decoder, WeightSource& source, const Layout& layout, int firstVersion,
                           std::vector<at::Tensor>& x, const LossOptions& options, const JobContext& job) {
    const int count = static_cast<int>(x.size());
    const double share = static_cast<double>(layout.rows()) / static_cast<double>(decoder.spec().layers + 1);
    embed(decoder, source, layout.inputs, layout.positions, firstVersion, x);
    for (int layer = 0; layer < decoder.spec().layers; ++layer) {
        decoder.loadBlock(source, layer, firstVersion, count);
        for (int k = 0; k < count; ++k) {
            if (job.stopRequested())
                return stopped();
            forwardLayer(decoder, k, x[static_cast<std::size_t>(k)], layout);
            if (options.tokensDone)
                options.tokensDone(share);
        }
    }
    decoder.loadFinalNorm(source, firstVersion, count);
    return {};
}

Result<void> runLayout(Decoder& decoder, WeightSource& source, const Layout& layout, const LossOptions& options,
                       const JobContext& job, std::vector<VersionLoss>& losses) {
    const std::int64_t width = decoder.spec().width;
    const std::int64_t perVersion = decoder.blockBytes() + layout.rows() * width * 4;
    const int versions = source.versions();
    const int together = static_cast<int>(
        std::clamp<std::int64_t>((options.memoryBytes + decoder.blockBytes()) / perVersion, 1, versions));
    for (int first = 0; first < versions; first += together) {
        const int count = std::min(together, versions - first);
        const at::Tensor all = decoder.buffer("activations", count * layout.rows(), width);
        std::vector<at::Tensor> x;
        for (int k = 0; k < count; ++k)
            x.push_back(all.narrow(0, k * layout.rows(), layout.rows()));
        CREST_CHECK(forwardLayers(decoder, source, layout, first, x, options, job));
        HeadLoss head(decoder, source, layout.head, options);
        CREST_CHECK(head.run(first, x, std::span(losses).subspan(static_cast<std::size_t>(first), x.size()), job));
        if (options.tokensDone)
            options.tokensDone(static_cast<double>(count) * static_cast<double>(layout.rows()) /
                               static_cast<double>(decoder.spec().layers + 1));
    }
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
    std::vector<std::int64_t> firstToken(sequences.size());
    std::int64_t tokens = 0;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
        firstToken[s] = tokens;
        tokens += sequences[s].scored();
    }
    std::vector<VersionLoss> losses(static_cast<std::size_t>(source.versions()));
    for (VersionLoss& loss : losses) {
        loss.tokenNats.resize(static_cast<std::size_t>(tokens));
        loss.greedy.resize(options.greedy ? static_cast<std::size_t>(tokens) : 0);
    }
    std::vector<std::size_t> order(sequences.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return sequences[a].inputs() > sequences[b].inputs(); });
    // As many sequences at a time as one version's activations may take.
    const std::int64_t mostRows = std::max<std::int64_t>(1, options.memoryBytes / (decoder.spec().width * 4));
    for (std::size_t first = 0; first < order.size();) {
        std::size_t last = first;
        std::int64_t rows = 0;
        while (last < order.size() && (last == first || rows + sequences[order[last]].inputs() <= mostRows))
            rows += sequences[order[last++]].inputs();
        const Layout layout = layOut(sequences, std::span(order).subspan(first, last - first), firstToken);
        CREST_CHECK(runLayout(decoder, source, layout, options, job, losses));
        first = last;
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
    const std::int64_t firstToken = 0;
    const Layout layout = layOut({&sequence, 1}, {&order, 1}, {&firstToken, 1});
    const auto options = at::TensorOptions().device(decoder.options().device);
    std::vector<at::Tensor> x{at::empty({layout.rows(), decoder.spec().width}, options.dtype(at::kFloat))};
    CREST_CHECK(forwardLayers(decoder, source, layout, 0, x, {}, {}));
    decoder.finalNorm(0, x[0]);
    projectOut(decoder, source, 0, x);
    const int tensor = headTensor(source.reader());
    std::vector<at::Tensor> weight{
        at::empty({decoder.spec().vocabSize, decoder.spec().tableWidth()}, options.dtype(decoder.weightType()))};
    decoder.makeInto(source, tensor, 0, 0, weight);
    at::Tensor logits = at::empty({layout.rows(), decoder.spec().vocabSize}, options.dtype(at::kFloat));
    decoder.product(x[0], weight[0], {}, logits);
    return logits.cpu();
}

} // namespace crest::eval
