// SPDX-License-Identifier: Apache-2.0
// A field for every budget and strength.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_gaps.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_stages.h"
#include "core/analysis/probe_tuning_figures.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

struct Extent {
    double low = 0, high = 0;
};

/// The fields around `values` (ascending): half-way to neighbours on the axis. A side without one, or with nothing known between
/// them (`isBroken` before the value of this index), is as wide as the other.
std::vector<Extent> fieldsAround(const std::vector<double>& values, AxisScale scale, const std::function<bool(std::size_t)>& isBroken = {}) {
    const Axis axis{"", scale, 0, 1, {}, TickFormat::Number};
    std::vector<double> at;
    for (const double value : values)
        at.push_back(axisPosition(axis, value));
    const double usual = scale == AxisScale::Log ? 0.15 : std::max(0.5, 0.1 * std::abs(at.front()));
    const auto halfWay = [&](std::size_t i) { // to the value before; 0 tokens have no place on a log axis
        const double half = i == 0 || i >= at.size() ? NAN : (at[i] - at[i - 1]) / 2;
        return std::isfinite(half) ? std::optional(half) : std::nullopt;
    };
    std::vector<Extent> fields;
    for (std::size_t i = 0; i < at.size(); ++i) {
        const std::optional<double> below = halfWay(i), above = halfWay(i + 1);
        const bool openBelow = !below || (isBroken && isBroken(i)), openAbove = !above || (isBroken && isBroken(i + 1));
        const double own = !openBelow ? *below : !openAbove ? *above : usual;
        const double left = openBelow ? std::min(openAbove ? own : *above, below.value_or(HUGE_VAL)) : *below,
                     right = openAbove ? std::min(own, above.value_or(HUGE_VAL)) : *above;
        fields.push_back({axisValue(axis, at[i] - left), axisValue(axis, at[i] + right)});
    }
    return fields;
}

/// The strengths of one budget: those of its checkpoints, which may have finer ones than others.
struct MapColumn {
    double tokens = 0; ///< or its step
    Extent width;
    std::vector<double> strengths; ///< ascending
    std::vector<Extent> heights;   ///< of each
};

struct Grid {
    std::vector<double> strengths; ///< of all columns, ascending
    std::vector<MapColumn> columns;
};

Grid gridOf(const ProbeResults& results, const FigureOptions& options) {
    const study::Plan& plan = results.plan;
    std::map<double, std::set<double>> strengths; // by budget
    const CheckpointChoice choice = chooseCheckpoints(plan, options.x);
    for (std::size_t i = 0; i < plan.checkpoints.size(); ++i)
        if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; choice.counted[i])
            for (const double strength : study::strengthsOf(plan.probe, one.weights))
                strengths[static_cast<double>(*placeOf(one, options.x))].insert(strength);
    Grid grid{plan.probe.strengths, {}};
    std::vector<double> x;
    for (const auto& [tokens, own] : strengths) {
        x.push_back(xOf(tokens, results, options.x));
        MapColumn& column = grid.columns.emplace_back();
        column.tokens = tokens;
        column.strengths.assign(own.begin(), own.end());
        column.heights = fieldsAround(column.strengths, kindOf(results).whole ? AxisScale::Linear : AxisScale::Log);
    }
    if (x.empty())
        return grid;
    const LineBreaks breaks(results, options.x);
    const std::vector<Extent> widths = fieldsAround(x, options.xScale.value_or(AxisScale::Log), [&](std::size_t i) {
        return breaks.isBetween(grid.columns[i - 1].tokens, grid.columns[i].tokens);
    });
    for (std::size_t i = 0; i < grid.columns.size(); ++i)
        grid.columns[i].width = widths[i];
    return grid;
}

/// What a curve says of one field; the mean's place is taken by the strength.
void fill(FigureCell& cell, const FigurePoint& point, const CurvePoint& source) {
    const double strength = cell.point.y;
    cell.value = point.y;
    cell.point = point;
    cell.point.y = strength;
    cell.crossed = source.nonFinite > 0;
    if (cell.crossed)
        cell.state = counted(source.nonFinite, "value") + " not finite and left out";
}

