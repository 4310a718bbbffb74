// SPDX-License-Identifier: Apache-2.0
// crest-run results STUDY: what is stored, as a table, as JSON lines or comma-separated.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/result_items.h"
#include "core/analysis/probe_settings_words.h"
#include "core/base/csv.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/study/planner.h"
#include "core/study/results.h"
#include "core/study/runs.h"
#include "core/study/study_json.h"
#include "core/study/tokens_now.h"

namespace crest {
namespace {

/// The plans of a study's runs without their cells, oldest first.
std::vector<study::Plan> plansOf(const study::StudyFolder& folder) {
    std::vector<study::Plan> plans;
    for (const std::string& id : study::listRuns(folder))
        if (auto plan = study::readPlan(folder, id)) {
            plan->cells = {};
            plan->batches = {};
            plans.push_back(std::move(*plan));
        }
    return plans;
}

/// What the runs of a study say of its rows.
class RunFacts {
public:
    explicit RunFacts(const std::vector<study::Plan>& plans)
        : m_settings(probesOf(plans)) {
        for (const study::Plan& plan : plans)
            for (std::size_t t = 0; t < std::min(plan.tasks.size(), plan.probe.tasks.size()); ++t)
                m_roles[{plan.probe.series, study::taskHash(plan.tasks[t])}] = study::roleName(plan.probe.tasks[t].role);
    }

    /// The role of a task is a matter of the probe, and a result may serve several: it has the role that the newest run
    /// gave its task on its series.
    std::string role(const study::ResultRow& row) const {
        const auto role = m_roles.find({row.series, row.taskHash});
        return role == m_roles.end() ? "" : role->second;
    }
    /// Tells modifications of one kind apart, in words.
    std::string settings(const study::ResultRow& row) const { return m_settings.of(row); }

private:
    static std::vector<study::Probe> probesOf(const std::vector<study::Plan>& plans) {
        std::vector<study::Probe> probes;
        for (const study::Plan& plan : plans)
            probes.push_back(plan.probe);
        return probes;
    }

