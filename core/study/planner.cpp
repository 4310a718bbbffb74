// SPDX-License-Identifier: Apache-2.0
#include "core/study/planner.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/base/hash.h"
#include "core/data/texts.h"
#include "core/data/tuning_data.h"
#include "core/series/check_cache.h"
#include "core/series/series_rules.h"
#include "core/series/tokenizer_files.h"
#include "core/series/weight_check.h"
#include "core/study/chat_tasks.h"
#include "core/study/finer_rates.h"
#include "core/study/replayed_text.h"
#include "core/study/study_json.h"
#include "core/study/suite_tasks.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr double kBatchSeconds = 2;           ///< a stop or kill costs about this much of one worker
constexpr std::int64_t kBatchesPerWorker = 4; ///< so that workers end at about the same time
constexpr std::uint64_t kSmallSeriesBytes = 2'000'000'000;

Result<std::string> hashFile(const fs::path& file, const JobContext& job) {
    std::error_code ignored;
    if (fs::is_directory(file, ignored))
        return fail(ErrorKind::Malformed,
                    "This is a folder. Name one file of texts: JSON lines with a \"text\" each, or plain text.",
                    file.string());
    if (fs::exists(file, ignored) && !fs::is_regular_file(file, ignored)) // a pipe or a device could be read for ever
        return fail(ErrorKind::Malformed, "This is not a regular file; it is not read.", file.string());
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return fail(ErrorKind::NotFound, "This file cannot be opened; was it moved?", file.string());
    Sha256 hash;
    std::vector<char> chunk(1 << 20);
    while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || in.gcount() > 0) {
        if (job.stopRequested())
            return stopped();
        hash.update(std::string_view(chunk.data(), static_cast<std::size_t>(in.gcount())));
    }
    if (in.bad())
        return fail(ErrorKind::Io, "This file cannot be read to its end.", file.string());
    return hash.finishHex();
}

/// Of pretraining text that goes with so many examples, a window at least in every step (train::FineTuneSettings::replayShare).
std::int64_t replayedTokens(const Json& training, std::int64_t examples, std::int64_t batch) {
    const double share = training.value("replay_share", 0.0);
    if (!(share > 0))
        return 0;
    const std::int64_t steps = (examples + batch - 1) / batch;
    const std::int64_t windows = std::max(1LL, std::llround(share * static_cast<double>(batch)));
    return steps * windows * training.value("replay_tokens", std::int64_t{128});
}

/// The pretraining text that a training replays: a runner knows no study folder, and its content is part of the key.
Result<void> pinReplay(const StudyFolder& folder, Plan& plan, const JobContext& job) {
    Json& settings = plan.probe.settings;
    if (!settings.is_object() || !settings.contains("replay"))
        return {};
    const fs::path file = folder.resolve(settings["replay"].get<std::string>());
    CREST_TRY(hash, hashFile(file, job));
    settings["replay"] = file.string();
    settings["replay_hash"] = hash;
    return {};
}

Result<std::string> knownInitStd(const series::Checkpoint& checkpoint, const Probe& probe) {
    if (probe.kind != kGaussianNoise || probe.noiseScale != NoiseScale::InitStd)
        return std::string();
    if (checkpoint.initStd.empty())
        return fail(ErrorKind::NotFound,
                    "The standard deviation that its tensors were initialised with is not known (crest.json has no "
                    "init_std, and the family is not in "
                    "Crest's table). Use the noise scale tensor-rms, which multiplies each tensor's root mean square "
                    "instead; it is another quantity.",
                    checkpoint.path.string());
    return study::initStdHash(checkpoint.initStd);
}

Result<PlannedCheckpoint> pinCheckpoint(const series::Checkpoint& checkpoint, const Probe& probe, series::CheckCache& checks,
                                        const JobContext& job) {
    PlannedCheckpoint planned;
    planned.series = probe.series;
    planned.name = checkpoint.name;
    planned.path = checkpoint.path.string();
    planned.tokens = checkpoint.tokens;
    planned.step = checkpoint.step;
    planned.pretrainSeed = checkpoint.pretrainSeed;
    CREST_TRY(initStd, knownInitStd(checkpoint, probe));
    planned.initStd = std::move(initStd);
    CREST_TRY(weights, series::fingerprintCheckpoint(checkpoint.path, *checkpoint.spec, checks, JobContext(job.token())));
    planned.weights = std::move(weights);
    CREST_TRY(tokenizer, series::tokenizerHash(checkpoint.path));
    planned.tokenizer = std::move(tokenizer);
    return planned;
}

