// SPDX-License-Identifier: Apache-2.0
// What a probe must be before it is planned.
#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/data/tuning_settings.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"
#include "core/text/unicode.h"

namespace crest::study {
namespace {

constexpr double kMinGammaBFloat16 = 0.02;
constexpr std::int64_t kMaxSeeds = 100'000, kMaxShots = 1'000;
constexpr std::size_t kMaxNameBytes = 200;

Result<void> outOfRange(std::string message) {
    return fail(ErrorKind::OutOfRange, std::move(message));
}

/// Names stand in lines of tables and explanations.
Result<void> checkName(const std::string& name, const char* whose) {
    if (name.empty())
        return outOfRange(fmt::format("Give the {} a name.", whose));
    if (name.size() > kMaxNameBytes)
        return outOfRange(fmt::format("The name of the {} is longer than {} bytes.", whose, kMaxNameBytes));
    if (std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        return outOfRange(fmt::format("The name of the {}, {}, has a line break or another control character in it.",
                                      whose, canonicalJson(name)));
    return {};
}

Result<void> checkSuiteTask(const Task& task) {
    if (task.textsPath.empty())
        return outOfRange(fmt::format("Task \"{}\": name the folder that holds its data.", task.name));
    const auto definition = parseJson(task.definition, "definition");
    if (!definition || !definition->is_object())
        return outOfRange(fmt::format("Task \"{}\" has no definition; take it from a suite file.", task.name));
    if (task.shots < -1 || task.shots > kMaxShots)
        return outOfRange(
            fmt::format("Task \"{}\": {} shots; it must be from 0 to {}, or -1 for the suite's own number.", task.name,
                        task.shots, kMaxShots));
    if (task.limit < 0)
        return outOfRange(fmt::format("Task \"{}\": the number of items is negative; 0 means all.", task.name));
    return {};
}

Result<void> checkTuningTask(const Task& task) {
    if (task.textsPath.empty())
        return outOfRange(fmt::format("Task \"{}\": name the file or folder of its data.", task.name));
    CREST_TRY(json, parseJson(task.definition, task.name));
    CREST_TRY(settings, data::tuningDataFromJson(json, task.name));
    if (settings.split.heldOutShare <= 0 && settings.split.heldOutCount == 0)
        return outOfRange(fmt::format("Task \"{}\": none of its rows are held out, and held-out rows are what is measured of it (ID). "
                                      "Hold some out, a tenth of them say.",
                                      task.name));
    return {};
}

} // namespace

Result<void> checkTask(const Task& task) {
    CREST_CHECK(checkName(task.name, "task"));
    if (!text::isValidUtf8(task.textsPath)) // study.json could not hold it
        return outOfRange(fmt::format("Task \"{}\": a name in the path of its data is no UTF-8 (from an older system, say). Rename "
                                      "it, as convmv does.",
                                      task.name));
    if (task.kind == TaskKind::TuningLoss)
        return checkTuningTask(task);
    if (task.kind == TaskKind::Suite)
        return checkSuiteTask(task);
    if (task.windowTokens < 2 || task.windowTokens > 1'000'000)
        return outOfRange(fmt::format("Task \"{}\": the window is {}, it must be from 2 to 1,000,000.", task.name,
                                      counted(task.windowTokens, "token")));
    if (task.strideTokens < 1 || task.strideTokens > task.windowTokens)
        return outOfRange(fmt::format("Task \"{}\": the stride is {}, it must be from 1 to the window ({}).", task.name,
                                      counted(task.strideTokens, "token"), task.windowTokens));
    if (task.maxWindows < 0)
        return outOfRange(fmt::format("Task \"{}\": the number of windows is negative; 0 means all.", task.name));
    return {};
}

namespace {

std::string rangeText(const ProbeKind& kind) {
    if (kind.whole)
        return fmt::format("it must be a whole number from {} to {}", formatNumber(kind.least),
                           formatNumber(kind.most));
    return std::string_view(kind.id) == kPruning ? std::string("it must lie between 0 and 1")
                                                 : "it must be above 0 and at most " + formatNumber(kind.most);
}

/// With all its digits: "10 is out of range" would be said of 10.0001.
std::string inFull(double strength) {
    return std::isfinite(strength) ? fmt::format("{}", strength) : formatNumber(strength);
}

Result<void> checkStrengths(const Probe& probe, const ProbeKind& kind) {
    if (probe.strengths.empty())
        return outOfRange(fmt::format("Give at least one {}.", kind.strength));
    const bool noise = probe.kind == kGaussianNoise;
    for (std::size_t i = 0; i < probe.strengths.size(); ++i) {
        const double strength = probe.strengths[i];
        if (!std::isfinite(strength) || strength < kind.least || strength > kind.most ||
            (kind.whole && strength != std::floor(strength)))
            return outOfRange(fmt::format("{} is out of range as {}: {}.{}", inFull(strength), kind.strength, rangeText(kind),
                                          strength == 0 ? " A decimal is written with a point: 0.1." : ""));
        if (i > 0 && strength <= probe.strengths[i - 1])
            return outOfRange(fmt::format("The {} must ascend, each once; {} follows {}.", kind.strengths,
                                          inFull(strength), inFull(probe.strengths[i - 1])));
        if (noise && probe.compute == ComputeType::BFloat16 && strength < kMinGammaBFloat16)
            return outOfRange(
                fmt::format("Gamma {} needs float32: in bfloat16 rounding adds a tenth to the noise below gamma 0.02.",
                            inFull(strength)));
    }
    return {};
}

Result<void> checkTasks(const Probe& probe, const Study& study) {
    if (probe.tasks.empty())
        return outOfRange("Choose at least one task to measure.");
    std::set<std::string> seen;
    bool inDistribution = false;
    for (const TaskInProbe& chosen : probe.tasks) {
        const auto task = std::ranges::find(study.tasks, chosen.task, &Task::name);
        if (task == study.tasks.end())
            return fail(ErrorKind::NotFound, fmt::format("The study has no task \"{}\".", chosen.task));
        if (!seen.insert(chosen.task).second)
            return outOfRange(fmt::format("Task \"{}\" is chosen twice.", chosen.task));
        CREST_CHECK(checkTask(*task));
        inDistribution = inDistribution || chosen.role == Role::InDistribution;
    }
    if (!inDistribution && !probe.isBaseEvaluation())
        return outOfRange("Mark at least one task as in-distribution (ID): held-out text of the "
                          "pretraining domain; for fine-tuning, of the tuning data.");
    return {};
}

Result<void> checkGrid(const Probe& probe, const ProbeKind& kind) {
    CREST_CHECK(checkStrengths(probe, kind));
    CREST_CHECK(completeSettings(kind, probe.settings).map([](const Json&) {}));
    CREST_CHECK(checkGridOfFinerRates(probe));
    if (!kind.isDrawn())
        return probe.seeds == 0 ? Result<void>()
                                : outOfRange(fmt::format("Nothing is drawn by {}: it has no seeds.", kind.name));
    if (probe.seeds < 1 || probe.seeds > kMaxSeeds)
        return outOfRange(fmt::format("{} seeds: it must be from 1 to 100,000.", probe.seeds));
    if (probe.firstSeed < 1 || probe.firstSeed > INT64_MAX - kMaxSeeds)
        return outOfRange(fmt::format("{} as first seed: it must be from 1 to {}.", probe.firstSeed, INT64_MAX - kMaxSeeds));
    return {};
}

/// What is trained on must be among what is measured: its held-out part is the in-distribution task.
Result<void> checkTuningData(const Probe& probe, const Study& study) {
    const std::string name = probe.settings.at("data_task").get<std::string>();
    const auto chosen = std::ranges::find(probe.tasks, name, &TaskInProbe::task);
    const auto task = std::ranges::find(study.tasks, name, &Task::name);
    if (task == study.tasks.end() || task->kind != TaskKind::TuningLoss)
        return fail(ErrorKind::NotFound, fmt::format("The study has no fine-tuning data \"{}\".", name));
    if (chosen == probe.tasks.end() || chosen->role != Role::InDistribution)
        return outOfRange(
            fmt::format("The held-out part of \"{}\", which is trained on, must be measured as in-distribution (ID).", name));
    return {};
}

Result<void> checkNoGrid(const Probe& probe) {
    if (!probe.strengths.empty() || probe.seeds != 0)
        return outOfRange("A base evaluation measures the checkpoints as they are: it has no strengths and no seeds.");
    return {};
}

} // namespace

Result<void> checkProbe(const Probe& probe, const Study& study) {
    const ProbeKind* kind = findProbeKind(probe.kind);
    if (!kind && !probe.isBaseEvaluation())
        return fail(ErrorKind::Unsupported, fmt::format("This Crest has no probe of the kind \"{}\".", probe.kind));
    CREST_CHECK(checkName(probe.name, "probe"));
    if (std::ranges::find(study.series, probe.series, &StudySeries::name) == study.series.end())
        return fail(ErrorKind::NotFound, fmt::format("The study has no series \"{}\".", probe.series));
    CREST_CHECK(kind ? checkGrid(probe, *kind) : checkNoGrid(probe));
    CREST_CHECK(checkTasks(probe, study));
    return kind && kind->trains ? checkTuningData(probe, study) : Result<void>();
}

} // namespace crest::study
