// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_envelope.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_task_mean.h"
#include "core/analysis/statistics.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"
#include "core/study/training_log.h"

namespace crest::analysis {
namespace {

using Seeds = std::map<std::int64_t, double>; ///< score by fine-tuning seed

/// One checkpoint's scores.
struct Scores {
    std::map<double, Seeds> byRate;
    std::vector<Observation> cells;
};

bool isFinite(const Seeds& seeds) {
    return std::ranges::all_of(seeds, [](const auto& one) { return std::isfinite(one.second); });
}

/// The seeds that all candidates have.
std::set<std::int64_t> commonSeeds(const std::map<double, Seeds>& candidates) {
    std::set<std::int64_t> common;
    for (const auto& [seed, score] : candidates.begin()->second)
        if (std::ranges::all_of(candidates, [&, wanted = seed](const auto& one) { return one.second.contains(wanted); }))
            common.insert(seed);
    return common;
}

double meanOver(const Seeds& seeds, const std::set<std::int64_t>& wanted) {
    double sum = 0;
    for (const std::int64_t seed : wanted)
        sum += seeds.at(seed);
    return sum / static_cast<double>(wanted.size());
}

/// The best rate over these seeds; rates ascend, so of equal ones the smallest stays.
double bestRate(const std::map<double, Seeds>& candidates, const std::set<std::int64_t>& seeds, bool higherIsBetter) {
    auto best = candidates.begin();
    for (auto one = candidates.begin(); one != candidates.end(); ++one) {
        const double score = meanOver(one->second, seeds), least = meanOver(best->second, seeds);
        if (higherIsBetter ? score > least : score < least)
            best = one;
    }
    return best->first;
}

/// Each seed at the rate that the other seeds choose, against all at the rate that all choose.
std::optional<double> favourOf(const RateChoice& choice, const std::map<double, Seeds>& candidates,
                               const std::set<std::int64_t>& seeds, bool higherIsBetter) {
    if (seeds.size() < 2 || candidates.size() < 2)
        return {};
    double sum = 0;
    for (const std::int64_t seed : seeds) {
        std::set<std::int64_t> others = seeds;
        others.erase(seed);
        sum += candidates.at(bestRate(candidates, others, higherIsBetter)).at(seed);
    }
    const double worse = sum / static_cast<double>(seeds.size()) - choice.score;
    return higherIsBetter ? -worse : worse;
}

/// The rates that cannot be told from the best, by the comparison of all pairs that inflections are found with.
void addConfidenceSet(RateChoice& choice, const std::vector<Observation>& cells,
                      const std::map<double, Seeds>& candidates, const Measure& measure) {
    std::vector<Observation> turned;
    for (const Observation& one : cells)
        if (candidates.contains(one.strength)) {
            turned.push_back(one);
            turned.back().tokens = one.strength; // rates in the place of budgets
            turned.back().strength = 1;
        }
    InflectionOptions options;
    options.minimumBudgets = 2;
    options.measure = measure;
    const auto found = findInflection(turned, options);
    if (!found || found->verdict == InflectionVerdict::NoError || found->verdict == InflectionVerdict::TooFewBudgets)
        return;
    choice.low = std::min(found->low, *choice.rate);
    choice.high = std::max(found->high, *choice.rate);
}

void choose(RateChoice& choice, const Scores& scores, const Measure& measure) {
    std::map<double, Seeds> candidates;
    for (const double rate : choice.tried) {
        const auto own = scores.byRate.find(rate);
        if (own == scores.byRate.end())
            choice.unmeasured.push_back(rate);
        else if (!isFinite(own->second))
            choice.notFinite.push_back(rate);
        else
            candidates.insert(*own);
    }
    if (candidates.empty())
        return;
    const std::set<std::int64_t> seeds = commonSeeds(candidates);
    if (seeds.empty())
        return; // rates that were tuned with different seeds only cannot be compared fairly
    choice.rate = bestRate(candidates, seeds, measure.higherIsBetter);
    choice.score = meanOver(candidates.at(*choice.rate), seeds);
    choice.seeds = static_cast<std::int64_t>(seeds.size());
    choice.isLowest = choice.tried.size() > 1 && *choice.rate == choice.tried.front();
    choice.isHighest = choice.tried.size() > 1 && *choice.rate == choice.tried.back();
    choice.favour = favourOf(choice, candidates, seeds, measure.higherIsBetter);
    addConfidenceSet(choice, scores.cells, candidates, measure);
}

std::string checkpoints(std::int64_t count) {
    return counted(count, "checkpoint");
}

/// Of what is not finite only what a training's divergence is recorded for has diverged.
void addDivergence(std::vector<RateChoice>& choices, const ProbeResults& results, XQuantity x) {
    const study::Plan& plan = results.plan;
    const ResultIndex index(results);
    std::set<std::tuple<double, std::int64_t, double>> diverged; // place, pretraining seed, rate
    for (const study::Cell& cell : plan.cells)
        for (std::size_t task = 0; task < plan.tasks.size(); ++task) {
            const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)];
            const study::ResultRow* row = index.row(cell, task);
            const std::optional<std::int64_t> place = placeOf(checkpoint, x);
            if (row && place && row->cause.starts_with(study::kTrainingDiverged))
                diverged.emplace(static_cast<double>(*place), checkpoint.pretrainSeed.value_or(-1), cell.strength);
        }
    for (RateChoice& one : choices)
        std::ranges::copy_if(one.notFinite, std::back_inserter(one.diverged),
                             [&](double rate) { return diverged.contains({one.tokens, one.pretrainSeed, rate}); });
}

