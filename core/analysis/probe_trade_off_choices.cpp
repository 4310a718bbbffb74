// SPDX-License-Identifier: Apache-2.0
// At which learning rates and budgets a trade-off can be made, and which of them is asked for.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_trade_off_dots.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/planner.h"

namespace crest::analysis {
namespace {

constexpr double kSameBudget = 0.01; ///< as labels round: 1M stands for 999,424

bool isComparable(const ProbeResults& results, const study::Plan& other) {
    const TrainingDifference difference = differenceOf(results.plan, other);
    return !difference.data && difference.trained.empty();
}

/// By rate: the settings, each share of an interpolation for itself.
std::map<double, std::set<std::string>> settingsByRate(const ProbeResults& results) {
    std::map<double, std::set<std::string>> settings;
    const auto add = [&](const study::Plan& plan) {
        for (const double strength : plan.probe.strengths)
            settings[study::tuningRate(plan.probe, strength)].insert(
                study::variantOf(plan.probe) + (plan.probe.kind == study::kInterpolation ? formatNumber(strength, 17) : ""));
    };
    add(results.plan);
    for (const ProbeResults& other : results.siblings)
        if (isComparable(results, other.plan))
            add(other.plan);
    return settings;
}

bool hasRoles(const study::Probe& probe) {
    const auto has = [&](study::Role role) { return std::ranges::any_of(probe.tasks, [&](const auto& one) { return one.role == role; }); };
    return has(study::Role::InDistribution) && has(study::Role::OutOfDistribution);
}

} // namespace

TradeOffChoices tradeOffChoices(const ProbeResults& results) {
    TradeOffChoices choices;
    if (!isTraining(results.plan) || results.plan.probe.strengths.empty() || !hasRoles(results.plan.probe))
        return choices;
    for (const auto& [rate, settings] : settingsByRate(results))
        if (settings.size() > 1)
            choices.rates.push_back(rate);
    std::set<double> budgets;
    const std::vector<char> counted = chooseCheckpoints(results.plan).counted;
    for (std::size_t i = 0; i < counted.size(); ++i)
        if (counted[i])
            budgets.insert(static_cast<double>(*results.plan.checkpoints[i].tokens));
    choices.budgets.assign(budgets.begin(), budgets.end());
    if (choices.rates.empty() || choices.budgets.empty())
        return choices;
    std::vector<double> own;
    for (const double strength : results.plan.probe.strengths)
        if (const double rate = study::tuningRate(results.plan.probe, strength);
            std::ranges::binary_search(choices.rates, rate) && (own.empty() || own.back() != rate))
            own.push_back(rate);
    const std::vector<double>& rates = own.empty() ? choices.rates : own;
    choices.rate = rates[rates.size() / 2];
    choices.budget = choices.budgets.back();
    return choices;
}

Result<detail::TradeOffPlace> detail::placeOf(const ProbeResults& results, const FigureOptions& options) {
    const TradeOffChoices choices = tradeOffChoices(results);
    if (choices.rates.empty() || choices.budgets.empty())
        return fail(ErrorKind::Mismatch,
                    "There is nothing to compare: fine-tune the same checkpoints on the same data with another setting (a pull to "
                    "the start, replay, ...) at the same learning rate.",
                    results.plan.probe.name);
    TradeOffPlace wanted{choices.rate, choices.budget};
    const auto listed = [](const std::vector<double>& values, auto text) {
        std::vector<std::string> texts;
        for (const double value : values)
            texts.push_back(text(value));
        return fmt::format("{}", fmt::join(texts, ", "));
    };
    if (options.strength) {
        const auto at = std::ranges::find_if(choices.rates, [&](double one) { return std::abs(one - *options.strength) <= 1e-9 * one; });
        if (at == choices.rates.end())
            return fail(ErrorKind::NotFound,
                        fmt::format("At learning rate {} there are no two settings to compare; there are at {}.",
                                    formatNumber(*options.strength),
                                    listed(choices.rates, [](double rate) { return formatNumber(rate); })));
        wanted.rate = *at;
    }
    if (options.budget) {
        const auto at = std::ranges::min_element(choices.budgets, {}, [&](double one) { return std::abs(one - *options.budget); });
        if (std::abs(*at - *options.budget) > kSameBudget * std::abs(*options.budget))
            return fail(ErrorKind::NotFound, fmt::format("This run has no checkpoint at {} tokens; there are {}.",
                                                         formatTokens(*options.budget), listed(choices.budgets, formatTokens)));
        wanted.budget = *at;
    }
    return wanted;
}

} // namespace crest::analysis
