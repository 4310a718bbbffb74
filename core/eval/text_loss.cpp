// SPDX-License-Identifier: Apache-2.0
#include "core/eval/text_loss.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace crest::eval {

std::vector<Sequence> TextWindows::sequences() const {
    std::vector<Sequence> all;
    all.reserve(windows.size());
    for (const data::Window& window : windows)
        all.push_back({std::span(tokens.ids)
                           .subspan(static_cast<std::size_t>(window.begin), static_cast<std::size_t>(window.length)),
                       window.firstScored});
    return all;
}

Result<TextWindows> readTextWindows(const std::filesystem::path& file, const text::Tokenizer& tokenizer,
                                    const series::DecoderSpec& spec, const TextWindowOptions& options,
                                    const JobContext& job) {
    const std::string where = file.string();
    if (options.windowTokens < 2 || options.windowTokens > spec.contextLength)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("windows of {} tokens: they must have 2 to {} tokens, the model's context",
                                options.windowTokens, spec.contextLength),
                    where);
    if (options.strideTokens < 1 || options.strideTokens > options.windowTokens)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("a stride of {} tokens: it must be 1 to the window's {}", options.strideTokens,
                                options.windowTokens),
                    where);
    const auto end = tokenizer.eosId() ? tokenizer.eosId() : tokenizer.bosId();
    if (!end)
        return fail(ErrorKind::Unsupported, "the tokenizer names no end token (eos_token in tokenizer_config.json)",
                    where);
    CREST_TRY(texts, data::readTexts(file));
    TextWindows result;
    CREST_TRY(tokens, data::tokenizeTexts(texts, tokenizer, *end, job, data::TokenCache::ofUser()));
    result.tokens = std::move(tokens);
    data::WindowOptions cut;
    cut.context = static_cast<std::int32_t>(options.windowTokens);
    cut.stride = static_cast<std::int32_t>(options.strideTokens);
    cut.fullOnly = true;
    auto plan = data::cutWindows(result.tokens, cut);
    if (!plan)
        return fail(plan.error().kind, plan.error().message, where);
    result.windows = std::move(plan->windows);
    if (options.maxWindows > 0 && static_cast<std::int64_t>(result.windows.size()) > options.maxWindows)
        result.windows.resize(static_cast<std::size_t>(options.maxWindows));
    return result;
}

std::vector<double> sumBySequence(std::span<const Sequence> sequences, std::span<const float> tokenNats,
                                  std::span<const std::span<const std::uint8_t>> counted) {
    std::vector<double> sums;
    sums.reserve(sequences.size());
    std::size_t next = 0;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
        const auto scored = static_cast<std::size_t>(sequences[s].scored());
        const bool all = counted.empty() || counted[s].empty();
        double sum = 0;
        for (std::size_t i = 0; i < scored; ++i, ++next)
            sum += all || counted[s][i] != 0 ? static_cast<double>(tokenNats[next]) : 0.0;
        sums.push_back(sum);
    }
    return sums;
}

LossSummary summarise(std::span<const double> sequenceNats, std::span<const Sequence> sequences) {
    std::vector<std::int32_t> counts;
    for (const Sequence& sequence : sequences)
        counts.push_back(static_cast<std::int32_t>(sequence.scored()));
    return summarise(sequenceNats, counts);
}

LossSummary summarise(std::span<const double> sequenceNats, std::span<const std::int32_t> counts) {
    LossSummary summary;
    const std::size_t n = counts.size();
    double total = 0;
    std::size_t broken = 0;
    for (std::size_t s = 0; s < n; ++s) {
        summary.sequenceNats.push_back(static_cast<float>(sequenceNats[s]));
        summary.sequenceTokens.push_back(counts[s]);
        summary.scoredTokens += counts[s];
        total += sequenceNats[s];
        broken += std::isfinite(sequenceNats[s]) ? 0 : 1;
    }
    summary.meanNats = total / static_cast<double>(summary.scoredTokens);
    if (broken > 0)
        summary.cause = fmt::format("the logits of {} of {} sequences are not finite", broken, n);
    double squares = 0;
    for (std::size_t s = 0; s < n; ++s) {
        const double residual = sequenceNats[s] - summary.meanNats * static_cast<double>(counts[s]);
        squares += residual * residual;
    }
    const auto count = static_cast<double>(n);
    summary.stdError = n < 2 ? std::numeric_limits<double>::quiet_NaN()
                             : std::sqrt(count / (count - 1) * squares) / static_cast<double>(summary.scoredTokens);
    return summary;
}

} // namespace crest::eval
