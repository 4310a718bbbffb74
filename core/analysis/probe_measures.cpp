// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_measures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_envelope.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {

using study::ResultRow;

ResultIndex::ResultIndex(const ProbeResults& results)
    : m_results(results) {
    for (const ResultRow& row : results.rows)
        m_rows.emplace(row.key, &row);
}

const ResultRow* ResultIndex::row(const study::Cell& cell, std::size_t task) const {
    if (task >= cell.keys.size())
        return nullptr;
    const auto found = m_rows.find(cell.keys[task]);
    return found == m_rows.end() ? nullptr : found->second;
}

const ResultRow* ResultIndex::anyRow(std::size_t task) const {
    for (const study::Cell& cell : m_results.plan.cells)
        if (const ResultRow* found = row(cell, task))
            return found;
    return nullptr;
}

std::vector<const ResultRow*> ResultIndex::rowsOf(std::size_t task) const {
    std::vector<const ResultRow*> rows;
    for (const study::Cell& cell : m_results.plan.cells)
        if (const ResultRow* found = row(cell, task))
            rows.push_back(found);
    return rows;
}

std::int64_t storedCells(const ProbeResults& results) {
    const ResultIndex index(results);
    return std::ranges::count_if(results.plan.cells, [&](const study::Cell& cell) {
        for (std::size_t task = 0; task < cell.keys.size(); ++task)
            if (!index.row(cell, task))
                return false;
        return true;
    });
}

const data::MetricValue* metricOfRow(const ResultRow& row, const std::string& metric) {
    const std::vector<data::MetricValue>& metrics = row.outcome.metrics;
    if (metrics.empty())
        return nullptr;
    const auto named = std::ranges::find(metrics, metric, &data::MetricValue::metric);
    return named == metrics.end() ? &metrics.front() : &*named;
}

bool canHaveCurve(const ResultIndex& index, std::size_t task) {
    const ResultRow* row = index.anyRow(task);
    return !row || row->outcome.details.itemRequests.empty() ||
           std::ranges::any_of(row->outcome.metrics, [](const auto& metric) { return metric.metric != "tokens"; });
}

Measure measureOfTask(const ProbeResults& results, const ResultIndex& index, std::size_t task,
                      const std::string& metric) {
    if (const ResultRow* row = index.anyRow(task)) {
        if (const data::MetricValue* value = metricOfRow(*row, metric))
            return measureOf(value->metric, value->unit);
        return measureOf(row->metric, row->unit);
    }
    const bool suite = results.plan.tasks.at(task).kind == study::TaskKind::Suite;
    return measureOf(!suite ? "loss" : metric.empty() ? "acc" : metric);
}

double chanceOf(const ResultIndex& index, std::size_t task, const Measure& measure) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const ResultRow* row = index.anyRow(task);
    if (!row || !measure.metric.starts_with("acc"))
        return kNone;
    const data::ItemDetails& details = row->outcome.details;
    double sum = 0;
    for (std::size_t i = 0; i < details.itemRequests.size(); ++i) {
        if (details.itemRequests[i] < 2 || i >= details.itemGold.size() || details.itemGold[i] < 0)
            return kNone;
        sum += 1.0 / details.itemRequests[i];
    }
    return details.itemRequests.empty() ? kNone : sum / static_cast<double>(details.itemRequests.size());
}

Result<double> wantedStrength(const ProbeResults& results, const FigureOptions& options) {
    const std::vector<double> ladder = study::gridOf(results.plan.probe);
    if (ladder.empty())
        return 0;
    if (!options.strength)
        return ladder[ladder.size() / 2];
    const auto near = std::ranges::find_if(
        ladder, [&](double one) { return std::abs(one - *options.strength) <= 1e-9 * std::abs(one); });
    if (near != ladder.end())
        return *near;
    std::vector<std::string> there;
    for (const double one : ladder)
        there.push_back(formatNumber(one));
    return fail(ErrorKind::NotFound, fmt::format("This run has no {} {}; there are {}.", kindOf(results).strength,
                                                 formatNumber(*options.strength), fmt::join(there, ", ")));
}

std::optional<std::int64_t> placeOf(const study::PlannedCheckpoint& checkpoint, XQuantity x) {
    return x == XQuantity::Steps ? checkpoint.step : checkpoint.tokens;
}

bool canShowSteps(const study::Plan& plan) {
    std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> runs; // tokens and steps by pretraining seed
    for (const study::PlannedCheckpoint& one : plan.checkpoints)
        if (one.tokens && one.step)
            runs[one.pretrainSeed.value_or(-1)].emplace_back(*one.tokens, *one.step);
    for (auto& [seed, places] : runs) {
        std::ranges::sort(places);
        if (!std::ranges::is_sorted(places, {}, &std::pair<std::int64_t, std::int64_t>::second))
            return false;
    }
    return std::ranges::any_of(plan.checkpoints, [](const auto& one) { return one.step.has_value(); });
}

XQuantity shownX(const study::Plan& plan, XQuantity wanted) {
    const bool anyTokens = std::ranges::any_of(plan.checkpoints, [](const auto& one) { return one.tokens.has_value(); });
    if ((wanted == XQuantity::Steps || !anyTokens) && canShowSteps(plan))
        return XQuantity::Steps;
    return wanted == XQuantity::Steps ? XQuantity::Tokens : wanted;
}

