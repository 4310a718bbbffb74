// SPDX-License-Identifier: Apache-2.0
#include "core/run/result_row.h"

#include <cmath>

#include "core/base/version.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"
#include "core/study/task_outcome.h"

namespace crest::run {
namespace {

/// The row's own numbers are those of the first metric; where only texts were kept, their number.
void takeOutcome(data::TaskOutcome outcome, study::ResultRow& row) {
    row.n = study::itemCount(outcome);
    row.scoredTokens = outcome.scoredTokens;
    row.cause = outcome.cause;
    row.metric = "samples";
    row.unit = "texts";
    row.value = static_cast<double>(row.n);
    row.stderr_ = 0;
    if (!outcome.metrics.empty()) {
        const data::MetricValue& first = outcome.metrics.front();
        row.metric = first.metric;
        row.unit = first.unit;
        row.value = first.value;
        row.stderr_ = first.stderr_;
    }
    row.outcome = std::move(outcome);
}

} // namespace

study::ResultRow makeRow(const study::Plan& plan, Measurement measurement, const std::string& device, int threads) {
    const study::Cell& cell = plan.cells[measurement.cell];
    const study::PlannedCheckpoint& checkpoint = plan.checkpoints[cell.checkpoint];
    const study::Task& task = plan.tasks[measurement.task];
    study::ResultRow row;
    row.key = cell.keys[measurement.task];
    row.run = plan.id;
    row.series = checkpoint.series;
    row.checkpoint = checkpoint.name;
    row.weights = checkpoint.weights;
    row.tokens = checkpoint.tokens;
    row.step = checkpoint.step;
    row.pretrainSeed = checkpoint.pretrainSeed;
    row.modification = cell.isBase() ? "none" : plan.probe.kind;
    row.noiseScale = cell.isBase() ? "" : study::variantOf(plan.probe);
    row.strength = cell.strength;
    row.seed = cell.seed;
    row.task = task.name;
    row.taskHash = study::taskHash(task);
    row.value = measurement.value;
    row.stderr_ = measurement.stderr_;
    row.n = static_cast<std::int64_t>(measurement.sequenceNats.size());
    row.scoredTokens = measurement.scoredTokens;
    row.compute = study::computeTypeName(plan.probe.compute);
    row.device = device;
    row.threads = threads;
    row.numerics = kNumericsVersion;
    row.cachedAt = study::utcNow();
    row.cause = std::move(measurement.cause);
    if (task.kind == study::TaskKind::Suite)
        takeOutcome(std::move(measurement.outcome), row);
    if (!std::isfinite(row.value) && row.cause.empty())
        row.cause = "the " + row.metric + " is not finite";
    row.outcome.cause = row.hasOutcome() ? row.cause : "";
    row.change = std::move(measurement.change);
    row.sequenceNats = std::move(measurement.sequenceNats);
    row.sequenceTokens = std::move(measurement.sequenceTokens);
    return row;
}

} // namespace crest::run
