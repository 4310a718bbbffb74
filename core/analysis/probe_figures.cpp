// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_figures.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_provenance.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

using study::ResultRow;
using study::Role;

/// Tasks of the probe, ID first, otherwise in the user's order.
std::vector<study::TaskInProbe> orderedTasks(const study::Probe& probe) {
    std::vector<study::TaskInProbe> tasks = probe.tasks;
    std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) {
        return a.role == Role::InDistribution && b.role != Role::InDistribution;
    });
    return tasks;
}

/// Which checkpoints have a place on the token axis: those with a token count; of copies with the same content there,
/// the first; none where contents differ at one budget and pretraining seed, because nothing says which run is which.
struct CheckpointChoice {
    std::vector<char> counted;                       ///< by checkpoint of the plan
    std::vector<std::vector<std::string>> ambiguous; ///< names that stand at one place
};
CheckpointChoice chooseCheckpoints(const study::Plan& plan) {
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < plan.checkpoints.size(); ++i)
        if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; one.tokens)
            places[{*one.tokens, one.pretrainSeed.value_or(-1)}].push_back(i);
    CheckpointChoice choice{std::vector<char>(plan.checkpoints.size(), 0), {}};
    for (const auto& [place, there] : places) {
        std::set<std::string> contents;
        std::vector<std::string> names;
        for (const std::size_t i : there)
            if (contents.insert(plan.checkpoints[i].weights).second)
                names.push_back(plan.checkpoints[i].name);
        if (names.size() == 1)
            choice.counted[there.front()] = 1;
        else
            choice.ambiguous.push_back(std::move(names));
    }
    return choice;
}

