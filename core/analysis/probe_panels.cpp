// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_panels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/count_range.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_apart.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_gaps.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_overlays.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_stages.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"
#include "core/study/replayed_text.h"
#include "core/study/training_log.h"

namespace crest::analysis {
namespace {

using study::Role;

/// The kind of band that most points have, and what is behind the bands.
struct BandSummary {
    BandKind kind = BandKind::None;
    CountRange runs, draws, sequences;
};

BandSummary summarizeBands(const std::vector<const Curve*>& curves) {
    std::map<BandKind, int> kinds;
    std::vector<const CurvePoint*> points;
    for (const Curve* curve : curves)
        for (const CurvePoint& point : curve->points)
            if (point.band != BandKind::None) {
                ++kinds[point.band];
                points.push_back(&point);
            }
    BandSummary summary;
    summary.runs = countRange(points, &CurvePoint::seeds);
    summary.draws = countRange(points, &CurvePoint::draws);
    summary.sequences = countRange(points, &CurvePoint::sequences);
    for (const auto& [kind, count] : kinds)
        if (summary.kind == BandKind::None || count > kinds[summary.kind])
            summary.kind = kind;
    return summary;
}

/// "95 % CI over 3 pretraining runs, 6 to 7 noise draws, 32 sequences": short, since it stands above every panel; the hover
/// says more. Without a kind: of a base.
std::string bandText(const BandSummary& band, const study::ProbeKind* kind, const std::string& item) {
    const bool deviation = band.kind == BandKind::SeedSd || band.kind == BandKind::DrawSd;
    const bool runs = band.kind == BandKind::SeedSd || band.kind == BandKind::SeedCi95;
    std::vector<std::string> over;
    if (runs)
        over.push_back(countedRange(band.runs, "pretraining run"));
    if (kind && kind->isDrawn() && band.kind != BandKind::SeedSd && band.kind != BandKind::SequenceCi95)
        over.push_back(countedRange(band.draws, kind->draw));
    if (!deviation && band.sequences.most > 0)
        over.push_back(countedRange(band.sequences, item.c_str()));
    return fmt::format("{} over {}{}", deviation ? "SD" : "95 % CI", fmt::join(over, ", "),
                       runs ? "" : ", for these checkpoints");
}

/// "unfinished: 1199 of 1944 cells"; "" where all are stored.
std::string unfinishedText(const ProbeResults& results) {
    const std::int64_t stored = storedCells(results), planned = results.plan.cellCount();
    return stored == planned ? std::string() : fmt::format("unfinished: {} of {}", stored, counted(planned, "cell"));
}

/// "3 of 72 trainings left out: diverged (learning rate 0.02)"; "" where none did. Means over the seeds that are left would not tell.
std::string divergedText(const ProbeResults& results) {
    std::unordered_set<std::string> keys;
    for (const study::ResultRow& row : results.rows)
        if (row.cause.starts_with(study::kTrainingDiverged))
            keys.insert(row.key);
    if (keys.empty())
        return {};
    std::int64_t modified = 0, diverged = 0;
    std::set<double> strengths;
    for (const study::Cell& cell : results.plan.cells) {
        modified += cell.strength != 0;
        if (std::ranges::none_of(cell.keys, [&](const std::string& key) { return keys.contains(key); }))
            continue;
        ++diverged;
        strengths.insert(cell.strength);
    }
    if (diverged == 0)
        return {};
    const study::ProbeKind& kind = kindOf(results);
    const std::string at = strengths.size() == 1 ? formatNumber(*strengths.begin())
                                                 : fmt::format("{} to {}", formatNumber(*strengths.begin()), formatNumber(*strengths.rbegin()));
    return fmt::format("{} of {} left out: diverged ({} {})", diverged, counted(modified, isTuned(kind) ? "training" : "cell"),
                       strengths.size() == 1 ? kind.strength : kind.strengths, at);
}

bool hasPlaces(const study::Plan& plan, XQuantity x) {
    return std::ranges::any_of(plan.checkpoints, [&](const auto& one) { return placeOf(one, x).has_value(); }) &&
           (x != XQuantity::Steps || canShowSteps(plan));
}

/// Checkpoints without a place on the axis, and what gives them one; "" where there are none. A few are named.
std::string placelessText(const ProbeResults& results, XQuantity x) {
    constexpr std::size_t kMostNames = 3;
    std::vector<std::string> names;
    bool anyStep = false;
    for (const study::PlannedCheckpoint& one : results.plan.checkpoints)
        if (!placeOf(one, x) && !results.apart.contains(one.series + "/" + one.name)) {
            names.push_back(one.name);
            anyStep = anyStep || one.step;
        }
    if (names.empty())
        return {};
    const std::string who = counted(static_cast<std::int64_t>(names.size()), "checkpoint");
    const std::string named = names.size() <= kMostNames ? fmt::format(" ({})", fmt::join(names, ", ")) : std::string();
    if (x == XQuantity::Steps)
        return fmt::format("{} without a step left out{}", who, named);
    return fmt::format("{} without a token count left out{}: give {} in the Series dock", who, named,
                       anyStep ? "tokens per step" : "tokens");
}

/// The base evaluations of other series on the same task, a colour for each; returns what they were drawn from.
Result<std::vector<StrengthCurves>> addOtherSeries(FigurePanel& panel, const ProbeResults& results, const std::string& task,
                                                   const Measure& measure, const FigureOptions& options) {
    std::vector<StrengthCurves> drawn;
    std::size_t number = 0;
    for (const ProbeResults& other : results.others) {
        ++number;
        if (std::ranges::find(other.plan.tasks, task, &study::Task::name) == other.plan.tasks.end())
            continue;
        if (!hasPlaces(other.plan, options.x)) {
            panel.notes.push_back(fmt::format("{} left out: no {} known", other.plan.probe.series,
                                              options.x == XQuantity::Steps ? "steps are" : "token counts are"));
            continue;
        }
        std::vector<Observation> some = observationsOf(other, measure.metric, options.x);
        std::erase_if(some, [&](const Observation& one) { return one.task != task || one.strength != 0; });
        CREST_TRY(curves, buildCurves(some, {options.spread}));
        const CurveLooks looks{"series=" + other.plan.probe.series, other.plan.probe.series, number, 0, true};
        CREST_TRY(finals, ApartFinals::of(other, options));
        for (const StrengthCurves& curve : curves) {
            panel.curves.push_back(
                makeFigureCurve(other, curve, {measure, options.x, false}, looks, panel.hiddenNonFinite));
            finals.addTo(panel, task, {measure, options.x, false}, {{&curve, looks}});
            drawn.push_back(curve);
        }
        if (const std::string unfinished = unfinishedText(other); !curves.empty() && !unfinished.empty())
            panel.notes.push_back(fmt::format("{}: {}", other.plan.probe.series, unfinished));
    }
    return drawn;
}

/// Accuracy by guessing, as a level across the panel.
void addChance(FigurePanel& panel, const ResultIndex& index, std::size_t task, const Measure& measure) {
    if (const double chance = chanceOf(index, task, measure); std::isfinite(chance))
        panel.lines.push_back({chance, "chance " + formatNumber(chance, 3)});
}

Result<FigurePanel> makePanel(const TaskFigureInput& input, const ResultIndex& index, const ApartFinals& finals,
                              const study::TaskInProbe& task, const std::vector<DrawnCurve>& curves, bool change,
                              std::string& band) {
    const ProbeResults& results = input.results;
    const std::size_t taskIndex = indexOfTask(results.plan, task.task);
    const Measure measure = measureOfTask(results, index, taskIndex, input.options.metric);
    FigurePanel panel;
    panel.title = fmt::format("{}: {}", task.task, change ? "change from base" : measure.title);
    panel.badge = task.role == Role::InDistribution ? "ID" : "OOD";
    std::vector<const StrengthCurves*> sources;
    std::vector<StrengthCurves> others;
    for (const DrawnCurve& curve : curves) {
        sources.push_back(curve.source);
        if (change && curve.source->strength == 0)
            continue;
        panel.curves.push_back(makeFigureCurve(results, *curve.source, {measure, input.options.x, change}, curve.looks,
                                               panel.hiddenNonFinite));
    }
    finals.addTo(panel, task.task, {measure, input.options.x, change}, curves);
    if (results.plan.probe.strengths.empty()) {
        CREST_TRY(drawn, addOtherSeries(panel, results, task.task, measure, input.options));
        others = std::move(drawn);
        for (const StrengthCurves& curve : others)
            sources.push_back(&curve);
    }
    if (!change) {
        addChance(panel, index, taskIndex, measure);
        if (xTitle(results, input.options.x) == kTokensTitle)
            addOverlays(panel, results, task.task, measure);
    }
    setAxes(panel, results, input.options, change ? measure.changeTitle : measure.axisTitle);
    band = addBandNotes(panel, sources, change, measure.item, kindOf(results));
    addCautions(panel, results, input.options.x);
    addStageBorders(panel, results, input.options.x);
    if (input.options.inflections && !change)
        addInflections(panel, results, task.task, input.inflections, input.options.x, [&](double strength) {
            for (const DrawnCurve& curve : curves)
                if (curve.source->strength == strength)
                    return curve.looks.id;
            return std::string();
        });
    return panel;
}

/// Of one task, the base first.
std::vector<DrawnCurve> curvesOf(const std::string& task, const std::vector<StrengthCurves>& curves,
                                 const TaskFigureInput& input) {
    std::vector<DrawnCurve> own;
    for (const StrengthCurves& curve : curves)
        if (curve.task == task)
            own.push_back({&curve, input.looks(curve.strength)});
    std::stable_sort(own.begin(), own.end(), [](const DrawnCurve& a, const DrawnCurve& b) {
        return a.source->strength == 0 && b.source->strength != 0;
    });
    return own;
}

} // namespace

void setAxes(FigurePanel& panel, const ProbeResults& results, const FigureOptions& options, const std::string& yTitle,
             AxisScale yScale) {
    panel.x.title = xTitle(results, options.x);
    panel.x.scale = options.xScale.value_or(AxisScale::Log);
    panel.x.format = panel.x.title == kTokensTitle  ? TickFormat::Tokens
                     : panel.x.title == kStepsTitle ? TickFormat::Whole
                                                    : TickFormat::Number;
    panel.y.title = yTitle;
    panel.y.scale = options.yScale.value_or(yScale);
    fitAxis(panel, Dimension::X);
    fitAxis(panel, Dimension::Y);
}

std::string addBandNotes(FigurePanel& panel, const std::vector<const StrengthCurves*>& curves, bool change,
                         const std::string& item, const study::ProbeKind& kind) {
    std::vector<const Curve*> modified, base;
    for (const StrengthCurves* curve : curves)
        (curve->strength == 0 ? base : modified).push_back(change ? &curve->sensitivity : &curve->value);
    const BandSummary band = summarizeBands(modified), ofBase = summarizeBands(base);
    if (modified.empty()) // a base evaluation
        return ofBase.kind == BandKind::None ? std::string() : bandText(ofBase, nullptr, item);
    if (change && band.kind != BandKind::None)
        panel.notes.push_back("paired with the base");
    if (!change && ofBase.kind != BandKind::None && (ofBase.kind != band.kind || ofBase.runs != band.runs))
        panel.notes.push_back("base: " + bandText(ofBase, nullptr, item));
    return band.kind == BandKind::None ? std::string() : bandText(band, &kind, item);
}

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

bool isComplete(const ProbeResults& results) {
    return storedCells(results) == results.plan.cellCount();
}

void addInflections(FigurePanel& panel, const ProbeResults& results, const std::string& task,
                    const std::vector<InflectionRow>& rows, XQuantity x,
                    const std::function<std::string(double strength)>& curveOf) {
    bool looked = false, elsewhere = false;
    for (const InflectionRow& row : rows) {
        if (row.inflection.overSteps != (x == XQuantity::Steps)) {
            elsewhere = elsewhere || (row.task == task && row.inflection.supported);
            continue;
        }
        const std::string curve = row.task == task ? curveOf(row.strength) : std::string();
        looked = looked || !curve.empty();
        if (curve.empty() || !row.inflection.supported)
            continue;
        FigureMark mark;
        mark.curve = curve;
        mark.x = xOf(row.inflection.tokens, results, x);
        mark.low = xOf(row.inflection.low, results, x);
        mark.high = xOf(row.inflection.high, results, x);
        mark.label = inflectionLabel(row.inflection);
        panel.marks.push_back(std::move(mark));
    }
    if (elsewhere)
        panel.notes.push_back("inflections are found over tokens, and drawn there");
    if (panel.marks.empty() && looked)
        panel.notes.push_back(isComplete(results) ? "no inflection is supported by these data"
                                                  : "no inflection is supported by the results so far");
}

void addReplayedTexts(FigurePanel& panel, const ProbeResults& results) {
    for (std::string& note : study::replayNotes(results.plan))
        if (std::ranges::find(panel.notes, note) == panel.notes.end())
            panel.notes.push_back(std::move(note));
}

void addCautions(FigurePanel& panel, const ProbeResults& results, XQuantity x) {
    if (const std::string unfinished = unfinishedText(results); !unfinished.empty())
        panel.notes.push_back(unfinished);
    if (const std::string diverged = divergedText(results); !diverged.empty())
        panel.notes.push_back(diverged);
    addReplayedTexts(panel, results);
    if (results.plan.probe.kind == study::kGaussianNoise && results.plan.probe.noiseScale == study::NoiseScale::TensorRms)
        panel.notes.push_back("gamma scales the RMS of each tensor (fallback), not its initialisation");
    if (results.excluded > 0)
        panel.notes.push_back(counted(results.excluded, "excluded checkpoint") + " left out");
    if (const std::string placeless = placelessText(results, x); !placeless.empty())
        panel.notes.push_back(placeless);
    addHoleNotes(panel, results, x);
    for (const std::vector<std::string>& names : chooseCheckpoints(results.plan, x).ambiguous)
        panel.notes.push_back(fmt::format("left out: {} stand at one {}; exclude all but one, or give their seeds",
                                          fmt::join(names, ", "), x == XQuantity::Steps ? "step" : "budget"));
    if (const std::set<std::string> devices = devicesOf(results); devices.size() > 1)
        panel.notes.push_back(fmt::format("measured on different devices: {}", fmt::join(devices, ", ")));
}

std::map<std::string, std::int64_t> withoutResult(const ProbeResults& results,
                                                  const std::vector<Observation>& observations, XQuantity x) {
    using Place = std::pair<double, std::int64_t>;
    std::map<std::string, std::set<Place>> measured;
    for (const Observation& one : observations)
        measured[one.task].insert({one.tokens, one.pretrainSeed});
    const std::vector<char> counted = chooseCheckpoints(results.plan, x).counted;
    std::map<std::string, std::int64_t> missing;
    for (const auto& [task, places] : measured)
        for (std::size_t i = 0; i < counted.size(); ++i) {
            const study::PlannedCheckpoint& one = results.plan.checkpoints[i];
            if (counted[i] && !places.contains({static_cast<double>(*placeOf(one, x)), one.pretrainSeed.value_or(-1)}))
                ++missing[task];
        }
    return missing;
}

void addWithoutResult(FigurePanel& panel, const std::map<std::string, std::int64_t>& missing, const std::string& task) {
    if (const auto none = missing.find(task); none != missing.end())
        panel.notes.push_back(counted(none->second, "checkpoint") + " without a result: failed, or still to come");
}

void addFinerRates(Figure& figure, const ProbeResults& results) {
    const study::Probe& probe = results.plan.probe;
    const std::size_t finer = probe.strengths.size() - study::gridOf(probe).size();
    if (finer > 0 && !figure.panels.empty())
        figure.panels.front().notes.push_back(
            fmt::format("{} of single checkpoints: in the envelope, the chosen rate and the map",
                        counted(static_cast<std::int64_t>(finer), "finer rate")));
}

std::size_t indexOfTask(const study::Plan& plan, const std::string& name) {
    std::size_t index = 0;
    while (index + 1 < plan.tasks.size() && plan.tasks[index].name != name)
        ++index;
    return index;
}

Result<Figure> taskFigure(const TaskFigureInput& input) {
    const ProbeResults& results = input.results;
    const YQuantity y = input.options.y;
    CREST_TRY(curves, buildCurves(input.observations, {input.options.spread}));
    CREST_TRY(finals, ApartFinals::of(results, input.options));
    const ResultIndex index(results);
    Figure figure;
    figure.name = input.name;
    figure.title = results.plan.probe.name;
    const std::map<std::string, std::int64_t> missing = withoutResult(results, input.observations, input.options.x);
    std::vector<std::string> bands; ///< of each panel
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        if (!canHaveCurve(index, indexOfTask(results.plan, task.task)))
            continue;
        const std::vector<DrawnCurve> own = curvesOf(task.task, curves, input);
        for (const bool change : {false, true})
            if (change ? y != YQuantity::Value : y != YQuantity::Change) {
                CREST_TRY(panel, makePanel(input, index, finals, task, own, change, bands.emplace_back()));
                addWithoutResult(panel, missing, task.task);
                figure.panels.push_back(std::move(panel));
            }
    }
    shareBands(figure, bands);
    figure.columns = figure.panels.size() <= 1 ? 1 : figure.panels.size() <= 4 || y == YQuantity::Both ? 2 : 3;
    figure.provenance = figureProvenance(results, figure.name, input.options);
    return figure;
}

} // namespace crest::analysis