CheckpointChoice chooseCheckpoints(const study::Plan& plan, XQuantity x) {
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < plan.checkpoints.size(); ++i)
        if (const auto place = placeOf(plan.checkpoints[i], x))
            places[{*place, plan.checkpoints[i].pretrainSeed.value_or(-1)}].push_back(i);
    CheckpointChoice choice{std::vector<char>(plan.checkpoints.size(), 0), {}};
    for (const auto& [place, there] : places) {
        std::set<std::string> contents;
        std::vector<std::string> names;
        for (const std::size_t i : there)
            if (contents.insert(plan.checkpoints[i].weights).second)
                names.push_back(plan.checkpoints[i].name);
        if (names.size() == 1)
            choice.counted[there.front()] = 1;
        else
            choice.ambiguous.push_back(std::move(names));
    }
    return choice;
}

namespace {

/// The items of a metric as sequences: values, and weights as whole numbers (counts of words and bytes are). Weights
/// that are none are left out with the values, and the point has no error over items.
void setItems(Observation& observation, const data::MetricValue& metric) {
    observation.perSequenceNats = metric.itemValues;
    observation.perSequenceTokens.assign(metric.itemValues.size(), 1);
    for (std::size_t i = 0; i < metric.itemWeights.size() && i < metric.itemValues.size(); ++i) {
        const double weight = static_cast<double>(metric.itemWeights[i]);
        if (!(weight >= 0 && weight < 2e9) || weight != std::round(weight)) {
            observation.perSequenceNats.clear();
            observation.perSequenceTokens.clear();
            return;
        }
        observation.perSequenceTokens[i] = static_cast<std::int32_t>(weight);
    }
}

} // namespace

std::vector<Observation> observationsAt(const ProbeResults& results, const std::string& metric,
                                        const std::vector<std::optional<double>>& places) {
    const study::Plan& plan = results.plan;
    const ResultIndex index(results);
    std::vector<Measure> measures;
    for (std::size_t t = 0; t < plan.tasks.size(); ++t)
        measures.push_back(measureOfTask(results, index, t, metric));
    std::vector<Observation> out;
    for (const study::Cell& cell : plan.cells) {
        const std::optional<double> place = places[static_cast<std::size_t>(cell.checkpoint)];
        if (!place)
            continue;
        // What the plan says of a key counts: the row may have been stored under another name of the task or series.
        const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)];
        for (std::size_t t = 0; t < cell.keys.size() && t < plan.tasks.size(); ++t) {
            const ResultRow* row = index.row(cell, t);
            if (!row || !canHaveCurve(index, t))
                continue;
            Observation observation{*place,     checkpoint.pretrainSeed.value_or(-1), plan.tasks[t].name, cell.strength,
                                    cell.seed, row->value, row->sequenceNats, row->sequenceTokens};
            if (const data::MetricValue* value = metricOfRow(*row, measures[t].metric)) {
                if (value->metric != measures[t].metric)
                    continue; // another metric is another quantity
                observation.value = measures[t].ratioOf(value->value);
                setItems(observation, *value);
            }
            out.push_back(std::move(observation));
        }
    }
    return out;
}

std::vector<Observation> observationsOf(const ProbeResults& results, const std::string& metric, XQuantity x) {
    const study::Plan& plan = results.plan;
    const std::vector<char> counted = chooseCheckpoints(plan, x).counted;
    std::vector<std::optional<double>> places(counted.size());
    for (std::size_t i = 0; i < counted.size(); ++i)
        if (counted[i])
            places[i] = static_cast<double>(*placeOf(plan.checkpoints[i], x));
    return observationsAt(results, metric, places);
}

std::vector<std::string> metricsOf(const ProbeResults& results) {
    std::vector<std::string> names;
    const ResultIndex index(results);
    for (std::size_t t = 0; t < results.plan.tasks.size(); ++t)
        if (const ResultRow* row = index.anyRow(t))
            for (const data::MetricValue& metric : row->outcome.metrics)
                if (std::ranges::find(names, metric.metric) == names.end())
                    names.push_back(metric.metric);
    return names;
}

Result<std::vector<InflectionRow>> inflectionTable(const ProbeResults& results, const std::string& metric) {
    const XQuantity x = shownX(results.plan);
    const std::vector<Observation> all = observationsOf(results, metric, x);
    const ResultIndex index(results);
    std::vector<InflectionRow> table;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        InflectionOptions options;
        options.draw = study::probeKind(results.plan.probe.kind).draw;
        options.overSteps = x == XQuantity::Steps;
        bool drawn = true;
        for (std::size_t t = 0; t < results.plan.tasks.size(); ++t)
            if (results.plan.tasks[t].name == task.task) {
                options.measure = measureOfTask(results, index, t, metric);
                drawn = canHaveCurve(index, t);
            }
        if (!drawn)
            continue;
        std::vector<double> strengths = study::gridOf(results.plan.probe); // finer rates have too few checkpoints
        if (strengths.empty())
            strengths.push_back(0); // a base evaluation: does the base itself get worse?
        for (const double strength : strengths) {
            std::vector<Observation> some;
            std::ranges::copy_if(all, std::back_inserter(some), [&](const Observation& one) {
                return one.task == task.task && one.strength == strength;
            });
            CREST_TRY(inflection, findInflection(some, options));
            table.push_back({task.task, task.role, strength, std::move(inflection), options.measure.metric,
                             strength == 0 ? "base"
                                           : study::strengthText(study::probeKind(results.plan.probe.kind), strength)});
        }
    }
    CREST_TRY(envelope, envelopeInflections(results, all, metric, x));
    std::ranges::move(envelope, std::back_inserter(table));
    return table;
}

} // namespace crest::analysis