const CurvePoint* pointAt(const Curve& curve, double tokens) {
    const auto at = std::ranges::find(curve.points, tokens, &CurvePoint::tokens);
    return at == curve.points.end() ? nullptr : &*at;
}

const FigurePoint* shownAt(const FigureCurve& curve, double x) {
    for (const auto& segment : curve.segments)
        for (const FigurePoint& point : segment)
            if (point.x == x)
                return &point;
    return nullptr;
}

struct RowInput {
    const ProbeResults& results;
    const Grid& grid;
    const std::string& task;
    CurveContent content;
};

/// The fields of one strength. `curves` is null where nothing of it is stored.
void addRow(FigurePanel& panel, const RowInput& input, std::size_t row, const StrengthCurves* curves) {
    const ProbeResults& results = input.results;
    const double strength = input.grid.strengths[row];
    const std::string label = study::strengthLabel(kindOf(results), strength);
    int hidden = 0;
    const FigureCurve shown = curves ? makeFigureCurve(results, *curves, input.content, {"", label, row, 1, false}, hidden)
                                     : FigureCurve();
    for (const MapColumn& column : input.grid.columns) {
        const auto own = std::ranges::find(column.strengths, strength);
        if (own == column.strengths.end())
            continue; // a finer one of another budget
        const double tokens = column.tokens;
        const auto at = static_cast<std::size_t>(own - column.strengths.begin());
        FigureCell& cell = panel.cells.emplace_back();
        cell.left = column.width.low;
        cell.right = column.width.high;
        cell.bottom = column.heights[at].low;
        cell.top = column.heights[at].high;
        cell.point.x = xOf(tokens, results, input.content.x);
        cell.point.y = strength;
        const CurvePoint* source = !curves ? nullptr : pointAt(input.content.change ? curves->sensitivity : curves->value, tokens);
        if (const FigurePoint* point = shownAt(shown, cell.point.x); source && point) {
            fill(cell, *point, *source);
            continue;
        }
        cell.crossed = source != nullptr;
        cell.state = source ? "no finite value" : "not measured";
        cell.point.detail = fmt::format("{}, {}\n{}", label, budgetText(tokens, input.content.x == XQuantity::Steps), cell.state);
        cell.point.recipe = pointRecipe(results, input.task, modificationText(results, strength), tokens, "rate-map", input.content.x);
    }
}

/// What a field is the mean of; its interval has no place in the picture.
void addMeanNote(FigurePanel& panel, const std::vector<StrengthCurves>& curves, const RowInput& input) {
    std::vector<const StrengthCurves*> own;
    for (const StrengthCurves& one : curves)
        if (one.task == input.task && one.strength != 0)
            own.push_back(&one);
    const std::string band = addBandNotes(panel, own, input.content.change, input.content.measure.item, kindOf(input.results));
    if (!band.empty())
        panel.notes.push_back(fmt::format("means; in the CSV: {}", band));
}

void setColors(FigurePanel& panel, const std::string& title) {
    panel.color.title = title;
    double low = 0, high = 0;
    bool any = false;
    for (const FigureCell& cell : panel.cells)
        if (cell.value) {
            low = any ? std::min(low, *cell.value) : *cell.value;
            high = any ? std::max(high, *cell.value) : *cell.value;
            any = true;
        }
    const double about = std::max(1e-6, 0.05 * std::abs(high));
    panel.color.low = any && high > low ? low : low - about;
    panel.color.high = any && high > low ? high : high + about;
}

