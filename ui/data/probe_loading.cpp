// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/probe_loading.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_set>

#include "core/analysis/figure_command.h"
#include "core/analysis/probe_training_runs.h"
#include "core/series/gaps.h"
#include "core/series/known_series.h"
#include "core/series/series_rules.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"

namespace crest::ui {
namespace {

/// Those that a plan names, by their keys.
std::vector<study::ResultRow> rowsOf(const study::Plan& plan, const std::vector<study::ResultRow>& all) {
    std::unordered_set<std::string_view> wanted;
    for (const study::Cell& cell : plan.cells)
        wanted.insert(cell.keys.begin(), cell.keys.end());
    std::vector<study::ResultRow> rows;
    std::copy_if(all.begin(), all.end(), std::back_inserter(rows),
                 [&](const study::ResultRow& row) { return wanted.contains(row.key); });
    return rows;
}

} // namespace

Result<analysis::ProbeResults> loadProbeResults(const study::StudyFolder& folder, const std::string& runId) {
    const std::vector<std::string> runs = study::listRuns(folder);
    if (runs.empty())
        return fail(ErrorKind::NotFound, "This study has no run yet; there is nothing to draw.",
                    folder.path().string());
    const std::string wanted = runId.empty() ? runs.back() : runId;
    if (std::find(runs.begin(), runs.end(), wanted) == runs.end())
        return fail(ErrorKind::NotFound, "This study has no run \"" + wanted + "\".", folder.path().string());
    analysis::ProbeResults results;
    CREST_TRY(plan, study::readPlan(folder, wanted));
    study::ResultReader reader(folder);
    CREST_TRY(rows, reader.poll());
    results.plan = std::move(plan);
    results.rows = rowsOf(results.plan, rows);
    results.studyName = folder.study().name;
    results.studyCommand = exportCommand(folder, wanted);
    results.overlays = folder.study().overlays;
    std::vector<study::Plan> plans;
    for (const std::string& id : runs)
        if (auto other = study::readPlan(folder, id); other && id != wanted)
            plans.push_back(std::move(*other));
    PlanPointers others;
    for (const study::Plan& other : plans)
        others.push_back(&other);
    for (const study::Plan* other : siblingPlans(results.plan, others)) {
        analysis::ProbeResults& added = results.siblings.emplace_back();
        added.plan = *other;
        added.studyName = results.studyName;
        added.studyCommand = exportCommand(folder, added.plan.id);
        if (analysis::areDrawnTogether(results.plan, added.plan))
            added.rows = rowsOf(added.plan, rows);
    }
    for (const study::Plan* other : comparableEvaluations(results.plan, others)) {
        analysis::ProbeResults& added = results.others.emplace_back();
        added.plan = *other;
        added.rows = rowsOf(added.plan, rows);
    }
    return results;
}

study::ResultRow rowForFigures(const study::ResultRow& row) {
    if (row.outcome.details.itemDocuments.empty())
        return row;
    study::ResultRow out; // what figures and their records read; the answers of 10^4 items would be copied for nothing
    out.key = row.key;
    out.run = row.run;
    out.series = row.series;
    out.checkpoint = row.checkpoint;
    out.strength = row.strength;
    out.seed = row.seed;
    out.task = row.task;
    out.metric = row.metric;
    out.unit = row.unit;
    out.value = row.value;
    out.stderr_ = row.stderr_;
    out.n = row.n;
    out.device = row.device;
    out.threads = row.threads;
    out.numerics = row.numerics;
    out.cause = row.cause;
    out.outcome.metrics = row.outcome.metrics;
    out.outcome.details.itemRequests = row.outcome.details.itemRequests;
    out.outcome.details.itemGold = row.outcome.details.itemGold;
    return out;
}

PlanPointers comparableEvaluations(const study::Plan& shown, const PlanPointers& plans) {
    PlanPointers out;
    if (!shown.probe.strengths.empty())
        return out;
    const auto measuresTheSame = [&](const study::Plan& plan) {
        return std::any_of(plan.tasks.begin(), plan.tasks.end(), [&](const study::Task& task) {
            return std::any_of(shown.tasks.begin(), shown.tasks.end(), [&](const study::Task& own) {
                return own.name == task.name && study::taskHash(own) == study::taskHash(task);
            });
        });
    };
    for (const study::Plan* plan : plans) {
        const study::Probe& probe = plan->probe;
        if (!probe.strengths.empty() || probe.series == shown.probe.series || probe.compute != shown.probe.compute || !measuresTheSame(*plan))
            continue;
        std::erase_if(out, [&](const study::Plan* older) { return older->probe.series == probe.series; });
        out.push_back(plan);
    }
    return out;
}

PlanPointers siblingPlans(const study::Plan& shown, const PlanPointers& plans) {
    PlanPointers out;
    for (const study::Plan* plan : plans)
        if (plan->id != shown.id && plan->probe.series == shown.probe.series && analysis::isTraining(shown) && analysis::isTraining(*plan))
            out.push_back(plan);
    return out;
}

std::string exportCommand(const study::StudyFolder& folder, const std::string& runId) {
    return "crest export " + analysis::shellQuoted(folder.path().string()) + " --run " + runId;
}

namespace {

/// The tokens of a checkpoint; where only its step is known, those of its nearest neighbour by step on its line, before it or after.
std::optional<std::int64_t> tokensNear(const series::Series& one, const series::Checkpoint& checkpoint, bool before) {
    if (checkpoint.tokens || !checkpoint.step)
        return checkpoint.tokens;
    const series::Checkpoint* nearest = nullptr;
    for (const series::Checkpoint& other : one.checkpoints) {
        if (!other.tokens || !other.step || series::lineOf(other) != series::lineOf(checkpoint))
            continue;
        const bool onSide = before ? *other.step < *checkpoint.step : *other.step > *checkpoint.step;
        if (onSide && (!nearest || (before ? *other.step > *nearest->step : *other.step < *nearest->step)))
            nearest = &other;
    }
    return nearest ? nearest->tokens : std::nullopt;
}

/// Checkpoints that are missing, and those that are broken. One that the user has excluded is there. A later stage counts its steps
/// anew, so that its holes have no place over those of the first.
std::vector<analysis::SeriesHole> holesOf(const series::Series& one) {
    std::vector<analysis::SeriesHole> holes;
    const auto add = [&](const series::Checkpoint& from, const series::Checkpoint& to) {
        const bool first = from.stage.value_or(1) <= 1;
        holes.push_back({tokensNear(one, from, true), tokensNear(one, to, false), first ? from.step : std::nullopt,
                         first ? to.step : std::nullopt});
    };
    for (const series::SeriesGap& gap : series::findGaps(one))
        add(one.checkpoints[gap.before], one.checkpoints[gap.after]);
    for (const series::Checkpoint& checkpoint : one.checkpoints)
        if (checkpoint.state == series::CheckpointState::Broken)
            add(checkpoint, checkpoint);
    return holes;
}

} // namespace

SeriesFacts seriesFacts(const std::vector<series::Series>& series) {
    SeriesFacts facts;
    for (const series::Series& one : series) {
        facts.holes[one.name] = holesOf(one);
        for (const series::Checkpoint& checkpoint : one.checkpoints) {
            if (checkpoint.stage)
                for (const std::string& name : {checkpoint.name, checkpoint.foundName})
                    facts.stages[one.name + "/" + name] = *checkpoint.stage;
            const char* apart = series::standsApart(one, checkpoint);
            const bool excluded = checkpoint.state == series::CheckpointState::Excluded && !checkpoint.offByDefault;
            for (const std::string& key : {checkpoint.path.string(), checkpoint.name, checkpoint.foundName, checkpoint.fingerprint})
                if (!key.empty() && checkpoint.state != series::CheckpointState::Broken)
                    facts.checkpoints.try_emplace(one.name + "/" + key,
                                                  CheckpointNow{checkpoint.tokens, excluded, checkpoint.fingerprint, apart ? apart : ""});
            if (!checkpoint.spec || facts.parameters > 0)
                continue;
            const double meanSpan = static_cast<double>(checkpoint.spec->contextLength + 1) / 2;
            facts.parameters = series::parameterCount(*checkpoint.spec);
            facts.flopsPerToken = 3 * series::forwardFlopsPerToken(*checkpoint.spec, meanSpan);
        }
    }
    return facts;
}

namespace {

/// Null where the study has it no more, or has other weights in its place.
const CheckpointNow* findNow(const SeriesFacts& facts, const study::PlannedCheckpoint& planned) {
    for (const std::string& key : {planned.path, planned.name, planned.weights})
        if (const auto at = facts.checkpoints.find(planned.series + "/" + key);
            at != facts.checkpoints.end() && (at->second.fingerprint.empty() || at->second.fingerprint == planned.weights))
            return &at->second;
    return nullptr;
}

/// Without the checkpoints that are `excluded`, and their cells.
void leaveOut(study::Plan& plan, const std::vector<char>& excluded) {
    std::vector<int> places(plan.checkpoints.size(), -1);
    std::vector<study::PlannedCheckpoint> kept;
    for (std::size_t i = 0; i < plan.checkpoints.size(); ++i)
        if (!excluded[i]) {
            places[i] = static_cast<int>(kept.size());
            kept.push_back(std::move(plan.checkpoints[i]));
        }
    plan.checkpoints = std::move(kept);
    std::vector<int> cellsNow(plan.cells.size(), -1);
    int left = 0;
    for (std::size_t i = 0; i < plan.cells.size(); ++i) {
        study::Cell& cell = plan.cells[i];
        cell.checkpoint = places[static_cast<std::size_t>(cell.checkpoint)];
        if (cell.checkpoint >= 0)
            cellsNow[i] = left++;
    }
    std::erase_if(plan.cells, [](const study::Cell& cell) { return cell.checkpoint < 0; });
    for (std::vector<int>& batch : plan.batches) {
        for (int& cell : batch)
            cell = cellsNow[static_cast<std::size_t>(cell)];
        std::erase(batch, -1);
    }
}

/// Without a place among the others, whatever the user typed.
void setApart(analysis::ProbeResults& results, study::PlannedCheckpoint& checkpoint, const CheckpointNow& now) {
    results.apart[checkpoint.series + "/" + checkpoint.name] = {now.apart, now.tokens};
    checkpoint.tokens.reset();
    checkpoint.step.reset();
}

void usePresent(analysis::ProbeResults& results, const SeriesFacts& facts) {
    study::Plan& plan = results.plan;
    std::vector<char> excluded(plan.checkpoints.size(), 0);
    for (std::size_t i = 0; i < plan.checkpoints.size(); ++i)
        if (const CheckpointNow* now = findNow(facts, plan.checkpoints[i])) {
            if (now->tokens) // what was known when the run was planned is not taken away by others in the folder
                plan.checkpoints[i].tokens = now->tokens;
            excluded[i] = now->excluded;
            if (!now->apart.empty())
                setApart(results, plan.checkpoints[i], *now);
        }
    const auto holes = facts.holes.find(plan.probe.series);
    results.holes = holes == facts.holes.end() ? std::vector<analysis::SeriesHole>() : holes->second;
    results.excluded = std::ranges::count(excluded, 1);
    if (results.excluded > 0)
        leaveOut(plan, excluded);
}

} // namespace

void addFacts(analysis::ProbeResults& results, const SeriesFacts& facts) {
    results.parameters = facts.parameters;
    results.flopsPerToken = facts.flopsPerToken;
    results.stages = facts.stages;
    usePresent(results, facts);
    for (std::vector<analysis::ProbeResults>* group : {&results.others, &results.siblings})
        for (analysis::ProbeResults& one : *group)
            usePresent(one, facts);
}

void addModelFacts(analysis::ProbeResults& results, const std::vector<series::Series>& series) {
    addFacts(results, seriesFacts(series));
}

} // namespace crest::ui
