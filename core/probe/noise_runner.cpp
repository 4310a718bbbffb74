// SPDX-License-Identifier: Apache-2.0
#include "core/probe/noise_runner.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/eval/text_loss.h"
#include "core/io/files.h"
#include "core/probe/gaussian_noise.h"
#include "core/series/folder_stamp.h"
#include "core/series/series.h"
#include "core/series/tokenizer_files.h"
#include "core/study/planner.h"

namespace crest::probe {

using eval::Sequence;
using model::WeightReader;
using study::Plan;

namespace {

constexpr double kLeastGammaInBFloat16 = 0.02; ///< below, rounding to bfloat16 adds a tenth to the noise

/// What stays the same for all batches of one checkpoint.
struct LoadedCheckpoint {
    study::PlannedCheckpoint planned;
    std::string stamp; ///< of its files, before anything of them was read
    std::string path;
    series::Checkpoint facts;
    std::unique_ptr<WeightReader> reader;
    std::optional<text::Tokenizer> tokenizer;
    std::map<std::string, double> rms;
    std::map<std::string, eval::TextWindows> texts; ///< by task settings
};

/// What a result's key says of a checkpoint besides its weights ("" in a plan: not pinned).
Result<void> checkAsPlanned(const study::PlannedCheckpoint& planned, const series::Checkpoint& facts) {
    if (!planned.initStd.empty() && study::initStdHash(facts.initStd) != planned.initStd)
        return fail(
            ErrorKind::Mismatch,
            "the standard deviations its tensors were initialised with (init_std in crest.json, or its family's "
            "rule) changed since the run was planned; plan it again",
            planned.path);
    if (planned.tokenizer.empty())
        return {};
    CREST_TRY(tokenizer, series::tokenizerHash(planned.path));
    if (tokenizer != planned.tokenizer)
        return fail(ErrorKind::Mismatch, "the tokenizer changed since the run was planned; plan it again",
                    planned.path);
    return {};
}

Result<std::unique_ptr<LoadedCheckpoint>> loadCheckpoint(const study::PlannedCheckpoint& planned,
                                                         const JobContext& job) {
    auto loaded = std::make_unique<LoadedCheckpoint>();
    loaded->planned = planned;
    loaded->path = planned.path;
    CREST_TRY(stamp, series::folderStamp(planned.path));
    loaded->stamp = std::move(stamp);
    loaded->facts = series::readCheckpoint(planned.path).checkpoint;
    if (!loaded->facts.spec)
        return fail(ErrorKind::Unsupported, loaded->facts.reason, planned.path);
    CREST_TRY(reader, WeightReader::open(planned.path, *loaded->facts.spec));
    loaded->reader = std::make_unique<WeightReader>(std::move(reader));
    if (!planned.weights.empty()) {
        CREST_TRY(fingerprint, series::fingerprintWeights(loaded->reader->weights(), *loaded->facts.spec, job));
        if (fingerprint != planned.weights)
            return fail(ErrorKind::Mismatch, "the weights changed since the run was planned; plan it again",
                        planned.path);
    }
    CREST_CHECK(checkAsPlanned(planned, loaded->facts));
    CREST_TRY(rms, loaded->reader->checkedRms(job));
    loaded->rms = std::move(rms);
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(planned.path)));
    loaded->tokenizer = std::move(tokenizer);
    return loaded;
}

Result<void> checkTextUnchanged(const study::Task& task) {
    if (task.dataHash.empty())
        return {};
    CREST_TRY(content, io::readTextFile(task.textsPath, std::uint64_t{1} << 40));
    if (sha256Hex(content) != task.dataHash)
        return fail(ErrorKind::Mismatch, "the text changed since the run was planned; plan it again", task.textsPath);
    return {};
}

Result<const eval::TextWindows*> textOf(LoadedCheckpoint& checkpoint, const study::Task& task, const JobContext& job) {
    const std::string key = fmt::format("{}\n{}\n{}\n{}\n{}", task.textsPath, task.dataHash, task.windowTokens,
                                        task.strideTokens, task.maxWindows);
    if (const auto known = checkpoint.texts.find(key); known != checkpoint.texts.end())
        return &known->second;
    CREST_CHECK(checkTextUnchanged(task));
    CREST_TRY(windows, eval::readTextWindows(task.textsPath, *checkpoint.tokenizer, *checkpoint.facts.spec,
                                             {task.windowTokens, task.strideTokens, task.maxWindows}, job));
    return &checkpoint.texts.emplace(key, std::move(windows)).first->second;
}

Result<std::map<std::string, double>> noiseTable(const LoadedCheckpoint& checkpoint, study::NoiseScale scale) {
    if (scale == study::NoiseScale::TensorRms)
        return noiseStd(*checkpoint.reader, checkpoint.rms);
    auto table = noiseStd(*checkpoint.reader, checkpoint.facts.initStd);
    if (!table)
        return fail(ErrorKind::NotFound,
                    table.error().message +
                        ": the checkpoint's crest.json has no init_std for it and its family's rule is not known. "
                        "The fallback is noise scaled by each tensor's RMS (--scale rms), which is another "
                        "probe and is never drawn on one axis with this one",
                    checkpoint.path);
    return table;
}

