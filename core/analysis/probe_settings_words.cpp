// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_settings_words.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_training_runs.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"

namespace crest::analysis {
namespace {

using Settings = std::map<std::string, Json>; ///< by name, those of the training among them
struct Variant {
    std::string key;
    Settings settings;
};

/// Names and paths say nothing of their own: contents are what counts, by the first digits of their hashes.
Settings countedSettings(const study::Probe& probe) {
    constexpr std::size_t kDigits = 8;
    Settings out;
    const Json settings = study::withoutUpkeep(probe.settings);
    if (!settings.is_object())
        return out;
    for (const auto& [name, value] : settings.items())
        if (name == "data_hash" || name == "replay_hash")
            out[name.substr(0, name.find('_'))] = value.is_string() ? Json(value.get<std::string>().substr(0, kDigits)) : value;
        else if (name == "training" && value.is_object())
            for (const auto& [own, setting] : value.items())
                out[own] = setting;
        else if (name != "data_task" && name != "replay")
            out[name] = value;
    return out;
}

std::string allInWords(const Settings& settings) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : settings)
        parts.push_back(settingText(name, value));
    return fmt::format("{}", fmt::join(parts, ", "));
}

/// Those that some other of `alike` has not, or has otherwise.
Settings differing(const Variant& variant, const std::vector<Variant>& alike) {
    Settings out;
    for (const Variant& other : alike) {
        for (const auto& [name, value] : variant.settings)
            if (const auto at = other.settings.find(name); at == other.settings.end() || at->second != value)
                out[name] = value;
        for (const auto& [name, value] : other.settings)
            if (!variant.settings.contains(name))
                out[name] = Json();
    }
    return out;
}

std::string firstWords(const study::Probe& probe, const Settings& settings) {
    if (probe.kind == study::kGaussianNoise)
        return study::variantOf(probe);
    return study::probeKind(probe.kind).trains ? trainingWords(probe) : allInWords(settings);
}

} // namespace

SettingsWords::SettingsWords(std::span<const study::Probe> probes) {
    std::map<std::pair<std::string, std::string>, std::vector<Variant>> alike; // by kind and first words
    for (const study::Probe& probe : probes) {
        const std::string variant = study::variantOf(probe);
        if (probe.isBaseEvaluation() || !m_words.try_emplace({probe.kind, variant}).second)
            continue;
        Settings settings = countedSettings(probe);
        std::string words = firstWords(probe, settings);
        alike[{probe.kind, std::move(words)}].push_back({variant, std::move(settings)});
    }
    for (const auto& [kindAndWords, variants] : alike)
        for (const Variant& one : variants) {
            const std::string more = allInWords(differing(one, variants));
            m_words[{kindAndWords.first, one.key}] = kindAndWords.second + (more.empty() ? "" : ", " + more);
        }
}

std::string SettingsWords::of(const study::ResultRow& row) const {
    const auto at = m_words.find({row.modification, row.noiseScale});
    std::string words = at == m_words.end() ? row.noiseScale : at->second;
    const study::ProbeKind* kind = study::findProbeKind(row.modification);
    if ((!kind || !kind->trains) && row.compute != study::computeTypeName(study::ComputeType::Float32)) // of a training it is a setting
        words += (words.empty() ? "" : ", ") + row.compute;
    return words;
}

} // namespace crest::analysis
