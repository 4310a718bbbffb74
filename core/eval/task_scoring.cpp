// SPDX-License-Identifier: Apache-2.0
#include "core/eval/task_scoring.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "core/eval/pair_encoding.h"
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

Result<void> encodeRequest(PreparedTask& task, PairEncoder& encoder, const data::ItemRequest& request) {
    if (task.definition.kind == TaskKind::Rolling) {
        CREST_TRY(windows, encoder.document(request.continuation));
        for (const EncodedSequence& window : windows)
            append(task, window);
        task.requestStretches.push_back(static_cast<std::int32_t>(windows.size()));
        return {};
    }
    CREST_TRY(sequence, encoder.pair(request.context, request.continuation));
    append(task, sequence);
    task.cutRequests += sequence.cut ? 1 : 0;
    task.requestStretches.push_back(1);
    return {};
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
    PairEncoder encoder(tokenizer, definition.tokenizerSpecials, maxLength);
    for (std::size_t i = 0; i < task.items.size(); ++i) {
        if (job.stopRequested())
            return stopped();
        job.report(static_cast<std::int64_t>(i), static_cast<std::int64_t>(task.items.size()), "items tokenised");
        for (data::ItemRequest& request : task.items[i].requests) {
            if (auto encoded = encodeRequest(task, encoder, request); !encoded)
                return fail(encoded.error().kind, encoded.error().message,
                            fmt::format("{}, document {}", definition.name, task.items[i].document));
            request = {};
        }
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
