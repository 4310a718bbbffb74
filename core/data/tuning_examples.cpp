// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_examples.h"

#include <algorithm>

#include <fmt/format.h>

namespace crest::data {
namespace {

constexpr std::size_t kBatchBytes = 32'000'000;

} // namespace

Result<TuningForms> TuningForms::of(const TuningDataSettings& settings) {
    CREST_CHECK(checkTuningData(settings, settings.path));
    if (settings.formDefinition.empty() || (settings.chat.empty() != settings.chatDefinition.empty()))
        return fail(ErrorKind::OutOfRange, "the form of the rows is not chosen yet", settings.path);
    CREST_TRY(definition, parseJson(settings.formDefinition, settings.form));
    CREST_TRY(form, TuningTemplate::parse(definition, settings.form));
    TuningForms forms{std::move(form), std::nullopt};
    if (!settings.chat.empty()) {
        CREST_TRY(chat, parseJson(settings.chatDefinition, settings.chat));
        CREST_TRY(style, ChatStyle::parse(chat, settings.chat));
        forms.style = std::move(style);
    }
    return forms;
}

Result<void> ExampleBatcher::add(std::int64_t row, const std::vector<TuningSegment>& segments) {
    CREST_TRY(marked, m_encoder.marked(segments));
    const std::size_t first = m_texts.size();
    TuningEncoder::textsOf(marked, m_texts);
    for (std::size_t i = first; i < m_texts.size(); ++i)
        m_bytes += m_texts[i].size();
    m_rows.push_back(row);
    m_marked.push_back(std::move(marked));
    return m_bytes > kBatchBytes ? flush() : Result<void>();
}

Result<void> ExampleBatcher::flush() {
    CREST_TRY(lists, TokenLists::of(m_texts, m_encoder.tokenizer(), TokenMode::Plain, m_cache, m_job));
    const std::vector<std::vector<std::int32_t>> ids = lists.all();
    std::size_t at = 0;
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        const std::size_t count = 1 + m_marked[i].borders.size();
        CREST_CHECK(m_sink(m_rows[i], m_encoder.example(m_marked[i], std::span(ids).subspan(at, count))));
        at += count;
    }
    m_rows.clear();
    m_marked.clear();
    m_texts.clear();
    m_bytes = 0;
    return {};
}

std::int64_t learnedOf(const TuningExample& example) {
    return std::count(example.learned.begin(), example.learned.end(), std::uint8_t(1));
}

std::string fitToLength(TuningExample& example, const TuningDataSettings& settings, TuningTokenCounts& counts) {
    const auto most = static_cast<std::size_t>(settings.maxTokens);
    const std::size_t whole = example.ids.size();
    if (whole > most && settings.tooLong == TooLong::Drop) {
        ++counts.tooLong;
        return fmt::format("it has {} tokens, at most {} are taken", whole, most);
    }
    example.ids.resize(std::min(whole, most));
    example.learned.resize(example.ids.size());
    const std::int64_t learned = learnedOf(example);
    if (learned == 0) {
        ++counts.emptied;
        return whole > most ? fmt::format("nothing within its first {} of {} tokens is learned", most, whole)
                            : std::string("nothing in it is learned: its first token is never predicted");
    }
    counts.tooLong += whole > most ? 1 : 0;
    counts.tokens += static_cast<std::int64_t>(example.ids.size());
    counts.learned += learned;
    return {};
}

Result<void> checkExamplesLeft(const ExamplesLeft& left, const TuningDataSettings& settings) {
    const bool noTrain = left.train == 0;
    if (!noTrain && (left.heldOutRows == 0 || left.heldOut > 0))
        return {};
    const char* part = noTrain ? "train on" : "hold out";
    return fail(
        ErrorKind::Malformed,
        settings.tooLong == TooLong::Drop
            ? fmt::format("no example is left to {}: all are longer than {} tokens (the shortest of the data has "
                          "{}). Allow longer examples, or truncate them",
                          part, settings.maxTokens, left.shortest)
            : fmt::format("no example is left to {}: within the first {} tokens nothing is learned, the prompts "
                          "alone are as long (the shortest example of the data has {} tokens). Allow longer "
                          "examples, or take others",
                          part, settings.maxTokens, left.shortest),
        settings.path);
}

} // namespace crest::data
