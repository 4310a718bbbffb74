// SPDX-License-Identifier: Apache-2.0
// What a plan costs: tokens, time, memory.
#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/study/planner.h"
#include "core/study/scoring_memory.h"
#include "core/study/study_json.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr double kMeanSpanOfExamples = 64;
/// Of what matrix products reach, by what passes of models of 70 thousand to 160 million parameters reach on CPUs: within twice, mostly.
struct Shares {
    double scoring = 0.8, training = 0.6;
};
constexpr Shares kFloat32, kBFloat16{0.5, 0.35}; ///< the second, too, where the CPU has no kernels for it and float32 products are timed
constexpr std::uintmax_t kSmallModelBytes = 64'000'000; ///< weights that leave several models room beside each other

using IsKept = std::function<bool(const std::string&)>;

/// "" where the cell trains nothing.
std::string trainingOf(const Plan& plan, const Cell& cell) {
    if (plan.tuningTokens == 0 || cell.isBase())
        return {};
    return trainingKey(plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)], plan.probe, cell.strength, cell.seed);
}

/// True where the weights of the cell are not there and no cell before had them trained. Counts in `cost`.
bool needsTraining(const Plan& plan, const Cell& cell, std::set<std::string>& trainings, const IsKept& isKept, PlanCost& cost) {
    const std::string key = cell.isCached() ? std::string() : trainingOf(plan, cell);
    if (key.empty() || !trainings.insert(key).second)
        return false;
    const bool kept = isKept && isKept(key);
    ++(kept ? cost.keptTrainings : cost.trainings);
    return !kept;
}

struct Part {
    std::size_t cell = 0;
    double tokens = 0, span = 0; ///< forward tokens, each of which sees `span` others in the mean
    bool training = false;       ///< else a task
};

/// Calls use(Part) for all that is not cached. Counts trainings in `cost`.
template<class Use> void forEachPart(const Plan& plan, const IsKept& isKept, PlanCost& cost, Use use) {
    const int members = probeKind(plan.probe.kind).members;
    std::set<std::string> trainings;
    for (std::size_t i = 0; i < plan.cells.size(); ++i) {
        const Cell& cell = plan.cells[i];
        if (needsTraining(plan, cell, trainings, isKept, cost))
            use(Part{i, static_cast<double>(kPassesOfTraining) * static_cast<double>(plan.tuningTokens), kMeanSpanOfExamples, true});
        for (std::size_t t = 0; t < plan.tasks.size(); ++t)
            if (!cell.cached[t])
                use(Part{i, static_cast<double>(plan.taskTokens[t]) * (cell.isBase() ? 1 : members), static_cast<double>(plan.tasks[t].windowTokens) / 2,
                         false});
    }
}

std::uintmax_t weightBytes(const fs::path& checkpoint) {
    std::uintmax_t bytes = 0;
    std::error_code error;
    for (fs::directory_iterator entry(checkpoint, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (entry->path().extension() == ".safetensors")
            if (const auto size = fs::file_size(entry->path(), ignored); !ignored)
                bytes += size;
    }
    return bytes;
}

/// Most that the runner holds: itself with LibTorch, the tasks' tokens, and of every worker a training or what scoring holds beside its
/// weights. Beside a GPU the runner itself lies elsewhere.
double memoryOf(const Plan& plan, bool cpu, const PlanCost& cost, const std::vector<series::DecoderSpec>& specs, Workers workers,
                const TrainingBytesOf& trainingBytes) {
    constexpr double kBase = 125e6;
    const auto atOnce = static_cast<double>(std::clamp<std::int64_t>(cost.fresh, 1, std::max(1, workers.count)));
    double most = 0;
    for (const series::DecoderSpec& spec : specs) {
        const TrainingBytes training = trainingBytes ? trainingBytes(spec, workers.threads) : TrainingBytes();
        most = std::max(most, (cpu ? kBase + taskBytes(plan) : 0) + atOnce * std::max(training.peak, training.tuned + scoringBytes(plan, spec, cpu)));
    }
    return most;
}

} // namespace

bool isCpu(std::string_view device) {
    return device.empty() || device == "cpu";
}

Workers workersFor(std::span<const PlannedCheckpoint> checkpoints, std::string_view device, int cores, Workers asked) {
    cores = std::max(1, cores);
    if (asked.count <= 0) {
        const bool small = checkpoints.empty() || weightBytes(checkpoints.back().path) <= kSmallModelBytes;
        asked.count = isCpu(device) && small ? cores : 1;
    }
    if (asked.threads <= 0)
        asked.threads = std::max(1, cores / asked.count);
    return asked;
}

std::vector<double> forwardTokensByCell(const Plan& plan, const IsKept& isKept) {
    std::vector<double> byCell(plan.cells.size());
    PlanCost counts;
    forEachPart(plan, isKept, counts, [&](const Part& part) { byCell[part.cell] += part.tokens; });
    return byCell;
}

PlanCost planCost(const Plan& plan, std::string_view device, const std::vector<series::DecoderSpec>& specs, double tokensPerSecond,
                  Workers workers, const IsKept& isKept, const TrainingBytesOf& trainingBytes, double flopsPerSecond) {
    PlanCost cost;
    cost.cells = plan.cellCount();
    cost.cached = plan.cachedCellCount();
    cost.fresh = cost.cells - cost.cached;
    const double usual = kFlopsPerThread * std::max(1, workers.count * workers.threads);
    const Shares& shares = plan.probe.compute == ComputeType::BFloat16 ? kBFloat16 : kFloat32;
    const double scoring = flopsPerSecond > 0 ? shares.scoring * flopsPerSecond : usual,
                 training = flopsPerSecond > 0 ? shares.training * flopsPerSecond : usual;
    double seconds = 0;
    forEachPart(plan, isKept, cost, [&](const Part& part) {
        cost.forwardTokens += static_cast<std::int64_t>(part.tokens);
        if (specs.empty())
            return;
        const auto checkpoint = static_cast<std::size_t>(plan.cells[part.cell].checkpoint);
        const double flops = part.tokens * series::forwardFlopsPerToken(specs[std::min(checkpoint, specs.size() - 1)], part.span);
        seconds += flops / (part.training ? training : scoring);
    });
    cost.seconds = tokensPerSecond > 0 ? static_cast<double>(cost.forwardTokens) / tokensPerSecond : seconds;
    cost.memoryBytes = memoryOf(plan, isCpu(device), cost, specs, workers, cost.trainings > 0 ? trainingBytes : TrainingBytesOf());
    return cost;
}

std::string workOf(const Plan& plan, std::string_view device) {
    const bool trains = probeKind(plan.probe.kind).trains && !plan.probe.isBaseEvaluation();
    return sha256Hex(fmt::format("{}\n{}\n{}\n{}", trains, computeTypeName(plan.probe.compute), isCpu(device) ? "cpu" : device, plan.probe.series))
        .substr(0, 16);
}

std::int64_t repeatedTrainings(const Plan& plan, const IsKept& isKept) {
    std::set<std::string> before, trainings; // before: of which some cell has a result
    for (const Cell& cell : plan.cells)
        if (std::ranges::any_of(cell.cached, [](char stored) { return stored != 0; }))
            before.insert(trainingOf(plan, cell));
    PlanCost counts;
    std::int64_t repeated = 0;
    for (const Cell& cell : plan.cells)
        if (needsTraining(plan, cell, trainings, isKept, counts))
            repeated += before.contains(trainingOf(plan, cell)) ? 1 : 0;
    return repeated;
}

} // namespace crest::study
