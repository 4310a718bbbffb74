// SPDX-License-Identifier: Apache-2.0
#include "core/train/pretrain.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <thread>

#include <ATen/Parallel.h>

#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/io/files.h"
#include "core/train/checkpoint.h"
#include "core/train/corpus.h"
#include "core/train/random.h"
#include "core/train/run_state.h"
#include "core/train/save_pace.h"
#include "core/train/trainer.h"

namespace crest::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

struct RunPlan {
    std::int64_t seed = 0, steps = 0;
    fs::path folder; ///< relative to the output folder
    std::string identity;
};

/// Everything that decides the numbers of one run, as a hash.
std::string runIdentity(const PretrainConfig& c, const std::string& dataHash, std::int64_t seed, std::int64_t steps) {
    const OptimizerConfig& o = c.optimizer;
    const Json all = {{"model", series::configFromDecoderSpec(c.spec)},
                      {"init", {c.init.embeddingStd, c.init.linearStd, c.init.outputScale}},
                      {"batch", {c.batchSequences, c.sequenceLength, c.microSequences, c.gradientLanes}},
                      {"optimizer",
                       {o.learningRate, o.warmupShare, o.finalShare, static_cast<int>(o.schedule), o.beta1, o.beta2,
                        o.epsilon, o.weightDecay, o.clipNorm}},
                      {"types", {static_cast<int>(c.compute), static_cast<int>(c.saveType)}},
                      {"data", dataHash},
                      {"run", {seed, steps}},
                      {"numerics", kNumericsVersion}};
    return sha256Hex(canonicalJson(all));
}

/// Counts and reports for all workers.
class Board {
public:
    Board(const PretrainOptions& options, const JobContext& job)
        : m_options(options)
        , m_job(job) {}

    void expect(std::int64_t tokens) { m_total += tokens; }
    void alreadyDone(std::int64_t tokens) { m_done += tokens; }
    void advance(std::int64_t tokens) { m_done += tokens, m_computed += tokens; }
    void startClock() { m_start = Clock::now(); }

    void tell(PretrainEvent event) {
        event.tokensDone = m_done;
        event.tokensTotal = m_total;
        const double elapsed = secondsSince(m_start);
        if (m_computed > 0 && elapsed > 0) {
            event.tokensPerSecond = static_cast<double>(m_computed) / elapsed;
            event.secondsLeft = static_cast<double>(m_total - m_done) / event.tokensPerSecond;
        }
        const std::scoped_lock lock(m_mutex);
        m_job.report(event.tokensDone, event.tokensTotal, "pretraining tokens");
        if (m_options.onEvent)
            m_options.onEvent(event);
    }

private:
    const PretrainOptions& m_options;
    const JobContext& m_job;
    std::mutex m_mutex;
    std::atomic<std::int64_t> m_total = 0, m_done = 0, m_computed = 0;
    Clock::time_point m_start = Clock::now();
};

/// Gathers the batches of one run: position = step * batch + row, in an order keyed by (seed, epoch).
class BatchReader {
public:
    BatchReader(const PretrainConfig& config, const Corpus& corpus, std::int64_t seed)
        : m_corpus(corpus)
        , m_length(config.sequenceLength)
        , m_rows(config.batchSequences)
        , m_seed(seed)
        , m_sequences(corpus.sequences(m_length))
        , m_order(m_sequences, seed, 0)
        , m_batch(static_cast<std::size_t>(m_rows * (m_length + 1))) {}

    std::span<const std::int64_t> read(std::int64_t step) {
        for (std::int64_t row = 0; row < m_rows; ++row) {
            const std::int64_t position = step * m_rows + row, epoch = position / m_sequences;
            if (epoch != m_epoch) {
                m_epoch = epoch;
                m_order = KeyedPermutation(m_sequences, m_seed, epoch);
            }
            const std::int64_t begin = m_order(position % m_sequences) * m_length;
            m_corpus.tokens.copyTo(begin, std::span(m_batch).subspan(row * (m_length + 1), m_length + 1));
        }
        return m_batch;
    }

private:
    const Corpus& m_corpus;
    std::int64_t m_length, m_rows, m_seed, m_sequences, m_epoch = 0;
    KeyedPermutation m_order;
    std::vector<std::int64_t> m_batch;
};

