// SPDX-License-Identifier: Apache-2.0
#include "core/train/fine_tune.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/io/files.h"
#include "core/model/decoder.h"
#include "core/train/fine_tune_impl.h"
#include "core/train/publish_folder.h"
#include "core/train/run_state.h"

namespace crest::train {
namespace {

constexpr const char *kPassRows = "pass_rows", *kNote = "note"; ///< of a saved state

} // namespace

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
            return fail(noMemoryForState(trainingMemory(spec, settings, 1, threads, recompute, operationsOn(on))));
        return fail(ErrorKind::Internal, fmt::format("Fine-tuning could not be started: {}", wordsOf(e)));
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
        return fail(ErrorKind::Internal, fmt::format("Step {} failed: {}", stepsDone() + 1, wordsOf(e)));
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
    facts[kNote] = m_impl->note; // whoever goes on says it
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
    if (facts.contains(kNote) && facts[kNote].is_string())
        m_impl->note = facts[kNote].get<std::string>();
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
