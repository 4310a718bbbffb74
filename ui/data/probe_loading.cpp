// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/probe_loading.h"

#include <algorithm>

#include "core/analysis/figure_command.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"

namespace crest::ui {

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
    results.rows = std::move(rows);
    results.studyName = folder.study().name;
    results.studyCommand = exportCommand(folder, wanted);
    results.overlays = folder.study().overlays;
    if (!results.plan.probe.strengths.empty())
        return results;
    std::vector<study::Plan> plans;
    for (const std::string& id : runs)
        if (auto other = study::readPlan(folder, id); other && other->probe.strengths.empty())
            plans.push_back(std::move(*other));
    for (study::Plan& other : comparableEvaluations(results.plan, plans)) {
        analysis::ProbeResults& added = results.others.emplace_back();
        added.plan = std::move(other);
        added.rows = results.rows; // those of other plans are left out by their keys
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

std::vector<study::Plan> comparableEvaluations(const study::Plan& shown, const std::vector<study::Plan>& plans) {
    std::vector<study::Plan> out;
    if (!shown.probe.strengths.empty())
        return out;
    const auto measuresTheSame = [&](const study::Plan& plan) {
        return std::any_of(plan.tasks.begin(), plan.tasks.end(), [&](const study::Task& task) {
            return std::any_of(shown.tasks.begin(), shown.tasks.end(), [&](const study::Task& own) {
                return own.name == task.name && study::taskHash(own) == study::taskHash(task);
            });
        });
    };
    for (const study::Plan& plan : plans) {
        if (plan.probe.series == shown.probe.series || plan.probe.compute != shown.probe.compute ||
            !measuresTheSame(plan))
            continue;
        std::erase_if(out, [&](const study::Plan& older) { return older.probe.series == plan.probe.series; });
        out.push_back(plan);
    }
    return out;
}

std::string exportCommand(const study::StudyFolder& folder, const std::string& runId) {
    return "crest export " + analysis::shellQuoted(folder.path().string()) + " --run " + runId;
}

void addModelFacts(analysis::ProbeResults& results, const std::vector<series::Series>& series) {
    for (const series::Series& one : series)
        for (const series::Checkpoint& checkpoint : one.checkpoints) {
            if (checkpoint.stage)
                for (const std::string& name : {checkpoint.name, checkpoint.foundName})
                    results.stages[one.name + "/" + name] = *checkpoint.stage;
            if (!checkpoint.spec || results.parameters > 0)
                continue;
            const double meanSpan = static_cast<double>(checkpoint.spec->contextLength + 1) / 2;
            results.parameters = series::parameterCount(*checkpoint.spec);
            results.flopsPerToken = 3 * series::forwardFlopsPerToken(*checkpoint.spec, meanSpan);
        }
}

} // namespace crest::ui
