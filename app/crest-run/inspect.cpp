// SPDX-License-Identifier: Apache-2.0
// crest-run inspect PATH: the series and checkpoints below a folder.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/crest-run/commands.h"
#include "app/crest-run/progress_line.h"
#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/visible.h"
#include "core/series/check_cache.h"
#include "core/series/known_series.h"
#include "core/series/series.h"
#include "core/series/series_rules.h"
#include "core/series/tokenizer_check.h"
#include "core/series/weight_check.h"

namespace crest {
namespace {

struct InspectOptions {
    std::string path;
    bool fingerprints = false, json = false;
};

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
            {"tokens_origin", orNull(series::tokensOrigin(checkpoint))},
            {"stage", orNull(checkpoint.stage)},
            {"branch", orNull(checkpoint.branch)},
            {"aliases", checkpoint.aliases},
            {"format", orNull(checkpoint.format)},
            {"family", orNull(checkpoint.family)},
            {"fingerprint", orNull(checkpoint.fingerprint)},
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

/// "Tokens: by the rule of Pythia.", or with the numbers of checkpoints where origins differ; "" where no tokens are known.
std::string tokenOrigins(const series::Series& series) {
    std::map<std::string, std::int64_t> origins;
    for (const series::Checkpoint& checkpoint : series.checkpoints)
        if (checkpoint.tokens)
            ++origins[series::tokensOrigin(checkpoint)];
    std::string said;
    for (const auto& [origin, count] : origins)
        said += fmt::format("{}{}{}", said.empty() ? "  Tokens: " : "; ", origin,
                            origins.size() == 1 ? "" : fmt::format(" ({})", counted(count, "checkpoint")));
    return said.empty() ? "" : said + ".\n";
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
        fmt::print("{}", tokenOrigins(one));
    }
}

std::vector<series::Checkpoint*> checkable(series::ScanResult& scan) {
    std::vector<series::Checkpoint*> out;
    for (series::Series& one : scan.series)
        for (series::Checkpoint& checkpoint : one.checkpoints)
            if (series::canBeChecked(checkpoint))
                out.push_back(&checkpoint);
    return out;
}

/// What the weights themselves tell: of all with --fingerprints, else of those that were read before and did not change.
Result<void> checkWeights(series::ScanResult& scan, const InspectOptions& options) {
    series::CheckCache cache(series::userCheckCache());
    const std::vector<series::Checkpoint*> checkpoints = checkable(scan);
    if (options.fingerprints)
        return series::checkAll(checkpoints, cache, JobContext({}, progressSink("reading", !options.json)), scan.issues);
    for (series::Checkpoint* checkpoint : checkpoints)
        if (const auto check = series::rememberedCheck(checkpoint->path, *checkpoint->spec, cache))
            series::takeCheck(*checkpoint, *check);
    return {};
}

/// Where the listing says nothing of the weights' content.
void tellUnread(series::ScanResult& scan) {
    std::int64_t count = 0;
    double bytes = 0;
    for (const series::Checkpoint* checkpoint : checkable(scan))
        if (checkpoint->fingerprint.empty()) {
            ++count;
            bytes += static_cast<double>(checkpoint->weightBytes);
        }
    if (count > 0)
        fmt::print(stderr,
                   "crest-run inspect: the weights of {} ({}) were not read; --fingerprints reads them once, and tells copies, damaged "
                   "files, NaN, Inf and zeros\n",
                   counted(count, "checkpoint"), formatBytes(bytes));
}

/// Without what stands in a row already.
void printIssues(const series::ScanResult& scan) {
    std::set<std::pair<std::string, std::string>> rows;
    for (const series::Series& one : scan.series)
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            rows.emplace(checkpoint.path.string(), checkpoint.reason);
    for (const series::ScanIssue& issue : scan.issues)
        if (!rows.contains({issue.where, issue.message}))
            fmt::print(stderr, "crest-run inspect: {}: {}\n", visible(issue.where), visible(issue.message));
}

Result<int> inspect(const InspectOptions& options) {
    CREST_TRY(scan, series::findSeries(options.path));
    series::checkTokenizers(scan.series);
    CREST_CHECK(checkWeights(scan, options));
    for (series::Series& one : scan.series)
        series::judgeSeries(one, scan.issues);
    if (options.json)
        fmt::print("{}\n", canonicalJson(toJson(scan)));
    else
        printTable(scan);
    printIssues(scan);
    if (!options.json && !options.fingerprints)
        tellUnread(scan);
    return scan.series.empty() ? 1 : 0;
}

} // namespace

void addInspectCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<InspectOptions>();
    CLI::App* command = app.add_subcommand("inspect", "List the series and checkpoints below a folder");
    command->add_option("path", options->path, "Folder of checkpoints, or one checkpoint")->required();
    command->add_flag("--fingerprints", options->fingerprints,
                      "Read all weights, too (remembered): copies under another name, files that are not what the hub published, NaN, "
                      "Inf, matrices of zeros");
    command->add_flag("--json", options->json, "Print one JSON object");
    command->callback([options, &exitCode] {
        const auto done = inspect(*options);
        if (!done)
            fmt::print(stderr, "crest-run inspect: {}\n", done.error().text());
        exitCode = done ? *done : 1;
    });
}

} // namespace crest
