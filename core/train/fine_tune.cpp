// SPDX-License-Identifier: Apache-2.0
#include "core/train/fine_tune.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "core/io/files.h"
#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/train/decoder_pass.h"
#include "core/train/gradient_lanes.h"
#include "core/train/optimizer.h"
#include "core/train/publish_folder.h"
#include "core/train/run_state.h"
#include "core/train/tuned_weights.h"
#include "core/train/tuning_batches.h"

namespace crest::train {
namespace {

/// Activations of one pass: what a core's own cache and its share of the last level hold of a small model; of a large one,
/// whose weights do not fit there anyway, enough rows to make reading them worth while.
std::int64_t rowsOfPass(const series::DecoderSpec& spec, std::int64_t parameters) {
    const std::int64_t bytes = std::clamp<std::int64_t>(32 * parameters, 4'000'000, 1'000'000'000);
    return std::max<std::int64_t>(1, bytes / DecoderPass::bytesPerRow(spec));
}

OptimizerConfig optimizerOf(const FineTuneSettings& s, double learningRate) {
    OptimizerConfig o;
    o.learningRate = learningRate, o.warmupShare = s.warmupShare, o.finalShare = 0, o.schedule = s.schedule;
    o.beta1 = s.beta1, o.beta2 = s.beta2, o.epsilon = s.epsilon, o.weightDecay = s.weightDecay, o.clipNorm = s.clipNorm;
    return o;
}

} // namespace

struct FineTune::Impl {
    /// What one thread computes with; made when it first works.
    struct Worker {
        std::unique_ptr<DecoderPass> pass;
    };

    Impl(const model::WeightReader& weights, const FineTuneSettings& fineTune, double rate, std::int64_t runSeed,
         TuningBatches data, int threadCount)
        : reader(weights)
        , settings(fineTune)
        , optimizer(optimizerOf(fineTune, rate))
        , seed(runSeed)
        , threads(threadCount)
        , batches(std::move(data))
        , layout(parameterLayout(weights.spec()))
        , lanes(weights.spec(), layout, fineTune.gradientLanes) {
        state = model::zeroPages({3, layout.total}, at::kFloat);
        at::Tensor flat = parameters();
        fillFrom(reader, layout, flat);
        current = stepWeights = decoderTensors(reader.spec(), layout, flat);
        if (settings.compute == ComputeType::BFloat16) {
            rounded = at::zeros({layout.total}, at::kBFloat16);
            stepWeights = withMatrices(current, decoderTensors(reader.spec(), layout, rounded));
        }
        if (settings.l2ToStart > 0)
            start = flat.clone();
        passRows = std::max(batches.longest(), rowsOfPass(reader.spec(), layout.total));
        source.emplace(reader, layout, flat);
    }

    at::Tensor parameters() const { return state.select(0, 0); }
    std::string instructions() const {
        return std::string(model::cpuKernels().isa) +
               (settings.compute == ComputeType::BFloat16 ? ", bfloat16 products" : "");
    }
    std::string identityOf(const std::string& outer) const {
        const Json own = {{"settings", toJson(settings)},
                          {"learning_rate", optimizer.learningRate},
                          {"seed", seed},
                          {"steps", batches.steps()},
                          {"instructions", instructions()}};
        return outer + "|" + canonicalJson(own);
    }
    double lossBound() const {
        return settings.divergedLoss > 0 ? settings.divergedLoss
                                         : 2 * std::log(static_cast<double>(reader.spec().vocabSize));
    }

    double runLane(Worker& worker, DecoderTensors& gradients, std::span<const std::int64_t> examples, double scale);
    StepReport gradientOf(std::span<const std::int64_t> examples);
    StepReport step();

