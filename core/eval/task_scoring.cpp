// SPDX-License-Identifier: Apache-2.0
#include "core/eval/task_scoring.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/eval/pair_encoding.h"
#include "core/eval/request_texts.h"
#include "core/eval/task_generation.h"

namespace crest::eval {

using data::TaskItem;
using data::TaskKind;

namespace {

constexpr std::int64_t kTaskRows = 16'384; ///< rows at a time, where they fit kTaskBytes
constexpr std::int64_t kTaskBytes = 256'000'000;

void append(PreparedTask& task, const EncodedSequence& sequence) {
    task.stretches.push_back({static_cast<std::int64_t>(task.ids.size()),
                              static_cast<std::int32_t>(sequence.ids.size()), sequence.firstScored});
    task.ids.insert(task.ids.end(), sequence.ids.begin(), sequence.ids.end());
}

/// Sequences of one request, at the end of the task's.
Result<void> appendRequest(PreparedTask& task, const PairEncoder& encoder, RequestTexts& texts, std::size_t request) {
    CREST_TRY(sequences, texts.sequences(request, encoder));
    for (const EncodedSequence& sequence : sequences)
        append(task, sequence);
    if (task.definition.kind != TaskKind::Rolling)
        task.cutRequests += sequences.front().cut ? 1 : 0;
    task.requestStretches.push_back(static_cast<std::int32_t>(sequences.size()));
    return {};
}

/// The texts of items from `first` on, as many as are tokenised together (one at least); they are taken out of the
/// items. `end` becomes the first that is left.
RequestTexts takeTexts(PreparedTask& task, std::size_t bytes, std::size_t first, std::size_t& end) {
    RequestTexts texts(task.definition.kind, task.definition.tokenizerSpecials);
    for (end = first; end < task.items.size() && (end == first || texts.bytes() < bytes); ++end)
        for (data::ItemRequest& request : task.items[end].requests)
            texts.add(std::exchange(request, {}));
    return texts;
}

} // namespace

std::vector<Sequence> PreparedTask::sequences() const {
    std::vector<Sequence> all;
    all.reserve(stretches.size());
    const bool greedy = definition.kind != TaskKind::Rolling;
    for (const Stretch& stretch : stretches)
        all.push_back({std::span(ids).subspan(static_cast<std::size_t>(stretch.begin),
                                              static_cast<std::size_t>(stretch.length)),
                       stretch.firstScored, greedy});
    return all;
}

std::int64_t PreparedTask::scoredTokens() const {
    std::int64_t tokens = 0;
    for (const Stretch& stretch : stretches)
        tokens += stretch.length - stretch.firstScored;
    return tokens;
}

Result<PreparedTask> prepareTask(const data::TaskDefinition& definition, std::vector<TaskItem> items,
                                 const text::Tokenizer& tokenizer, const series::DecoderSpec& spec,
                                 const TaskScoringOptions& options, const JobContext& job) {
    PreparedTask task;
    task.definition = definition;
    task.items = std::move(items);
    task.endTokens = options.endTokens;
    if (task.endTokens.empty() && tokenizer.eosId())
        task.endTokens.push_back(*tokenizer.eosId());
    if (task.isGenerated())
        return task;
    const std::int64_t maxLength = options.maxLength > 0 ? std::min(options.maxLength, spec.contextLength)
                                                         : spec.contextLength;
    const PairEncoder encoder(tokenizer.prefixId(), maxLength);
    for (std::size_t item = 0, end = 0; item < task.items.size();) {
        job.report(static_cast<std::int64_t>(item), static_cast<std::int64_t>(task.items.size()), "items tokenised");
        RequestTexts texts = takeTexts(task, options.textBytes, item, end);
        CREST_CHECK(texts.encode(tokenizer, options.cache, JobContext(job.token())));
        for (std::size_t request = 0; item < end; ++item)
            for (std::size_t r = 0; r < task.items[item].requests.size(); ++r, ++request)
                if (const auto added = appendRequest(task, encoder, texts, request); !added)
                    return fail(added.error().kind, added.error().message,
                                fmt::format("{}, document {}", definition.name, task.items[item].document));
    }
    return task;
}

data::ItemScores scoresOf(const PreparedTask& task, const VersionLoss& loss, std::int64_t firstToken) {
    data::ItemScores scores;
    auto token = static_cast<std::size_t>(firstToken);
    std::size_t next = 0;
    const bool greedy = task.definition.kind != TaskKind::Rolling && !loss.greedy.empty();
    for (const std::int32_t count : task.requestStretches) {
        double nats = 0;
        std::int32_t tokens = 0;
        bool likeliest = true;
        for (std::int32_t s = 0; s < count; ++s, ++next) {
            const PreparedTask::Stretch& stretch = task.stretches[next];
            for (std::int32_t i = stretch.firstScored; i < stretch.length; ++i, ++token, ++tokens) {
                nats += static_cast<double>(loss.tokenNats[token]);
                if (greedy)
                    likeliest = likeliest && loss.greedy[token] == task.ids[static_cast<std::size_t>(stretch.begin + i)];
            }
        }
        scores.requestNats.push_back(nats);
        scores.requestTokens.push_back(tokens);
        if (greedy)
            scores.requestGreedy.push_back(likeliest ? 1 : 0);
    }
    return scores;
}

namespace {

/// scores[m] of each member to one outcome.
Result<data::TaskOutcome> combined(const PreparedTask& task, std::span<const data::ItemScores> scores) {
    CREST_TRY(first, data::scoreItems(task.definition, task.items, scores[0]));
    if (scores.size() == 1)
        return first;
    CREST_TRY(second, data::scoreItems(task.definition, task.items, scores[1]));
    return data::meanOfPair(first, second);
}

} // namespace

Result<data::TaskOutcome> outcomeOf(const PreparedTask& task, std::span<const VersionLoss> members,
                                    std::int64_t firstToken) {
    std::vector<data::ItemScores> scores;
    for (const VersionLoss& member : members)
        scores.push_back(scoresOf(task, member, firstToken));
    return combined(task, scores);
}

LossOptions taskLossOptions(const model::Decoder& decoder) {
    LossOptions options;
    options.memoryBytes = std::clamp(kTaskRows * decoder.spec().width * 4, options.memoryBytes, kTaskBytes);
    return options;
}

namespace {

/// Sequences of all tasks that are not generated; firstToken[t] is where task t begins.
std::vector<Sequence> joinSequences(std::span<const PreparedTask* const> tasks, std::vector<std::int64_t>& firstToken) {
    std::vector<Sequence> all;
    std::int64_t tokens = 0;
    for (const PreparedTask* task : tasks) {
        firstToken.push_back(tokens);
        tokens += task->scoredTokens();
        const std::vector<Sequence> more = task->sequences();
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

Result<std::vector<data::TaskOutcome>> generatedOutcomes(model::Decoder& decoder, model::WeightSource& source,
                                                         const text::Tokenizer& tokenizer, const PreparedTask& task,
                                                         int members, const JobContext& job) {
    std::vector<data::TaskOutcome> outcomes;
    std::vector<data::ItemScores> scores;
    for (int version = 0; version < source.versions(); ++version) {
        CREST_TRY(written, generateAnswers(decoder, source, version, tokenizer, task, job));
        scores.push_back(std::move(written));
        if (static_cast<int>(scores.size()) < members)
            continue;
        CREST_TRY(outcome, combined(task, scores));
        outcomes.push_back(std::move(outcome));
        scores.clear();
    }
    return outcomes;
}

} // namespace

Result<std::vector<std::vector<data::TaskOutcome>>>
scoreTasks(model::Decoder& decoder, model::WeightSource& source, const text::Tokenizer& tokenizer,
           std::span<const PreparedTask* const> tasks, int members, const LossOptions& options, const JobContext& job) {
    if (members < 1 || members > 2 || source.versions() % members != 0)
        return fail(ErrorKind::Internal, fmt::format("{} versions in groups of {}", source.versions(), members));
    std::vector<std::int64_t> firstToken;
    const std::vector<Sequence> sequences = joinSequences(tasks, firstToken);
    LossOptions counted = options;
    double planned = 0, done = 0;
    counted.tokensPlanned = [&](double tokens) {
        planned = tokens;
        if (options.tokensPlanned)
            options.tokensPlanned(tokens);
    };
    counted.tokensDone = [&](double tokens) {
        done += tokens;
        job.report(static_cast<std::int64_t>(done), static_cast<std::int64_t>(planned), "tokens");
        if (options.tokensDone)
            options.tokensDone(tokens);
    };
    CREST_TRY(losses, sequenceLosses(decoder, source, sequences, counted, job));
    std::vector<std::vector<data::TaskOutcome>> outcomes(tasks.size());
    const auto group = static_cast<std::size_t>(members);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        if (tasks[t]->isGenerated()) {
            CREST_TRY(written, generatedOutcomes(decoder, source, tokenizer, *tasks[t], members, job));
            outcomes[t] = std::move(written);
            continue;
        }
        for (std::size_t version = 0; version < losses.size(); version += group) {
            CREST_TRY(outcome, outcomeOf(*tasks[t], std::span(losses).subspan(version, group), firstToken[t]));
            outcomes[t].push_back(std::move(outcome));
        }
    }
    return outcomes;
}

} // namespace crest::eval
