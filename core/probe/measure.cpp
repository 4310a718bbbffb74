// SPDX-License-Identifier: Apache-2.0
#include "core/probe/measure.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/probe/gaussian_noise.h"
#include "core/probe/pruning.h"
#include "core/probe/quantisation.h"
#include "core/study/task_outcome.h"

namespace crest::probe {

using eval::Sequence;
using study::Plan;

namespace {

constexpr double kLeastGammaInBFloat16 = 0.02; ///< below, rounding to bfloat16 adds a tenth to the noise

const study::Cell& cellAt(const Plan& plan, int index) {
    return plan.cells[static_cast<std::size_t>(index)];
}
const study::Task& taskAt(const Plan& plan, int index) {
    return plan.tasks[static_cast<std::size_t>(index)];
}

/// The weights of a pass: as they are, or `members` modified versions of every cell.
struct Weights {
    std::unique_ptr<Modification> modification;
    std::unique_ptr<model::WeightSource> source;
    int members = 1;
};

Result<std::unique_ptr<Modification>> noiseOf(const Plan& plan, const LoadedCheckpoint& checkpoint,
                                              std::span<const double> gammas) {
    const double least = *std::ranges::min_element(gammas);
    if (plan.probe.compute == study::ComputeType::BFloat16 && least < kLeastGammaInBFloat16)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("gamma {} with bfloat16 compute: its rounding would add a tenth to "
                                "noise below {}; use float32",
                                least, kLeastGammaInBFloat16));
    CREST_TRY(std, noiseTable(checkpoint, plan.probe.noiseScale));
    return makeGaussianNoise(*checkpoint.reader, std);
}

/// What the plan's probe does to a checkpoint.
Result<std::unique_ptr<Modification>> modificationOf(const Plan& plan, const LoadedCheckpoint& checkpoint,
                                                     std::span<const double> strengths) {
    const study::Probe& probe = plan.probe;
    if (probe.kind == study::kGaussianNoise)
        return noiseOf(plan, checkpoint, strengths);
    if (probe.kind == study::kQuantisation) {
        CREST_TRY(group, requireInt(probe.settings, "group", "settings of the probe", 1, INT64_MAX));
        return makeQuantisation(*checkpoint.reader, group);
    }
    if (probe.kind == study::kPruning)
        return makePruning(*checkpoint.reader);
    return fail(ErrorKind::Unsupported, fmt::format("This runner cannot make a probe of the kind \"{}\".", probe.kind));
}

Result<Weights> weightsOf(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint) {
    Weights weights;
    if (cellAt(plan, pass.cells.front()).isBase()) {
        weights.source = std::make_unique<model::PristineWeights>(*checkpoint.reader);
        return weights;
    }
    std::vector<double> strengths;
    for (const int cell : pass.cells)
        strengths.push_back(cellAt(plan, cell).strength);
    CREST_TRY(modification, modificationOf(plan, checkpoint, strengths));
    weights.modification = std::move(modification);
    weights.members = weights.modification->members();
    CREST_TRY(versions, weights.modification->versions(strengths, pass.seed));
    weights.source = std::move(versions);
    return weights;
}
/// The sequences of several texts, one after the other.
struct TextBatch {
    std::vector<std::shared_ptr<const eval::TextWindows>> texts; ///< that the sequences point into
    std::vector<Sequence> sequences;
    std::vector<std::size_t> first; ///< of each text, and the end
};

Result<TextBatch> textsOf(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                          const JobContext& job) {
    TextBatch batch;
    for (const int task : pass.tasks) {
        CREST_TRY(text, inputs.text(taskAt(plan, task), checkpoint, JobContext(job.token())));
        batch.first.push_back(batch.sequences.size());
        const std::vector<Sequence> more = text->sequences();
        batch.sequences.insert(batch.sequences.end(), more.begin(), more.end());
        batch.texts.push_back(std::move(text));
    }
    batch.first.push_back(batch.sequences.size());
    return batch;
}

/// Summed nats of each sequence, the mean over the members of one cell.
std::vector<double> meanNats(const TextBatch& batch, std::span<const eval::VersionLoss> members) {
    std::vector<double> nats(batch.sequences.size(), 0.0);
    for (const eval::VersionLoss& member : members) {
        const std::vector<double> sums = eval::sumBySequence(batch.sequences, member.tokenNats);
        for (std::size_t s = 0; s < nats.size(); ++s)
            nats[s] += sums[s] / static_cast<double>(members.size());
    }
    return nats;
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

Result<std::vector<run::Measurement>> measureTexts(const Plan& plan, const Pass& pass,
                                                   const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                                                   model::Decoder& decoder, double& tokensDone, const JobContext& job) {
    CREST_TRY(batch, textsOf(plan, pass, checkpoint, inputs, job));
    CREST_TRY(weights, weightsOf(plan, pass, checkpoint));
    eval::LossOptions options;
    options.tokensDone = [&](double tokens) {
        tokensDone += tokens;
        job.report(static_cast<std::int64_t>(tokensDone), 0, "tokens");
    };
    CREST_TRY(losses, eval::sequenceLosses(decoder, *weights.source, batch.sequences, options, job));
    const auto members = static_cast<std::size_t>(weights.members);
    std::vector<run::Measurement> measured;
    for (std::size_t i = 0; i < pass.cells.size(); ++i) {
        const std::vector<double> nats = meanNats(batch, std::span(losses).subspan(i * members, members));
        for (std::size_t t = 0; t < pass.tasks.size(); ++t) {
            const std::size_t begin = batch.first[t], count = batch.first[t + 1] - begin;
            measured.push_back(textMeasurement(pass.cells[i], pass.tasks[t],
                                               eval::summarise(std::span(nats).subspan(begin, count),
                                                               std::span(batch.sequences).subspan(begin, count))));
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
                                                   model::Decoder& decoder, double& tokensDone, const JobContext& job) {
    const int task = pass.tasks.front();
    CREST_TRY(prepared, inputs.suite(taskAt(plan, task), checkpoint, JobContext(job.token())));
    CREST_TRY(weights, weightsOf(plan, pass, checkpoint));
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
        CREST_CHECK(study::checkOutcome(measurement.outcome));
        measured.push_back(std::move(measurement));
    }
    return measured;
}

void addPass(std::vector<Pass>& passes, std::int64_t seed, bool base, const std::vector<int>& tasks, int cell,
             const Plan& plan) {
    if (tasks.empty())
        return;
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
                                              TaskInputs& inputs, model::Decoder& decoder, double& tokensDone,
                                              const JobContext& job) {
    const bool suite = taskAt(plan, pass.tasks.front()).kind == study::TaskKind::Suite;
    return (suite ? measureSuite : measureTexts)(plan, pass, checkpoint, inputs, decoder, tokensDone, job);
}

} // namespace crest::probe
