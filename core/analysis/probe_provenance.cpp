// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_provenance.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/figure_command.h"
#include "core/analysis/probe_measures.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/version.h"
#include "core/data/suite.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

using study::ResultRow;

/// The rows that the plan names, each key once.
std::vector<const ResultRow*> rowsOfPlan(const ProbeResults& results) {
    std::unordered_set<std::string> wanted;
    for (const study::Cell& cell : results.plan.cells)
        wanted.insert(cell.keys.begin(), cell.keys.end());
    std::vector<const ResultRow*> rows;
    for (const ResultRow& row : results.rows)
        if (wanted.erase(row.key) > 0)
            rows.push_back(&row);
    return rows;
}

/// SHA-256 over "key value" of every row in the order of the keys: equal for equal numbers, in whatever order they were
/// stored.
std::string resultsHash(const std::vector<const ResultRow*>& rows) {
    std::vector<std::string> lines;
    for (const ResultRow* row : rows)
        lines.push_back(row->key + " " + canonicalJson(numberToJson(row->value)) + "\n");
    std::sort(lines.begin(), lines.end());
    Sha256 hash;
    for (const std::string& line : lines)
        hash.update(line);
    return hash.finishHex();
}

/// `rows`: rowsOfPlan of the results.
Json resultsRecord(const ProbeResults& results, const std::vector<const ResultRow*>& rows) {
    return {{"cells", storedCells(results)},
            {"planned_cells", results.plan.cellCount()},
            {"rows", rows.size()},
            {"sha256", resultsHash(rows)}};
}

const char* noiseScaleText(study::NoiseScale scale) {
    return scale == study::NoiseScale::InitStd ? "init-std" : "tensor-rms";
}
const char* computeText(study::ComputeType compute) {
    return compute == study::ComputeType::Float32 ? "float32" : "bfloat16";
}

const char* xText(XQuantity x) {
    return x == XQuantity::Tokens  ? "tokens"
           : x == XQuantity::Flops ? "flops"
           : x == XQuantity::Steps ? "steps"
                                   : "tokens per parameter";
}
const char* yText(YQuantity y) {
    return y == YQuantity::Value ? "value" : y == YQuantity::Change ? "change" : "both";
}

/// "1M (999424)": the label, and the exact count where it says less.
std::string tokensWithCount(double tokens) {
    const std::string label = formatTokens(tokens), count = fmt::format("{:.0f}", tokens);
    return label == count ? label : label + " (" + count + ")";
}

Json probeRecord(const study::Probe& probe) {
    if (probe.strengths.empty())
        return {{"name", probe.name}, {"kind", probe.kind}, {"series", probe.series}, {"compute", computeText(probe.compute)}};
    if (probe.kind != study::kGaussianNoise)
        return {{"name", probe.name},
                {"kind", probe.kind},
                {"series", probe.series},
                {study::probeKind(probe.kind).strengths, probe.strengths},
                {"first_seed", probe.firstSeed},
                {"seeds", probe.seeds},
                {"settings", probe.settings},
                {"compute", computeText(probe.compute)}};
    return {{"name", probe.name},
            {"kind", probe.kind},
            {"series", probe.series},
            {"gammas", probe.strengths},
            {"first_seed", probe.firstSeed},
            {"seeds", probe.seeds},
            {"antithetic", true},
            {"noise_scale", noiseScaleText(probe.noiseScale)},
            {"compute", computeText(probe.compute)}};
}

/// "chat template" where the task of a suite is asked by one.
std::string askedBy(const study::Task& task) {
    return data::chatWords(Json::parse(task.definition, nullptr, false));
}

/// Of the held-out part of fine-tuning data; an empty object where they cannot be read.
Json dataSettings(const study::Task& task) {
    const Json settings = Json::parse(task.definition, nullptr, false);
    return settings.is_object() ? settings : Json::object();
}

