// SPDX-License-Identifier: Apache-2.0
#include "core/probe/probe_runner.h"

#include <optional>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/model/accelerator.h"
#include "core/model/torch_errors.h"
#include "core/probe/measure.h"
#include "core/study/probe_kind.h"

namespace crest::probe {

using study::Plan;

namespace {

class ProbeRunner final : public run::BatchRunner {
public:
    ProbeRunner(const run::RunnerOptions& options, at::Device device)
        : m_options(options)
        , m_device(device)
        , m_weights(options) {}

    Result<void> run(const run::BatchRequest& request, const JobContext& job,
                     const std::function<Result<void>(run::Measurement)>& emit) override {
        if (at::get_num_threads() != m_options.threads)
            at::set_num_threads(m_options.threads);
        auto done = attempt(request, job, emit);
        if (!done && done.error().kind != ErrorKind::Stopped && isLost())
            return fail(m_unusable->kind, m_unusable->message, where(request));
        return done;
    }

    std::optional<Error> unusable() const override { return m_unusable; }

    void prefetch(const Plan& plan, int checkpoint) override {
        const std::string& path = plan.checkpoints[static_cast<std::size_t>(checkpoint)].path;
        const series::Checkpoint facts = series::readCheckpoint(path).checkpoint;
        if (!facts.spec)
            return; // the batch itself will say why
        if (const auto weights = series::CheckpointWeights::open(path, *facts.spec))
            weights->willNeed();
    }

private:
    Result<void> attempt(const run::BatchRequest& request, const JobContext& job,
                         const std::function<Result<void>(run::Measurement)>& emit) {
        try {
            return compute(request, job, emit);
        } catch (const std::exception& error) {
            if (model::isOutOfMemory(error))
                return fail(ErrorKind::OutOfRange, "there is not enough memory for this checkpoint; use fewer workers", where(request));
            if (!dynamic_cast<const c10::Error*>(&error))
                throw;
            return fail(ErrorKind::Internal, model::wordsOf(error), where(request));
        }
    }
    /// Asked where something failed: whether it was the device.
    bool isLost() {
        if (m_unusable || m_device.is_cpu())
            return m_unusable.has_value();
        if (const auto why = model::deviceFailure(m_device))
            m_unusable = Error{ErrorKind::Io,
                               fmt::format("{} does not compute ({}). What is finished is kept; run this once more when the device works "
                                           "again, or on another one.",
                                           m_options.device, *why),
                               ""};
        return m_unusable.has_value();
    }
    static std::string where(const run::BatchRequest& request) {
        return request.plan->checkpoints[static_cast<std::size_t>(request.checkpoint)].path;
    }

    Result<void> compute(const run::BatchRequest& request, const JobContext& job,
                         const std::function<Result<void>(run::Measurement)>& emit);
    using Measured = Result<std::vector<run::Measurement>>;
    Result<void> measureUntouched(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                                  Measured& measured);
    Result<void> prepare(const Plan& plan, int checkpoint, const JobContext& job);
    model::Decoder& decoderFor(const series::DecoderSpec& spec, study::ComputeType compute);
    void makeRoomFor(const Plan& plan, const Pass& pass);

    run::RunnerOptions m_options;
    at::Device m_device;
    std::unique_ptr<LoadedCheckpoint> m_checkpoint;
    std::unique_ptr<model::Decoder> m_decoder;
    std::vector<int> m_cells; ///< that it measured last
    TaskInputs m_inputs;
    PassWeights m_weights;
    double m_tokensDone = 0;
    std::optional<Error> m_unusable;
};

Result<void> ProbeRunner::prepare(const Plan& plan, int checkpoint, const JobContext& job) {
    const study::PlannedCheckpoint& planned = plan.checkpoints[static_cast<std::size_t>(checkpoint)];
    if (m_checkpoint && m_checkpoint->planned == planned && m_checkpoint->isUntouched())
        return {};
    m_weights.forget();
    m_checkpoint.reset();
    CREST_TRY(loaded, loadCheckpoint(planned, JobContext(job.token())));
    m_checkpoint = std::move(loaded);
    m_inputs.begin(plan.id, *m_checkpoint);
    return {};
}

model::Decoder& ProbeRunner::decoderFor(const series::DecoderSpec& spec, study::ComputeType compute) {
    const model::Compute type =
        compute == study::ComputeType::BFloat16 ? model::Compute::BFloat16 : model::Compute::Float32;
    if (!m_decoder || !(m_decoder->spec() == spec) || m_decoder->options().compute != type)
        m_decoder = std::make_unique<model::Decoder>(spec, model::DecoderOptions{m_device, type});
    return *m_decoder;
}

/// Other cells of a probe that trains are trained first: what measuring keeps for the next time would only lie beside that.
void ProbeRunner::makeRoomFor(const Plan& plan, const Pass& pass) {
    if (study::probeKind(plan.probe.kind).trains && pass.cells != m_cells)
        m_decoder.reset();
    m_cells = pass.cells;
}

/// An error is the checkpoint's: nothing of the batch can be measured; what is the pass's own is in `measured`. Gives
/// what was measured only where nobody wrote to the checkpoint meanwhile: its files are mapped, and a result must not
/// be filed under weights that it was not computed with.
Result<void> ProbeRunner::measureUntouched(const run::BatchRequest& request, const Pass& pass, const JobContext& job,
                                           Measured& measured) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        CREST_CHECK(prepare(*request.plan, request.checkpoint, job)); // where it was touched, this says what changed
        model::Decoder& decoder = decoderFor(m_checkpoint->spec(), request.plan->probe.compute);
        measured = measure(*request.plan, pass, *m_checkpoint, m_inputs, m_weights, decoder, m_tokensDone, job);
        if (m_checkpoint->isUntouched())
            return {};
    }
    return fail(ErrorKind::Mismatch,
                "something writes to this checkpoint while it is measured; nothing was stored. Run it again when that "
                "has ended",
                where(request));
}

Result<void> ProbeRunner::compute(const run::BatchRequest& request, const JobContext& job,
                                  const std::function<Result<void>(run::Measurement)>& emit) {
    m_tokensDone = 0;
    std::optional<Error> failed; // the first that could not be measured
    for (const Pass& pass : passesOf(request)) {
        makeRoomFor(*request.plan, pass);
        Measured measured;
        CREST_CHECK(measureUntouched(request, pass, job, measured));
        if (!measured && measured.error().kind == ErrorKind::Stopped)
            return fail(measured.error());
        if (!measured) {
            if (!failed)
                failed = measured.error();
            if (isLost())
                break;
            continue;
        }
        for (run::Measurement& measurement : *measured)
            CREST_CHECK(emit(std::move(measurement)));
    }
    if (failed) {
        m_weights.forget();
        return fail(*failed);
    }
    m_weights.done();
    return {};
}

} // namespace

Result<std::unique_ptr<run::BatchRunner>> makeProbeRunner(const run::RunnerOptions& options) {
    if (options.threads < 1)
        return fail(ErrorKind::OutOfRange, fmt::format("{} threads: there must be at least one", options.threads));
    CREST_TRY(device, model::deviceFromName(options.device));
    return std::make_unique<ProbeRunner>(options, device);
}

} // namespace crest::probe
