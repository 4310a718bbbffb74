// SPDX-License-Identifier: Apache-2.0
#include "core/study/finer_rates.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/units.h"

namespace crest::study {
namespace {

constexpr const char* kKey = "finer_rates";

std::set<double> valuesOf(const FinerRates& finer) {
    std::set<double> all;
    for (const auto& [weights, rates] : finer)
        all.insert(rates.begin(), rates.end());
    return all;
}

} // namespace

FinerRates finerRatesOf(const Probe& probe) {
    FinerRates finer;
    if (probe.kind != kFineTuning || !probe.settings.is_object() || !probe.settings.contains(kKey) ||
        !checkFinerRates(probe.settings))
        return finer;
    for (const auto& [weights, rates] : probe.settings[kKey].items())
        finer[weights] = rates.get<std::vector<double>>();
    return finer;
}

std::vector<double> gridOf(const Probe& probe) {
    const std::set<double> finer = valuesOf(finerRatesOf(probe));
    std::vector<double> grid = probe.strengths;
    std::erase_if(grid, [&](double strength) { return finer.contains(strength); });
    return grid;
}

std::vector<double> strengthsOf(const Probe& probe, const std::string& weights) {
    const FinerRates finer = finerRatesOf(probe);
    if (finer.empty())
        return probe.strengths;
    std::vector<double> own = gridOf(probe);
    if (const auto more = finer.find(weights); more != finer.end())
        own.insert(own.end(), more->second.begin(), more->second.end());
    std::ranges::sort(own);
    return own;
}

Probe withFinerRates(const Probe& probe, const FinerRates& finer) {
    Probe out = probe;
    out.strengths = gridOf(probe);
    if (out.settings.is_object())
        out.settings.erase(kKey);
    std::set<double> all(out.strengths.begin(), out.strengths.end());
    Json kept = Json::object();
    for (const auto& [weights, rates] : finer) {
        std::set<double> own(rates.begin(), rates.end());
        for (const double rate : out.strengths)
            own.erase(rate);
        if (!own.empty())
            kept[weights] = std::vector<double>(own.begin(), own.end());
        all.insert(own.begin(), own.end());
    }
    if (!kept.empty())
        out.settings[kKey] = std::move(kept);
    out.strengths.assign(all.begin(), all.end());
    return out;
}

Result<void> checkFinerRates(const Json& settings) {
    const auto at = settings.find(kKey);
    if (at == settings.end())
        return {};
    const auto malformed = [] {
        return fail(ErrorKind::Malformed, "\"finer_rates\" of fine-tuning must hold lists of learning rates, each under the "
                                          "fingerprint of a checkpoint's weights.");
    };
    if (!at->is_object())
        return malformed();
    for (const auto& [weights, rates] : at->items()) {
        if (weights.empty() || !rates.is_array() || rates.empty() ||
            !std::ranges::all_of(rates, [](const Json& rate) { return rate.is_number(); }))
            return malformed();
        const auto list = rates.get<std::vector<double>>();
        for (std::size_t i = 1; i < list.size(); ++i)
            if (!(list[i] > list[i - 1]))
                return fail(ErrorKind::OutOfRange, fmt::format("Finer learning rates must ascend, each once; {} follows {}.",
                                                               formatNumber(list[i]), formatNumber(list[i - 1])));
    }
    return {};
}

Result<void> checkGridOfFinerRates(const Probe& probe) {
    const FinerRates finer = finerRatesOf(probe);
    for (const double rate : valuesOf(finer))
        if (std::ranges::find(probe.strengths, rate) == probe.strengths.end())
            return fail(ErrorKind::OutOfRange, fmt::format("The finer learning rate {} is not among the probe's strengths.",
                                                           formatNumber(rate)));
    if (!finer.empty() && gridOf(probe).empty())
        return fail(ErrorKind::OutOfRange, "Give at least one learning rate that every checkpoint is trained at, beside the finer ones.");
    return {};
}

} // namespace crest::study
