// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figures.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "core/analysis/axis.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/base/version.h"

namespace crest::analysis {
namespace {

using study::ResultRow;
using study::Role;

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

/// Tasks of the probe, ID first, otherwise in the user's order.
std::vector<study::TaskInProbe> orderedTasks(const study::Probe& probe) {
    std::vector<study::TaskInProbe> tasks = probe.tasks;
    std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) {
        return a.role == Role::InDistribution && b.role != Role::InDistribution;
    });
    return tasks;
}

double xOf(double tokens, const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return tokens / static_cast<double>(results.parameters);
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return tokens * results.flopsPerToken;
    return tokens;
}

std::string xTitle(const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return "pretraining tokens per parameter";
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return "pretraining compute (FLOPs)";
    return "pretraining tokens";
}

std::string strengthLabel(double strength) { return "\u03b3 = " + formatNumber(strength); }
std::string curveId(double strength) { return strength == 0 ? "base" : "gamma=" + formatNumber(strength, 6); }

constexpr Marker kMarkers[] = {Marker::Circle,       Marker::Square,   Marker::Diamond, Marker::TriangleUp,
                               Marker::TriangleDown, Marker::Pentagon, Marker::Star};

std::string pointDetail(const StrengthCurves& curve, const CurvePoint& point, bool change, const std::string& unit) {
    std::string text = fmt::format("{}, {} tokens\n{} {} {}", curve.strength == 0 ? "base" : strengthLabel(curve.strength),
                                   formatTokens(point.tokens), change ? "change from base" : "loss",
                                   formatNumber(point.mean, 6), unit);
    if (point.band != BandKind::None)
        text += fmt::format("\n{}: {} to {}", bandKindLabel(point.band), formatNumber(point.low, 5), formatNumber(point.high, 5));
    text += fmt::format("\nN: {} pretraining {}, {} {}, {} sequences", point.seeds, point.seeds == 1 ? "run" : "runs", point.draws,
                        curve.strength == 0 ? "value" : point.draws == 1 ? "noise draw (pair)" : "noise draws (pairs)", point.sequences);
    if (point.nonFinite > 0)
        text += fmt::format("\n{} values are not finite and left out", point.nonFinite);
    return text;
}

std::string pointRecipe(const ProbeResults& results, const StrengthCurves& curve, const CurvePoint& point) {
    const study::Probe& probe = results.plan.probe;
    std::string text = fmt::format("{}\nseries {}, {} tokens\ntask {}\n", probe.name, probe.series, formatTokens(point.tokens), curve.task);
    if (curve.strength == 0)
        text += "modification: none (the base)\n";
    else
        text += fmt::format("modification: Gaussian noise, gamma {} x {}\nseeds {} to {}, antithetic pairs\n", formatNumber(curve.strength, 6),
                            probe.noiseScale == study::NoiseScale::InitStd ? "the std each tensor was initialised with"
                                                                           : "the RMS of each tensor (fallback)",
                            probe.firstSeed, probe.firstSeed + probe.seeds - 1);
    for (const study::Task& task : results.plan.tasks)
        if (task.name == curve.task)
            text += fmt::format("windows of {} tokens, stride {}, at most {}\ndata {}\n", task.windowTokens, task.strideTokens, task.maxWindows,
                                task.dataHash.substr(0, 16));
    text += fmt::format("compute {}, numerics {}, Crest {}\n{}", probe.compute == study::ComputeType::Float32 ? "float32" : "bfloat16",
                        kNumericsVersion, version(), results.studyCommand);
    return text;
}

FigureCurve makeCurve(const ProbeResults& results, const StrengthCurves& source, bool change, std::size_t index, std::size_t count,
                      const FigureOptions& options, int& hidden) {
    FigureCurve curve;
    curve.id = curveId(source.strength);
    const bool base = source.strength == 0;
    curve.label = base ? "base" : strengthLabel(source.strength);
    curve.color = base ? CurveColor::Base : CurveColor::Ordered;
    curve.dashed = base;
    curve.marker = base ? Marker::None : kMarkers[index % std::size(kMarkers)];
    curve.colorPosition = count < 2 ? 0.3 : static_cast<double>(index) / static_cast<double>(count - 1);
    std::vector<FigurePoint> segment;
    for (const CurvePoint& point : (change ? source.sensitivity : source.value).points) {
        const double x = xOf(point.tokens, results, options.x);
        const bool drawable = std::isfinite(point.mean) && (options.yScale == AxisScale::Linear || point.mean > 0) &&
                              (options.xScale == AxisScale::Linear || x > 0);
        if (!drawable) {
            ++hidden;
            if (!segment.empty())
                curve.segments.push_back(std::move(segment));
            segment.clear();
            continue;
        }
        FigurePoint out;
        out.x = x;
        out.y = point.mean;
        if (point.band != BandKind::None && std::isfinite(point.low) && std::isfinite(point.high)) {
            out.low = point.low;
            out.high = point.high;
        }
        out.n = point.seeds > 1 ? point.seeds : base ? point.sequences : point.draws;
        out.detail = pointDetail(source, point, change, "nats/token");
        out.recipe = pointRecipe(results, source, point);
        segment.push_back(std::move(out));
    }
    if (!segment.empty())
        curve.segments.push_back(std::move(segment));
    return curve;
}

