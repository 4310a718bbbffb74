// SPDX-License-Identifier: Apache-2.0
#include "core/probe/measure.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "core/study/task_outcome.h"

namespace crest::probe {

using eval::Sequence;
using study::Plan;

namespace {

const study::Cell& cellAt(const Plan& plan, int index) {
    return plan.cells[static_cast<std::size_t>(index)];
}
const study::Task& taskAt(const Plan& plan, int index) {
    return plan.tasks[static_cast<std::size_t>(index)];
}

/// The sequences of several texts and held-out parts of fine-tuning data, one after the other.
struct TextBatch {
    std::vector<std::shared_ptr<const void>> sources; ///< that the sequences point into
    std::vector<Sequence> sequences;
    std::vector<std::size_t> first; ///< of each task, and the end
    /// Of examples: which tokens count among those that the sequence scores; empty where all do.
    std::vector<std::span<const std::uint8_t>> counted;
};

/// An example is scored from its first learned token on; what is not learned in between does not count.
void addExamples(const data::TuningSet& set, TextBatch& batch) {
    for (const data::TuningExample& example : set.heldOut) {
        const auto first = std::ranges::find(example.learned, std::uint8_t{1}) - example.learned.begin();
        batch.sequences.push_back({example.ids, static_cast<std::int32_t>(first)});
        batch.counted.push_back(std::span(example.learned).subspan(static_cast<std::size_t>(first)));
    }
}

Result<TextBatch> textsOf(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                          const JobContext& job) {
    TextBatch batch;
    for (const int task : pass.tasks) {
        batch.first.push_back(batch.sequences.size());
        if (taskAt(plan, task).kind == study::TaskKind::TuningLoss) {
            CREST_TRY(set, inputs.tuning(taskAt(plan, task), checkpoint, JobContext(job.token())));
            addExamples(*set, batch);
            batch.sources.push_back(std::move(set));
            continue;
        }
        CREST_TRY(text, inputs.text(taskAt(plan, task), checkpoint, JobContext(job.token())));
        const std::vector<Sequence> more = text->sequences();
        batch.sequences.insert(batch.sequences.end(), more.begin(), more.end());
        batch.counted.resize(batch.sequences.size());
        batch.sources.push_back(std::move(text));
    }
    batch.first.push_back(batch.sequences.size());
    return batch;
}

/// Summed nats of each sequence, the mean over the members of one cell.
std::vector<double> meanNats(const TextBatch& batch, std::span<const eval::VersionLoss> members) {
    std::vector<double> nats(batch.sequences.size(), 0.0);
    for (const eval::VersionLoss& member : members) {
        const std::vector<double> sums = eval::sumBySequence(batch.sequences, member.tokenNats, batch.counted);
        for (std::size_t s = 0; s < nats.size(); ++s)
            nats[s] += sums[s] / static_cast<double>(members.size());
    }
    return nats;
}

/// Tokens that count of each sequence.
std::vector<std::int32_t> countedTokens(const TextBatch& batch) {
    std::vector<std::int32_t> counts;
    for (std::size_t s = 0; s < batch.sequences.size(); ++s)
        counts.push_back(static_cast<std::int32_t>(batch.counted[s].empty()
                                                       ? batch.sequences[s].scored()
                                                       : std::ranges::count(batch.counted[s], std::uint8_t{1})));
    return counts;
}

/// What making the weights takes counts as tokens, too.
Result<MadeWeights> weightsOf(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint,
                              TaskInputs& inputs, PassWeights& passWeights, double& tokensDone,
                              const JobContext& job) {
    const double before = tokensDone;
    const JobContext counting(job.token(), [&](const Progress& progress) {
        if (progress.what != "tokens")
            return job.report(progress.done, progress.total, progress.what);
        tokensDone = before + static_cast<double>(progress.done);
        job.report(static_cast<std::int64_t>(tokensDone), 0, "tokens");
    });
    return passWeights.of(plan, pass, checkpoint, inputs, counting);
}

run::Measurement textMeasurement(int cell, int task, eval::LossSummary summary) {
    run::Measurement measurement;
    measurement.cell = cell;
    measurement.task = task;
    measurement.value = summary.meanNats;
    measurement.stderr_ = summary.stdError;
    measurement.scoredTokens = summary.scoredTokens;
    measurement.cause = std::move(summary.cause);
    measurement.sequenceNats = std::move(summary.sequenceNats);
    measurement.sequenceTokens = std::move(summary.sequenceTokens);
    return measurement;
}

/// What is known of the weights that cell `i` of the pass was measured with; what is to be said of them is said once.
void takeFacts(MadeWeights& weights, std::size_t i, run::Measurement& measurement) {
    if (i < weights.changes.size())
        measurement.change = weights.changes[i];
    measurement.note = std::exchange(weights.note, {});
}

data::TaskOutcome divergedOutcome(const study::Task& task, const std::string& cause) {
    data::TaskOutcome outcome;
    outcome.cause = cause;
    const auto json = parseJson(task.definition, task.name);
    const auto definition = json ? data::parseTask(*json, task.name) : fail(json.error());
    if (definition)
        for (const std::string& metric : definition->metrics)
            outcome.metrics.push_back({metric, data::metricUnit(metric), std::numeric_limits<double>::quiet_NaN(),
                                       std::numeric_limits<double>::quiet_NaN(), {}, {}});
    return outcome;
}

/// Every task of the pass without a finite value, and why.
std::vector<run::Measurement> divergedMeasurements(const Plan& plan, const Pass& pass, const MadeWeights& weights) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    std::vector<run::Measurement> measured;
    for (const int cell : pass.cells)
        for (const int task : pass.tasks) {
            run::Measurement& one = measured.emplace_back();
            one.cell = cell;
            one.task = task;
            one.value = one.stderr_ = kNone;
            one.cause = weights.cause;
            if (taskAt(plan, task).kind == study::TaskKind::Suite)
                one.outcome = divergedOutcome(taskAt(plan, task), weights.cause);
        }
    measured.front().note = weights.note;
    return measured;
}

Result<std::vector<run::Measurement>> measureTexts(const Plan& plan, const Pass& pass,
                                                   const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                                                   PassWeights& passWeights, model::Decoder& decoder,
                                                   double& tokensDone, const JobContext& job) {
    CREST_TRY(batch, textsOf(plan, pass, checkpoint, inputs, job));
    CREST_TRY(weights, weightsOf(plan, pass, checkpoint, inputs, passWeights, tokensDone, job));
    if (!weights.source)
        return divergedMeasurements(plan, pass, weights);
    eval::LossOptions options;
    options.tokensDone = [&](double tokens) {
        tokensDone += tokens;
        job.report(static_cast<std::int64_t>(tokensDone), 0, "tokens");
    };
    CREST_TRY(losses, eval::sequenceLosses(decoder, *weights.source, batch.sequences, options, job));
    const auto members = static_cast<std::size_t>(weights.members);
    const std::vector<std::int32_t> counted = countedTokens(batch);
    std::vector<run::Measurement> measured;
    for (std::size_t i = 0; i < pass.cells.size(); ++i) {
        const std::vector<double> nats = meanNats(batch, std::span(losses).subspan(i * members, members));
        for (std::size_t t = 0; t < pass.tasks.size(); ++t) {
            const std::size_t begin = batch.first[t], count = batch.first[t + 1] - begin;
            measured.push_back(textMeasurement(pass.cells[i], pass.tasks[t],
                                               eval::summarise(std::span(nats).subspan(begin, count),
                                                               std::span(counted).subspan(begin, count))));
            takeFacts(weights, i, measured.back());
        }
    }
    return measured;
}

/// Tokens done, from what a task reports: tokens, or answers of one version after the other.
class TokenCount {
public:
    TokenCount(double before, double tokensOfAll)
        : m_before(before)
        , m_tokens(before)
        , m_ofAll(tokensOfAll) {}
    double after(const Progress& progress) {
        if (progress.what == "tokens") {
            m_tokens = m_before + static_cast<double>(progress.done);
        } else if (progress.what == "answers" && progress.total > 0) {
            if (progress.done < m_answers) // the next version
                m_before += m_ofAll;
            m_answers = progress.done;
            m_tokens = m_before + m_ofAll * static_cast<double>(progress.done) / static_cast<double>(progress.total);
        }
        return m_tokens;
    }

private:
    double m_before, m_tokens, m_ofAll;
    std::int64_t m_answers = 0;
};

double estimatedTokens(const Plan& plan, int task) {
    const auto at = static_cast<std::size_t>(task);
    return at < plan.taskTokens.size() ? static_cast<double>(plan.taskTokens[at]) : 0;
}

Result<std::vector<run::Measurement>> measureSuite(const Plan& plan, const Pass& pass,
                                                   const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                                                   PassWeights& passWeights, model::Decoder& decoder,
                                                   double& tokensDone, const JobContext& job) {
    const int task = pass.tasks.front();
    CREST_TRY(prepared, inputs.suite(taskAt(plan, task), checkpoint, JobContext(job.token())));
    CREST_TRY(weights, weightsOf(plan, pass, checkpoint, inputs, passWeights, tokensDone, job));
    if (!weights.source)
        return divergedMeasurements(plan, pass, weights);
    TokenCount count(tokensDone, estimatedTokens(plan, task));
    const JobContext counting(job.token(), [&](const Progress& progress) {
        tokensDone = count.after(progress);
        job.report(static_cast<std::int64_t>(tokensDone), 0, "tokens");
    });
    const eval::PreparedTask* const tasks[] = {prepared.get()};
    CREST_TRY(outcomes, eval::scoreTasks(decoder, *weights.source, *checkpoint.tokenizer, tasks, weights.members,
                                         eval::taskLossOptions(decoder), counting));
    std::vector<run::Measurement> measured;
    for (std::size_t i = 0; i < pass.cells.size(); ++i) {
        run::Measurement measurement;
        measurement.cell = pass.cells[i];
        measurement.task = task;
        measurement.outcome = std::move(outcomes.front()[i]);
        takeFacts(weights, i, measurement);
        CREST_CHECK(study::checkOutcome(measurement.outcome));
        measured.push_back(std::move(measurement));
    }
    return measured;
}

void addPass(std::vector<Pass>& passes, std::int64_t seed, bool base, const std::vector<int>& tasks, int cell,
             const Plan& plan) {
    if (tasks.empty())
        return;
    if (!base && study::probeKind(plan.probe.kind).cellByCell)
        return passes.push_back({seed, tasks, {cell}});
    const auto same = std::ranges::find_if(passes, [&](const Pass& pass) {
        return pass.seed == seed && cellAt(plan, pass.cells.front()).isBase() == base && pass.tasks == tasks;
    });
    if (same != passes.end())
        same->cells.push_back(cell);
    else
        passes.push_back({seed, tasks, {cell}});
}

} // namespace

std::vector<Pass> passesOf(const run::BatchRequest& request) {
    std::vector<Pass> passes;
    for (const run::BatchRequest::Wanted& wanted : request.wanted) {
        const study::Cell& cell = cellAt(*request.plan, wanted.cell);
        const std::int64_t seed = cell.isBase() ? 0 : cell.seed;
        std::vector<int> texts, suites;
        for (const int task : wanted.tasks)
            (taskAt(*request.plan, task).kind == study::TaskKind::Suite ? suites : texts).push_back(task);
        addPass(passes, seed, cell.isBase(), texts, wanted.cell, *request.plan);
        for (const int task : suites)
            addPass(passes, seed, cell.isBase(), {task}, wanted.cell, *request.plan);
    }
    return passes;
}

Result<std::vector<run::Measurement>> measure(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint,
                                              TaskInputs& inputs, PassWeights& weights, model::Decoder& decoder,
                                              double& tokensDone, const JobContext& job) {
    const bool suite = taskAt(plan, pass.tasks.front()).kind == study::TaskKind::Suite;
    return (suite ? measureSuite : measureTexts)(plan, pass, checkpoint, inputs, weights, decoder, tokensDone, job);
}

} // namespace crest::probe
