// SPDX-License-Identifier: Apache-2.0
#include "core/study/probe_kind.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::study {
namespace {

constexpr std::int64_t kMaxGroup = 1 << 20;
constexpr std::int64_t kUsualGroup = 128;

constexpr ProbeKind kKinds[] = {
    {.id = kGaussianNoise,
     .name = "Gaussian noise",
     .strength = "gamma",
     .strengths = "gammas",
     .symbol = "\u03b3",
     .curve = "gamma",
     .draw = "noise draw",
     .least = 1e-9,
     .most = 10,
     .whole = false,
     .members = 2,
     .cellByCell = false},
    {.id = kFineTuning,
     .name = "fine-tuning",
     .strength = "learning rate",
     .strengths = "learning rates",
     .symbol = "\u03b7",
     .curve = "rate",
     .draw = "fine-tuning seed",
     .least = 1e-9,
     .most = 1,
     .whole = false,
     .members = 1,
     .cellByCell = true,
     .trains = true},
    {.id = kInterpolation,
     .name = "interpolation",
     .strength = "share of the tuned weights",
     .strengths = "shares of the tuned weights",
     .symbol = "\u03b1",
     .curve = "alpha",
     .draw = "fine-tuning seed",
     .least = 1e-6,
     .most = 1,
     .whole = false,
     .members = 1,
     .cellByCell = false,
     .trains = true},
    {.id = kQuantisation,
     .name = "weight quantisation",
     .strength = "number of bits",
     .strengths = "bits",
     .symbol = "bits",
     .curve = "bits",
     .draw = "",
     .least = 2,
     .most = 8,
     .whole = true,
     .members = 1,
     .cellByCell = false},
    {.id = kPruning,
     .name = "magnitude pruning",
     .strength = "share pruned",
     .strengths = "shares pruned",
     .symbol = "pruned",
     .curve = "pruned",
     .draw = "",
     .least = 1e-6,
     .most = 0.999999,
     .whole = false,
     .members = 1,
     .cellByCell = false},
};

/// What a plan counts with must be numbers; their ranges, and all else, are checked by who makes the settings.
Result<void> checkCounts(const Json& training) {
    for (const char* key : {"epochs", "max_steps", "batch_examples", "replay_tokens", "lora_rank"})
        if (training.contains(key))
            CREST_CHECK(requireInt(training, key, "fine-tuning", 0, INT64_MAX).map([](std::int64_t) {}));
    if (training.contains("replay_share"))
        CREST_CHECK(requireNumber(training, "replay_share", "fine-tuning").map([](double) {}));
    return {};
}

/// Text is named where, and only where, the training replays some.
Result<void> checkReplay(const Json& settings) {
    const Json& training = settings["training"];
    const bool replays = training.value("replay_share", 0.0) > 0;
    const bool named = settings.contains("replay");
    if (named && (!settings["replay"].is_string() || settings["replay"] == ""))
        return fail(ErrorKind::Malformed, "\"replay\" must name a file of pretraining text.");
    if (replays && !named)
        return fail(ErrorKind::OutOfRange, "Name the pretraining text that is replayed, or set its share to 0.");
    if (!replays && named)
        return fail(ErrorKind::OutOfRange, "Pretraining text is named, but its share (replay_share) is 0.");
    return {};
}

Result<Json> checkTuning(const Json& settings, bool interpolates) {
    if (settings.is_null() || !settings.contains("data_task") || !settings["data_task"].is_string() ||
        settings["data_task"] == "")
        return fail(ErrorKind::OutOfRange, "Choose the data to fine-tune on.");
    if (!settings.contains("training") || !settings["training"].is_object())
        return fail(ErrorKind::Malformed, "The settings of fine-tuning have no \"training\".");
    CREST_CHECK(checkCounts(settings["training"]));
    CREST_CHECK(checkReplay(settings));
    if (settings.contains("keep_bytes"))
        CREST_CHECK(requireInt(settings, "keep_bytes", "fine-tuning", 0, INT64_MAX).map([](std::int64_t) {}));
    if (const Json seconds = settings.value("state_seconds", Json(0.0)); !seconds.is_number() || !(seconds.get<double>() >= 0))
        return fail(ErrorKind::OutOfRange, "\"state_seconds\" of fine-tuning must be a number of seconds, 0 or more.");
    if (!settings.value("recompute_activations", Json(false)).is_boolean())
        return fail(ErrorKind::OutOfRange, "\"recompute_activations\" of fine-tuning must be true or false.");
    if (!interpolates)
        CREST_CHECK(checkFinerRates(settings));
    if (interpolates) {
        const Json rate = settings.value("learning_rate", Json());
        if (!rate.is_number() || !(rate.get<double>() > 0) || !(rate.get<double>() <= 1))
            return fail(ErrorKind::OutOfRange, "Give the learning rate of the tuned weights, above 0 and at most 1.");
    }
    for (const auto& [key, value] : settings.items())
        if (key != "training" && key != "data_task" && key != "data_hash" && key != "replay" && key != "replay_hash" &&
            key != "keep_bytes" && key != "state_seconds" && key != "recompute_activations" && key != (interpolates ? "learning_rate" : "finer_rates"))
            return fail(ErrorKind::Malformed, fmt::format("Fine-tuning has no setting \"{}\".", key));
    return settings;
}

} // namespace

std::span<const ProbeKind> probeKinds() {
    return kKinds;
}

const ProbeKind* findProbeKind(std::string_view id) {
    const auto at = std::ranges::find(kKinds, id, [](const ProbeKind& kind) { return std::string_view(kind.id); });
    return at == std::end(kKinds) ? nullptr : at;
}

const ProbeKind& probeKind(std::string_view id) {
    const ProbeKind* kind = findProbeKind(id);
    return kind ? *kind : kKinds[0];
}

std::string strengthText(const ProbeKind& kind, double strength) {
    if (kind.whole)
        return formatNumber(strength) + " " + kind.symbol;
    return std::string(kind.strength) + " " + formatNumber(strength);
}

std::string strengthLabel(const ProbeKind& kind, double strength) {
    if (kind.whole)
        return formatNumber(strength) + " " + kind.symbol;
    if (std::string_view(kind.id) == kPruning)
        return formatNumber(100 * strength, 4) + " % pruned";
    return std::string(kind.symbol) + " = " + formatNumber(strength);
}

Result<Json> completeSettings(const ProbeKind& kind, const Json& settings) {
    const std::string_view id = kind.id;
    if (!settings.is_null() && !settings.is_object())
        return fail(ErrorKind::Malformed, fmt::format("The settings of {} must be a JSON object.", kind.name));
    if (kind.trains)
        return checkTuning(settings, id == kInterpolation);
    Json complete; // null where the kind has none
    if (id == kQuantisation)
        complete = {{"group", kUsualGroup}};
    if (settings.is_null())
        return complete;
    for (const auto& [key, value] : settings.items()) {
        if (!complete.contains(key))
            return fail(ErrorKind::Malformed, fmt::format("{} has no setting \"{}\".", kind.name, key));
        complete[key] = value;
    }
    if (id == kQuantisation)
        CREST_CHECK(requireInt(complete, "group", "quantisation", 1, kMaxGroup).map([](std::int64_t) {}));
    return complete;
}

} // namespace crest::study