/// The visible range with a margin; bands count, since they are drawn.
void fitAxes(FigurePanel& panel, const FigureOptions& options) {
    double xLow = INFINITY, xHigh = -INFINITY, yLow = INFINITY, yHigh = -INFINITY;
    const bool logY = options.yScale == AxisScale::Log;
    for (const FigureCurve& curve : panel.curves)
        for (const auto& segment : curve.segments)
            for (const FigurePoint& point : segment) {
                xLow = std::min(xLow, point.x), xHigh = std::max(xHigh, point.x);
                const double low = point.low.value_or(point.y), high = point.high.value_or(point.y);
                yLow = std::min(yLow, logY && low <= 0 ? point.y : low), yHigh = std::max(yHigh, high);
            }
    if (!(xLow <= xHigh))
        xLow = 1, xHigh = 10, yLow = 0, yHigh = 1;
    const auto widen = [](double& low, double& high, AxisScale scale, double share) {
        if (scale == AxisScale::Log) {
            const double margin = high > low ? std::pow(high / low, share) : 1.3;
            low /= margin, high *= margin;
        } else {
            const double margin = high > low ? (high - low) * share : std::max(std::abs(low) * 0.05, 0.5);
            low -= margin, high += margin;
        }
    };
    widen(xLow, xHigh, options.xScale, 0.035);
    widen(yLow, yHigh, options.yScale, 0.05);
    panel.x.scale = options.xScale;
    panel.y.scale = options.yScale;
    panel.x.low = xLow, panel.x.high = xHigh;
    panel.y.low = yLow, panel.y.high = yHigh;
    panel.x.ticks = tokenTicks(xLow, xHigh, options.xScale);
    if (!logY) {
        panel.y.ticks = numberTicks(yLow, yHigh);
        return;
    }
    for (int exponent = static_cast<int>(std::floor(std::log10(yLow))); std::pow(10, exponent) <= yHigh; ++exponent)
        for (const int digit : {1, 2, 5})
            if (const double value = digit * std::pow(10, exponent);
                value >= yLow && value <= yHigh && (digit == 1 || yHigh / yLow < 100))
                panel.y.ticks.push_back({value, formatNumber(value)});
}

/// What the band is and N, in words, from the curves as drawn; the most common kind speaks for the panel.
std::string bandNote(const std::vector<const StrengthCurves*>& curves, bool change) {
    std::map<BandKind, int> kinds;
    std::int64_t seeds = 0, draws = 0;
    for (const StrengthCurves* curve : curves)
        for (const CurvePoint& point : (change ? curve->sensitivity : curve->value).points)
            if (curve->strength != 0 && point.band != BandKind::None) {
                ++kinds[point.band];
                seeds = std::max(seeds, point.seeds);
                draws = std::max(draws, point.draws);
            }
    if (kinds.empty())
        return {};
    const auto most = std::max_element(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return fmt::format("band: {}; {} pretraining {}, {} noise {}", bandKindLabel(most->first), seeds, seeds == 1 ? "run" : "runs", draws,
                       draws == 1 ? "draw" : "draws");
}

void addInflections(FigurePanel& panel, const ProbeResults& results, const std::string& task, const std::vector<InflectionRow>& rows,
                    const FigureOptions& options) {
    for (const InflectionRow& row : rows) {
        if (row.task != task || !row.inflection.supported)
            continue;
        FigureMark mark;
        mark.curve = curveId(row.strength);
        mark.x = xOf(row.inflection.tokens, results, options.x);
        mark.low = xOf(row.inflection.low, results, options.x);
        mark.high = xOf(row.inflection.high, results, options.x);
        mark.label = inflectionLabel(row.inflection);
        panel.marks.push_back(std::move(mark));
    }
    if (panel.marks.empty() && std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.task == task; }))
        panel.notes.push_back("no inflection is supported by these data");
}

} // namespace

std::vector<Observation> observationsOf(const ProbeResults& results) {
    std::vector<Observation> out;
    for (const ResultRow* row : rowsOfPlan(results)) {
        if (!row->tokens)
            continue;
        Observation observation;
        observation.tokens = static_cast<double>(*row->tokens);
        observation.pretrainSeed = row->pretrainSeed.value_or(-1);
        observation.task = row->task;
        observation.strength = row->strength;
        observation.drawSeed = row->seed;
        observation.value = row->value;
        observation.perSequenceNats = row->sequenceNats;
        observation.perSequenceTokens = row->sequenceTokens;
        out.push_back(std::move(observation));
    }
    return out;
}

