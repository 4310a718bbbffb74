// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_trade_off_settings.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"

namespace crest::analysis::detail {
namespace {

using Place = std::pair<double, std::int64_t>; ///< tokens, pretraining seed

constexpr const char* kBase = "base";
constexpr const char* kPlain = "plain";
constexpr const char* kInterpolated = "interpolation";

/// variantOf with the rate of an interpolation, which of other kinds is their strength, left out.
std::string variantWithoutRate(study::Probe probe) {
    if (probe.kind == study::kInterpolation && probe.settings.is_object())
        probe.settings.erase("learning_rate");
    return study::variantOf(probe);
}

void nameInterpolation(Setting& setting, const std::vector<Mitigation>& parts, double share) {
    setting.family = kInterpolated;
    for (const Mitigation& part : parts)
        setting.family += "+" + part.id + "=" + formatNumber(part.strength);
    const std::string with = parts.empty() ? std::string() : fmt::format(" ({})", mitigationsText(parts));
    setting.familyName = fmt::format("interpolation{}, share of the tuned weights", with);
    setting.order = {share};
    setting.label = formatNumber(share);
    setting.text = fmt::format("interpolation {}{}", setting.label, with);
}

void nameMitigated(Setting& setting, const std::vector<Mitigation>& parts) {
    std::vector<std::string> names, labels;
    for (const Mitigation& part : parts) {
        setting.family += (setting.family.empty() ? "" : "+") + part.id;
        names.push_back(part.name);
        labels.push_back(part.label);
        setting.order.push_back(part.strength);
    }
    setting.familyName = fmt::format("{}", fmt::join(names, ", "));
    setting.label = fmt::format("{}", fmt::join(labels, ", "));
    setting.text = mitigationsText(parts);
}

/// What a cell of a probe is a cell of, without rates and measurements.
Setting settingOf(const study::Probe& probe, double strength) {
    Setting setting;
    if (strength == 0) {
        setting.family = kBase;
        setting.familyName = setting.text = "base: not tuned";
        return setting;
    }
    setting.variant = variantWithoutRate(probe);
    const std::vector<Mitigation> parts = mitigationsOf(probe);
    if (probe.kind == study::kInterpolation)
        nameInterpolation(setting, parts, strength);
    else if (!parts.empty())
        nameMitigated(setting, parts);
    else {
        setting.family = kPlain;
        setting.familyName = setting.text = "plain fine-tuning";
    }
    return setting;
}

/// From a run's words to those of the shown one: checkpoints by content, tasks by what they measure.
class Translation {
public:
    Translation(const ProbeResults& shown, const ProbeResults& run, XQuantity x)
        : m_x(x) {
        std::map<std::string, Place> places;
        visit(shown.plan, [&](const std::string& weights, const Place& place) { places[weights] = place; });
        visit(run.plan, [&](const std::string& weights, const Place& place) {
            if (const auto same = places.find(weights); same != places.end())
                m_places[place] = same->second;
            else
                ++m_others;
        });
        for (const study::Task& task : run.plan.tasks)
            for (const study::Task& own : shown.plan.tasks)
                if (study::taskHash(task) == study::taskHash(own))
                    m_tasks[task.name] = own.name;
    }
    /// False where the shown run has no such checkpoint, or task.
    bool apply(Observation& one) const {
        const auto place = m_places.find({one.tokens, one.pretrainSeed});
        const auto task = m_tasks.find(one.task);
        if (place == m_places.end() || task == m_tasks.end())
            return false;
        std::tie(one.tokens, one.pretrainSeed) = place->second;
        one.task = task->second;
        return true;
    }
    std::int64_t otherCheckpoints() const { return m_others; }
    /// The shown run's place of a checkpoint of the run.
    std::optional<Place> placeOf(const study::PlannedCheckpoint& checkpoint) const {
        const std::optional<std::int64_t> own = analysis::placeOf(checkpoint, m_x);
        const auto place = own ? m_places.find({static_cast<double>(*own), checkpoint.pretrainSeed.value_or(-1)}) : m_places.end();
        return place == m_places.end() ? std::nullopt : std::optional(place->second);
    }

private:
    template<class Visit> void visit(const study::Plan& plan, Visit found) const {
        const std::vector<char> counted = chooseCheckpoints(plan, m_x).counted;
        for (std::size_t i = 0; i < counted.size(); ++i)
            if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; counted[i])
                found(one.weights, Place{static_cast<double>(*analysis::placeOf(one, m_x)), one.pretrainSeed.value_or(-1)});
    }
    XQuantity m_x;
    std::map<Place, Place> m_places;
    std::map<std::string, std::string> m_tasks;
    std::int64_t m_others = 0;
};

/// Settings found so far, by what they are.
class Collection {
public:
    Setting& at(const study::Probe& probe, double strength) {
        Setting made = settingOf(probe, strength);
        const auto [at, isNew] = m_places.try_emplace({made.family, made.variant, made.order}, m_settings.size());
        if (isNew)
            m_settings.push_back(std::move(made));
        return m_settings[at->second];
    }
    std::vector<Setting> take() { return std::move(m_settings); }

private:
    std::vector<Setting> m_settings;
    std::map<std::tuple<std::string, std::string, std::vector<double>>, std::size_t> m_places;
};

/// Each measurement once, also where two runs share it.
void addOnce(Setting& setting, Observation one) {
    const bool known = std::ranges::any_of(setting.measured, [&](const Observation& other) {
        return other.task == one.task && other.pretrainSeed == one.pretrainSeed && other.drawSeed == one.drawSeed &&
               other.strength == one.strength;
    });
    if (!known)
        setting.measured.push_back(std::move(one));
}

/// What the plan has of one checkpoint.
void addRates(Collection& settings, const ProbeResults& run, const Place& place, const std::vector<double>& strengths) {
    for (const double strength : strengths) {
        Setting& setting = settings.at(run.plan.probe, strength);
        const double rate = study::tuningRate(run.plan.probe, strength);
        setting.rates.try_emplace(rate, CellSource{&run, strength});
        std::vector<double>& tried = setting.tried[place];
        if (const auto at = std::ranges::lower_bound(tried, rate); at == tried.end() || *at != rate)
            tried.insert(at, rate);
    }
}

void addRun(Collection& settings, const ProbeResults& shown, const ProbeResults& run, double budget, XQuantity x, const std::string& metric,
            std::vector<std::string>& leftOut) {
    const study::Probe& probe = run.plan.probe;
    const Translation translation(shown, run, x);
    for (const study::PlannedCheckpoint& checkpoint : run.plan.checkpoints)
        if (const std::optional<Place> place = translation.placeOf(checkpoint); place && place->first == budget)
            addRates(settings, run, *place, study::strengthsOf(probe, checkpoint.weights));
    for (Observation& one : observationsOf(run, metric, x)) {
        const double strength = one.strength;
        if (!translation.apply(one) || one.tokens != budget)
            continue;
        Setting& setting = settings.at(probe, strength);
        if (strength == 0)
            setting.rates.try_emplace(0, CellSource{&run, 0});
        one.strength = strength == 0 ? 0 : study::tuningRate(probe, strength);
        addOnce(setting, std::move(one));
    }
    if (const std::int64_t others = translation.otherCheckpoints(); others > 0)
        leftOut.push_back(fmt::format("{} of another run left out: this run has none of the same content", counted(others, "checkpoint")));
}

bool isAlike(const TrainingDifference& difference) {
    return !difference.data && difference.trained.empty();
}

void addUnlike(const ProbeResults& results, std::vector<std::string>& leftOut) {
    std::map<std::string, std::int64_t> reasons;
    for (const ProbeResults& other : results.siblings) {
        const TrainingDifference difference = differenceOf(results.plan, other.plan);
        if (difference.data)
            ++reasons["on other data"];
        else if (!difference.trained.empty())
            ++reasons["with " + difference.trained];
    }
    for (const auto& [reason, count] : reasons)
        leftOut.push_back(fmt::format("left out: {} of this study {}", counted(count, "training run"), reason));
}

} // namespace