/// "held-out part: 40 rows, split seed 1, at most 128 tokens of each, loss of the completions".
std::string heldOutText(const study::Task& task) {
    const Json settings = dataSettings(task);
    if (settings.empty())
        return "held-out part of fine-tuning data";
    const std::int64_t rows = settings.value("held_out_count", std::int64_t{0});
    return fmt::format("held-out part: {}, split seed {}, at most {} tokens of each, loss of {}",
                       rows > 0 ? counted(rows, "row") : formatNumber(100 * settings.value("held_out_share", 0.0)) + " % of the rows",
                       settings.value("split_seed", 1), settings.value("max_tokens", std::int64_t{0}),
                       settings.value("loss_on", "") == "all" ? "all tokens" : "the completions");
}

Json taskRecord(const study::Task& task) {
    if (task.kind == study::TaskKind::TuningLoss)
        return {{"sha256", task.dataHash}, {"held_out_part_of", dataSettings(task)}};
    if (task.kind == study::TaskKind::Suite) {
        Json record = {{"sha256", task.dataHash},
                       {"definition_sha256", sha256Hex(task.definition)},
                       {"shots", task.shots},
                       {"limit", task.limit}};
        if (const std::string words = askedBy(task); !words.empty())
            record["asked_by"] = words;
        return record;
    }
    return {{"sha256", task.dataHash},
            {"window_tokens", task.windowTokens},
            {"stride_tokens", task.strideTokens},
            {"max_windows", task.maxWindows}};
}

Json overlayRecord(const study::Overlay& overlay) {
    return {{"name", overlay.name}, {"source", overlay.source}, {"file", overlay.file}, {"sha256", overlay.sha256}};
}

/// What the figure holds beside the probe itself.
void addGuests(Json& object, const ProbeResults& results, const FigureOptions& options) {
    if (!options.metric.empty())
        object["metric"] = options.metric;
    for (const study::Overlay& overlay : results.overlays)
        object["overlays"].push_back(overlayRecord(overlay));
    for (const ProbeResults& other : results.others)
        object["other_series"].push_back({{"series", other.plan.probe.series},
                                          {"run", other.plan.id},
                                          {"results", resultsRecord(other, rowsOfPlan(other))}});
}

/// Of every kind but noise.
std::string kindText(const study::Probe& probe, const std::string& strength) {
    const study::ProbeKind& kind = study::probeKind(probe.kind);
    std::string text = fmt::format("modification: {}, {}\n", kind.name, strength);
    if (kind.isDrawn())
        text += fmt::format("seeds {} to {}\n", probe.firstSeed, probe.firstSeed + probe.seeds - 1);
    if (const Json settings = study::withFinerRates(probe, {}).settings; settings.is_object() && !settings.empty())
        text += "settings " + canonicalJson(settings) + "\n";
    return text;
}

} // namespace

std::string modificationText(const ProbeResults& results, double strength) {
    const study::Probe& probe = results.plan.probe;
    if (strength == 0)
        return "modification: none (the base)\n";
    if (probe.kind != study::kGaussianNoise)
        return kindText(probe, study::strengthText(study::probeKind(probe.kind), strength));
    return fmt::format("modification: Gaussian noise, gamma {} x {}\nseeds {} to {}, antithetic pairs\n",
                       formatNumber(strength, 6),
                       probe.noiseScale == study::NoiseScale::InitStd ? "the std each tensor was initialised with"
                                                                      : "the RMS of each tensor (fallback)",
                       probe.firstSeed, probe.firstSeed + probe.seeds - 1);
}

std::string chosenText(const ProbeResults& results, const std::string& strengths) {
    return kindText(results.plan.probe, strengths);
}

std::string pointRecipe(const ProbeResults& results, const std::string& task, const std::string& modification,
                        double tokens, const std::string& figure, XQuantity x) {
    const std::string place = x == XQuantity::Steps ? stepText(std::llround(tokens)) : tokensWithCount(tokens) + " tokens";
    return pointRecipeAt(results, task, modification, place, figure, x);
}