void addNotes(Envelope& envelope, bool complete) {
    const auto count = [&](auto which) { return std::ranges::count_if(envelope.choices, which); };
    if (const auto none = count([](const RateChoice& one) { return !one.rate; }); none > 0)
        envelope.notes.push_back(checkpoints(none) + " without a chosen rate: no finite ID score, or no seed in common");
    if (const auto high = count([](const RateChoice& one) { return one.isHighest; }); high > 0)
        envelope.notes.push_back(fmt::format("{}: the largest rate of the grid is best, a larger one may be better",
                                             checkpoints(high)));
    if (const auto low = count([](const RateChoice& one) { return one.isLowest; }); low > 0)
        envelope.notes.push_back(fmt::format("{}: the smallest rate of the grid is best, a smaller one may be better",
                                             checkpoints(low)));
    if (const auto bad = count([](const RateChoice& one) { return !one.diverged.empty(); }); bad > 0)
        envelope.notes.push_back(checkpoints(bad) + " with rates at which tuning diverged: these are not chosen");
    if (const auto bad = count([](const RateChoice& one) { return one.notFinite.size() > one.diverged.size(); }); bad > 0)
        envelope.notes.push_back(checkpoints(bad) + " with rates without a finite ID score, though no training diverged: these are not chosen");
    if (const auto open = count([](const RateChoice& one) { return !one.unmeasured.empty(); }); open > 0)
        envelope.notes.push_back(fmt::format("{} with rates without a result: {}", checkpoints(open),
                                             complete ? "failed" : "failed, or still to come"));
}

} // namespace

bool isTuned(const study::ProbeKind& kind) {
    return std::string_view(kind.strength) == "learning rate";
}

IdScore idScoreOf(const ProbeResults& results, const std::string& metric) {
    const ResultIndex index(results);
    IdScore score;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        if (task.role != study::Role::InDistribution)
            break; // they come first
        const auto at = std::ranges::find(results.plan.tasks, task.task, &study::Task::name);
        if (at == results.plan.tasks.end())
            continue;
        const Measure measure =
            measureOfTask(results, index, static_cast<std::size_t>(at - results.plan.tasks.begin()), metric);
        if (score.tasks.empty())
            score.measure = measure;
        else if (measure.unit != score.measure.unit || measure.higherIsBetter != score.measure.higherIsBetter) {
            score.note = fmt::format("{} alone: the ID tasks have no common unit", score.tasks.front());
            score.tasks.resize(1);
            break;
        }
        score.tasks.push_back(task.task);
    }
    return score;
}

TriedRates triedRates(const study::Plan& plan, XQuantity x) {
    TriedRates own;
    if (study::finerRatesOf(plan.probe).empty())
        return own;
    const std::vector<char> counted = chooseCheckpoints(plan, x).counted;
    for (std::size_t i = 0; i < counted.size(); ++i)
        if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; counted[i])
            own[{static_cast<double>(*placeOf(one, x)), one.pretrainSeed.value_or(-1)}] = study::strengthsOf(plan.probe, one.weights);
    return own;
}

std::vector<RateChoice> chooseRates(std::span<const Observation> scores, std::span<const double> grid,
                                    const Measure& measure, const TriedRates& tried) {
    std::map<std::pair<double, std::int64_t>, Scores> places;
    for (const Observation& one : scores) {
        Scores& place = places[{one.tokens, one.pretrainSeed}]; // a base alone makes a place without scores
        if (one.strength == 0)
            continue;
        place.byRate[one.strength][one.drawSeed] = one.value;
        place.cells.push_back(one);
    }
    std::vector<RateChoice> choices;
    for (const auto& [place, own] : places) {
        RateChoice& choice = choices.emplace_back();
        choice.tokens = place.first;
        choice.pretrainSeed = place.second;
        const auto ofPlace = tried.find(place);
        choice.tried = ofPlace == tried.end() ? std::vector<double>(grid.begin(), grid.end()) : ofPlace->second;
        choose(choice, own, measure);
    }
    return choices;
}

