// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/inflection.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/analysis/budget_table.h"
#include "core/analysis/checkpoint_place.h"
#include "core/analysis/pairwise_error.h"
#include "core/analysis/statistics.h"
#include "core/base/counted.h"
#include "core/base/units.h"

namespace crest::analysis {

namespace {
using detail::Budget;
using detail::BudgetTable;
using detail::PairwiseError;

/// Shares of the error that is allowed, 1 - level: a tenth to leave out budgets that are clearly worse, a tenth in
/// reserve because the pooled spread is an approximation, the rest for the comparisons.
constexpr double kSelectionShare = 0.1, kComparisonShare = 0.75;

/// One-sided p values of all ordered pairs: [row][column] is small where budget `row` is worse than budget `column`.
using Comparisons = std::vector<std::vector<double>>;

Comparisons compareAll(const PairwiseError& error, std::size_t count) {
    Comparisons result(count, std::vector<double>(count, 0.5));
    for (std::size_t a = 0; a < count; ++a)
        for (std::size_t b = a + 1; b < count; ++b) {
            result[a][b] = error.difference(a, b).upperTail(error.meanDifference(a, b));
            result[b][a] = 1 - result[a][b];
        }
    return result;
}

/// Is `budget` significantly worse than some other? Two-step test of the inequalities mean(budget) <= mean(other)
/// (Romano, Shaikh & Wolf 2014): others that are clearly worse than `budget` cannot be the reason and do not count in
/// the Bonferroni correction of the second step.
bool isExcluded(const Comparisons& comparisons, std::size_t budget, double alpha) {
    const std::size_t count = comparisons.size();
    const double selection = kSelectionShare * alpha / static_cast<double>(count - 1);
    int rivals = 0;
    double smallest = 1;
    for (std::size_t other = 0; other < count; ++other) {
        if (other == budget || comparisons[other][budget] < selection)
            continue;
        ++rivals;
        smallest = std::min(smallest, comparisons[budget][other]);
    }
    return rivals > 0 && smallest < kComparisonShare * alpha / rivals;
}

std::vector<std::size_t> confidenceSet(const Comparisons& comparisons, double alpha) {
    std::vector<std::size_t> set;
    for (std::size_t budget = 0; budget < comparisons.size(); ++budget)
        if (!isExcluded(comparisons, budget, alpha))
            set.push_back(budget);
    return set;
}

/// The spread of runs speaks for budgets where at least half of them have two or more; the others borrow it.
bool speaksOfBudgets(const BudgetTable& table) {
    const auto several =
        std::ranges::count_if(table.budgets, [](const Budget& budget) { return budget.summary.seeds > 1; });
    return 2 * several >= static_cast<std::ptrdiff_t>(table.budgets.size());
}

std::size_t lowestBudget(const BudgetTable& table) {
    const auto lowest =
        std::ranges::min_element(table.budgets, {}, [](const Budget& budget) { return budget.summary.mean; });
    return static_cast<std::size_t>(lowest - table.budgets.begin());
}

void describeData(Inflection& result, const BudgetTable& table) {
    result.seeds = countRange(table.budgets, [](const Budget& one) { return one.summary.seeds; });
    result.draws = countRange(table.budgets, [](const Budget& one) { return one.summary.draws; });
    result.sequences = countRange(table.budgets, [](const Budget& one) { return one.summary.sequences; });
    result.budgets = static_cast<std::int64_t>(table.budgets.size());
    result.nonFinite = table.nonFinite;
}

std::string methodText(const Inflection& result, const InflectionOptions& options) {
    const Measure& measure = options.measure;
    const std::string spread =
        fmt::format("{}{}{}s",
                    result.scope == Scope::Budgets
                        ? "the spread of pretraining runs (pooled over neighbouring budgets), "
                        : "",
                    options.draw.empty() ? "" : options.draw + "s and ", measure.item);
    return fmt::format(
        "Budgets whose mean {} is not significantly worse than that of any other: one-sided t tests of all pairs, "
        "{} % error for all together, with the error from {}; supported where the first and the last budget are "
        "both excluded.{}",
        measure.title, formatNumber(100 * (1 - result.level), 3), spread,
        measure.exponential ? fmt::format(" Compared in {}.", measure.unit) : "");
}

std::string differenceText(const BudgetTable& table, const PairwiseError& error, std::size_t from, std::size_t lowest,
                           const InflectionOptions& options) {
    const Measure& measure = options.measure;
    const double difference = error.meanDifference(from, lowest);
    const detail::DifferenceError known = error.difference(from, lowest);
    std::string df = std::isfinite(known.df) ? fmt::format(", df {}", formatNumber(known.df, 3)) : "";
    if (known.fewShare > 0)
        df += fmt::format("; {} % of its variance from draws with df {}", formatNumber(100 * known.fewShare, 2), formatNumber(known.fewDf, 3));
    return fmt::format("{}{} {} at {} (standard error {}{})", formatNumber(difference, 3),
                       measure.exponential ? " " + measure.unit : "", measure.higherIsBetter ? "lower" : "higher",
                       budgetHeading(table.budgets[from].tokens, options.overSteps), formatNumber(std::sqrt(known.variance), 2), df);
}

std::string countsText(const Inflection& result, const InflectionOptions& options) {
    const Measure& measure = options.measure;
    std::string text = fmt::format("{} budgets, {}", result.budgets, countedRange(result.seeds, "pretraining run"));
    if (!options.draw.empty())
        text += ", " + countedRange(result.draws, options.draw.c_str());
    if (result.sequences.most > 0)
        text += ", " + countedRange(result.sequences, measure.item.c_str());
    if (result.nonFinite > 0)
        text += fmt::format("; {} left out", counted(result.nonFinite, "non-finite value"));
    return text;
}

std::string evidenceText(const Inflection& result, const BudgetTable& table, const PairwiseError& error,
                         std::size_t lowest, const InflectionOptions& options) {
    const Measure& measure = options.measure;
    const double best = table.budgets[lowest].summary.mean;
    const std::string unit = measure.valueUnit.empty() ? "" : " " + measure.valueUnit;
    std::string text = fmt::format("{} at {}: {}{}", measure.higherIsBetter ? "highest" : "lowest",
                                   budgetHeading(result.tokens, options.overSteps),
                                   formatNumber(measure.higherIsBetter ? -best : measure.shown(best)), unit);
    if (lowest > 0)
        text += "; " + differenceText(table, error, 0, lowest, options);
    if (lowest + 1 < table.budgets.size())
        text += "; " + differenceText(table, error, table.budgets.size() - 1, lowest, options);
    text += fmt::format("; budgets not excluded: {} to {}", budgetHeading(result.low, options.overSteps),
                        budgetHeading(result.high, options.overSteps));
    return text + "; " + countsText(result, options);
}

InflectionVerdict judge(std::size_t first, std::size_t last, std::size_t lowest, std::size_t count) {
    if (last + 1 == count)
        return lowest + 1 == count ? InflectionVerdict::FallsToLast : InflectionVerdict::RiseNotClear;
    return first == 0 ? InflectionVerdict::RisesFromStart : InflectionVerdict::Supported;
}

/// A curve without enough budgets, or without any known error.
Inflection unsupported(Inflection result, InflectionVerdict verdict, std::string evidence,
                       const InflectionOptions& options) {
    result.verdict = verdict;
    result.evidence = std::move(evidence) + "; " + countsText(result, options);
    return result;
}

/// Strengths of a modification that draws nothing stand under the seed 0, as the base does.
bool isDrawn(const BudgetTable& table) {
    return std::ranges::any_of(table.drawSeeds, [](std::int64_t seed) { return seed != 0; });
}

bool knowsError(const BudgetTable& table, const PairwiseError& error) {
    for (std::size_t i = 1; i < table.budgets.size(); ++i)
        if (error.difference(i - 1, i).variance > 0)
            return true;
    return false;
}

void test(Inflection& result, const BudgetTable& table, const PairwiseError& error, std::size_t lowest,
          const InflectionOptions& options) {
    const std::size_t count = table.budgets.size();
    const std::vector<std::size_t> set = confidenceSet(compareAll(error, count), 1 - result.level);
    const std::size_t first = set.front(), last = set.back();
    result.low = table.budgets[first].tokens;
    result.high = table.budgets[last].tokens;
    result.bracketLow = table.budgets[first == 0 ? 0 : first - 1].tokens;
    result.bracketHigh = table.budgets[std::min(last + 1, count - 1)].tokens;
    result.riseNats = error.meanDifference(count - 1, lowest);
    result.riseError = lowest + 1 < count ? std::sqrt(error.difference(count - 1, lowest).variance) : 0.0;
    result.verdict = judge(first, last, lowest, count);
    result.supported = result.verdict == InflectionVerdict::Supported;
    result.evidence = evidenceText(result, table, error, lowest, options);
}

Inflection analyse(BudgetTable& table, const InflectionOptions& options) {
    std::erase_if(table.budgets, [](const Budget& budget) { return budget.summary.seeds == 0; });
    Inflection result;
    result.level = options.level;
    result.higherIsBetter = options.measure.higherIsBetter;
    result.overSteps = options.overSteps;
    describeData(result, table);
    if (table.budgets.size() < static_cast<std::size_t>(std::max(options.minimumBudgets, 2)))
        return unsupported(result, InflectionVerdict::TooFewBudgets,
                           fmt::format("{} budgets with finite values; {} are the least", result.budgets,
                                       std::max(options.minimumBudgets, 2)),
                           options);
    const bool ofBudgets = speaksOfBudgets(table);
    result.scope = ofBudgets ? Scope::Budgets : Scope::TheseCheckpoints;
    result.method = methodText(result, options);
    const std::size_t lowest = lowestBudget(table);
    result.tokens = table.budgets[lowest].tokens;
    result.low = result.bracketLow = table.budgets.front().tokens;
    result.high = result.bracketHigh = table.budgets.back().tokens;
    if (table.strength != 0 && isDrawn(table) && result.draws.least < 2)
        return unsupported(result, InflectionVerdict::NoError,
                           fmt::format("one {} at a budget: at least two are needed to know their error", options.draw),
                           options);
    const PairwiseError error(table, ofBudgets);
    if (!knowsError(table, error))
        return unsupported(result, InflectionVerdict::NoError,
                           fmt::format("one value per budget: more pretraining runs, {}{}s are needed",
                                       options.draw.empty() ? "or " : options.draw + "s or ", options.measure.item),
                           options);
    test(result, table, error, lowest, options);
    return result;
}
/// Better is lower in all that is compared.
std::vector<Observation> turnedRound(std::span<const Observation> observations) {
    std::vector<Observation> turned(observations.begin(), observations.end());
    for (Observation& one : turned) {
        one.value = -one.value;
        for (float& value : one.perSequenceNats)
            value = -value;
    }
    return turned;
}
} // namespace

Result<Inflection> findInflection(std::span<const Observation> observations, const InflectionOptions& options) {
    if (!(options.level > 0 && options.level < 1))
        return fail(ErrorKind::OutOfRange, "The confidence level must lie between 0 and 1.");
    const std::vector<Observation> turned =
        options.measure.higherIsBetter ? turnedRound(observations) : std::vector<Observation>();
    CREST_TRY(tables, detail::tabulate(options.measure.higherIsBetter ? std::span<const Observation>(turned)
                                                                      : observations));
    if (tables.size() > 1)
        return fail(ErrorKind::Mismatch, "An inflection is looked for in one task at one strength; more were given.");
    detail::BudgetTable empty;
    return analyse(tables.empty() ? empty : tables.front(), options);
}

std::string inflectionLabel(const Inflection& inflection) {
    const auto text = [&](double budget) { return budgetHeading(budget, inflection.overSteps); };
    switch (inflection.verdict) {
    case InflectionVerdict::Supported:
        if (inflection.low == inflection.high)
            return text(inflection.tokens);
        return fmt::format("{} ({} to {})", text(inflection.tokens), text(inflection.low), text(inflection.high));
    case InflectionVerdict::FallsToLast:
        return inflection.higherIsBetter ? "none: rises to the last budget" : "none: falls to the last budget";
    case InflectionVerdict::RiseNotClear:
        return inflection.higherIsBetter ? "none: the fall after the maximum is within the error"
                                         : "none: the rise after the minimum is within the error";
    case InflectionVerdict::RisesFromStart:
        return fmt::format("at or before {}: no {} is beyond the error", text(inflection.high),
                           inflection.higherIsBetter ? "rise before the fall" : "fall before the rise");
    case InflectionVerdict::NoError:
        return "none: no spread is known";
    case InflectionVerdict::TooFewBudgets:
        break;
    }
    return "none: too few budgets";
}

std::string verdictName(InflectionVerdict verdict) {
    switch (verdict) {
    case InflectionVerdict::Supported:
        return "supported";
    case InflectionVerdict::FallsToLast:
        return "falls-to-last";
    case InflectionVerdict::RiseNotClear:
        return "rise-not-clear";
    case InflectionVerdict::RisesFromStart:
        return "rises-from-start";
    case InflectionVerdict::NoError:
        return "no-error";
    case InflectionVerdict::TooFewBudgets:
        break;
    }
    return "too-few-budgets";
}

std::string scopeLabel(Scope scope) {
    return scope == Scope::Budgets ? "for these budgets" : "for these checkpoints";
}

} // namespace crest::analysis
