// SPDX-License-Identifier: Apache-2.0
// What a plan costs: tokens, time, memory.
#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "core/study/planner.h"

namespace crest::study {
namespace fs = std::filesystem;
namespace {

constexpr double kMeanSpanOfExamples = 64;
constexpr std::uintmax_t kSmallModelBytes = 64'000'000; ///< weights that leave several models room beside each other

using IsKept = std::function<bool(const std::string&)>;

/// True where the weights of the cell are not there and no cell before had them trained. Counts in `cost`.
bool needsTraining(const Plan& plan, const Cell& cell, std::set<std::string>& trainings, const IsKept& isKept, PlanCost& cost) {
    if (plan.tuningTokens == 0 || cell.isBase() || cell.isCached())
        return false;
    const std::string key = trainingKey(plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)], plan.probe,
                                        cell.strength, cell.seed);
    if (!trainings.insert(key).second)
        return false;
    const bool kept = isKept && isKept(key);
    ++(kept ? cost.keptTrainings : cost.trainings);
    return !kept;
}

/// Calls use(cell, tokens, span) for all that is not cached: the forward tokens of a training or a task, each of which sees `span` others
/// in the mean. Counts trainings in `cost`.
template<class Use> void forEachPart(const Plan& plan, const IsKept& isKept, PlanCost& cost, Use use) {
    const int members = probeKind(plan.probe.kind).members;
    std::set<std::string> trainings;
    for (std::size_t i = 0; i < plan.cells.size(); ++i) {
        const Cell& cell = plan.cells[i];
        if (needsTraining(plan, cell, trainings, isKept, cost))
            use(i, static_cast<double>(kPassesOfTraining) * static_cast<double>(plan.tuningTokens), kMeanSpanOfExamples);
        for (std::size_t t = 0; t < plan.tasks.size(); ++t)
            if (!cell.cached[t])
                use(i, static_cast<double>(plan.taskTokens[t]) * (cell.isBase() ? 1 : members), static_cast<double>(plan.tasks[t].windowTokens) / 2);
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

/// Most that the runner holds: itself with LibTorch, and of every worker scratch of one block (of a small model the whole), 64 MB
/// of row blocks and activations, or a training. On a GPU one worker computes, and the runner itself lies elsewhere.
double memoryOf(const Plan& plan, bool cpu, const PlanCost& cost, const std::vector<series::DecoderSpec>& specs, int threads,
                const TrainingBytesOf& trainingBytes) {
    constexpr double kBase = 125e6, kScratch = 64e6;
    const int workers = cpu ? workersFor(plan.checkpoints, threads) : 1, ofEach = std::max(1, threads / workers);
    const auto atOnce = static_cast<double>(std::clamp<std::int64_t>(cost.fresh, 1, workers));
    double most = 0;
    for (const series::DecoderSpec& spec : specs) {
        const double weights = 4.0 * static_cast<double>(series::parameterCount(spec));
        const double block = weights / static_cast<double>(std::max<std::int64_t>(1, spec.layers));
        const double scoring = std::min(weights, block + kScratch);
        const TrainingBytes training = trainingBytes ? trainingBytes(spec, ofEach) : TrainingBytes();
        most = std::max(most, (cpu ? kBase : 0) + atOnce * std::max(training.peak, training.tuned + scoring));
    }
    return most;
}

} // namespace

bool isCpu(std::string_view device) {
    return device.empty() || device == "cpu";
}

int workersFor(std::span<const PlannedCheckpoint> checkpoints, int cores) {
    const bool small = checkpoints.empty() || weightBytes(checkpoints.back().path) <= kSmallModelBytes;
    return small ? std::max(1, cores) : 1;
}

std::vector<double> forwardTokensByCell(const Plan& plan, const IsKept& isKept) {
    std::vector<double> byCell(plan.cells.size());
    PlanCost counts;
    forEachPart(plan, isKept, counts, [&](std::size_t cell, double tokens, double) { byCell[cell] += tokens; });
    return byCell;
}

PlanCost planCost(const Plan& plan, std::string_view device, const std::vector<series::DecoderSpec>& specs, double tokensPerSecond,
                  int threads, const IsKept& isKept, const TrainingBytesOf& trainingBytes) {
    PlanCost cost;
    cost.cells = plan.cellCount();
    cost.cached = plan.cachedCellCount();
    cost.fresh = cost.cells - cost.cached;
    double flops = 0;
    forEachPart(plan, isKept, cost, [&](std::size_t cell, double tokens, double span) {
        cost.forwardTokens += static_cast<std::int64_t>(tokens);
        if (specs.empty())
            return;
        const auto checkpoint = static_cast<std::size_t>(plan.cells[cell].checkpoint);
        flops += tokens * series::forwardFlopsPerToken(specs[std::min(checkpoint, specs.size() - 1)], span);
    });
    cost.seconds = tokensPerSecond > 0 ? static_cast<double>(cost.forwardTokens) / tokensPerSecond
                                       : flops / (kFlopsPerThread * std::max(1, threads));
    cost.memoryBytes = memoryOf(plan, isCpu(device), cost, specs, threads, cost.trainings > 0 ? trainingBytes : TrainingBytesOf());
    return cost;
}

} // namespace crest::study