/// Tokens of one pass; from the file's size where the number of windows is not given or the text may be shorter.
std::int64_t estimateTokens(const Task& task, std::uint64_t fileBytes) {
    const double textTokens = std::max(2.0, static_cast<double>(fileBytes) / kBytesPerToken);
    auto windows = static_cast<std::int64_t>(textTokens / static_cast<double>(task.strideTokens)) + 1;
    if (task.maxWindows > 0)
        windows = std::min(windows, task.maxWindows);
    return windows * task.windowTokens;
}

/// What the first rows tell, so that not every cell has to find it out: a text that cannot be read, or is too short.
Result<void> checkText(const Task& task, const fs::path& file) {
    CREST_TRY(head, data::readTextsHead(file));
    // A byte each; before and after each document a tokenizer may put one of its own.
    const std::int64_t most = head.texts.bytes + 2 * static_cast<std::int64_t>(head.texts.documents.size());
    if (head.whole && most < task.windowTokens + 1)
        return fail(
            ErrorKind::Malformed,
            fmt::format("Task \"{}\": the text has at most {}, too few for one full window of {}; take a "
                        "longer text or a shorter window.",
                        task.name, counted(most, "token"), task.windowTokens + 1),
            file.string());
    return {};
}

Result<void> checkContext(const Plan& plan, const series::Checkpoint& checkpoint) {
    if (const Json& ofProbe = plan.probe.settings; ofProbe.is_object() && ofProbe.contains("replay"))
        if (const auto window = ofProbe.at("training").value("replay_tokens", std::int64_t{128}); window > checkpoint.spec->contextLength)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("Windows of replayed text are {} tokens, longer than this model's context of {}.", window,
                                    checkpoint.spec->contextLength),
                        checkpoint.path.string());
    for (const Task& task : plan.tasks) {
        if (task.kind == TaskKind::TuningLoss) {
            CREST_TRY(json, parseJson(task.definition, task.name));
            CREST_TRY(settings, data::tuningDataFromJson(json, task.name));
            if (settings.maxTokens > checkpoint.spec->contextLength)
                return fail(ErrorKind::OutOfRange,
                            fmt::format("Task \"{}\": examples may be {} tokens, longer than this model's context of {}; "
                                        "add the data again with examples of at most {}.",
                                        task.name, settings.maxTokens, checkpoint.spec->contextLength,
                                        counted(checkpoint.spec->contextLength, "token")),
                            checkpoint.path.string());
        }
        if (task.kind == TaskKind::TextLoss && task.windowTokens > checkpoint.spec->contextLength)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("Task \"{}\": the window is {} tokens, longer than this model's context of {}.",
                                    task.name, task.windowTokens, checkpoint.spec->contextLength),
                        checkpoint.path.string());
    }
    return {};
}

/// A text's hash and its tokens; refuses what would fail every cell.
Result<std::int64_t> pinText(Task& task, const JobContext& job) {
    const fs::path file = task.textsPath;
    CREST_TRY(hash, hashFile(file, job));
    task.dataHash = std::move(hash);
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(file, error);
    if (error)
        return fail(ErrorKind::NotFound, "This file cannot be opened; was it moved?", file.string());
    CREST_CHECK(checkText(task, file));
    return estimateTokens(task, bytes);
}

/// The data's hash and the tokens of its held-out part; of the data that the probe trains on, what a cell trains on, too.
Result<std::int64_t> pinTuningTask(Plan& plan, Task& task, const JobContext& job) {
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(settings, data::tuningDataFromJson(json, task.name));
    settings.path = task.textsPath;
    CREST_TRY(planned, data::planTuningData(settings, JobContext(job.token())));
    task.dataHash = planned.contentHash;
    const std::int64_t usable = planned.counts.rows - planned.counts.badRows - planned.counts.blankRows; // of which some may be drawn
    const auto tokensOf = [&](std::int64_t rows) {
        const double perRow = static_cast<double>(planned.textBytes) / static_cast<double>(std::max<std::int64_t>(1, usable)) / kBytesPerToken;
        return static_cast<std::int64_t>(static_cast<double>(rows) *
                                         std::clamp(perRow, 1.0, static_cast<double>(settings.maxTokens)));
    };
    Json& ofProbe = plan.probe.settings;
    if (probeKind(plan.probe.kind).trains && ofProbe.at("data_task") == task.name) {
        ofProbe["data_hash"] = taskHash(task);
        const Json& training = ofProbe.at("training");
        const std::int64_t epochs = training.value("epochs", std::int64_t{1}),
                           steps = training.value("max_steps", std::int64_t{0}),
                           batch = std::max<std::int64_t>(1, training.value("batch_examples", std::int64_t{16}));
        const std::int64_t examples = steps > 0 ? steps * batch : planned.trainRows * epochs;
        plan.tuningTokens = tokensOf(examples) + replayedTokens(training, examples, batch);
    }
    return tokensOf(planned.heldOutRows);
}

