// SPDX-License-Identifier: Apache-2.0
#include "core/train/fine_tune.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/model/decoder.h"
#include "core/model/kernels.h"
#include "core/model/pages.h"
#include "core/train/available_memory.h"
#include "core/train/decoder_pass.h"
#include "core/train/gradient_lanes.h"
#include "core/train/low_rank.h"
#include "core/train/optimizer.h"
#include "core/train/out_of_memory.h"
#include "core/train/publish_folder.h"
#include "core/train/run_state.h"
#include "core/train/training_memory.h"
#include "core/train/tuned_weights.h"
#include "core/train/tuning_batches.h"
#include "core/train/tuning_stages.h"

namespace crest::train {
namespace {

constexpr const char* kPassRows = "pass_rows"; ///< of a saved state

OptimizerConfig optimizerOf(const FineTuneSettings& s, double learningRate) {
    OptimizerConfig o;
    o.learningRate = learningRate, o.warmupShare = s.warmupShare, o.finalShare = 0, o.schedule = s.schedule;
    o.beta1 = s.beta1, o.beta2 = s.beta2, o.epsilon = s.epsilon, o.weightDecay = s.weightDecay, o.clipNorm = s.clipNorm;
    return o;
}

} // namespace

struct FineTune::Impl {
    Impl(const model::WeightReader& weights, const FineTuneSettings& fineTune, double rate, std::int64_t runSeed,
         TuningBatches data, std::optional<TuningBatches> ofReplay, int threadCount, bool recomputed, at::Device on)
        : reader(weights)
        , settings(fineTune)
        , optimizer(optimizerOf(fineTune, rate))
        , seed(runSeed)
        , threads(threadCount)
        , recompute(recomputed)
        , device(on)
        , batches(std::move(data))
        , replay(std::move(ofReplay))
        , layout(parameterLayout(weights.spec()))
        , stages(stagesOf(fineTune, weights.spec(), layout, batches.steps())) {
        makeState();
        current = stepWeights = decoderTensors(reader.spec(), layout, flat);
        if (settings.compute == ComputeType::BFloat16) {
            rounded = at::zeros({layout.total}, at::TensorOptions().dtype(at::kBFloat16).device(device));
            stepWeights = withMatrices(current, decoderTensors(reader.spec(), layout, rounded));
        }
        if (settings.l2ToStart > 0 && !lowRank)
            start = flat.clone();
        longest = std::max(batches.longest(), replay ? replay->longest() : 0);
        passRows = rowsOfPass(reader.spec(), settings, longest);
        source.emplace(reader, layout, host);
        enterStage();
    }

    /// The weights, and what is trained of them or beside them, with its moments.
    void makeState() {
        if (settings.loraRank > 0) {
            lowRank.emplace(reader, layout, stages.front().part, settings);
            const std::int64_t adapters = lowRank->layout().total;
            state = model::zeroPages({3, adapters}, at::kFloat, device);
            ofAdapters = at::zeros_like(state.select(0, 0));
            at::Tensor trained = state.select(0, 0);
            lowRank->begin(trained, seed);
            flat = model::zeroPages({layout.total}, at::kFloat, device);
        } else {
            state = model::zeroPages({3, layout.total}, at::kFloat, device);
            flat = state.select(0, 0);
        }
        host = device.is_cpu() ? flat : model::zeroPages({layout.total}, at::kFloat);
        fillFrom(reader, layout, host);
        if (device.is_cpu())
            return;
        flat.copy_(host);
        if (lowRank)
            lowRank->keepStart(flat);
    }

    /// What files and measurements read, as the weights are now.
    void bringToHost() {
        if (device.is_cpu() || hostSteps == done)
            return;
        host.copy_(flat);
        hostSteps = done;
    }