std::string counted(std::int64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

double xOf(double tokens, const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return tokens / static_cast<double>(results.parameters);
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return tokens * results.flopsPerToken;
    return tokens;
}

constexpr const char* kTokensTitle = "pretraining tokens";

std::string xTitle(const ProbeResults& results, XQuantity x) {
    if (x == XQuantity::TokensPerParameter && results.parameters > 0)
        return "pretraining tokens per parameter";
    if (x == XQuantity::Flops && results.flopsPerToken > 0)
        return "pretraining compute (FLOPs)";
    return kTokensTitle;
}

std::string strengthLabel(double strength) {
    return "\u03b3 = " + formatNumber(strength);
}
std::string curveId(double strength) {
    return strength == 0 ? "base" : "gamma=" + formatNumber(strength, 6);
}

constexpr Marker kMarkers[] = {Marker::Circle,       Marker::Square,   Marker::Diamond, Marker::TriangleUp,
                               Marker::TriangleDown, Marker::Pentagon, Marker::Star};

std::string pointDetail(const StrengthCurves& curve, const CurvePoint& point, bool change) {
    const bool base = curve.strength == 0;
    std::string text =
        fmt::format("{}, {} tokens\n{} {} nats/token", base ? "base" : strengthLabel(curve.strength),
                    formatTokens(point.tokens), change ? "change from base" : "loss", formatNumber(point.mean, 6));
    if (point.band != BandKind::None)
        text += fmt::format("\n{}: {} to {}", bandKindLabel(point.band), formatNumber(point.low, 5),
                            formatNumber(point.high, 5));
    text += "\nN: " + counted(point.seeds, "pretraining run");
    if (!base)
        text += ", " + counted(point.draws, "noise draw") + (point.draws == 1 ? " (pair)" : " (pairs)");
    if (point.sequences > 0)
        text += ", " + counted(point.sequences, "sequence");
    if (point.nonFinite > 0)
        text += fmt::format("\n{} not finite and left out", counted(point.nonFinite, "value"));
    return text;
}

/// What the band's N counts; without a band, what there is most of.
std::int64_t bandCount(const CurvePoint& point) {
    switch (point.band) {
    case BandKind::SeedSd:
    case BandKind::SeedCi95:
        return point.seeds;
    case BandKind::DrawSd:
    case BandKind::DrawCi95:
        return point.draws;
    case BandKind::SequenceCi95:
        return point.sequences;
    case BandKind::None:
        break;
    }
    return std::max({point.seeds, point.draws, point.sequences});
}

FigurePoint makePoint(const ProbeResults& results, const StrengthCurves& curve, const CurvePoint& point, bool change,
                      double x) {
    FigurePoint out;
    out.x = x;
    out.y = point.mean;
    if (point.band != BandKind::None && std::isfinite(point.low) && std::isfinite(point.high)) {
        out.low = point.low;
        out.high = point.high;
    }
    out.n = bandCount(point);
    out.detail = pointDetail(curve, point, change);
    out.recipe = pointRecipe(results, curve.task, curve.strength, point.tokens);
    return out;
}

/// `position`: of the strength on the probe's ladder of `count`. Points that are not finite end a segment and are
/// counted in `hidden`.
FigureCurve makeCurve(const ProbeResults& results, const StrengthCurves& source, bool change, std::size_t position,
                      std::size_t count, XQuantity x, int& hidden) {
    FigureCurve curve;
    curve.id = curveId(source.strength);
    const bool base = source.strength == 0;
    curve.label = base ? "base" : strengthLabel(source.strength);
    curve.color = base ? CurveColor::Base : CurveColor::Ordered;
    curve.dashed = base;
    curve.marker = base ? Marker::None : kMarkers[position % std::size(kMarkers)];
    curve.colorPosition = count < 2 ? 0.3 : static_cast<double>(position) / static_cast<double>(count - 1);
    std::vector<FigurePoint> segment;
    const auto endSegment = [&] {
        if (!segment.empty())
            curve.segments.push_back(std::move(segment));
        segment.clear();
    };
    for (const CurvePoint& point : (change ? source.sensitivity : source.value).points) {
        if (std::isfinite(point.mean)) {
            segment.push_back(makePoint(results, source, point, change, xOf(point.tokens, results, x)));
            continue;
        }
        ++hidden;
        endSegment();
    }
    endSegment();
    return curve;
}

void setAxes(FigurePanel& panel, const ProbeResults& results, bool change, const FigureOptions& options) {
    panel.x.title = xTitle(results, options.x);
    panel.x.scale = options.xScale;
    panel.x.format = panel.x.title == kTokensTitle ? TickFormat::Tokens : TickFormat::Number;
    panel.y.title = change ? "increase (nats/token)" : "loss (nats/token)";
    panel.y.scale = options.yScale;
    fitAxis(panel, Dimension::X);
    fitAxis(panel, Dimension::Y);
}

/// The kind of band that most points have, and the most runs, draws and sequences behind any of them.
struct BandSummary {
    BandKind kind = BandKind::None;
    std::int64_t runs = 0, draws = 0, sequences = 0;
};

BandSummary summarizeBands(const std::vector<const Curve*>& curves) {
    std::map<BandKind, int> kinds;
    BandSummary summary;
    for (const Curve* curve : curves)
        for (const CurvePoint& point : curve->points)
            if (point.band != BandKind::None) {
                ++kinds[point.band];
                summary.runs = std::max(summary.runs, point.seeds);
                summary.draws = std::max(summary.draws, point.draws);
                summary.sequences = std::max(summary.sequences, point.sequences);
            }
    for (const auto& [kind, count] : kinds)
        if (summary.kind == BandKind::None || count > kinds[summary.kind])
            summary.kind = kind;
    return summary;
}

/// "95 % CI over 3 pretraining runs, 16 noise draws, 32 sequences": short, since it stands above every panel; the hover
/// says more.
std::string bandText(const BandSummary& band, bool base) {
    const bool deviation = band.kind == BandKind::SeedSd || band.kind == BandKind::DrawSd;
    const bool runs = band.kind == BandKind::SeedSd || band.kind == BandKind::SeedCi95;
    std::vector<std::string> over;
    if (runs)
        over.push_back(counted(band.runs, "pretraining run"));
    if (!base && band.kind != BandKind::SeedSd && band.kind != BandKind::SequenceCi95)
        over.push_back(counted(band.draws, "noise draw"));
    if (!deviation && band.sequences > 0)
        over.push_back(counted(band.sequences, "sequence"));
    return fmt::format("{} over {}{}", deviation ? "SD" : "95 % CI", fmt::join(over, ", "),
                       runs ? "" : ", for these checkpoints");
}

/// What the band of a panel is, "" without one; the legend says it where all panels agree (shareBands).
std::string addBandNotes(FigurePanel& panel, const std::vector<const StrengthCurves*>& curves, bool change) {
    std::vector<const Curve*> modified, base;
    for (const StrengthCurves* curve : curves)
        (curve->strength == 0 ? base : modified).push_back(change ? &curve->sensitivity : &curve->value);
    const BandSummary band = summarizeBands(modified), ofBase = summarizeBands(base);
    if (change && band.kind != BandKind::None)
        panel.notes.push_back("paired with the base");
    if (!change && ofBase.kind != BandKind::None && ofBase.kind != band.kind)
        panel.notes.push_back("base: " + bandText(ofBase, true));
    return band.kind == BandKind::None ? std::string() : bandText(band, false);
}

/// One band for all panels goes into the legend; where they differ, each says its own.
void shareBands(Figure& figure, const std::vector<std::string>& bands) {
    std::set<std::string> distinct(bands.begin(), bands.end());
    distinct.erase("");
    if (distinct.size() == 1)
        figure.keys.push_back({FigureKey::Symbol::Band, *distinct.begin()});
    else
        for (std::size_t i = 0; i < figure.panels.size(); ++i)
            if (!bands[i].empty())
                figure.panels[i].notes.insert(figure.panels[i].notes.begin(), "band: " + bands[i]);
    if (std::any_of(figure.panels.begin(), figure.panels.end(), [](const auto& panel) { return !panel.marks.empty(); }))
        figure.keys.push_back({FigureKey::Symbol::Interval, "inflection with its 95 % interval"});
}

void addInflections(FigurePanel& panel, const ProbeResults& results, const std::string& task,
                    const std::vector<InflectionRow>& rows, const FigureOptions& options) {
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

/// What else a reader must know of these results.
void addCautions(FigurePanel& panel, const ProbeResults& results) {
    if (results.plan.probe.noiseScale == study::NoiseScale::TensorRms)
        panel.notes.push_back("gamma scales the RMS of each tensor (fallback), not its initialisation");
    const auto& checkpoints = results.plan.checkpoints;
    if (const auto unknown =
            std::count_if(checkpoints.begin(), checkpoints.end(), [](const auto& one) { return !one.tokens; });
        unknown > 0)
        panel.notes.push_back(counted(unknown, "checkpoint") + " without a token count left out");
    for (const std::vector<std::string>& names : chooseCheckpoints(results.plan).ambiguous)
        panel.notes.push_back(fmt::format("left out: {} stand at one budget; exclude all but one, or give their seeds",
                                          fmt::join(names, ", ")));
    if (const std::set<std::string> devices = devicesOf(results); devices.size() > 1)
        panel.notes.push_back(fmt::format("measured on different devices: {}", fmt::join(devices, ", ")));
}

/// By task: how many checkpoints with a place on the token axis have no result at all. They would vanish without a
/// word.
std::map<std::string, std::int64_t> withoutResult(const ProbeResults& results,
                                                  const std::vector<Observation>& observations) {
    using Place = std::pair<double, std::int64_t>;
    std::map<std::string, std::set<Place>> measured;
    for (const Observation& one : observations)
        measured[one.task].insert({one.tokens, one.pretrainSeed});
    const std::vector<char> counted = chooseCheckpoints(results.plan).counted;
    std::map<std::string, std::int64_t> missing;
    for (const auto& [task, places] : measured)
        for (std::size_t i = 0; i < counted.size(); ++i) {
            const study::PlannedCheckpoint& one = results.plan.checkpoints[i];
            if (counted[i] && !places.contains({static_cast<double>(*one.tokens), one.pretrainSeed.value_or(-1)}))
                ++missing[task];
        }
    return missing;
}

FigurePanel makePanel(const ProbeResults& results, const study::TaskInProbe& task,
                      const std::vector<const StrengthCurves*>& curves, bool change, const FigureOptions& options,
                      const std::vector<InflectionRow>& inflections, std::string& band) {
    const std::vector<double>& ladder = results.plan.probe.strengths;
    FigurePanel panel;
    panel.title = fmt::format("{}: {}", task.task, change ? "change from base" : "loss");
    panel.badge = task.role == Role::InDistribution ? "ID" : "OOD";
    for (const StrengthCurves* curve : curves) {
        if (change && curve->strength == 0)
            continue;
        const auto at =
            static_cast<std::size_t>(std::find(ladder.begin(), ladder.end(), curve->strength) - ladder.begin());
        panel.curves.push_back(makeCurve(results, *curve, change, at, ladder.size(), options.x, panel.hiddenNonFinite));
    }
    setAxes(panel, results, change, options);
    band = addBandNotes(panel, curves, change);
    addCautions(panel, results);
    if (options.inflections && !change)
        addInflections(panel, results, task.task, inflections, options);
    return panel;
}

} // namespace

std::vector<Observation> observationsOf(const ProbeResults& results) {
    const study::Plan& plan = results.plan;
    std::unordered_map<std::string_view, const ResultRow*> stored;
    for (const ResultRow& row : results.rows)
        stored.emplace(row.key, &row);
    const std::vector<char> counted = chooseCheckpoints(plan).counted;
    std::vector<Observation> out;
    for (const study::Cell& cell : plan.cells) {
        if (!counted[static_cast<std::size_t>(cell.checkpoint)])
            continue;
        // What the plan says of a key counts: the row may have been stored under another name of the task or series.
        const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)];
        for (std::size_t t = 0; t < cell.keys.size() && t < plan.tasks.size(); ++t) {
            const auto found = stored.find(cell.keys[t]);
            if (found == stored.end())
                continue;
            const ResultRow& row = *found->second;
            out.push_back({static_cast<double>(*checkpoint.tokens), checkpoint.pretrainSeed.value_or(-1),
                           plan.tasks[t].name, cell.strength, cell.seed, row.value, row.sequenceNats,
                           row.sequenceTokens});
        }
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

Result<Figure> curvesFigure(const ProbeResults& results, const FigureOptions& options,
                            const std::vector<InflectionRow>& inflections) {
    const std::vector<Observation> observations = observationsOf(results);
    CREST_TRY(curves, buildCurves(observations, {options.spread}));
    Figure figure;
    figure.name = "curves";
    figure.title = results.plan.probe.name;
    const std::map<std::string, std::int64_t> missing = withoutResult(results, observations);
    std::vector<std::string> bands; ///< of each panel
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        std::vector<const StrengthCurves*> own;
        for (const StrengthCurves& curve : curves)
            if (curve.task == task.task)
                own.push_back(&curve);
        for (const bool change : {false, true})
            if (change ? options.y != YQuantity::Value : options.y != YQuantity::Change) {
                figure.panels.push_back(
                    makePanel(results, task, own, change, options, inflections, bands.emplace_back()));
                if (const auto none = missing.find(task.task); none != missing.end())
                    figure.panels.back().notes.push_back(counted(none->second, "checkpoint") +
                                                         " without a result: failed, or still to come");
            }
    }
    shareBands(figure, bands);
    figure.columns = figure.panels.size() <= 1 ? 1 : figure.panels.size() <= 4 || options.y == YQuantity::Both ? 2 : 3;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

} // namespace crest::analysis
