// SPDX-License-Identifier: Apache-2.0
#include "core/eval/text_generation.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/series/end_tokens.h"

namespace crest::eval {

namespace {

/// A stop and how many of the last tokens are decoded to find it.
struct Stop {
    std::string text;
    std::size_t lookBack = 0;
};

/// The harness looks back two tokens more than the stop has by itself (lm_eval, MultiTokenEOSCriteria), since it may be
/// written with other tokens.
std::vector<Stop> stopsOf(const text::Tokenizer& tokenizer, const std::vector<std::string>& until) {
    std::vector<Stop> stops;
    for (const std::string& text : until)
        if (!text.empty())
            stops.push_back({text, tokenizer.encode(text).size() + 2});
    return stops;
}

bool standsAtEnd(const text::Tokenizer& tokenizer, const std::vector<Stop>& stops, std::span<const std::int32_t> ids) {
    return std::any_of(stops.begin(), stops.end(), [&](const Stop& stop) {
        return tokenizer.decode(ids.last(std::min(stop.lookBack, ids.size()))).find(stop.text) != std::string::npos;
    });
}

struct Prompt {
    std::vector<std::int32_t> ids;
    bool truncated = false;
};

Result<Prompt> promptOf(const text::Tokenizer& tokenizer, const std::string& text, std::size_t number,
                        const TextGenerationOptions& options, std::int64_t room) {
    Prompt prompt;
    const auto bos = options.bosOnce ? tokenizer.bosId() : std::nullopt;
    const bool begun = bos && text.starts_with(tokenizer.decode({&*bos, 1}));
    prompt.ids = tokenizer.encode(text, begun ? text::Specials::None : options.specials);
    if (prompt.ids.empty()) {
        const auto prefix = tokenizer.bosId() ? tokenizer.bosId() : tokenizer.eosId();
        if (!prefix)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("prompt {} is empty, and the tokenizer names no token to start from", number + 1));
        prompt.ids.push_back(*prefix);
    }
    const auto tokens = static_cast<std::int64_t>(prompt.ids.size());
    prompt.truncated = options.truncateLeft && tokens > room;
    if (prompt.truncated)
        prompt.ids.erase(prompt.ids.begin(), prompt.ids.end() - room);
    return prompt;
}

GeneratedText textOf(const text::Tokenizer& tokenizer, const std::vector<Stop>& stops, const Prompt& prompt,
                     const Generated& answer) {
    GeneratedText result;
    result.ids = answer.ids;
    result.score = answer.score;
    result.promptTokens = static_cast<std::int64_t>(prompt.ids.size());
    result.truncated = prompt.truncated;
    result.text = tokenizer.decode(answer.ids, true);
    for (const Stop& stop : stops)
        result.text.resize(std::min(result.text.find(stop.text), result.text.size()));
    return result;
}

} // namespace

Result<std::vector<GeneratedText>> generateTexts(model::Decoder& decoder, model::WeightSource& source,
                                                 const text::Tokenizer& tokenizer, std::span<const std::string> prompts,
                                                 const TextGenerationOptions& options, const JobContext& job) {
    const std::int64_t context = decoder.spec().contextLength, room = context - options.decoding.maxNewTokens;
    if (room < 1)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("{} new tokens leave no room for a prompt in the model's context of {}",
                                options.decoding.maxNewTokens, context));
    std::vector<Prompt> made;
    std::vector<std::vector<std::int32_t>> ids;
    for (std::size_t p = 0; p < prompts.size(); ++p) {
        CREST_TRY(prompt, promptOf(tokenizer, prompts[p], p, options, room));
        ids.push_back(prompt.ids);
        made.push_back(std::move(prompt));
    }
    const std::vector<Stop> stops = stopsOf(tokenizer, options.until);
    GenerationOptions decoding = options.decoding;
    if (!stops.empty())
        decoding.stop = [&](std::size_t, std::span<const std::int32_t> newIds) {
            return standsAtEnd(tokenizer, stops, newIds);
        };
    if (options.finished)
        decoding.finished = [&](std::size_t p, const Generated& answer) {
            options.finished(p, textOf(tokenizer, stops, made[p], answer));
        };
    CREST_TRY(answers, generate(decoder, source, ids, decoding, job));
    std::vector<GeneratedText> texts;
    for (std::size_t p = 0; p < answers.size(); ++p)
        texts.push_back(textOf(tokenizer, stops, made[p], answers[p]));
    return texts;
}

Result<std::vector<std::int32_t>> endTokensOf(const std::filesystem::path& folder, const text::Tokenizer& tokenizer) {
    CREST_TRY(recorded, series::recordedEndTokens(folder));
    if (recorded.empty() && tokenizer.eosId())
        recorded.push_back(*tokenizer.eosId());
    return recorded;
}

} // namespace crest::eval
