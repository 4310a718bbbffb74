// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_training_runs.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/counted.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"

namespace crest::analysis {
namespace {

constexpr std::size_t kMostNamed = 3;
/// Settings of a training that are there against forgetting.
constexpr const char* kMitigations[] = {"l2_to_start",  "head_share",    "replay_share", "replay_tokens",
                                        "lora_rank", "lora_alpha", "lora_matrices"};

/// As the study has it; it may be anything.
Json trainingOf(const study::Probe& probe) {
    Json training = probe.settings.is_object() ? probe.settings.value("training", Json::object()) : Json::object();
    return training.is_object() ? training : Json::object();
}

double number(const Json& training, const char* key, double usual = 0) {
    const auto at = training.find(key);
    return at != training.end() && at->is_number() ? at->get<double>() : usual;
}

std::string text(const Json& object, const char* key) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::string percent(double share) {
    return formatNumber(100 * share) + " %";
}

Mitigation replayOf(const study::Probe& probe, const Json& training, double share) {
    const std::string stem = std::filesystem::path(text(probe.settings, "replay")).stem().string();
    Mitigation one{"replay-" + stem, "replay of " + stem, share, percent(share)};
    if (const double tokens = number(training, "replay_tokens", 128); tokens != 128) {
        one.id += fmt::format("-{}", formatNumber(tokens));
        one.name += fmt::format(" by {} tokens", formatNumber(tokens));
    }
    return one;
}

Mitigation loraOf(const Json& training, double rank) {
    Mitigation one{"lora", "LoRA", rank, formatNumber(rank)};
    if (const std::string matrices = text(training, "lora_matrices"); !matrices.empty() && matrices != "all") {
        one.id += "-" + matrices;
        one.name += " of " + matrices;
    }
    if (const double alpha = number(training, "lora_alpha", 16); alpha != 16) {
        one.id += fmt::format("-alpha{}", formatNumber(alpha));
        one.name += fmt::format(" with alpha {}", formatNumber(alpha));
    }
    one.name += ", rank";
    return one;
}

std::string plainText(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.is_null() ? std::string("unsaid") : value.dump();
}

} // namespace

std::vector<Mitigation> mitigationsOf(const study::Probe& probe) {
    const Json training = trainingOf(probe);
    std::vector<Mitigation> out;
    if (const double pull = number(training, "l2_to_start"); pull > 0)
        out.push_back({"l2", "L2 to the start", pull, formatNumber(pull)});
    if (const double share = number(training, "head_share"); share > 0)
        out.push_back({"head-first", "head first", share, percent(share)});
    if (const double share = number(training, "replay_share"); share > 0)
        out.push_back(replayOf(probe, training, share));
    if (const double rank = number(training, "lora_rank"); rank > 0)
        out.push_back(loraOf(training, rank));
    return out;
}

std::string mitigationsText(const std::vector<Mitigation>& mitigations) {
    std::vector<std::string> parts;
    for (const Mitigation& one : mitigations)
        parts.push_back(one.name + " " + one.label);
    return parts.empty() ? "plain fine-tuning" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string trainingWords(const study::Probe& probe) {
    const std::vector<Mitigation> parts = mitigationsOf(probe);
    std::string how = mitigationsText(parts);
    if (probe.kind == study::kInterpolation)
        how = fmt::format("interpolation, tuned at {}{}", formatNumber(study::tuningRate(probe, 1)), parts.empty() ? "" : ", " + how);
    return text(probe.settings, "data_task") + ": " + how;
}

std::string trainingWords(const study::Plan& plan) {
    std::size_t finer = 0; // over all checkpoints, so that a further level has another number
    for (const auto& [weights, rates] : study::finerRatesOf(plan.probe))
        finer += rates.size();
    return trainingWords(plan.probe) + (finer > 0 ? ", " + counted(static_cast<std::int64_t>(finer), "finer rate") : "");
}

std::string settingText(std::string name, const Json& value) {
    if (name == "compute")
        return plainText(value);
    std::ranges::replace(name, '_', ' ');
    return name + " " + plainText(value);
}

bool isTraining(const study::Plan& plan) {
    const study::ProbeKind* kind = study::findProbeKind(plan.probe.kind);
    return kind && kind->trains && plan.probe.settings.is_object();
}

TrainingDifference differenceOf(const study::Plan& shown, const study::Plan& other) {
    TrainingDifference out;
    out.data = text(shown.probe.settings, "data_hash") != text(other.probe.settings, "data_hash");
    Json own = trainingOf(shown.probe), its = trainingOf(other.probe);
    for (const char* key : kMitigations) {
        own.erase(key);
        its.erase(key);
    }
    std::set<std::string> keys;
    for (const Json* training : {&own, &its})
        for (const auto& [key, value] : training->items())
            keys.insert(key);
    std::vector<std::string> parts;
    for (const std::string& key : keys)
        if (const Json mine = own.value(key, Json()), theirs = its.value(key, Json()); mine != theirs)
            parts.push_back(fmt::format("{}, not {}", settingText(key, theirs), plainText(mine)));
    if (parts.size() > kMostNamed) {
        const std::size_t more = parts.size() - kMostNamed;
        parts.resize(kMostNamed);
        parts.push_back(fmt::format("{} more", more));
    }
    out.trained = fmt::format("{}", fmt::join(parts, "; "));
    return out;
}

bool areDrawnTogether(const study::Plan& shown, const study::Plan& other) {
    return isTraining(shown) && isTraining(other) && shown.probe.series == other.probe.series &&
           differenceOf(shown, other).trained.empty();
}

} // namespace crest::analysis
