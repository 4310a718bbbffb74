// SPDX-License-Identifier: Apache-2.0
#include "core/probe/pass_weights.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "core/probe/fine_tuning.h"
#include "core/probe/gaussian_noise.h"
#include "core/probe/interpolation.h"
#include "core/probe/measure.h"
#include "core/probe/pruning.h"
#include "core/probe/quantisation.h"
#include "core/study/planner.h"

namespace crest::probe {

using study::Plan;

namespace {

constexpr double kLeastGammaInBFloat16 = 0.02; ///< below, rounding to bfloat16 adds a tenth to the noise
constexpr const char* kSettings = "settings of the probe";

Result<std::unique_ptr<Modification>> noiseOf(const Plan& plan, const LoadedCheckpoint& checkpoint) {
    const double least = *std::ranges::min_element(plan.probe.strengths);
    if (plan.probe.compute == study::ComputeType::BFloat16 && least < kLeastGammaInBFloat16)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("gamma {} with bfloat16 compute: its rounding would add a tenth to "
                                "noise below {}; use float32",
                                least, kLeastGammaInBFloat16));
    CREST_TRY(std, noiseTable(checkpoint, plan.probe.noiseScale));
    return makeGaussianNoise(*checkpoint.reader, std);
}

/// Where tuned weights of this checkpoint are kept, and what is said of them there.
KeepOptions keepOptionsOf(const Plan& plan, const LoadedCheckpoint& checkpoint, const std::filesystem::path& folder) {
    const study::PlannedCheckpoint& planned = checkpoint.planned;
    KeepOptions keep;
    keep.kept = study::KeptWeights(folder);
    keep.bytes = plan.probe.settings.value("keep_bytes", std::int64_t{0});
    keep.origin = planned.path;
    keep.provenance = {{"format", 1},
                       {"tuned_from", planned.series + "/" + planned.name},
                       {"tuned_from_weights", planned.weights},
                       {"training", plan.probe.settings.value("training", Json())},
                       {"data", plan.probe.settings.value("data_hash", "")}};
    if (planned.tokens)
        keep.provenance["tokens"] = *planned.tokens;
    if (planned.step)
        keep.provenance["step"] = *planned.step;
    if (planned.pretrainSeed)
        keep.provenance["pretrain_seed"] = *planned.pretrainSeed;
    if (!folder.empty())
        keep.key = [planned, probe = plan.probe](double rate, std::int64_t seed) {
            return study::trainingKey(planned, probe, rate, seed);
        };
    return keep;
}

} // namespace

/// Null where nothing is replayed.
Result<std::shared_ptr<const std::vector<data::TuningExample>>>
PassWeights::replayOf(const Plan& plan, const train::FineTuneSettings& training, const LoadedCheckpoint& checkpoint,
                      TaskInputs& inputs, const JobContext& job) const {
    if (!(training.replayShare > 0))
        return nullptr;
    study::Task task;
    task.name = "replay";
    CREST_TRY(file, requireString(plan.probe.settings, "replay", kSettings));
    task.textsPath = std::move(file);
    task.dataHash = plan.probe.settings.value("replay_hash", "");
    task.windowTokens = task.strideTokens = training.replayTokens;
    task.maxWindows = 0;
    CREST_TRY(text, inputs.text(task, checkpoint, JobContext(job.token())));
    auto windows = std::make_shared<std::vector<data::TuningExample>>();
    for (const eval::Sequence& sequence : text->sequences()) {
        data::TuningExample& one = windows->emplace_back();
        one.ids.assign(sequence.ids.begin(), sequence.ids.end());
        one.learned.assign(one.ids.size(), 1);
        one.learned.front() = 0;
    }
    return windows;
}

