// SPDX-License-Identifier: Apache-2.0
// At which learning rates and budgets a trade-off can be made, and which of them is asked for.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_trade_off.h"
#include "core/analysis/probe_trade_off_dots.h"
#include "core/analysis/probe_trade_off_settings.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/planner.h"

namespace crest::analysis {
namespace {

constexpr double kSameBudget = 0.01; ///< as labels round: 1M stands for 999,424

bool hasRoles(const study::Probe& probe) {
    const auto has = [&](study::Role role) { return std::ranges::any_of(probe.tasks, [&](const auto& one) { return one.role == role; }); };
    return has(study::Role::InDistribution) && has(study::Role::OutOfDistribution);
}

} // namespace

TradeOffChoices tradeOffChoices(const ProbeResults& results) {
    TradeOffChoices choices;
    if (!isTraining(results.plan) || results.plan.probe.strengths.empty() || !hasRoles(results.plan.probe))
        return choices;
    std::map<double, std::int64_t> settingsAtRate;
    const auto settings = detail::ratesOfSettings(results);
    for (const auto& [setting, rates] : settings)
        for (const double rate : rates.everywhere)
            ++settingsAtRate[rate];
    for (const auto& [rate, count] : settingsAtRate)
        if (count > 1)
            choices.rates.push_back(rate);
    const auto several = std::ranges::count_if(settings, [](const auto& one) { return one.second.several; });
    choices.ownRates = settings.size() > 1 && several > 0;
    std::set<double> budgets;
    const XQuantity x = shownX(results.plan);
    choices.ofSteps = x == XQuantity::Steps;
    const std::vector<char> counted = chooseCheckpoints(results.plan, x).counted;
    for (std::size_t i = 0; i < counted.size(); ++i)
        if (counted[i])
            budgets.insert(static_cast<double>(*placeOf(results.plan.checkpoints[i], x)));
    choices.budgets.assign(budgets.begin(), budgets.end());
    if (!choices.any())
        return choices;
    choices.budget = choices.budgets.back();
    choices.rate = kEnvelopeStrength;
    if (several > 1 || choices.rates.empty())
        return choices;
    std::vector<double> own;
    for (const double strength : results.plan.probe.strengths)
        if (const double rate = study::tuningRate(results.plan.probe, strength);
            std::ranges::binary_search(choices.rates, rate) && (own.empty() || own.back() != rate))
            own.push_back(rate);
    const std::vector<double>& rates = own.empty() ? choices.rates : own;
    choices.rate = rates[rates.size() / 2];
    return choices;
}

Result<detail::TradeOffPlace> detail::placeOf(const ProbeResults& results, const FigureOptions& options) {
    const TradeOffChoices choices = tradeOffChoices(results);
    if (!choices.any())
        return fail(ErrorKind::Mismatch,
                    "There is nothing to compare: fine-tune the same checkpoints on the same data with another setting (a pull to "
                    "the start, replay, ...) at the same learning rates.",
                    results.plan.probe.name);
    TradeOffPlace wanted{choices.rate, choices.budget, choices.ofSteps};
    const auto listed = [](const std::vector<double>& values, auto text) {
        std::vector<std::string> texts;
        for (const double value : values)
            texts.push_back(text(value));
        return fmt::format("{}", fmt::join(texts, ", "));
    };
    if (options.strength == kEnvelopeStrength) {
        if (!choices.ownRates)
            return fail(ErrorKind::NotFound, fmt::format("No setting was trained at two learning rates, so none has a best one; there are {}.",
                                                         listed(choices.rates, [](double rate) { return formatNumber(rate); })));
        wanted.rate = kEnvelopeStrength;
    } else if (options.strength) {
        const auto at = std::ranges::find_if(choices.rates, [&](double one) { return std::abs(one - *options.strength) <= 1e-9 * one; });
        if (at == choices.rates.end())
            return fail(ErrorKind::NotFound,
                        fmt::format("At learning rate {} there are no two settings to compare; there are {}.",
                                    formatNumber(*options.strength),
                                    choices.rates.empty() ? std::string("where each has its own best rate") :
                                    "at " + listed(choices.rates, [](double rate) { return formatNumber(rate); })));
        wanted.rate = *at;
    }
    if (options.budget) {
        const auto at = std::ranges::min_element(choices.budgets, {}, [&](double one) { return std::abs(one - *options.budget); });
        if (std::abs(*at - *options.budget) > kSameBudget * std::abs(*options.budget))
            return fail(ErrorKind::NotFound, fmt::format("This run has no checkpoint at {}; there are {}.", budgetText(*options.budget, choices.ofSteps),
                                                         listed(choices.budgets, [&](double one) { return budgetHeading(one, choices.ofSteps); })));
        wanted.budget = *at;
    }
    return wanted;
}

} // namespace crest::analysis