Result<void> addTasks(const StudyFolder& folder, Plan& plan, const JobContext& job) {
    for (const TaskInProbe& chosen : plan.probe.tasks) {
        Task task = *std::ranges::find(folder.study().tasks, chosen.task, &Task::name);
        task.textsPath = folder.resolve(task.textsPath).string(); // a runner knows no study folder
        CREST_TRY(tokens, task.kind == TaskKind::Suite        ? pinSuiteTask(task, job)
                          : task.kind == TaskKind::TuningLoss ? pinTuningTask(plan, task, job)
                                                              : pinText(task, job));
        const std::string hash = taskHash(task);
        for (const Task& other : plan.tasks)
            if (taskHash(other) == hash)
                return fail(
                    ErrorKind::OutOfRange,
                    fmt::format("The tasks \"{}\" and \"{}\" measure the same {} in the same way; choose one of "
                                "them.",
                                other.name, task.name, task.kind == TaskKind::TextLoss ? "text" : "items"));
        plan.taskTokens.push_back(tokens);
        plan.tasks.push_back(std::move(task));
    }
    return {};
}

/// A plan of more is a slip of the keyboard: hundreds of megabytes that every reader of the study would hold.
constexpr std::int64_t kMaxCells = 1'000'000;

Result<void> addCells(Plan& plan, const std::function<bool(const std::string&)>& stored, const JobContext& job) {
    std::int64_t count = 0;
    for (const PlannedCheckpoint& checkpoint : plan.checkpoints)
        count += 1 + static_cast<std::int64_t>(strengthsOf(plan.probe, checkpoint.weights).size()) *
                         std::max<std::int64_t>(1, plan.probe.seeds);
    if (count > kMaxCells)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("These are {} cells, and a plan has at most 1,000,000; take fewer of checkpoints, {}{}.", count,
                                probeKind(plan.probe.kind).strengths,
                                plan.probe.seeds > 0 ? fmt::format(" or {}s", probeKind(plan.probe.kind).draw) : ""));
    const auto add = [&](int index, double strength, std::int64_t seed) {
        Cell cell{index, strength, seed, {}, {}};
        for (const Task& task : plan.tasks) {
            cell.keys.push_back(resultKey(plan.checkpoints[index], plan.probe, task, strength, seed));
            cell.cached.push_back(stored && stored(cell.keys.back()) ? 1 : 0);
        }
        plan.cells.push_back(std::move(cell));
    };
    for (int c = 0; c < static_cast<int>(plan.checkpoints.size()); ++c) {
        const std::vector<double> strengths = strengthsOf(plan.probe, plan.checkpoints[c].weights);
        add(c, 0, 0);
        if (plan.probe.seeds == 0) // nothing is drawn
            for (const double strength : strengths)
                add(c, strength, 0);
        for (std::int64_t s = 0; s < plan.probe.seeds; ++s) {
            if (job.stopRequested())
                return stopped();
            for (const double strength : strengths)
                add(c, strength, plan.probe.firstSeed + s);
        }
    }
    return {};
}

double flopsPerPass(const Plan& plan, const series::DecoderSpec& spec) {
    double flops = 0;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t)
        flops += static_cast<double>(plan.taskTokens[t]) *
                 series::forwardFlopsPerToken(spec, static_cast<double>(plan.tasks[t].windowTokens) / 2);
    return flops;
}

std::int64_t seedsPerBatch(const Plan& plan, double flopsPerPass) {
    const Probe& probe = plan.probe;
    if (probe.seeds == 0 || probeKind(probe.kind).trains)
        return 1;
    // One seed is the whole ladder, both members of each pair.
    const double passes = probeKind(probe.kind).members * static_cast<double>(probe.strengths.size());
    const double secondsPerSeed = passes * flopsPerPass / kFlopsPerThread;
    const double perBatch =
        std::clamp(kBatchSeconds / std::max(secondsPerSeed, 1e-9), 1.0, static_cast<double>(probe.seeds));
    const auto workers = static_cast<std::int64_t>(std::max(1u, std::thread::hardware_concurrency()));
    const auto checkpoints = static_cast<std::int64_t>(plan.checkpoints.size());
    const std::int64_t groupsWanted = (kBatchesPerWorker * workers + checkpoints - 1) / checkpoints;
    return std::min(static_cast<std::int64_t>(perBatch), std::max<std::int64_t>(1, probe.seeds / groupsWanted));
}

struct Placed {
    std::int64_t group = 0; ///< 0 the base, then groups of seeds
    int checkpoint = 0;
    std::vector<int> cells;
};

