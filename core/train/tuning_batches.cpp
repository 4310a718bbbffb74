// SPDX-License-Identifier: Apache-2.0
#include "core/train/tuning_batches.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace crest::train {

Result<TuningBatches::Use> TuningBatches::useOf(std::size_t index, std::int64_t vocabSize, std::int64_t limit) const {
    const data::TuningExample& example = m_examples[index];
    if (example.ids.size() != example.learned.size())
        return fail(ErrorKind::Mismatch, fmt::format("Example {} has {} tokens, but says for {} whether they are learned.",
                                                     index + 1, example.ids.size(), example.learned.size()));
    Use use;
    use.tokens = std::min(static_cast<std::int64_t>(example.ids.size()), limit);
    for (std::int64_t i = 0; i < use.tokens; ++i) {
        const std::int32_t id = example.ids[static_cast<std::size_t>(i)];
        if (id < 0 || id >= vocabSize)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("Example {} holds the token {}, but the model knows 0 to {}: it was made with "
                                    "another tokenizer.",
                                    index + 1, id, vocabSize - 1));
        if (i > 0 && example.learned[static_cast<std::size_t>(i)])
            use.rows = i, ++use.learned;
    }
    return use;
}

Result<TuningBatches> TuningBatches::create(std::span<const data::TuningExample> examples,
                                            const FineTuneSettings& settings, std::int64_t vocabSize,
                                            std::int64_t context, std::int64_t seed) {
    CREST_CHECK(checkFineTuneSettings(settings, "fine-tuning"));
    if (settings.rowTokens > context)
        return fail(ErrorKind::OutOfRange, fmt::format("Rows of {} tokens are asked for, but the model's context is {}.",
                                                       settings.rowTokens, context));
    TuningBatches batches;
    batches.m_examples = examples;
    batches.m_batch = settings.batchExamples;
    batches.m_seed = seed;
    batches.m_packing = settings.packing;
    const std::int64_t limit = settings.rowTokens > 0 ? settings.rowTokens : context;
    for (std::size_t i = 0; i < examples.size(); ++i) {
        CREST_TRY(use, batches.useOf(i, vocabSize, limit));
        batches.m_uses.push_back(use);
        batches.m_truncated += use.tokens < static_cast<std::int64_t>(examples[i].ids.size());
        batches.m_longest = std::max(batches.m_longest, use.rows);
        if (use.learned > 0)
            batches.m_kept.push_back(static_cast<std::int64_t>(i));
        else
            ++batches.m_dropped;
    }
    if (batches.m_kept.empty())
        return fail(ErrorKind::OutOfRange,
                    examples.empty()
                        ? "There is no example to train on."
                        : fmt::format("None of the {} examples has a token to learn within the first {}; learn from all "
                                      "tokens, or allow longer rows.",
                                      examples.size(), limit));
    const auto count = static_cast<std::int64_t>(batches.m_kept.size());
    batches.m_steps = settings.maxSteps > 0 ? settings.maxSteps
                                            : (settings.epochs * count + settings.batchExamples - 1) / settings.batchExamples;
    batches.m_total = settings.maxSteps > 0 ? settings.maxSteps * settings.batchExamples : settings.epochs * count;
    return batches;
}

std::vector<std::int64_t> TuningBatches::examplesOf(std::int64_t step) const {
    const auto count = static_cast<std::int64_t>(m_kept.size());
    std::vector<std::int64_t> examples;
    const std::int64_t end = std::min((step + 1) * m_batch, m_total);
    for (std::int64_t at = step * m_batch; at < end;) {
        const std::int64_t epoch = at / count;
        const KeyedPermutation order(count, m_seed, epoch);
        for (const std::int64_t last = std::min(end, (epoch + 1) * count); at < last; ++at)
            examples.push_back(m_kept[static_cast<std::size_t>(order(at % count))]);
    }
    return examples;
}

std::int64_t TuningBatches::learned(std::span<const std::int64_t> examples) const {
    std::int64_t sum = 0;
    for (const std::int64_t i : examples)
        sum += m_uses[static_cast<std::size_t>(i)].learned;
    return sum;
}

std::int64_t TuningBatches::tokens(std::span<const std::int64_t> examples) const {
    std::int64_t sum = 0;
    for (const std::int64_t i : examples)
        sum += m_uses[static_cast<std::size_t>(i)].tokens;
    return sum;
}

std::size_t TuningBatches::passWithin(std::span<const std::int64_t> examples, std::int64_t rows) const {
    std::size_t count = 0;
    for (std::int64_t sum = 0; count < examples.size() && (m_packing || count == 0); ++count) {
        sum += m_uses[static_cast<std::size_t>(examples[count])].rows;
        if (count > 0 && sum > rows)
            break;
    }
    return count;
}

TuningRows TuningBatches::rowsOf(std::span<const std::int64_t> examples) const {
    TuningRows all;
    for (const std::int64_t i : examples) {
        const data::TuningExample& example = m_examples[static_cast<std::size_t>(i)];
        const std::int64_t rows = m_uses[static_cast<std::size_t>(i)].rows;
        for (std::int64_t t = 0; t < rows; ++t) {
            const auto next = static_cast<std::size_t>(t + 1);
            all.ids.push_back(example.ids[next - 1]);
            all.targets.push_back(example.learned[next] ? example.ids[next] : -1);
        }
        all.documents.push_back(rows);
    }
    return all;
}

Result<std::optional<TuningBatches>> replayBatches(const FineTuneSettings& settings, const series::DecoderSpec& spec,
                                              std::span<const data::TuningExample> windows, std::int64_t steps,
                                              std::int64_t seed) {
    if (!(settings.replayShare > 0))
        return std::optional<TuningBatches>();
    if (windows.empty())
        return fail(ErrorKind::OutOfRange, "There is no pretraining text to replay; name one, or set replay_share to 0.");
    FineTuneSettings ofReplay;
    ofReplay.batchExamples = std::max<std::int64_t>(
        1, std::llround(settings.replayShare * static_cast<double>(settings.batchExamples)));
    ofReplay.maxSteps = steps;
    ofReplay.packing = settings.packing;
    const std::int64_t longest = spec.contextLength + 1; // the last token of a window is learned, not read
    CREST_TRY(batches, TuningBatches::create(windows, ofReplay, spec.vocabSize, longest, seed));
    return std::optional<TuningBatches>(std::move(batches));
}

} // namespace crest::train
