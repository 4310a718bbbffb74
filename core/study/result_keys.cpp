// SPDX-License-Identifier: Apache-2.0
// What a result is found by: everything that moves its numbers, and nothing else.
#include <map>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace {

/// A definition without what is only for people: it moves no number. ("description" is a template of the prompt.)
/// Remembered, since a plan asks for the same few definitions at every cell.
const std::string& withoutWords(const std::string& definition) {
    thread_local std::map<std::string, std::string> known;
    if (const auto at = known.find(definition); at != known.end())
        return at->second;
    if (known.size() > 256)
        known.clear();
    Json json = Json::parse(definition, nullptr, false);
    if (json.is_object())
        for (const char* key : {"name", "about", "source", "chance"})
            json.erase(key);
    return known.emplace(definition, json.is_object() ? canonicalJson(json) : definition).first->second;
}

Json taskIdentity(const Task& task) {
    if (task.kind == TaskKind::Suite)
        return {{"suite_task", withoutWords(task.definition)},
                {"data", task.dataHash},
                {"shots", task.shots},
                {"limit", task.limit},
                {"scoring", kScoringVersion}};
    if (task.kind == TaskKind::TuningLoss) // the hash is of rows and settings
        return {{"metric", "tuning_loss"}, {"data", task.dataHash}};
    return {{"metric", "loss"},
            {"data", task.dataHash},
            {"window_tokens", task.windowTokens},
            {"stride_tokens", task.strideTokens},
            {"max_windows", task.maxWindows}};
}

/// Everything that moves a modified checkpoint's result besides strength and seed.
Json modificationIdentity(const PlannedCheckpoint& checkpoint, const Probe& probe, double strength) {
    if (strength == 0)
        return {{"kind", "none"}};
    if (probe.kind != kGaussianNoise)
        return {{"kind", probe.kind}, {"variant", variantOf(probe)}};
    return {{"kind", probe.kind},
            {"noise_scale", noiseScaleName(probe.noiseScale)},
            {"init_std", checkpoint.initStd},
            {"antithetic", true}};
}

} // namespace

Json withoutUpkeep(Json settings) {
    if (settings.is_object())
        for (const char* key : {"keep_bytes", "state_seconds", "recompute_activations", "finer_rates"})
            settings.erase(key);
    return settings;
}

std::string variantOf(const Probe& probe) {
    if (probe.isBaseEvaluation())
        return "";
    if (probe.kind == kGaussianNoise)
        return noiseScaleName(probe.noiseScale);
    Json identity = withoutUpkeep(probe.settings);
    if (identity.is_object())
        for (const char* key : {"data_task", "replay"})
            identity.erase(key); // "data_hash" and "replay_hash" are what counts
    return sha256Hex(canonicalJson(identity)).substr(0, 16);
}

double tuningRate(const Probe& probe, double strength) {
    return probe.kind == kInterpolation && probe.settings.is_object() ? probe.settings.value("learning_rate", 0.0) : strength;
}

std::string trainingKey(const PlannedCheckpoint& checkpoint, const Probe& probe, double strength, std::int64_t seed, int numerics) {
    if (!probeKind(probe.kind).trains || !probe.settings.is_object() || strength == 0)
        return "";
    const auto setting = [&](const char* key) { return probe.settings.value(key, Json()); };
    const Json identity = {{"weights", checkpoint.weights},
                           {"tokenizer", checkpoint.tokenizer},
                           {"training", setting("training")},
                           {"data", setting("data_hash")},
                           {"replay", setting("replay_hash")},
                           {"rate", tuningRate(probe, strength)},
                           {"seed", seed},
                           {"numerics", numerics}};
    return sha256Hex(canonicalJson(identity));
}

std::string initStdHash(const std::map<std::string, double>& initStd) {
    return sha256Hex(canonicalJson(Json(initStd)));
}

std::string taskHash(const Task& task) {
    return sha256Hex(canonicalJson(taskIdentity(task)));
}

std::string resultKey(const PlannedCheckpoint& checkpoint, const Probe& probe, const Task& task, double strength,
                      std::int64_t seed) {
    const Json identity = {{"weights", checkpoint.weights},
                           {"tokenizer", checkpoint.tokenizer},
                           {"modification", modificationIdentity(checkpoint, probe, strength)},
                           {"strength", strength},
                           {"seed", strength == 0 ? 0 : seed},
                           {"task", taskIdentity(task)},
                           {"compute", computeTypeName(probe.compute)},
                           {"numerics", kNumericsVersion}};
    return sha256Hex(canonicalJson(identity));
}

Result<void> checkPresentKeys(const Plan& plan, const std::filesystem::path& folder) {
    const auto isPresent = [&](const Cell& cell) {
        for (std::size_t task = 0; task < cell.keys.size(); ++task)
            if (cell.keys[task] != resultKey(plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)], plan.probe, plan.tasks[task],
                                             cell.strength, cell.seed))
                return false;
        return true;
    };
    if (plan.cells.empty() || (isPresent(plan.cells.front()) && isPresent(plan.cells.back()))) // all are named in one way
        return {};
    return fail(ErrorKind::Unsupported,
                fmt::format("The run {} was planned by another version of Crest, whose numbers are others. What it stored stays as it is; run "
                            "its probe again to compute the rest, and what is stored, anew.",
                            plan.id),
                folder.string());
}

} // namespace crest::study