    std::string instructions() const {
        return (device.is_cpu() ? std::string(model::cpuKernels().isa) : c10::DeviceTypeName(device.type(), true)) +
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

    void enterStage();
    void makePasses();
    double runLane(DecoderPass& pass, DecoderTensors& gradients, const TuningBatches& from,
                   std::span<const std::int64_t> examples, double scale);
    StepReport gradientOf(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed);
    bool halveRows();
    StepReport gradientInMemory(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed);
    at::Tensor& gradientOfTrained();
    StepReport step();
    void letGo();
    Error noMemory() const {
        const TrainingMemory needed = trainingMemory(reader.spec(), settings, longest, threads, recompute);
        return noMemoryForStep(done + 1, longest, passBytes(reader.spec(), longest, recompute), needed, recompute);
    }

    const model::WeightReader& reader;
    FineTuneSettings settings;
    OptimizerConfig optimizer;
    std::int64_t seed;
    int threads;
    bool recompute; ///< activations
    at::Device device;
    TuningBatches batches;
    std::optional<TuningBatches> replay;
    ParameterLayout layout;
    std::vector<TuningStage> stages;
    const TuningStage* stage = nullptr; ///< that `lanes` are of
    std::optional<GradientLanes> lanes;
    std::optional<LowRank> lowRank;
    at::Tensor flat;                      ///< the weights as they are now; of full tuning the first row of `state`
    at::Tensor host;                      ///< `flat` itself on the CPU, else its copy after hostSteps steps
    std::int64_t hostSteps = 0;
    at::Tensor state, ofAdapters;         ///< [3, trained]; the gradient of adapters
    at::Tensor rounded, start;
    DecoderTensors current, stepWeights;  ///< what is trained, and what a step multiplies with
    std::optional<FlatWeights> source;
    std::vector<std::unique_ptr<DecoderPass>> workers; ///< what each thread computes with
    std::int64_t done = 0, passRows = 0, longest = 0;
    bool diverged = false;
    std::string note;
};

void FineTune::Impl::enterStage() {
    const TuningStage& now = *std::ranges::find_if(stages, [&](const TuningStage& one) { return done < one.end; });
    if (stage != &now) {
        lanes.reset();
        lanes.emplace(reader.spec(), now.part, device.is_cpu() ? settings.gradientLanes : 1, device);
        stage = &now;
    }
    if (done == now.begin && done > 0)
        state.narrow(0, 1, 2).zero_();
}

/// All at once, before threads work: where memory does not suffice it is found here, and leaves room for what products, threads
/// and others take for a while, some of which end the program where they get nothing.
void FineTune::Impl::makePasses() {
    const std::size_t count = lanes->workers(threads);
    if (workers.size() == count)
        return;
    const series::DecoderSpec& spec = reader.spec();
    if (passRows > longest && device.is_cpu())
        requireAvailable(static_cast<std::int64_t>(count) * passBytes(spec, passRows, recompute));
    for (workers.clear(); workers.size() < count;)
        workers.push_back(std::make_unique<DecoderPass>(spec, passRows, longest, at::kFloat, true, device, recompute));
    if (device.is_cpu())
        at::empty({32 << 20}, at::kByte); // not touched, and given back
}

double FineTune::Impl::runLane(DecoderPass& pass, DecoderTensors& gradients, const TuningBatches& from,
                               std::span<const std::int64_t> examples, double scale) {
    double sum = 0;
    while (!examples.empty()) {
        const std::size_t count = from.passWithin(examples, passRows);
        TuningRows rows = from.rowsOf(examples.first(count));
        const auto size = static_cast<std::int64_t>(rows.ids.size());
        const at::Tensor ids = at::from_blob(rows.ids.data(), {size}, at::kLong).to(device);
        const at::Tensor targets = at::from_blob(rows.targets.data(), {size}, at::kLong).to(device);
        const at::Tensor& loss =
            pass.forwardBackward(stepWeights, gradients, ids, targets, scale, rows.documents);
        sum += loss.sum(at::kDouble).item<double>() * scale;
        examples = examples.subspan(count);
    }
    return sum;
}

/// Loss and gradient of a batch, which is left in the lanes' sum.
StepReport FineTune::Impl::gradientOf(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed) {
    const double share = replay ? settings.replayShare : 0.0;
    const double scale = (1 - share) / static_cast<double>(batches.learned(examples));
    const double ofReplay = replay ? share / static_cast<double>(replay->learned(replayed)) : 0.0;
    makePasses();
    if (rounded.defined())
        rounded.copy_(flat);
    StepReport report;
    report.tokens = batches.tokens(examples) + (replay ? replay->tokens(replayed) : 0);
    report.learned = batches.learned(examples) + (replay ? replay->learned(replayed) : 0);
    report.loss = lanes->run(threads, [&](std::size_t worker, std::size_t lane, DecoderTensors& gradients) {
        const auto partOfLane = [&](std::span<const std::int64_t> all) {
            const std::size_t begin = lane * all.size() / lanes->count(), end = (lane + 1) * all.size() / lanes->count();
            return all.subspan(begin, end - begin);
        };
        double loss = runLane(*workers[worker], gradients, batches, partOfLane(examples), scale);
        if (replay)
            loss += runLane(*workers[worker], gradients, *replay, partOfLane(replayed), ofReplay);
        return loss;
    });
    return report;
}

/// False where one example goes through the model at a time already.
bool FineTune::Impl::halveRows() {
    workers.clear(); // and their activations
    if (passRows <= longest)
        return false;
    passRows = std::max(longest, passRows / 2);
    note = noteOfHalving(rowsOfPass(reader.spec(), settings, longest), done + 1, passRows);
    return true;
}

/// A gradient is made anew for each try and changes nothing else: a failed one leaves no trace.
StepReport FineTune::Impl::gradientInMemory(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed) {
    for (;;) {
        try {
            return gradientOf(examples, replayed);
        } catch (const std::exception& error) {
            if (!isOutOfMemory(error) || !halveRows())
                throw;
        }
    }
}

/// From the gradient of the weights to that of what is trained.
at::Tensor& FineTune::Impl::gradientOfTrained() {
    if (lowRank) {
        lowRank->gradient(state.select(0, 0), lanes->sum(), settings.l2ToStart, ofAdapters);
        return ofAdapters;
    }
    if (start.defined()) {
        const std::int64_t first = stage->first, count = stage->part.total;
        lanes->sum().add_(flat.narrow(0, first, count), settings.l2ToStart)
            .sub_(start.narrow(0, first, count), settings.l2ToStart);
    }
    return lanes->sum();
}

StepReport FineTune::Impl::step() {
    const at::AutoDispatchBelowADInplaceOrView noGraph; // as in gradient_lanes.cpp
    enterStage();
    StepReport report =
        gradientInMemory(batches.examplesOf(done), replay ? replay->examplesOf(done) : std::vector<std::int64_t>());
    at::Tensor& gradient = gradientOfTrained();
    report.gradientNorm = clipGradients(gradient, optimizer.clipNorm);
    report.learningRate = learningRateAt(optimizer, done - stage->begin, stage->end - stage->begin);
    diverged = !std::isfinite(report.loss) || !std::isfinite(report.gradientNorm) || report.loss > lossBound();
    if (diverged) {
        letGo();
        return report;
    }
    ++done;
    at::Tensor trained = lowRank ? state : state.narrow(1, stage->first, stage->part.total);
    updateAdamW(optimizer, lowRank ? lowRank->layout() : stage->part, trained, gradient, report.learningRate,
                done - stage->begin);
    if (lowRank)
        lowRank->merge(state.select(0, 0), flat);
    if (done == batches.steps())
        letGo();
    return report;
}

/// What only steps need: the weights are measured next.
void FineTune::Impl::letGo() {
    workers.clear(), lanes.reset();
    stage = nullptr;
}

FineTune::FineTune(std::unique_ptr<Impl> impl)
    : m_impl(std::move(impl)) {}
FineTune::~FineTune() = default;

Result<std::unique_ptr<FineTune>> FineTune::create(const model::WeightReader& reader, const FineTuneSettings& settings,
                                                   double learningRate, std::int64_t seed,
                                                   std::span<const data::TuningExample> examples, int threads,
                                                   std::span<const data::TuningExample> replay, bool recompute,
                                                   const std::string& device) {
    if (!(learningRate > 0) || !(learningRate <= 10))
        return fail(ErrorKind::OutOfRange,
                    fmt::format("The learning rate {} is not above 0 and at most 10.", learningRate));
    const series::DecoderSpec& spec = reader.spec();
    CREST_TRY(on, model::deviceFromName(device));
    CREST_TRY(batches, TuningBatches::create(examples, settings, spec.vocabSize, spec.contextLength, seed));
    CREST_TRY(replayed, replayBatches(settings, spec, replay, batches.steps(), seed));
    try {
        auto impl = std::make_unique<Impl>(reader, settings, learningRate, seed, std::move(batches), std::move(replayed),
                                           threads, recompute, on);
        if (!std::isfinite(at::dot(impl->host, impl->host).item<double>())) // makes no copy
            CREST_CHECK(reader.checkedRms().map([](const auto&) {})); // names the tensor
        return std::unique_ptr<FineTune>(new FineTune(std::move(impl)));
    } catch (const std::exception& e) {
        if (isOutOfMemory(e))
            return fail(noMemoryForState(trainingMemory(spec, settings, 1, threads, recompute)));
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
        if (isOutOfMemory(e))
            return fail(m_impl->noMemory());
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
std::vector<std::int64_t> FineTune::replayOfStep(std::int64_t step) const {
    return m_impl->replay ? m_impl->replay->examplesOf(step) : std::vector<std::int64_t>();
}
std::string FineTune::takeNote() {
    return std::exchange(m_impl->note, {});
}
std::int64_t FineTune::passRows() const {
    return m_impl->passRows;
}
std::string FineTune::instructions() const {
    return m_impl->instructions();
}

Result<void> FineTune::saveState(const std::filesystem::path& folder, const std::string& identity) const {
    Json facts;
    facts[kPassRows] = m_impl->passRows;
    return saveRunState(folder, m_impl->identityOf(identity), m_impl->done, m_impl->state.cpu(), facts);
}

double FineTune::stateBytes() const {
    return static_cast<double>(m_impl->state.nbytes());
}

Result<bool> FineTune::loadState(const std::filesystem::path& folder, const std::string& identity) {
    Json facts;
    at::Tensor state = m_impl->device.is_cpu() ? m_impl->state : at::zeros(m_impl->state.sizes(), at::kFloat);
    CREST_TRY(step, loadRunState(folder, m_impl->identityOf(identity), state, &facts));
    if (!step)
        return false;
    if (!m_impl->device.is_cpu())
        m_impl->state.copy_(state);
    m_impl->hostSteps = -1;
    m_impl->workers.clear();
    if (facts.contains(kPassRows) && facts[kPassRows].is_number_integer())
        m_impl->passRows = std::clamp(facts[kPassRows].get<std::int64_t>(), m_impl->longest, m_impl->passRows);
    m_impl->done = *step;
    m_impl->diverged = false;
    if (m_impl->lowRank)
        m_impl->lowRank->merge(m_impl->state.select(0, 0), m_impl->flat);
    if (*step >= stepsTotal())
        m_impl->letGo();
    return true;
}

model::WeightSource& FineTune::weights() {
    m_impl->bringToHost();
    return *m_impl->source;
}

Result<void> FineTune::writeCheckpoint(const std::filesystem::path& origin, const std::filesystem::path& folder,
                                       const Json& provenance) const {
    if (!std::filesystem::is_directory(origin))
        return fail(ErrorKind::Unsupported, "A checkpoint that is a single file cannot be written again for transformers.",
                    origin.string());
    CREST_TRY(text, io::readTextFile(origin / "config.json", 10'000'000));
    CREST_TRY(config, parseJson(text, (origin / "config.json").string()));
    m_impl->bringToHost();
    config["dtype"] = "float32";
    config.erase("torch_dtype"); // the older name of the same
    return publishFolder(folder, [&](const std::filesystem::path& temporary) -> Result<void> {
        CREST_CHECK(io::writeFileAtomic(temporary / "config.json", config.dump(2) + "\n"));
        CREST_CHECK(m_impl->source->writeFile(temporary / kTunedWeightsFile));
        CREST_CHECK(copyTokenizer(origin, temporary));
        CREST_TRY(weights, io::MappedFile::open(temporary / kTunedWeightsFile));
        Json facts = provenance;
        facts[kTunedWeightsHash] = Sha256().update(weights.bytes()).finishHex();
        return io::writeFileAtomic(temporary / "crest.json", facts.dump(2) + "\n");
    });
}

WeightDistance FineTune::distanceFromStart() const {
    m_impl->bringToHost();
    return distanceBetween(m_impl->reader, *m_impl->source);
}

} // namespace crest::train