    analysis::SettingsWords m_settings;
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

Json textOrNull(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

/// In the order of the columns of --csv.
std::vector<std::pair<const char*, Json>> fieldsOf(const study::ResultRow& row, const data::MetricValue& metric, const RunFacts& facts) {
    return {{"series", row.series},
            {"checkpoint", row.checkpoint},
            {"tokens", row.tokens ? Json(*row.tokens) : Json()},
            {"pretrain_seed", row.pretrainSeed ? Json(*row.pretrainSeed) : Json()},
            {"modification", row.modification},
            {"settings", textOrNull(facts.settings(row))},
            {"noise_scale", textOrNull(row.noiseScale)}, // the same for machines: a hash that no further run changes
            {"strength", row.strength},
            {"seed", row.seed},
            {"task", row.task},
            {"role", textOrNull(facts.role(row))},
            {"metric", metric.metric},
            {"unit", metric.unit},
            {"value", finiteOrNull(metric.value)},
            {"stderr", finiteOrNull(metric.stderr_)},
            {"n", row.n},
            {"cause", textOrNull(row.cause)},
            {"cached_at", row.cachedAt}};
}

/// Of modifications that are stored with several settings, what tells them apart: else rows would look alike.
class SettingsColumn {
public:
    SettingsColumn(const std::vector<study::ResultRow>& rows, const RunFacts& facts)
        : m_facts(facts) {
        std::map<std::string, std::set<std::string>> settings;
        for (const study::ResultRow& row : rows)
            settings[row.modification].insert(facts.settings(row));
        for (const auto& [modification, own] : settings)
            if (own.size() > 1) {
                m_several.insert(modification);
                for (const std::string& one : own)
                    m_width = std::max(m_width, visible(one).size());
            }
    }
    std::string title() const { return m_several.empty() ? "" : fmt::format("  {:<{}}", "settings", m_width); }
    std::string of(const study::ResultRow& row) const {
        if (m_several.empty())
            return "";
        return fmt::format("  {:<{}}", m_several.contains(row.modification) ? visible(m_facts.settings(row)) : "", m_width);
    }

private:
    const RunFacts& m_facts;
    std::set<std::string> m_several; ///< modifications
    std::size_t m_width = std::string_view("settings").size();
};

/// First in the table of a study with several series, in which checkpoints often have equal names.
class SeriesColumn {
public:
    explicit SeriesColumn(const std::vector<study::ResultRow>& rows) {
        for (const study::ResultRow& row : rows) {
            m_several = m_several || row.series != rows.front().series;
            m_width = std::max(m_width, visible(row.series).size());
        }
    }
    std::string title() const { return of("series"); }
    std::string of(const study::ResultRow& row) const { return of(visible(row.series)); }

private:
    std::string of(const std::string& text) const { return m_several ? fmt::format("{:<{}}  ", text, m_width) : ""; }

    bool m_several = false;
    std::size_t m_width = std::string_view("series").size();
};

void printTable(const std::vector<study::ResultRow>& rows, const RunFacts& facts) {
    std::size_t checkpoint = 10, task = 4, metric = 6, unit = 4;
    for (const study::ResultRow& row : rows) {
        checkpoint = std::max(checkpoint, visible(row.checkpoint).size());
        task = std::max(task, row.task.size());
        for (const data::MetricValue& one : metricsOf(row)) {
            metric = std::max(metric, one.metric.size());
            unit = std::max(unit, one.unit.size());
        }
    }
    const SeriesColumn series(rows);
    const SettingsColumn settings(rows, facts);
    fmt::print("{}{:<{}}  {:>8}  {:<14}{}  {:>8}  {:>6}  {:<{}}  {:<4}  {:<{}}  {:>12}  {:>10}  {:>5}  {:<{}}\n",
               series.title(), "checkpoint", checkpoint, "tokens", "modification", settings.title(), "strength", "seed", "task", task, "role", "metric",
               metric, "value", "stderr", "n", "unit", unit);
    for (const study::ResultRow& row : rows)
        for (const data::MetricValue& one : metricsOf(row))
            fmt::print("{}{:<{}}  {:>8}  {:<14}{}  {:>8}  {:>6}  {:<{}}  {:<4}  {:<{}}  {:>12}  {:>10}  {:>5}  {}{}\n",
                       series.of(row), visible(row.checkpoint), checkpoint, row.tokens ? formatTokens(static_cast<double>(*row.tokens)) : "-",
                       row.modification, settings.of(row), formatNumber(row.strength), row.seed, row.task, task, facts.role(row),
                       one.metric, metric, std::isfinite(one.value) ? fmt::format("{:.6f}", one.value) : "not finite",
                       std::isfinite(one.stderr_) ? fmt::format("{:.6f}", one.stderr_) : "-", row.n, one.unit,
                       row.cause.empty() ? "" : "  " + row.cause);
}

void printCsv(const std::vector<study::ResultRow>& rows, const RunFacts& facts) {
    std::vector<std::string> names;
    for (const auto& [name, value] : fieldsOf({}, {}, facts))
        names.emplace_back(name);
    fmt::print("{}\n", fmt::join(names, ","));
    for (const study::ResultRow& row : rows)
        for (const data::MetricValue& metric : metricsOf(row)) {
            std::vector<std::string> values;
            for (const auto& [name, value] : fieldsOf(row, metric, facts))
                values.push_back(value.is_null() ? "" : value.is_string() ? csvField(value.get<std::string>()) : value.dump());
            fmt::print("{}\n", fmt::join(values, ","));
        }
}

void printJson(const std::vector<study::ResultRow>& rows, const RunFacts& facts) {
    for (const study::ResultRow& row : rows)
        for (const data::MetricValue& metric : metricsOf(row)) {
            Json json;
            for (const auto& [name, value] : fieldsOf(row, metric, facts))
                json[name] = value;
            fmt::print("{}\n", canonicalJson(json));
        }
}

struct ResultOptions {
    std::string study;
    bool json = false, csv = false, items = false;
};

void printResults(const std::vector<study::ResultRow>& rows, const study::StudyFolder& folder, const ResultOptions& options) {
    const RunFacts facts(plansOf(folder));
    (options.json ? printJson : options.csv ? printCsv : printTable)(rows, facts);
}

int results(const ResultOptions& options) {
    const auto folder = study::StudyFolder::open(options.study);
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
    const study::TokensNow now(*folder);
    for (study::ResultRow& row : *rows)
        row.tokens = now.of(row);
    std::ranges::sort(*rows, {}, [](const study::ResultRow& row) {
        return std::tuple(row.series, row.tokens.value_or(-1), row.checkpoint, row.task, row.strength, row.seed,
                          row.key);
    });
    if (options.items)
        for (const study::ResultRow& row : *rows)
            printItems(row);
    else
        printResults(*rows, *folder, options);
    for (const study::ReadProblem& problem : reader.problems())
        fmt::print(stderr, "crest-run results: {}: {}\n", visible(problem.where), visible(problem.message));
    return 0;
}

} // namespace

void addResultsCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ResultOptions>();
    CLI::App* command =
        app.add_subcommand("results", "Tables of what is stored in a study; role: as the newest run has it");
    command->add_option("study", options->study, "Study folder")->required();
    CLI::Option* const json = command->add_flag("--json", options->json, "One JSON object on each line");
    command->add_flag("--csv", options->csv, "Comma-separated, for other programs")->excludes(json);
    command->add_flag("--items", options->items,
                      "Every item of every suite task: what was answered, one JSON object on each line");
    command->callback([options, &exitCode] { exitCode = results(*options); });
}

} // namespace crest
