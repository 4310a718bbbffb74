// SPDX-License-Identifier: Apache-2.0
// crest-run inspect PATH: the series and checkpoints below a folder.
#include <algorithm>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/crest-run/commands.h"
#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/series/series.h"
#include "core/series/series_rules.h"
#include "core/series/tokenizer_check.h"

namespace crest {
namespace {

template<class T> Json orNull(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}
Json orNull(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

Json toJson(const series::Checkpoint& checkpoint) {
    return {{"name", checkpoint.name},
            {"path", checkpoint.path.string()},
            {"tokens", orNull(checkpoint.tokens)},
            {"step", orNull(checkpoint.step)},
            {"tokens_source", series::tokensSourceName(checkpoint.tokensSource)},
            {"stage", orNull(checkpoint.stage)},
            {"branch", orNull(checkpoint.branch)},
            {"aliases", checkpoint.aliases},
            {"format", orNull(checkpoint.format)},
            {"family", orNull(checkpoint.family)},
            {"state", series::checkpointStateName(checkpoint.state)},
            {"reason", orNull(checkpoint.reason)}};
}

Json toJson(const series::ScanResult& scan) {
    Json out = {{"series", Json::array()}};
    for (const series::Series& one : scan.series) {
        Json entry = {{"name", one.name}, {"path", one.path.string()}, {"checkpoints", Json::array()}};
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            entry["checkpoints"].push_back(toJson(checkpoint));
        out["series"].push_back(std::move(entry));
    }
    return out;
}

/// "step143000 = main"
std::string shownName(const series::Checkpoint& checkpoint) {
    return visible(checkpoint.aliases.empty()
                       ? checkpoint.name
                       : fmt::format("{} = {}", checkpoint.name, fmt::join(checkpoint.aliases, " = ")));
}

void printTable(const series::ScanResult& scan) {
    for (const series::Series& one : scan.series) {
        std::size_t width = 10;
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            width = std::max(width, shownName(checkpoint).size());
        fmt::print("{}  ({}, {})\n", visible(one.name), visible(one.path.string()),
                   counted(static_cast<std::int64_t>(one.checkpoints.size()), "checkpoint"));
        fmt::print("  {:<{}}  {:>8}  {:>10}  {:>5}  {:>9}  {:<10}  {}\n", "checkpoint", width, "tokens", "step", "seed",
                   "weights", "family", "state");
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            fmt::print("  {:<{}}  {:>8}  {:>10}  {:>5}  {:>9}  {:<10}  {}{}\n", shownName(checkpoint), width,
                       checkpoint.tokens ? formatTokens(static_cast<double>(*checkpoint.tokens)) : "-",
                       checkpoint.step ? std::to_string(*checkpoint.step) : "-",
                       checkpoint.pretrainSeed ? std::to_string(*checkpoint.pretrainSeed) : "-",
                       checkpoint.weightBytes > 0 ? formatBytes(static_cast<double>(checkpoint.weightBytes)) : "-",
                       checkpoint.family.empty() ? "-" : visible(checkpoint.family),
                       series::checkpointStateName(checkpoint.state),
                       checkpoint.reason.empty() ? "" : ": " + visible(checkpoint.reason));
    }
}

int inspect(const std::string& path, bool json) {
    auto scan = series::findSeries(path);
    if (!scan) {
        fmt::print(stderr, "crest-run inspect: {}\n", scan.error().text());
        return 1;
    }
    series::checkTokenizers(scan->series);
    for (series::Series& one : scan->series)
        series::judgeSeries(one, scan->issues);
    if (json)
        fmt::print("{}\n", canonicalJson(toJson(*scan)));
    else
        printTable(*scan);
    for (const series::ScanIssue& issue : scan->issues)
        fmt::print(stderr, "crest-run inspect: {}: {}\n", visible(issue.where), visible(issue.message));
    return scan->series.empty() ? 1 : 0;
}

} // namespace

void addInspectCommand(CLI::App& app, int& exitCode) {
    struct Options {
        std::string path;
        bool json = false;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("inspect", "List the series and checkpoints below a folder");
    command->add_option("path", options->path, "Folder of checkpoints, or one checkpoint")->required();
    command->add_flag("--json", options->json, "Print one JSON object");
    command->callback([options, &exitCode] { exitCode = inspect(options->path, options->json); });
}

} // namespace crest
