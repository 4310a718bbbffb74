// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/probe_defaults.h"

#include <algorithm>

#include "core/series/series_rules.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"
#include "core/train/fine_tune_settings.h"

namespace crest::ui {

const series::Series* seriesNamed(const StudySession& session, const std::string& name) {
    for (const series::Series& one : session.series())
        if (one.name == name)
            return &one;
    return nullptr;
}

bool hasInitStd(const series::Series& one) {
    return std::any_of(one.checkpoints.begin(), one.checkpoints.end(),
                       [](const series::Checkpoint& c) { return !c.initStd.empty(); });
}

int firstUsable(const std::vector<series::Series>& all) {
    const auto usable = [](const series::Series& one) {
        return std::any_of(one.checkpoints.begin(), one.checkpoints.end(), series::isUsable);
    };
    const auto at = std::find_if(all.begin(), all.end(), usable);
    return all.empty() ? -1 : at == all.end() ? 0 : static_cast<int>(at - all.begin());
}

const study::Probe* lastProbe(const StudySession& session) {
    const std::vector<study::Probe>& probes = session.study().probes; // the last one is the last that was touched
    const auto last = std::find_if(probes.rbegin(), probes.rend(), [&](const study::Probe& one) {
        return seriesNamed(session, one.series) && (one.isBaseEvaluation() || study::findProbeKind(one.kind));
    });
    return last == probes.rend() ? nullptr : &*last;
}

Json usualTuning(const std::string& dataTask, const std::vector<double>& rates, bool interpolates) {
    Json settings = {{"data_task", dataTask}, {"training", train::toJson(train::FineTuneSettings{})}};
    if (interpolates)
        settings["learning_rate"] = rates[rates.size() / 2];
    return settings;
}

bool canBeShown(const Json& settings) {
    return settings.is_object() && settings.value("data_task", Json("")).is_string() &&
           settings.value("learning_rate", Json(0)).is_number() &&
           train::fineTuneSettingsFromJson(settings.value("training", Json()), "").has_value();
}

int groupOf(const study::Probe& probe) {
    const study::ProbeKind& kind = study::probeKind(study::kQuantisation);
    const auto settings = study::completeSettings(kind, probe.settings);
    return (settings ? *settings : *study::completeSettings(kind, Json())).value("group", 0);
}

bool isAsAsked(study::Probe planned, const study::Probe& asked, const std::filesystem::path& folder) {
    if (planned.settings.is_object() && asked.settings.is_object()) {
        for (const char* key : {"data_hash", "replay_hash"})
            planned.settings.erase(key);
        const Json own = asked.settings.value("replay", Json());
        if (own.is_string() && planned.settings.value("replay", Json()) == (folder / own.get<std::string>()).string())
            planned.settings["replay"] = own;
    }
    return planned == asked;
}

bool tunesAlike(const study::Probe& a, const study::Probe& b) {
    const auto trained = [](const study::Probe& probe) {
        study::Probe one = study::withFinerRates(probe, {});
        one.settings = study::withoutUpkeep(std::move(one.settings));
        one.name.clear();
        one.tasks.clear();
        one.seeds = one.firstSeed = 1;
        return one;
    };
    return trained(a) == trained(b);
}

} // namespace crest::ui