/// The tuned rate, where one is chosen: geometric means of the runs.
void addChosen(FigurePanel& panel, const ProbeResults& results, const std::vector<Observation>& observations,
               const FigureOptions& options) {
    const auto envelope = envelopeOf(results, observations, options.metric, options.x);
    if (!envelope)
        return;
    FigureCurve curve;
    curve.id = "chosen";
    curve.label = "rate best in ID";
    curve.color = CurveColor::Base;
    const LineBreaks breaks(results, options.x);
    std::optional<double> last; ///< that the line comes from
    std::map<double, std::vector<double>> logs;
    for (const RateChoice& one : envelope->choices)
        if (one.rate)
            logs[one.tokens].push_back(std::log(*one.rate));
    for (const auto& [tokens, rates] : logs) {
        FigurePoint point;
        double sum = 0;
        for (const double rate : rates)
            sum += rate;
        point.x = xOf(tokens, results, options.x);
        point.y = std::exp(sum / static_cast<double>(rates.size()));
        point.n = static_cast<std::int64_t>(rates.size());
        point.detail = fmt::format("{}\nbest in ID: {}", budgetText(tokens, options.x == XQuantity::Steps), ratesText(choicesAt(*envelope, tokens)));
        if (!last || breaks.isBetween(*last, tokens))
            curve.segments.emplace_back();
        last = tokens;
        curve.segments.back().push_back(std::move(point));
    }
    if (!curve.segments.empty())
        panel.curves.push_back(std::move(curve));
}

void setMapAxes(FigurePanel& panel, const ProbeResults& results, const FigureOptions& options) {
    const bool whole = kindOf(results).whole;
    setAxes(panel, results, options, kindOf(results).strength, whole ? AxisScale::Linear : AxisScale::Log);
    for (const double strength : study::gridOf(results.plan.probe))
        panel.y.ticks.push_back({strength, formatNumber(strength)});
}

bool hasCrosses(const Figure& figure) {
    return std::ranges::any_of(figure.panels, [](const FigurePanel& panel) {
        return std::ranges::any_of(panel.cells, &FigureCell::crossed);
    });
}

} // namespace

Result<Figure> strengthMapFigure(const ProbeResults& results, const FigureOptions& options) {
    if (results.plan.probe.strengths.empty())
        return fail(ErrorKind::Mismatch, "A base evaluation varies nothing: there is no map of it.", results.plan.probe.name);
    const std::vector<Observation> observations = observationsOf(results, options.metric, options.x);
    CREST_TRY(curves, buildCurves(observations, {options.spread}));
    const ResultIndex index(results);
    const Grid grid = gridOf(results, options);
    Figure figure;
    figure.name = "rate-map";
    figure.title = results.plan.probe.name;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        const std::size_t at = indexOfTask(results.plan, task.task);
        if (!canHaveCurve(index, at))
            continue;
        const Measure measure = measureOfTask(results, index, at, options.metric);
        for (const bool change : {false, true}) {
            if (change ? options.y == YQuantity::Value : options.y == YQuantity::Change)
                continue;
            FigurePanel& panel = figure.panels.emplace_back();
            panel.title = fmt::format("{}: {}", task.task, change ? "change from base" : measure.title);
            panel.badge = task.role == study::Role::InDistribution ? "ID" : "OOD";
            for (std::size_t row = 0; row < grid.strengths.size(); ++row) {
                const auto own = std::ranges::find_if(curves, [&](const StrengthCurves& one) {
                    return one.task == task.task && one.strength == grid.strengths[row];
                });
                addRow(panel, {results, grid, task.task, {measure, options.x, change}}, row,
                       own == curves.end() ? nullptr : &*own);
            }
            addMeanNote(panel, curves, {results, grid, task.task, {measure, options.x, change}});
            setColors(panel, change ? measure.changeTitle : measure.axisTitle);
            panel.lowerIsWorse = change && measure.higherIsBetter;
            addChosen(panel, results, observations, options);
            setMapAxes(panel, results, options);
            addCautions(panel, results, options.x);
            addStageBorders(panel, results, options.x);
        }
    }
    if (hasCrosses(figure))
        figure.keys.push_back({FigureKey::Symbol::Cross, "values that are not finite; an empty field is not measured"});
    figure.columns = figure.panels.size() <= 1 ? 1 : 2;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

} // namespace crest::analysis
