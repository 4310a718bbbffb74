// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pretend_runner.h"

#include <cmath>
#include <csignal>
#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/study/finer_rates.h"
#include "core/study/planner.h"
#include "core/study/study_json.h"
#include "tests/support/pretend_outcome.h"

namespace crest::pretend {
namespace {

std::mutex g_mutex;
std::map<std::string, int> g_computed;

/// As a crash does it: what is on its way to the disk is lost, no destructor runs.
void die(int signal) {
    ::kill(::getpid(), signal);
    ::pause();
}

class PretendRunner final : public run::BatchRunner {
public:
    explicit PretendRunner(Behaviour behaviour)
        : m_behaviour(std::move(behaviour)) {}

    Result<void> run(const run::BatchRequest& request, const JobContext& job,
                     const std::function<Result<void>(run::Measurement)>& emit) override {
        const auto& checkpoint = request.plan->checkpoints[request.checkpoint];
        std::int64_t tokens = 0;
        bool first = true;
        for (const auto& wanted : request.wanted)
            for (const int task : wanted.tasks) {
                if (job.stopRequested())
                    return stopped();
                if (m_behaviour.microsPerResult > 0)
                    std::this_thread::sleep_for(std::chrono::microseconds(m_behaviour.microsPerResult));
                if (!first && checkpoint.name == m_behaviour.failCheckpoint) {
                    if (m_behaviour.throws)
                        throw std::runtime_error("pretended exception");
                    return fail(ErrorKind::NonFinite, "pretended failure", checkpoint.name);
                }
                first = false;
                if (m_behaviour.dieSignal > 0 && wanted.cell == m_behaviour.dieCell)
                    die(m_behaviour.dieSignal);
                CREST_CHECK(emit(measure(*request.plan, wanted.cell, task)));
                tokens += request.plan->taskTokens[task];
                job.report(tokens, 0, "tokens");
            }
        return {};
    }

private:
    Behaviour m_behaviour;

    /// Costs in the first task and saves in the others.
    static double effectOfPull(const study::Plan& plan, const study::Cell& cell, int task) {
        if (plan.probe.kind != study::kFineTuning || cell.isBase())
            return 0;
        return (task == 0 ? 0.05 : -0.05) * plan.probe.settings["training"].value("l2_to_start", 0.0);
    }