bool Setting::isBase() const {
    return family == kBase;
}
bool Setting::isPlain() const {
    return family == kPlain;
}
bool Setting::isInterpolation() const {
    return family.starts_with(kInterpolated);
}

Settings settingsAt(const ProbeResults& results, double budget, XQuantity x, const std::string& metric) {
    Settings out;
    Collection collection;
    addRun(collection, results, results, budget, x, metric, out.leftOut);
    for (const ProbeResults& other : results.siblings)
        if (isAlike(differenceOf(results.plan, other.plan))) {
            addRun(collection, results, other, budget, x, metric, out.leftOut);
            out.siblings.push_back(&other);
        }
    out.all = collection.take();
    addUnlike(results, out.leftOut);
    return out;
}

std::map<std::string, PlannedRates> ratesOfSettings(const ProbeResults& results) {
    std::map<std::string, PlannedRates> out;
    const auto add = [&](const study::Probe& probe) {
        const bool finer = !study::finerRatesOf(probe).empty();
        for (const double strength : study::gridOf(probe)) {
            const Setting setting = settingOf(probe, strength);
            PlannedRates& rates = out[fmt::format("{} {} {}", setting.family, setting.variant, fmt::join(setting.order, " "))];
            std::vector<double>& all = rates.everywhere;
            if (const double rate = study::tuningRate(probe, strength); std::ranges::find(all, rate) == all.end())
                all.push_back(rate);
            rates.several = rates.several || finer || all.size() > 1;
        }
    };
    add(results.plan.probe);
    for (const ProbeResults& other : results.siblings)
        if (isAlike(differenceOf(results.plan, other.plan)))
            add(other.plan.probe);
    return out;
}

} // namespace crest::analysis::detail