/// Cells that one pass serves: one seed (0: the base), the same tasks.
struct Pass {
    std::int64_t seed = 0;
    std::vector<int> tasks;
    std::vector<int> cells;
};

std::vector<Pass> passesOf(const run::BatchRequest& request) {
    std::vector<Pass> passes;
    for (const run::BatchRequest::Wanted& wanted : request.wanted) {
        const study::Cell& cell = request.plan->cells[static_cast<std::size_t>(wanted.cell)];
        const std::int64_t seed = cell.isBase() ? 0 : cell.seed;
        if (wanted.tasks.empty())
            continue;
        const auto same = std::find_if(passes.begin(), passes.end(), [&](const Pass& pass) {
            const bool base = request.plan->cells[static_cast<std::size_t>(pass.cells.front())].isBase();
            return pass.seed == seed && base == cell.isBase() && pass.tasks == wanted.tasks;
        });
        if (same != passes.end())
            same->cells.push_back(wanted.cell);
        else
            passes.push_back({seed, wanted.tasks, {wanted.cell}});
    }
    return passes;
}

class NoiseRunner final : public run::BatchRunner {
public:
    NoiseRunner(const run::RunnerOptions& options, at::Device device)
        : m_options(options)
        , m_device(device) {}

    Result<void> run(const run::BatchRequest& request, const JobContext& job,
                     const std::function<Result<void>(run::Measurement)>& emit) override {
        if (at::get_num_threads() != m_options.threads)
            at::set_num_threads(m_options.threads);
        try {
            return compute(request, job, emit);
        } catch (const std::bad_alloc&) {
            return fail(ErrorKind::OutOfRange, "there is not enough memory for this checkpoint; use fewer workers",
                        where(request));
        } catch (const c10::Error& error) {
            return fail(ErrorKind::Internal, error.what_without_backtrace(), where(request));
        }
    }

    void prefetch(const Plan& plan, int checkpoint) override {
        const std::string& path = plan.checkpoints[static_cast<std::size_t>(checkpoint)].path;
        const series::Checkpoint facts = series::readCheckpoint(path).checkpoint;
        if (!facts.spec)
            return; // the batch itself will say why
        if (const auto weights = series::CheckpointWeights::open(path, *facts.spec))
            weights->willNeed();
    }

private:
    static std::string where(const run::BatchRequest& request) {
        return request.plan->checkpoints[static_cast<std::size_t>(request.checkpoint)].path;
    }

    Result<void> compute(const run::BatchRequest& request, const JobContext& job,
                         const std::function<Result<void>(run::Measurement)>& emit);
    Result<void> runPass(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                         const std::function<Result<void>(run::Measurement)>& emit);
    Result<void> measureUntouched(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                                  const std::function<Result<void>(run::Measurement)>& emit);
    bool isUntouched() const;
    Result<void> prepare(const Plan& plan, int checkpoint, const JobContext& job);
    model::Decoder& decoderFor(const series::DecoderSpec& spec, study::ComputeType compute);

    run::RunnerOptions m_options;
    at::Device m_device;
    std::unique_ptr<LoadedCheckpoint> m_checkpoint;
    std::unique_ptr<model::Decoder> m_decoder;
    double m_tokensDone = 0;
};

Result<void> NoiseRunner::prepare(const Plan& plan, int checkpoint, const JobContext& job) {
    const study::PlannedCheckpoint& planned = plan.checkpoints[static_cast<std::size_t>(checkpoint)];
    if (m_checkpoint && m_checkpoint->planned == planned && isUntouched())
        return {};
    m_checkpoint.reset();
    CREST_TRY(loaded, loadCheckpoint(planned, JobContext(job.token())));
    m_checkpoint = std::move(loaded);
    return {};
}

model::Decoder& NoiseRunner::decoderFor(const series::DecoderSpec& spec, study::ComputeType compute) {
    const model::Compute type =
        compute == study::ComputeType::BFloat16 ? model::Compute::BFloat16 : model::Compute::Float32;
    if (!m_decoder || !(m_decoder->spec() == spec) || m_decoder->options().compute != type)
        m_decoder = std::make_unique<model::Decoder>(spec, model::DecoderOptions{m_device, type});
    return *m_decoder;
}

Result<void> NoiseRunner::compute(const run::BatchRequest& request, const JobContext& job,
                                  const std::function<Result<void>(run::Measurement)>& emit) {
    m_tokensDone = 0;
    for (const Pass& pass : passesOf(request))
        CREST_CHECK(measureUntouched(request, pass, job, emit));
    return {};
}

bool NoiseRunner::isUntouched() const {
    const auto stamp = series::folderStamp(m_checkpoint->path);
    return stamp && *stamp == m_checkpoint->stamp;
}