std::string pointRecipeAt(const ProbeResults& results, const std::string& task, const std::string& modification,
                          const std::string& place, const std::string& figure, XQuantity x) {
    const study::Probe& probe = results.plan.probe;
    std::string text = fmt::format("{}\nseries {}, {}\ntask {}\n", probe.name, probe.series, place, task);
    text += modification;
    for (const study::Task& one : results.plan.tasks)
        if (one.name == task && one.kind == study::TaskKind::Suite)
            text += fmt::format("task of a suite, {}{}{}, {}\ndata {}\n",
                                one.shots < 0 ? "the suite's number of shots" : fmt::format("{} shots", one.shots),
                                askedBy(one).empty() ? "" : ", ", askedBy(one),
                                one.limit > 0 ? fmt::format("the first {} items", one.limit) : "all items",
                                one.dataHash.substr(0, 16));
        else if (one.name == task && one.kind == study::TaskKind::TuningLoss)
            text += fmt::format("{}\ndata {}\n", heldOutText(one), one.dataHash.substr(0, 16));
        else if (one.name == task)
            text += fmt::format("windows of {} tokens, stride {}, {}\ndata {}\n", one.windowTokens, one.strideTokens,
                                one.maxWindows > 0 ? fmt::format("at most {}", one.maxWindows) : "all",
                                one.dataHash.substr(0, 16));
    text += fmt::format("compute {}, numerics {}, Crest {}\n{}", computeText(probe.compute), results.numerics(),
                        version(),
                        fmt::format("{} --figure {}{} -o {}.pdf", results.studyCommand, figure, x == XQuantity::Steps ? " --x steps" : "", figure));
    return text;
}

std::set<std::string> devicesOf(const ProbeResults& results) {
    std::set<std::string> devices;
    for (const ResultRow* row : rowsOfPlan(results))
        devices.insert(row->device);
    return devices;
}

std::string provenanceWith(const ProbeResults& results, const std::string& figure, const FigureOptions& options,
                           const std::vector<const ProbeResults*>& siblings) {
    const std::string own = figureProvenance(results, figure, options);
    Json object = Json::parse(own, nullptr, false);
    if (siblings.empty() || !object.is_object())
        return own;
    for (const ProbeResults* one : siblings)
        object["other_runs"].push_back({{"run", one->plan.id},
                                        {"probe", probeRecord(one->plan.probe)},
                                        {"results", resultsRecord(*one, rowsOfPlan(*one))}});
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string figureProvenance(const ProbeResults& results, const std::string& figure, const FigureOptions& options) {
    const study::Plan& plan = results.plan;
    const std::vector<const ResultRow*> rows = rowsOfPlan(results);
    std::set<std::string> devices;
    std::set<int> numerics;
    for (const ResultRow* row : rows) {
        devices.insert(fmt::format("{} x{}", row->device, row->threads));
        numerics.insert(row->numerics);
    }
    Json data = Json::object(), weights = Json::array();
    for (const study::Task& task : plan.tasks)
        data[task.name] = taskRecord(task);
    for (const study::PlannedCheckpoint& checkpoint : plan.checkpoints)
        weights.push_back({{"name", checkpoint.name}, {"weights", checkpoint.weights.substr(0, 16)}});
    Json object = {{"made_by", fmt::format("Crest {}", version())},
                         {"figure", figure},
                         {"study", results.studyName},
                         {"run", plan.id},
                         {"probe", probeRecord(plan.probe)},
                         {"tasks", data},
                         {"checkpoints", weights},
                         {"results", resultsRecord(results, rows)},
                         {"devices", devices},
                         {"numerics_versions", numerics},
                         {"x", xText(options.x)},
                         {"y", yText(options.y)},
                         {"spread", options.spread == Spread::Confidence95 ? "95 % confidence" : "standard deviation"},
                         {"command", fmt::format("{} --figure {}{}", results.studyCommand, figure, makingOptions(figure, options))}};
    addGuests(object, results, options);
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace crest::analysis