/// One (budget, seed) run from its saved state, or its start, to its checkpoint.
class Run {
public:
    Run(const PretrainConfig& config, const Corpus& corpus, const PretrainOptions& options, const RunPlan& plan,
        const JobContext& job, Board& board)
        : m_config(config)
        , m_corpus(corpus)
        , m_options(options)
        , m_plan(plan)
        , m_job(job)
        , m_board(board)
        , m_trainer(config, plan.steps, plan.seed)
        , m_stateFolder(options.outFolder / ".pretrain" / plan.folder)
        // Another instruction set gives other last bits, so it must not continue a run.
        , m_stateIdentity(plan.identity + "|" + instructionsOf(config))
        , m_pace(config.stateSeconds, static_cast<double>(m_trainer.state().nbytes())) {}

    Result<void> go() {
        CREST_TRY(saved, loadRunState(m_stateFolder, m_stateIdentity, m_trainer.state()));
        if (saved) {
            m_trainer.setStepsDone(*saved);
            m_board.alreadyDone(*saved * m_config.tokensPerStep());
        }
        m_board.tell(event(saved ? "resume" : "start"));
        CREST_CHECK(train());
        return finish();
    }

    PretrainEvent event(const char* kind) const {
        PretrainEvent e;
        e.kind = kind;
        e.run = m_plan.folder.string();
        e.step = m_trainer.stepsDone();
        e.steps = m_plan.steps;
        e.loss = m_loss;
        return e;
    }

private:
    Result<void> save() {
        const auto begin = Clock::now();
        CREST_CHECK(saveRunState(m_stateFolder, m_stateIdentity, m_trainer.stepsDone(), m_trainer.state()));
        m_pace.saved(secondsSince(begin));
        return {};
    }

    Result<void> train() {
        BatchReader batches(m_config, m_corpus, m_plan.seed);
        auto lastSave = Clock::now(), lastTold = lastSave;
        while (m_trainer.stepsDone() < m_plan.steps) {
            if (m_job.stopRequested()) {
                CREST_CHECK(save());
                return stopped();
            }
            const std::int64_t step = m_trainer.stepsDone();
            const StepReport report = m_trainer.step(batches.read(step), m_options.threads);
            if (!std::isfinite(report.loss) || !std::isfinite(report.gradientNorm))
                return fail(ErrorKind::NonFinite,
                            "The loss or its gradient is not finite at step " + std::to_string(step + 1) +
                                "; this run is given up (a lower learning_rate usually helps). The others go on.",
                            m_plan.folder.string());
            m_loss = report.loss;
            m_board.advance(m_config.tokensPerStep());
            if (m_pace.isDue(secondsSince(lastSave))) {
                CREST_CHECK(save());
                lastSave = Clock::now();
            }
            if (secondsSince(lastTold) >= 1) {
                m_board.tell(event("progress"));
                lastTold = Clock::now();
            }
        }
        return {};
    }

    Result<void> finish() {
        CheckpointFacts facts;
        facts.step = m_plan.steps;
        facts.tokens = m_plan.steps * m_config.tokensPerStep();
        facts.seed = m_plan.seed;
        facts.passes = static_cast<double>(facts.tokens) / static_cast<double>(m_corpus.tokens.size());
        facts.configHash = m_plan.identity;
        // Held-out losses are those of the weights as stored.
        at::Tensor weights = m_trainer.parameters();
        if (m_config.saveType != SaveType::Float32)
            weights.copy_(weights.to(m_config.saveType == SaveType::Float16 ? at::kHalf : at::kBFloat16));
        for (const auto& [name, rows] : m_corpus.heldout)
            facts.heldout[name] = m_trainer.evaluate(rows.inputs, rows.targets);
        CREST_CHECK(writeCheckpoint(m_options.outFolder / m_plan.folder, m_config, m_trainer.layout(), weights, facts,
                                    m_corpus.tokenizerFolder));
        removeRunState(m_stateFolder);
        PretrainEvent done = event("finish");
        done.heldout = facts.heldout;
        m_board.tell(std::move(done));
        return {};
    }

    const PretrainConfig& m_config;
    const Corpus& m_corpus;
    const PretrainOptions& m_options;
    const RunPlan& m_plan;
    const JobContext& m_job;
    Board& m_board;
    Trainer m_trainer;
    fs::path m_stateFolder;
    std::string m_stateIdentity;
    SavePace m_pace;
    double m_loss = 0;
};