/// Emits what was measured only where nobody wrote to the checkpoint meanwhile: its files are mapped, and a result must
/// not be filed under weights that it was not computed with.
Result<void> NoiseRunner::measureUntouched(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                                           const std::function<Result<void>(run::Measurement)>& emit) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        CREST_CHECK(prepare(*request.plan, request.checkpoint, job)); // where it was touched, this says what changed
        std::vector<run::Measurement> measured;
        CREST_CHECK(runPass(request, pass, job, [&](run::Measurement measurement) -> Result<void> {
            measured.push_back(std::move(measurement));
            return {};
        }));
        if (!isUntouched())
            continue;
        for (run::Measurement& measurement : measured)
            CREST_CHECK(emit(std::move(measurement)));
        return {};
    }
    return fail(ErrorKind::Mismatch,
                "something writes to this checkpoint while it is measured; nothing was stored. Run it again when that "
                "has ended",
                where(request));
}

Result<void> NoiseRunner::runPass(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                                  const std::function<Result<void>(run::Measurement)>& emit) {
    const Plan& plan = *request.plan;
    const auto cellAt = [&](std::size_t i) -> const study::Cell& {
        return plan.cells[static_cast<std::size_t>(pass.cells[i])];
    };
    const bool base = cellAt(0).isBase();
    std::vector<double> strengths;
    for (std::size_t i = 0; i < pass.cells.size() && !base; ++i)
        strengths.push_back(cellAt(i).strength);
    if (plan.probe.compute == study::ComputeType::BFloat16)
        for (const double gamma : strengths)
            if (gamma < kLeastGammaInBFloat16)
                return fail(ErrorKind::OutOfRange,
                            fmt::format("gamma {} with bfloat16 compute: its rounding would add a tenth to "
                                        "noise below {}; use float32",
                                        gamma, kLeastGammaInBFloat16));
    std::vector<Sequence> sequences;
    std::vector<std::size_t> firstSequence; // of each task, and the end
    for (const int task : pass.tasks) {
        CREST_TRY(text, textOf(*m_checkpoint, plan.tasks[static_cast<std::size_t>(task)], JobContext(job.token())));
        firstSequence.push_back(sequences.size());
        const std::vector<Sequence> more = text->sequences();
        sequences.insert(sequences.end(), more.begin(), more.end());
    }
    firstSequence.push_back(sequences.size());

    std::unique_ptr<model::WeightSource> source = std::make_unique<model::PristineWeights>(*m_checkpoint->reader);
    std::unique_ptr<Modification> noise;
    if (!base) {
        CREST_TRY(std, noiseTable(*m_checkpoint, plan.probe.noiseScale));
        noise = makeGaussianNoise(*m_checkpoint->reader, std);
        CREST_TRY(versions, noise->versions(strengths, pass.seed));
        source = std::move(versions);
    }
    eval::LossOptions options;
    options.tokensDone = [&](double tokens) {
        m_tokensDone += tokens;
        job.report(static_cast<std::int64_t>(m_tokensDone), 0, "tokens");
    };
    model::Decoder& decoder = decoderFor(*m_checkpoint->facts.spec, plan.probe.compute);
    CREST_TRY(losses, eval::sequenceLosses(decoder, *source, sequences, options, job));

    const std::size_t members = noise ? static_cast<std::size_t>(noise->members()) : 1;
    for (std::size_t i = 0; i < pass.cells.size(); ++i) {
        const std::size_t first = base ? 0 : i * members;
        std::vector<double> nats(sequences.size(), 0.0);
        for (std::size_t member = 0; member < members; ++member) {
            const std::vector<double> sums = eval::sumBySequence(sequences, losses[first + member].tokenNats);
            for (std::size_t s = 0; s < nats.size(); ++s)
                nats[s] += sums[s] / static_cast<double>(members);
        }
        for (std::size_t t = 0; t < pass.tasks.size(); ++t) {
            const std::size_t begin = firstSequence[t], count = firstSequence[t + 1] - begin;
            eval::LossSummary summary =
                eval::summarise(std::span(nats).subspan(begin, count), std::span(sequences).subspan(begin, count));
            run::Measurement measurement;
            measurement.cell = pass.cells[i];
            measurement.task = pass.tasks[t];
            measurement.value = summary.meanNats;
            measurement.stderr_ = summary.stdError;
            measurement.scoredTokens = summary.scoredTokens;
            measurement.cause = std::move(summary.cause);
            measurement.sequenceNats = std::move(summary.sequenceNats);
            measurement.sequenceTokens = std::move(summary.sequenceTokens);
            CREST_CHECK(emit(std::move(measurement)));
        }
    }
    return {};
}

} // namespace

Result<std::unique_ptr<run::BatchRunner>> makeNoiseRunner(const run::RunnerOptions& options) {
    if (options.threads < 1)
        return fail(ErrorKind::OutOfRange, fmt::format("{} threads: there must be at least one", options.threads));
    CREST_TRY(device, model::deviceFromName(options.device));
    return std::make_unique<NoiseRunner>(options, device);
}

} // namespace crest::probe
