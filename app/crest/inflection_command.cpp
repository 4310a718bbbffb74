// SPDX-License-Identifier: GPL-3.0-or-later
// crest inflection STUDY: the table of the window's inflection page.
#include <algorithm>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "app/crest/commands.h"
#include "core/analysis/probe_figures.h"
#include "core/base/csv.h"
#include "core/base/units.h"
#include "core/study/study_folder.h"
#include "ui/data/format.h"
#include "ui/data/probe_loading.h"
#include "ui/data/study_scan.h"

namespace crest::app {
namespace {

struct InflectionArguments {
    std::string study, run, metric;
    bool csv = false;
};

void printCsv(const std::vector<analysis::InflectionRow>& rows) {
    std::cout << "task,role,metric,modified,strength,verdict,tokens,low,high,level,scope,rise,rise_error,evidence,over\n";
    for (const analysis::InflectionRow& row : rows) {
        const analysis::Inflection& found = row.inflection;
        fmt::print(std::cout, "{},{},{},{},{},{},{:.0f},{:.0f},{:.0f},{},{},{:.9g},{:.9g},{},{}\n", csvField(row.task), ui::roleText(row.role).toStdString(),
                   row.metric, csvField(row.modified), row.strength > 0 ? formatNumber(row.strength) : "",
                   analysis::verdictName(found.verdict), found.tokens, found.low, found.high, found.level,
                   csvField(analysis::scopeLabel(found.scope)), found.riseNats, found.riseError, csvField(found.evidence), found.overSteps ? "steps" : "tokens");
    }
}

/// How it was found is said once: it is the same for all rows of a metric.
void printTable(const std::vector<analysis::InflectionRow>& rows) {
    std::size_t task = 4, modified = 8;
    for (const analysis::InflectionRow& row : rows) {
        task = std::max(task, row.task.size());
        modified = std::max(modified, row.modified.size());
    }
    std::string method;
    for (const analysis::InflectionRow& row : rows) {
        if (row.inflection.method != method && !row.inflection.method.empty()) {
            fmt::print(std::cout, "{}{}\n\n", method.empty() ? "" : "\n", row.inflection.method);
            method = row.inflection.method;
        }
        fmt::print(std::cout, "{:<{}}  {:<3}  {:<{}}  {}\n{:>{}}{}; {}\n", row.task, task, ui::roleText(row.role).toStdString(), row.modified, modified,
                   analysis::inflectionLabel(row.inflection), "", task + modified + 9, analysis::scopeLabel(row.inflection.scope),
                   row.inflection.evidence);
    }
}

Result<void> printInflections(const InflectionArguments& arguments) {
    CREST_TRY(folder, study::StudyFolder::open(arguments.study));
    CREST_TRY(results, ui::loadProbeResults(folder, arguments.run));
    const study::Study& study = folder.study();
    ui::addModelFacts(results, ui::studiedSeries(ui::scanStudy(study, folder.path(), {}, {}), study, {}).series);
    CREST_TRY(rows, analysis::inflectionTable(results, arguments.metric));
    arguments.csv ? printCsv(rows) : printTable(rows);
    return {};
}

} // namespace

void addInflectionCommand(CLI::App& app, Chosen& chosen) {
    auto arguments = std::make_shared<InflectionArguments>();
    CLI::App* command = app.add_subcommand("inflection", "After which token budget each modified curve gets worse, or why none is supported");
    command->add_option("study", arguments->study, "The study folder")->required();
    command->add_option("--run", arguments->run, "Which run's probe; default: the newest");
    command->add_option("--metric", arguments->metric,
                        "Metric of the tasks of suites that have it (acc_norm, ...); default: the first of each");
    command->add_flag("--csv", arguments->csv, "Comma-separated, for other programs");
    command->callback([arguments, &chosen] {
        chosen = [arguments] {
            if (const auto done = printInflections(*arguments); !done)
                return complain(done.error().text());
            return 0;
        };
    });
}

} // namespace crest::app