/// All runs, the longest first, so that workers end at about the same time.
std::vector<RunPlan> planRuns(const PretrainConfig& config, const Corpus& corpus) {
    std::vector<RunPlan> plans;
    for (const std::int64_t budget : config.budgetsTokens)
        for (const std::int64_t seed : config.seeds) {
            const std::int64_t steps = config.steps(budget);
            plans.push_back({seed, steps, checkpointFolder(config, seed, steps),
                             runIdentity(config, corpus.dataHash, seed, steps)});
        }
    std::stable_sort(plans.begin(), plans.end(), [](const RunPlan& a, const RunPlan& b) { return a.steps > b.steps; });
    return plans;
}

/// Takes out what is finished; a folder of another config is an error.
Result<int> dropFinished(std::vector<RunPlan>& plans, const fs::path& outFolder, Board& board) {
    int skipped = 0;
    for (auto plan = plans.begin(); plan != plans.end();) {
        const std::string hash = finishedConfigHash(outFolder / plan->folder);
        if (!hash.empty() && hash != plan->identity)
            return fail(
                ErrorKind::Mismatch,
                "A checkpoint of other settings or data is there already; use another output folder or series name.",
                (outFolder / plan->folder).string());
        if (hash.empty()) {
            ++plan;
            continue;
        }
        PretrainEvent event;
        event.kind = "skip";
        event.run = plan->folder.string();
        board.tell(std::move(event));
        plan = plans.erase(plan);
        ++skipped;
    }
    return skipped;
}

/// Takes runs from the list until it is empty or a stop is asked for.
void work(const PretrainConfig& config, const Corpus& corpus, const PretrainOptions& options,
          const std::vector<RunPlan>& plans, const JobContext& job, Board& board, std::atomic<std::size_t>& next,
          std::mutex& mutex, PretrainSummary& summary) {
    at::set_num_threads(1);
    for (std::size_t i = next++; i < plans.size(); i = next++) {
        Result<void> result;
        PretrainEvent event;
        event.run = plans[i].folder.string();
        if (job.stopRequested()) {
            result = stopped();
        } else {
            try {
                Run run(config, corpus, options, plans[i], job, board);
                result = run.go();
                event = run.event("");
            } catch (const std::exception& e) { // LibTorch: out of memory
                result = fail(ErrorKind::Internal, e.what(), event.run);
            }
        }
        const std::scoped_lock lock(mutex);
        if (result) {
            ++summary.finished;
            continue;
        }
        const bool stop = result.error().kind == ErrorKind::Stopped;
        if (stop)
            summary.stopped = true;
        else
            ++summary.failed;
        if (!stop && summary.firstError.empty())
            summary.firstError = result.error().text();
        event.kind = stop ? "stop" : "fail";
        event.message = result.error().text();
        board.tell(std::move(event));
    }
}

} // namespace

Result<PretrainSummary> runPretrain(PretrainConfig config, const PretrainOptions& options, const JobContext& job) {
    const fs::path workFolder = options.outFolder / ".pretrain";
    std::error_code code;
    fs::create_directories(workFolder, code);
    if (code)
        return fail(io::systemError(code.value(), "create", workFolder));
    CREST_TRY(lock, io::FileLock::tryLock(workFolder / "lock"));
    CREST_TRY(corpus, prepareCorpus(config, workFolder, job));
    Board board(options, job);
    std::vector<RunPlan> plans = planRuns(config, corpus);
    PretrainSummary summary;
    CREST_TRY(skipped, dropFinished(plans, options.outFolder, board));
    summary.skipped = skipped;
    for (const RunPlan& plan : plans)
        board.expect(plan.steps * config.tokensPerStep());
    PretrainEvent prepared;
    prepared.kind = "prepared";
    prepared.message = std::to_string(corpus.tokens.size()) + " training tokens, " +
                       std::to_string(series::parameterCount(config.spec)) + " parameters, " +
                       std::to_string(plans.size()) + " runs to do, kernels " + instructionsOf(config);
    board.tell(std::move(prepared));
    board.startClock();
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    {
        std::vector<std::jthread> workers;
        const auto count = std::min<std::size_t>(static_cast<std::size_t>(std::max(options.jobs, 1)), plans.size());
        for (std::size_t w = 0; w < count; ++w)
            workers.emplace_back([&] { work(config, corpus, options, plans, job, board, next, mutex, summary); });
    }
    return summary;
}

} // namespace crest::train