    const model::WeightReader& reader;
    FineTuneSettings settings;
    OptimizerConfig optimizer;
    std::int64_t seed;
    int threads;
    TuningBatches batches;
    ParameterLayout layout;
    GradientLanes lanes;
    at::Tensor state, rounded, start;
    DecoderTensors current, stepWeights; ///< what is trained, and what a step multiplies with
    std::optional<FlatWeights> source;
    std::vector<Worker> workers;
    std::int64_t done = 0, passRows = 0;
    bool diverged = false;
};

double FineTune::Impl::runLane(Worker& worker, DecoderTensors& gradients, std::span<const std::int64_t> examples,
                               double scale) {
    if (!worker.pass)
        worker.pass = std::make_unique<DecoderPass>(reader.spec(), passRows, batches.longest(), at::kFloat, true);
    double sum = 0;
    while (!examples.empty()) {
        const std::size_t count = batches.passWithin(examples, passRows);
        TuningRows rows = batches.rowsOf(examples.first(count));
        const auto size = static_cast<std::int64_t>(rows.ids.size());
        const at::Tensor ids = at::from_blob(rows.ids.data(), {size}, at::kLong);
        const at::Tensor targets = at::from_blob(rows.targets.data(), {size}, at::kLong);
        const at::Tensor& loss =
            worker.pass->forwardBackward(stepWeights, gradients, ids, targets, scale, rows.documents);
        sum += loss.sum(at::kDouble).item<double>() * scale;
        examples = examples.subspan(count);
    }
    return sum;
}

/// Loss and gradient of a batch, which is left in the lanes' sum.
StepReport FineTune::Impl::gradientOf(std::span<const std::int64_t> examples) {
    const double scale = 1.0 / static_cast<double>(batches.learned(examples));
    workers.resize(std::max(workers.size(), lanes.workers(threads)));
    if (rounded.defined())
        rounded.copy_(parameters());
    StepReport report;
    report.tokens = batches.tokens(examples);
    report.loss = lanes.run(threads, [&](std::size_t worker, std::size_t lane, DecoderTensors& gradients) {
        const std::size_t begin = lane * examples.size() / lanes.count();
        const std::size_t end = (lane + 1) * examples.size() / lanes.count();
        return runLane(workers[worker], gradients, examples.subspan(begin, end - begin), scale);
    });
    if (start.defined())
        lanes.sum().add_(parameters(), settings.l2ToStart).sub_(start, settings.l2ToStart);
    return report;
}

StepReport FineTune::Impl::step() {
    StepReport report = gradientOf(batches.examplesOf(done));
    report.gradientNorm = clipGradients(lanes.sum(), optimizer.clipNorm);
    report.learningRate = learningRateAt(optimizer, done, batches.steps());
    diverged = !std::isfinite(report.loss) || !std::isfinite(report.gradientNorm) || report.loss > lossBound();
    if (!diverged)
        updateAdamW(optimizer, layout, state, lanes.sum(), report.learningRate, ++done);
    return report;
}

FineTune::FineTune(std::unique_ptr<Impl> impl)
    : m_impl(std::move(impl)) {}
FineTune::~FineTune() = default;

Result<std::unique_ptr<FineTune>> FineTune::create(const model::WeightReader& reader, const FineTuneSettings& settings,
                                                   double learningRate, std::int64_t seed,
                                                   std::span<const data::TuningExample> examples, int threads) {
    if (!(learningRate > 0) || !(learningRate <= 10))
        return fail(ErrorKind::OutOfRange,
                    fmt::format("The learning rate {} is not above 0 and at most 10.", learningRate));
    const series::DecoderSpec& spec = reader.spec();
    CREST_TRY(batches, TuningBatches::create(examples, settings, spec.vocabSize, spec.contextLength, seed));
    try {
        auto impl = std::make_unique<Impl>(reader, settings, learningRate, seed, std::move(batches), threads);
        if (!std::isfinite(impl->parameters().sum(at::kDouble).item<double>())) {
            CREST_TRY(rms, reader.checkedRms()); // names the tensor
            (void)rms;
        }
        return std::unique_ptr<FineTune>(new FineTune(std::move(impl)));
    } catch (const std::exception& e) { // LibTorch: out of memory
        return fail(ErrorKind::Internal, fmt::format("Fine-tuning could not be started: {}", e.what()));
    }
}

Result<StepReport> FineTune::step() {
    if (m_impl->diverged)
        return fail(ErrorKind::OutOfRange, "This run has diverged; it cannot go on.");
    if (stepsDone() >= stepsTotal())
        return fail(ErrorKind::OutOfRange, "This run is finished.");
    try {
        return m_impl->step();
    } catch (const std::exception& e) {
        return fail(ErrorKind::Internal, fmt::format("Step {} failed: {}", stepsDone() + 1, e.what()));
    }
}

std::int64_t FineTune::stepsDone() const {
    return m_impl->done;
}
std::int64_t FineTune::stepsTotal() const {
    return m_impl->batches.steps();
}
bool FineTune::diverged() const {
    return m_impl->diverged;
}
std::int64_t FineTune::truncatedExamples() const {
    return m_impl->batches.truncated();
}
std::int64_t FineTune::droppedExamples() const {
    return m_impl->batches.dropped();
}
std::vector<std::int64_t> FineTune::examplesOfStep(std::int64_t step) const {
    return m_impl->batches.examplesOf(step);
}
std::string FineTune::instructions() const {
    return m_impl->instructions();
}

Result<void> FineTune::saveState(const std::filesystem::path& folder, const std::string& identity) const {
    return saveRunState(folder, m_impl->identityOf(identity), m_impl->done, m_impl->state);
}

Result<bool> FineTune::loadState(const std::filesystem::path& folder, const std::string& identity) {
    CREST_TRY(step, loadRunState(folder, m_impl->identityOf(identity), m_impl->state));
    if (!step)
        return false;
    m_impl->done = *step;
    m_impl->diverged = false;
    return true;
}

model::WeightSource& FineTune::weights() {
    return *m_impl->source;
}

Result<void> FineTune::writeCheckpoint(const std::filesystem::path& origin, const std::filesystem::path& folder,
                                       const Json& provenance) const {
    if (!std::filesystem::is_directory(origin))
        return fail(ErrorKind::Unsupported, "A checkpoint that is a single file cannot be written again for transformers.",
                    origin.string());
    CREST_TRY(text, io::readTextFile(origin / "config.json", 10'000'000));
    CREST_TRY(config, parseJson(text, (origin / "config.json").string()));
    config["dtype"] = "float32";
    config.erase("torch_dtype"); // the older name of the same
    return publishFolder(folder, [&](const std::filesystem::path& temporary) -> Result<void> {
        CREST_CHECK(io::writeFileAtomic(temporary / "config.json", config.dump(2) + "\n"));
        CREST_CHECK(m_impl->source->writeFile(temporary / "model.safetensors"));
        CREST_CHECK(copyTokenizer(origin, temporary));
        return io::writeFileAtomic(temporary / "crest.json", provenance.dump(2) + "\n");
    });
}

WeightDistance FineTune::distanceFromStart() const {
    constexpr std::int64_t kStretch = 1 << 14;
    std::vector<float> before(kStretch), after(kStretch);
    WeightDistance all;
    const model::WeightReader& reader = m_impl->reader;
    for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
        const int tensor = static_cast<int>(i);
        double difference = 0, start = 0;
        for (std::int64_t first = 0; first < reader.elements(tensor); first += kStretch) {
            const std::int64_t count = std::min(kStretch, reader.elements(tensor) - first);
            float* const to[] = {after.data()};
            reader.read(tensor, first, {before.data(), static_cast<std::size_t>(count)});
            m_impl->source->make(tensor, first, count, 0, to);
            for (std::int64_t j = 0; j < count; ++j) {
                const double was = before[static_cast<std::size_t>(j)], moved = after[static_cast<std::size_t>(j)] - was;
                difference += moved * moved;
                start += was * was;
            }
        }
        all.distance += difference, all.start += start;
        all.tensors.push_back({reader.tensors()[i].name, std::sqrt(difference), std::sqrt(start)});
    }
    all.distance = std::sqrt(all.distance), all.start = std::sqrt(all.start);
    return all;
}

} // namespace crest::train