Result<std::vector<InflectionRow>> inflectionTable(const ProbeResults& results) {
    const std::vector<Observation> all = observationsOf(results);
    std::vector<InflectionRow> table;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe))
        for (const double strength : results.plan.probe.strengths) {
            std::vector<Observation> some;
            std::copy_if(all.begin(), all.end(), std::back_inserter(some),
                         [&](const Observation& o) { return o.task == task.task && o.strength == strength; });
            CREST_TRY(inflection, findInflection(some));
            table.push_back({task.task, task.role, strength, std::move(inflection)});
        }
    return table;
}

Result<Figure> curvesFigure(const ProbeResults& results, const FigureOptions& options, const std::vector<InflectionRow>& inflections) {
    const std::vector<Observation> observations = observationsOf(results);
    CREST_TRY(curves, buildCurves(observations, {options.spread}));
    Figure figure;
    figure.name = "curves";
    figure.title = results.plan.probe.name;
    const study::Probe& probe = results.plan.probe;
    for (const study::TaskInProbe& task : orderedTasks(probe)) {
        std::vector<const StrengthCurves*> own;
        for (const StrengthCurves& curve : curves)
            if (curve.task == task.task)
                own.push_back(&curve);
        for (const bool change : {false, true}) {
            if ((change && options.y == YQuantity::Value) || (!change && options.y == YQuantity::Change))
                continue;
            FigurePanel panel;
            panel.title = fmt::format("{}: {}", task.task, change ? "change from base" : "loss");
            panel.badge = task.role == Role::InDistribution ? "ID" : "OOD";
            panel.x.title = xTitle(results, options.x);
            panel.y.title = change ? "increase over base (nats/token)" : "loss (nats/token)";
            for (const StrengthCurves* curve : own) {
                if (change && curve->strength == 0)
                    continue;
                const auto at = std::find(probe.strengths.begin(), probe.strengths.end(), curve->strength);
                panel.curves.push_back(makeCurve(results, *curve, change, static_cast<std::size_t>(at - probe.strengths.begin()) % 64,
                                                 probe.strengths.size(), options, panel.hiddenNonFinite));
            }
            fitAxes(panel, options);
            if (const std::string note = bandNote(own, change); !note.empty())
                panel.notes.push_back(note);
            if (probe.noiseScale == study::NoiseScale::TensorRms)
                panel.notes.push_back("gamma scales the RMS of each tensor (fallback), not its initialisation");
            if (options.inflections && !change)
                addInflections(panel, results, task.task, inflections, options);
            if (panel.hiddenNonFinite > 0)
                panel.notes.push_back(fmt::format("{} points cannot be drawn and are left out", panel.hiddenNonFinite));
            figure.panels.push_back(std::move(panel));
        }
    }
    figure.columns = figure.panels.size() <= 1 ? 1 : figure.panels.size() <= 4 ? 2 : 3;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

std::string figureProvenance(const ProbeResults& results, const std::string& figure, const FigureOptions& options) {
    const study::Plan& plan = results.plan;
    const std::vector<const ResultRow*> rows = rowsOfPlan(results);
    std::vector<std::string> lines;
    std::set<std::string> devices;
    std::set<int> numerics;
    for (const ResultRow* row : rows) {
        lines.push_back(row->key + " " + canonicalJson(numberToJson(row->value)));
        devices.insert(fmt::format("{} x{}", row->device, row->threads));
        numerics.insert(row->numerics);
    }
    std::sort(lines.begin(), lines.end());
    Sha256 hash;
    for (const std::string& line : lines)
        hash.update(line + "\n");
    Json data = Json::object(), weights = Json::array();
    for (const study::Task& task : plan.tasks)
        data[task.name] = {{"sha256", task.dataHash}, {"window_tokens", task.windowTokens}, {"stride_tokens", task.strideTokens},
                           {"max_windows", task.maxWindows}};
    for (const study::PlannedCheckpoint& checkpoint : plan.checkpoints)
        weights.push_back({{"name", checkpoint.name}, {"weights", checkpoint.weights.substr(0, 16)}});
    const study::Probe& probe = plan.probe;
    const Json object = {
        {"made_by", fmt::format("Crest {}", version())},
        {"figure", figure},
        {"study", results.studyName},
        {"run", plan.id},
        {"probe",
         {{"name", probe.name}, {"kind", probe.kind}, {"series", probe.series}, {"gammas", probe.strengths}, {"first_seed", probe.firstSeed},
          {"seeds", probe.seeds}, {"antithetic", true},
          {"noise_scale", probe.noiseScale == study::NoiseScale::InitStd ? "init-std" : "tensor-rms"},
          {"compute", probe.compute == study::ComputeType::Float32 ? "float32" : "bfloat16"}}},
        {"tasks", data},
        {"checkpoints", weights},
        {"results", {{"rows", rows.size()}, {"sha256", hash.finishHex()}}},
        {"devices", devices},
        {"numerics_versions", numerics},
        {"spread", options.spread == Spread::Confidence95 ? "95 % confidence" : "standard deviation"},
        {"command", results.studyCommand}};
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace crest::analysis