Result<Envelope> envelopeOf(const ProbeResults& results, std::span<const Observation> observations,
                            const std::string& metric, XQuantity x) {
    const study::Probe& probe = results.plan.probe;
    if (!isTuned(kindOf(results)) || probe.strengths.empty())
        return fail(ErrorKind::Mismatch,
                    "A rate is chosen where learning rates were varied: show a run of fine-tuning.", probe.name);
    const IdScore score = idScoreOf(results, metric);
    Envelope envelope{score.tasks, score.measure, probe.strengths, {}, {}, {}};
    if (!score.note.empty())
        envelope.notes.push_back("the rate is chosen by " + score.note);
    if (envelope.idTasks.empty())
        return fail(ErrorKind::Mismatch, "This probe has no ID task to choose a rate by.", probe.name);
    const std::vector<Observation> scores = meanOverTasks(observations, envelope.idTasks, "ID score");
    envelope.choices = chooseRates(scores, envelope.grid, envelope.measure, triedRates(results.plan, x));
    addDivergence(envelope.choices, results, x);
    addNotes(envelope, isComplete(results));
    envelope.favourNote = favourNote(envelope.choices, envelope.measure);
    return envelope;
}

std::string favourNote(std::span<const RateChoice> choices, const Measure& measure) {
    std::vector<double> favours;
    for (const RateChoice& one : choices)
        if (one.favour)
            favours.push_back(*one.favour);
    if (std::ranges::all_of(favours, [](double favour) { return favour == 0; }))
        return {};
    return fmt::format("the rate is chosen on these ID scores, which favours them: chosen by the other seeds they are {} {} "
                       "worse on average",
                       formatNumber(summarize(favours).mean, 2), measure.unit);
}

std::vector<RateChoice> choicesAt(const Envelope& envelope, double tokens) {
    std::vector<RateChoice> out;
    std::ranges::copy_if(envelope.choices, std::back_inserter(out),
                         [&](const RateChoice& one) { return one.tokens == tokens; });
    return out;
}

std::string ratesText(const std::vector<RateChoice>& choices) {
    std::set<double> rates;
    std::string each;
    for (const RateChoice& one : choices)
        if (one.rate) {
            rates.insert(*one.rate);
            each += fmt::format("{}{} (pretraining seed {})", each.empty() ? "" : ", ", formatNumber(*one.rate),
                                one.pretrainSeed);
        }
    return rates.size() == 1 ? formatNumber(*rates.begin()) : each;
}

std::vector<Observation> envelopeObservations(std::span<const Observation> observations, const Envelope& envelope) {
    std::map<std::pair<double, std::int64_t>, double> rates;
    for (const RateChoice& one : envelope.choices)
        if (one.rate)
            rates[{one.tokens, one.pretrainSeed}] = *one.rate;
    std::vector<Observation> out;
    for (const Observation& one : observations) {
        const auto rate = rates.find({one.tokens, one.pretrainSeed});
        if (one.strength != 0 && (rate == rates.end() || rate->second != one.strength))
            continue;
        out.push_back(one);
        if (one.strength != 0)
            out.back().strength = kEnvelopeStrength;
    }
    return out;
}

Result<std::vector<InflectionRow>> envelopeInflections(const ProbeResults& results,
                                                       std::span<const Observation> observations,
                                                       const std::string& metric, XQuantity x) {
    std::vector<InflectionRow> rows;
    if (!isTuned(kindOf(results)) || results.plan.probe.strengths.empty())
        return rows;
    const auto envelope = envelopeOf(results, observations, metric, x);
    if (!envelope)
        return rows; // nothing to choose by
    const std::vector<Observation> chosen = envelopeObservations(observations, *envelope);
    const ResultIndex index(results);
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        const auto at = std::ranges::find(results.plan.tasks, task.task, &study::Task::name);
        if (at == results.plan.tasks.end() ||
            !canHaveCurve(index, static_cast<std::size_t>(at - results.plan.tasks.begin())))
            continue;
        InflectionOptions options;
        options.draw = kindOf(results).draw;
        options.overSteps = x == XQuantity::Steps;
        options.measure =
            measureOfTask(results, index, static_cast<std::size_t>(at - results.plan.tasks.begin()), metric);
        std::vector<Observation> own;
        std::ranges::copy_if(chosen, std::back_inserter(own), [&](const Observation& one) {
            return one.task == task.task && one.strength == kEnvelopeStrength;
        });
        CREST_TRY(inflection, findInflection(own, options));
        rows.push_back({task.task, task.role, kEnvelopeStrength, std::move(inflection), options.measure.metric,
                        "envelope: rate best in ID"});
    }
    return rows;
}

} // namespace crest::analysis
