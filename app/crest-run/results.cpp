// SPDX-License-Identifier: Apache-2.0
// crest-run results STUDY: what is stored, as a table or as JSON lines.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/result_items.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "core/study/study_json.h"

namespace crest {
namespace {

/// The role of a task is a matter of the probe, and a result may serve several: it has the role that the newest run
/// gave its task on its series.
class Roles {
public:
    explicit Roles(const study::StudyFolder& folder) {
        for (const std::string& id : study::listRuns(folder)) // oldest first
            if (const auto plan = study::readPlan(folder, id))
                for (std::size_t t = 0; t < std::min(plan->tasks.size(), plan->probe.tasks.size()); ++t)
                    m_roles[{plan->probe.series, study::taskHash(plan->tasks[t])}] =
                        study::roleName(plan->probe.tasks[t].role);
    }

    std::string of(const study::ResultRow& row) const {
        const auto role = m_roles.find({row.series, row.taskHash});
        return role == m_roles.end() ? "" : role->second;
    }

private:
    std::map<std::pair<std::string, std::string>, std::string> m_roles; ///< by series and task hash
};

Json finiteOrNull(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}

/// A result's metrics: those of a suite's task, or the row's own number.
std::vector<data::MetricValue> metricsOf(const study::ResultRow& row) {
    if (row.outcome.metrics.empty())
        return {{row.metric, row.unit, row.value, row.stderr_, {}, {}}};
    return row.outcome.metrics;
}

Json toJson(const study::ResultRow& row, const data::MetricValue& metric, const std::string& role) {
    return {{"series", row.series},
            {"checkpoint", row.checkpoint},
            {"tokens", row.tokens ? Json(*row.tokens) : Json()},
            {"modification", row.modification},
            {"noise_scale", row.noiseScale.empty() ? Json() : Json(row.noiseScale)}, // tells settings of one kind apart
            {"strength", row.strength},
            {"seed", row.seed},
            {"task", row.task},
            {"role", role.empty() ? Json() : Json(role)},
            {"metric", metric.metric},
            {"unit", metric.unit},
            {"value", finiteOrNull(metric.value)},
            {"stderr", finiteOrNull(metric.stderr_)},
            {"n", row.n},
            {"cause", row.cause.empty() ? Json() : Json(row.cause)},
            {"cached_at", row.cachedAt}};
}

/// Of a modification that is stored with several settings, what tells them apart: else rows would look alike.
class SettingsColumn {
public:
    explicit SettingsColumn(const std::vector<study::ResultRow>& rows) {
        std::map<std::string, std::set<std::string>> settings;
        for (const study::ResultRow& row : rows)
            settings[row.modification].insert(row.noiseScale);
        for (const auto& [modification, own] : settings)
            if (own.size() > 1)
                m_several.insert(modification);
    }
    std::string title() const { return m_several.empty() ? "" : fmt::format("  {:<10}", "settings"); }
    std::string of(const study::ResultRow& row) const {
        if (m_several.empty())
            return "";
        return fmt::format("  {:<10}", m_several.contains(row.modification) ? row.noiseScale.substr(0, 10) : "");
    }

private:
    std::set<std::string> m_several; ///< modifications
};

void printTable(const std::vector<study::ResultRow>& rows, const Roles& roles) {
    std::size_t checkpoint = 10, task = 4, metric = 6, unit = 4;
    for (const study::ResultRow& row : rows) {
        checkpoint = std::max(checkpoint, visible(row.checkpoint).size());
        task = std::max(task, row.task.size());
        for (const data::MetricValue& one : metricsOf(row)) {
            metric = std::max(metric, one.metric.size());
            unit = std::max(unit, one.unit.size());
        }
    }
    const SettingsColumn settings(rows);
    fmt::print("{:<{}}  {:>8}  {:<14}{}  {:>8}  {:>6}  {:<{}}  {:<4}  {:<{}}  {:>12}  {:>10}  {:>5}  {:<{}}\n",
               "checkpoint", checkpoint, "tokens", "modification", settings.title(), "strength", "seed", "task", task, "role", "metric",
               metric, "value", "stderr", "n", "unit", unit);
    for (const study::ResultRow& row : rows)
        for (const data::MetricValue& one : metricsOf(row))
            fmt::print("{:<{}}  {:>8}  {:<14}{}  {:>8}  {:>6}  {:<{}}  {:<4}  {:<{}}  {:>12}  {:>10}  {:>5}  {}{}\n",
                       visible(row.checkpoint), checkpoint, row.tokens ? formatTokens(static_cast<double>(*row.tokens)) : "-",
                       row.modification, settings.of(row), formatNumber(row.strength), row.seed, row.task, task, roles.of(row),
                       one.metric, metric, std::isfinite(one.value) ? fmt::format("{:.6f}", one.value) : "not finite",
                       std::isfinite(one.stderr_) ? fmt::format("{:.6f}", one.stderr_) : "-", row.n, one.unit,
                       row.cause.empty() ? "" : "  " + row.cause);
}

void printResults(const std::vector<study::ResultRow>& rows, const study::StudyFolder& folder, bool json) {
    const Roles roles(folder);
    if (!json)
        return printTable(rows, roles);
    for (const study::ResultRow& row : rows)
        for (const data::MetricValue& metric : metricsOf(row))
            fmt::print("{}\n", canonicalJson(toJson(row, metric, roles.of(row))));
}

int results(const std::string& path, bool json, bool items) {
    const auto folder = study::StudyFolder::open(path);
    if (!folder) {
        fmt::print(stderr, "crest-run results: {}\n", folder.error().text());
        return 1;
    }
    study::ResultReader reader(*folder);
    auto rows = reader.poll();
    if (!rows) {
        fmt::print(stderr, "crest-run results: {}\n", rows.error().text());
        return 1;
    }
    std::ranges::sort(*rows, {}, [](const study::ResultRow& row) {
        return std::tuple(row.series, row.tokens.value_or(-1), row.checkpoint, row.task, row.strength, row.seed,
                          row.key);
    });
    if (items)
        for (const study::ResultRow& row : *rows)
            printItems(row);
    else
        printResults(*rows, *folder, json);
    for (const study::ReadProblem& problem : reader.problems())
        fmt::print(stderr, "crest-run results: {}: {}\n", visible(problem.where), visible(problem.message));
    return 0;
}

} // namespace

void addResultsCommand(CLI::App& app, int& exitCode) {
    struct Options {
        std::string study;
        bool json = false, items = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("results", "Tables of what is stored in a study; role: as the newest run has it");
    command->add_option("study", options->study, "Study folder")->required();
    command->add_flag("--json", options->json, "One JSON object on each line");
    command->add_flag("--items", options->items,
                      "Every item of every suite task: what was answered, one JSON object on each line");
    command->callback([options, &exitCode] { exitCode = results(options->study, options->json, options->items); });
}

} // namespace crest