Result<std::unique_ptr<Modification>> PassWeights::fineTuning(const Plan& plan, const LoadedCheckpoint& checkpoint,
                                                              TaskInputs& inputs, const JobContext& job) const {
    const Json& ofProbe = plan.probe.settings;
    CREST_TRY(name, requireString(ofProbe, "data_task", kSettings));
    const auto task = std::ranges::find(plan.tasks, name, &study::Task::name);
    if (task == plan.tasks.end() || !ofProbe.contains("training"))
        return fail(ErrorKind::Malformed, fmt::format("the plan has no fine-tuning data \"{}\"", name), kSettings);
    FineTuningOptions options;
    CREST_TRY(settings, train::fineTuneSettingsFromJson(ofProbe["training"], kSettings));
    options.settings = settings;
    options.threads = m_options.threads;
    options.device = m_options.device;
    options.saveSeconds = ofProbe.value("state_seconds", options.saveSeconds);
    options.recompute = ofProbe.value("recompute_activations", false);
    options.stateFolder = m_options.workFolder;
    if (!m_options.trainingsFolder.empty())
        options.logPlace = [folder = m_options.trainingsFolder, planned = checkpoint.planned, probe = plan.probe](
                               double rate, std::int64_t seed) {
            return study::trainingPlace(folder, planned, probe, rate, seed);
        };
    options.identity = checkpoint.planned.weights + "\n" + checkpoint.tokenizerHash + "\n" + task->dataHash;
    CREST_TRY(replay, replayOf(plan, settings, checkpoint, inputs, job));
    if (replay)
        options.identity += "\n" + ofProbe.value("replay_hash", "");
    options.replay = std::move(replay);
    options.keep = keepOptionsOf(plan, checkpoint, m_options.keptFolder);
    CREST_TRY(data, inputs.tuning(*task, checkpoint, JobContext(job.token())));
    return makeFineTuning(*checkpoint.reader, std::move(data), std::move(options));
}

Result<void> PassWeights::make(const Plan& plan, const LoadedCheckpoint& checkpoint, TaskInputs& inputs,
                               const JobContext& job) {
    const study::Probe& probe = plan.probe;
    std::string wanted = plan.id + "\n" + study::variantOf(probe) + "\n" + checkpoint.planned.weights;
    if (m_modification && m_madeFor == wanted)
        return {};
    m_modification.reset();
    if (probe.kind == study::kGaussianNoise) {
        CREST_TRY(noise, noiseOf(plan, checkpoint));
        m_modification = std::move(noise);
    } else if (probe.kind == study::kFineTuning) {
        CREST_TRY(tuning, fineTuning(plan, checkpoint, inputs, job));
        m_modification = std::move(tuning);
    } else if (probe.kind == study::kInterpolation) {
        CREST_TRY(tuning, fineTuning(plan, checkpoint, inputs, job));
        m_modification = makeInterpolation(*checkpoint.reader, std::move(tuning), study::tuningRate(probe, 1));
    } else if (probe.kind == study::kQuantisation) {
        CREST_TRY(group, requireInt(probe.settings, "group", kSettings, 1, INT64_MAX));
        m_modification = makeQuantisation(*checkpoint.reader, group);
    } else if (probe.kind == study::kPruning) {
        m_modification = makePruning(*checkpoint.reader);
    } else {
        return fail(ErrorKind::Unsupported,
                    fmt::format("This runner cannot make a probe of the kind \"{}\".", probe.kind));
    }
    m_madeFor = std::move(wanted);
    return {};
}

Result<MadeWeights> PassWeights::of(const Plan& plan, const Pass& pass, const LoadedCheckpoint& checkpoint,
                                    TaskInputs& inputs, const JobContext& job) {
    const auto cellAt = [&](int index) -> const study::Cell& { return plan.cells[static_cast<std::size_t>(index)]; };
    if (cellAt(pass.cells.front()).isBase())
        return MadeWeights{std::make_unique<model::PristineWeights>(*checkpoint.reader), 1, "", {}, ""};
    CREST_CHECK(make(plan, checkpoint, inputs, job));
    std::vector<double> strengths;
    for (const int cell : pass.cells)
        strengths.push_back(cellAt(cell).strength);
    const int members = m_modification->members();
    auto versions = m_modification->versions(strengths, pass.seed, job);
    if (!versions && versions.error().kind == ErrorKind::NonFinite)
        return MadeWeights{nullptr, members, versions.error().message, {}, m_modification->takeNote()};
    if (!versions)
        return fail(versions.error());
    MadeWeights made{std::move(*versions), members, "", {}, m_modification->takeNote()};
    for (std::size_t i = 0; i < strengths.size(); ++i)
        made.changes.push_back(m_modification->change(i));
    return made;
}

} // namespace crest::probe