/// Bases first, then groups of seeds: across checkpoints where the series is small (all curves fill at once), else
/// checkpoint by checkpoint.
void addBatches(Plan& plan, std::int64_t seedsPerBatch, bool acrossCheckpoints) {
    const ProbeKind& kind = probeKind(plan.probe.kind);
    std::vector<Placed> placed;
    for (int i = 0; i < plan.cellCount(); ++i) {
        const Cell& cell = plan.cells[i];
        if (cell.isCached())
            continue;
        const std::int64_t group = cell.isBase()   ? 0
                                   : cell.seed == 0 ? 1
                                                    : 1 + (cell.seed - plan.probe.firstSeed) / seedsPerBatch;
        const bool alone = kind.cellByCell && !cell.isBase();
        if (placed.empty() || alone || placed.back().group != group || placed.back().checkpoint != cell.checkpoint)
            placed.push_back({group, cell.checkpoint, {}});
        placed.back().cells.push_back(i);
    }
    std::ranges::stable_sort(placed, [&](const Placed& a, const Placed& b) {
        const bool aBase = a.group == 0, bBase = b.group == 0;
        if (aBase != bBase && acrossCheckpoints)
            return aBase;
        return acrossCheckpoints ? std::pair(a.group, a.checkpoint) < std::pair(b.group, b.checkpoint)
                                 : std::pair<std::int64_t, std::int64_t>(a.checkpoint, a.group) <
                                       std::pair<std::int64_t, std::int64_t>(b.checkpoint, b.group);
    });
    for (Placed& batch : placed)
        plan.batches.push_back(std::move(batch.cells));
}

} // namespace

fs::path checkCacheOf(const fs::path& study) {
    const fs::path ofUser = series::userCheckCache();
    return ofUser.empty() ? study / "fingerprints.json" : ofUser;
}

Result<Plan> planProbe(const StudyFolder& folder, const Probe& probe, const series::Series& series,
                       const std::function<bool(const std::string&)>& stored, const JobContext& job) {
    CREST_CHECK(checkProbe(probe, folder.study()));
    Plan plan;
    plan.createdAt = utcNow();
    plan.probe = probe;
    if (const ProbeKind* kind = findProbeKind(probe.kind); kind && probe.kind != kGaussianNoise) {
        CREST_TRY(settings, completeSettings(*kind, probe.settings));
        plan.probe.settings = std::move(settings);
    }
    CREST_CHECK(pinReplay(folder, plan, job));
    CREST_CHECK(addTasks(folder, plan, job));

    const StudySeries& known = *std::ranges::find(folder.study().series, probe.series, &StudySeries::name);
    std::vector<const series::Checkpoint*> chosen;
    std::uint64_t seriesBytes = 0;
    for (const series::Checkpoint& checkpoint : series.checkpoints) {
        const std::string& found = checkpoint.foundName.empty() ? checkpoint.name : checkpoint.foundName;
        if (!series::isUsable(checkpoint) || !checkpoint.spec || std::ranges::find(known.excluded, found) != known.excluded.end())
            continue;
        CREST_CHECK(checkContext(plan, checkpoint));
        chosen.push_back(&checkpoint);
        seriesBytes += checkpoint.weightBytes;
    }
    if (chosen.empty())
        return fail(ErrorKind::NotFound, "This series has no checkpoint that can be used.", series.path.string());
    CREST_CHECK(checkReplayedText(plan.probe.settings, chosen.front()->path, job));
    double flops = 0;
    series::CheckCache checks(checkCacheOf(folder.path()));
    for (const series::Checkpoint* checkpoint : chosen) {
        if (job.stopRequested())
            return stopped();
        job.report(static_cast<std::int64_t>(plan.checkpoints.size()), static_cast<std::int64_t>(chosen.size()),
                   "checkpoints");
        CREST_TRY(pinned, pinCheckpoint(*checkpoint, probe, checks, job));
        plan.checkpoints.push_back(std::move(pinned));
        flops = std::max(flops, flopsPerPass(plan, *checkpoint->spec));
    }
    job.report(static_cast<std::int64_t>(chosen.size()), static_cast<std::int64_t>(chosen.size()), "checkpoints");
    CREST_CHECK(pinChat(plan.tasks, chosen));
    for (const Task& task : plan.tasks)
        CREST_CHECK(checkChat(task, chosen.front()->path, job));
    CREST_CHECK(addCells(plan, stored, job));

    const std::int64_t seeds = probe.isBaseEvaluation() ? 1 : seedsPerBatch(plan, flops);
    addBatches(plan, seeds, seriesBytes <= kSmallSeriesBytes);
    return plan;
}

} // namespace crest::study