    run::Measurement measure(const study::Plan& plan, int cellIndex, int task) {
        const study::Cell& cell = plan.cells[cellIndex];
        {
            const std::scoped_lock lock(g_mutex);
            ++g_computed[cell.keys[task]];
        }
        run::Measurement result;
        result.cell = cellIndex;
        result.task = task;
        const double tokens = static_cast<double>(plan.checkpoints[cell.checkpoint].tokens.value_or(1));
        if (plan.tasks[task].kind == study::TaskKind::Suite) {
            result.outcome =
                pretendOutcome({kindOfDefinition(plan.tasks[task].definition), plan.tasks[task].limit, tokens,
                                cell.strength, static_cast<std::uint64_t>(1000 * cell.seed + task)});
            return result;
        }
        const double mean = 2 + 3 * std::pow(tokens / 1e6, -0.3) +
                            cell.strength * cell.strength * std::sqrt(tokens / 1e6) + 0.1 * task + effectOfPull(plan, cell, task);
        const std::int64_t sequences = plan.taskTokens[task] / plan.tasks[task].windowTokens;
        double sum = 0, squares = 0;
        for (std::int64_t s = 0; s < sequences; ++s) {
            const double loss =
                mean + 0.1 * uniform(static_cast<std::uint64_t>(s), static_cast<std::uint64_t>(cell.seed),
                                     static_cast<std::uint64_t>(task));
            result.sequenceTokens.push_back(static_cast<std::int32_t>(plan.tasks[task].windowTokens - 1));
            result.sequenceNats.push_back(static_cast<float>(loss) * static_cast<float>(result.sequenceTokens.back()));
            result.scoredTokens += result.sequenceTokens.back();
            sum += loss;
            squares += loss * loss;
        }
        const auto n = static_cast<double>(sequences);
        result.value = sum / n;
        result.stderr_ = std::sqrt(std::max(0.0, squares / n - result.value * result.value) / n);
        if (cell.strength == m_behaviour.notFiniteStrength) {
            result.value = std::numeric_limits<double>::quiet_NaN();
            result.cause = "pretended overflow";
        }
        return result;
    }
};

std::string weightsOf(int checkpoint) {
    return sha256Hex(fmt::format("weights {}", checkpoint));
}

std::vector<study::Task> tasksOf(const Shape& shape) {
    std::vector<study::Task> tasks;
    for (int t = 0; t < shape.tasks; ++t)
        tasks.push_back({.name = fmt::format("task {}", t),
                         .textsPath = fmt::format("text-{}.jsonl", t),
                         .dataHash = sha256Hex(std::to_string(t)),
                         .windowTokens = 16,
                         .strideTokens = 16,
                         .maxWindows = shape.sequences});
    for (int t = 0; t < shape.suiteTasks; ++t)
        tasks.push_back({.name = fmt::format("suite {}", t),
                         .kind = study::TaskKind::Suite,
                         .textsPath = "data",
                         .dataHash = sha256Hex(fmt::format("data {}", t)),
                         .definition = suiteDefinition(t),
                         .shots = 0,
                         .limit = shape.items});
    return tasks;
}

study::Probe probeOf(const Shape& shape) {
    std::vector<study::TaskInProbe> tasks;
    for (const study::Task& task : tasksOf(shape))
        tasks.push_back({task.name, tasks.empty() ? study::Role::InDistribution : study::Role::OutOfDistribution});
    if (shape.baseOnly)
        return study::baseEvaluation("base", "pretended", tasks);
    study::Probe probe;
    probe.name = "noise";
    probe.series = "pretended";
    probe.strengths = shape.strengths;
    probe.firstSeed = shape.firstSeed;
    probe.seeds = shape.seeds;
    probe.tasks = tasks;
    if (shape.tuning) {
        probe.name = "tuning";
        probe.kind = study::kFineTuning;
        probe.settings = {{"training", shape.pull > 0 ? Json{{"l2_to_start", shape.pull}} : Json::object()}, {"data_task", tasks.front().task}};
    }
    if (shape.mixedRate > 0) {
        probe.name = "mixing";
        probe.kind = study::kInterpolation;
        probe.settings["learning_rate"] = shape.mixedRate;
    }
    study::FinerRates finer;
    for (const auto& [checkpoint, rates] : shape.finer)
        finer[weightsOf(checkpoint)] = rates;
    return study::withFinerRates(probe, finer);
}

} // namespace

run::BatchRunnerFactory makeFactory(const Behaviour& behaviour) {
    return [behaviour](const run::RunnerOptions&) -> Result<std::unique_ptr<run::BatchRunner>> {
        return std::make_unique<PretendRunner>(behaviour);
    };
}

int computedTwice() {
    const std::scoped_lock lock(g_mutex);
    int twice = 0;
    for (const auto& [key, count] : g_computed)
        twice += count > 1;
    return twice;
}
std::int64_t computedCount() {
    const std::scoped_lock lock(g_mutex);
    return static_cast<std::int64_t>(g_computed.size());
}
void resetCounts() {
    const std::scoped_lock lock(g_mutex);
    g_computed.clear();
}

study::Study makeStudy(const Shape& shape) {
    study::Study study;
    study.name = "pretended";
    study.series.push_back({"pretended", "series", {}});
    study.tasks = tasksOf(shape);
    study.probes.push_back(probeOf(shape));
    return study;
}

study::Plan makePlan(const Shape& shape, const std::function<bool(const std::string&)>& stored) {
    study::Plan plan;
    plan.createdAt = study::utcNow();
    plan.probe = probeOf(shape);
    plan.tasks = makeStudy(shape).tasks;
    for (const study::Task& task : plan.tasks)
        plan.taskTokens.push_back(task.kind == study::TaskKind::Suite ? 50 * task.limit
                                                                      : task.windowTokens * task.maxWindows);
    for (int c = 0; c < shape.checkpoints; ++c) {
        const std::int64_t tokens = std::int64_t{1'000'000} << c;
        plan.checkpoints.push_back({"pretended", fmt::format("step{}", c), fmt::format("series/step{}", c),
                                    weightsOf(c), sha256Hex("tokenizer"),
                                    shape.baseOnly ? "" : sha256Hex("init"), tokens, c * 100, 1});
        const auto add = [&](double strength, std::int64_t seed) {
            study::Cell cell{c, strength, seed, {}, {}};
            for (const study::Task& task : plan.tasks) {
                cell.keys.push_back(study::resultKey(plan.checkpoints.back(), plan.probe, task, strength, seed));
                cell.cached.push_back(stored && stored(cell.keys.back()) ? 1 : 0);
            }
            plan.cells.push_back(std::move(cell));
            return static_cast<int>(plan.cells.size()) - 1;
        };
        const auto wanted = [&](int cell) { return std::ranges::count(plan.cells[cell].cached, 0) > 0; };
        if (const int base = add(0, 0); wanted(base))
            plan.batches.push_back({base});
        for (std::int64_t first = 0; first < plan.probe.seeds; first += shape.seedsPerBatch) {
            std::vector<int> batch;
            for (std::int64_t s = first; s < std::min(plan.probe.seeds, first + shape.seedsPerBatch); ++s)
                for (const double strength : study::strengthsOf(plan.probe, plan.checkpoints.back().weights))
                    if (const int cell = add(strength, shape.firstSeed + s); wanted(cell))
                        batch.push_back(cell);
            if (!batch.empty())
                plan.batches.push_back(std::move(batch));
        }
    }
    return plan;
}

} // namespace crest::pretend
