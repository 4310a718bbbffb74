// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/curves.h"

#include <cmath>
#include <map>
#include <utility>

#include "core/analysis/budget_table.h"

namespace crest::analysis {

namespace {
using detail::Budget;
using detail::BudgetTable;

std::vector<double> runMeans(const Budget& budget) {
    std::vector<double> means;
    for (const auto& row : budget.values)
        means.push_back(summarize(row).mean);
    return means;
}

void setConfidence(CurvePoint& point, const CrossedMean& summary) {
    if (summary.seeds > 1)
        point.band = BandKind::SeedCi95;
    else if (summary.draw.df > 0)
        point.band = BandKind::DrawCi95;
    else if (summary.sequence.df > 0)
        point.band = BandKind::SequenceCi95;
    else
        return;
    const Interval interval = studentInterval(summary.mean, summary.se(), summary.total.df);
    point.low = interval.low;
    point.high = interval.high;
}

void setDeviation(CurvePoint& point, const Budget& budget) {
    double sd = 0;
    if (budget.summary.seeds > 1) {
        point.band = BandKind::SeedSd;
        sd = summarize(runMeans(budget)).sd;
    } else if (budget.summary.draws > 1) {
        point.band = BandKind::DrawSd;
        for (const auto& row : budget.values)
            if (const Summary draws = summarize(row); draws.n > 1)
                sd = draws.sd;
    } else {
        setConfidence(point, budget.summary);
        return;
    }
    point.low = point.mean - sd;
    point.high = point.mean + sd;
}

CurvePoint makePoint(const Budget& budget, Spread spread) {
    const CrossedMean& summary = budget.summary;
    CurvePoint point;
    point.tokens = budget.tokens;
    point.mean = point.low = point.high = summary.mean;
    point.standardError = summary.se();
    point.seeds = summary.seeds;
    point.draws = summary.draws;
    point.sequences = summary.sequences;
    point.nonFinite = budget.nonFinite;
    if (summary.seeds == 0)
        return point;
    if (spread == Spread::Confidence95)
        setConfidence(point, summary);
    else
        setDeviation(point, budget);
    return point;
}

Curve makeCurve(const BudgetTable& table, Spread spread) {
    Curve curve;
    for (const Budget& budget : table.budgets)
        curve.points.push_back(makePoint(budget, spread));
    return curve;
}

using CheckpointKey = std::pair<double, std::int64_t>; ///< tokens, pretraining seed
using BaseOfTask = std::map<CheckpointKey, const Observation*>;

/// Modified minus base of the same checkpoint: value and each sequence. Sequences fall away where the base kept none.
Observation minusBase(const Observation& cell, const Observation& base) {
    Observation difference = cell;
    difference.value -= base.value;
    if (cell.perSequenceTokens != base.perSequenceTokens) {
        difference.perSequenceNats.clear();
        difference.perSequenceTokens.clear();
    }
    for (std::size_t i = 0; i < difference.perSequenceNats.size(); ++i)
        difference.perSequenceNats[i] -= base.perSequenceNats[i];
    return difference;
}

Result<void> checkBaseSequences(const Observation& cell, const Observation& base) {
    const bool both = !cell.perSequenceTokens.empty() && !base.perSequenceTokens.empty();
    if (both && cell.perSequenceTokens != base.perSequenceTokens)
        return fail(ErrorKind::Mismatch, "Modified and base checkpoint were measured on different sequences.",
                    cell.task);
    return {};
}

Result<std::vector<Observation>> differences(std::span<const Observation> observations) {
    std::map<std::string, BaseOfTask> bases;
    for (const Observation& cell : observations)
        if (cell.strength == 0)
            bases[cell.task][{cell.tokens, cell.pretrainSeed}] = &cell;
    std::vector<Observation> result;
    for (const Observation& cell : observations) {
        if (cell.strength == 0)
            continue;
        const BaseOfTask& ofTask = bases[cell.task];
        const auto base = ofTask.find({cell.tokens, cell.pretrainSeed});
        if (base == ofTask.end())
            continue;
        CREST_CHECK(checkBaseSequences(cell, *base->second));
        result.push_back(minusBase(cell, *base->second));
    }
    return result;
}
} // namespace

std::string bandKindLabel(BandKind kind, const std::string& item, const std::string& draw) {
    const std::string draws = draw.empty() ? "" : draw + "s";
    switch (kind) {
    case BandKind::SeedSd:
        return "SD over pretraining seeds";
    case BandKind::SeedCi95:
        return "95 % CI over pretraining seeds" + (draws.empty() ? "" : ", " + draws) + " and " + item + "s";
    case BandKind::DrawSd:
        return "SD over " + draws + ", for these checkpoints";
    case BandKind::DrawCi95:
        return "95 % CI over " + draws + " and " + item + "s, for these checkpoints";
    case BandKind::SequenceCi95:
        return "95 % CI over " + item + "s, for these checkpoints";
    case BandKind::None:
        break;
    }
    return "single value, no spread known";
}

std::string bandKindName(BandKind kind) {
    switch (kind) {
    case BandKind::SeedSd:
        return "seed-sd";
    case BandKind::SeedCi95:
        return "seed-ci95";
    case BandKind::DrawSd:
        return "draw-sd";
    case BandKind::DrawCi95:
        return "draw-ci95";
    case BandKind::SequenceCi95:
        return "sequence-ci95";
    case BandKind::None:
        break;
    }
    return "none";
}

Result<std::vector<StrengthCurves>> buildCurves(std::span<const Observation> observations,
                                                const CurveOptions& options) {
    CREST_TRY(tables, detail::tabulate(observations));
    CREST_TRY(changes, differences(observations));
    CREST_TRY(changeTables, detail::tabulate(changes));
    std::vector<StrengthCurves> result;
    for (const BudgetTable& table : tables) {
        StrengthCurves curves{table.task, table.strength, makeCurve(table, options.spread), {}};
        for (const BudgetTable& change : changeTables)
            if (change.task == table.task && change.strength == table.strength)
                curves.sensitivity = makeCurve(change, options.spread);
        result.push_back(std::move(curves));
    }
    return result;
}

} // namespace crest::analysis
