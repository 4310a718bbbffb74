// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_trade_off.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/count_range.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_trade_off_dots.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

using detail::Dot;
using detail::Dots;
using detail::PairedCells;

// ---- one dot

struct Estimate {
    CurvePoint id, ood;
    std::int64_t trainings = 0;
    bool known = false;
};

Result<CurvePoint> estimate(const std::vector<Observation>& observations, Spread spread) {
    CREST_TRY(curves, buildCurves(observations, {spread}));
    return curves.front().value.points.front();
}

Result<Estimate> estimateOf(const PairedCells& cells, Spread spread) {
    Estimate out;
    if (cells.empty())
        return out;
    std::vector<Observation> ids, oods;
    for (const auto& [place, cell] : cells) {
        ids.push_back(cell.id);
        oods.push_back(cell.ood);
    }
    CREST_TRY(id, estimate(ids, spread));
    CREST_TRY(ood, estimate(oods, spread));
    return Estimate{id, ood, static_cast<std::int64_t>(cells.size()), true};
}

/// In words: "3.41 nats/token (3.38 to 3.44)".
std::string inWords(const CurvePoint& point, const Measure& measure, bool change) {
    const auto shown = [&](double ratio) { return change ? ratio : measure.shown(ratio); };
    const std::string& unit = change ? measure.unit : measure.valueUnit;
    std::string text = formatNumber(shown(point.mean), 5) + (unit.empty() || measure.isShare ? std::string() : " " + unit);
    if (point.band != BandKind::None)
        text += fmt::format(" ({} to {})", formatNumber(shown(point.low), 5), formatNumber(shown(point.high), 5));
    return text;
}

/// One panel in the making.
struct PanelInput {
    const ProbeResults& results;
    const FigureOptions& options;
    const detail::TradeOffPlace& wanted;
    const Dots& dots;
    const IdScore& score;
    const std::string& task;
    const Measure measure; ///< of the task
    bool change;
};

XQuantity axisOf(const detail::TradeOffPlace& wanted) {
    return wanted.ofSteps ? XQuantity::Steps : XQuantity::Tokens;
}

/// What is drawn of a dot, and what the hover says of it.
struct Drawn {
    Estimate value, difference;
};

double shownIn(double ratio, const Measure& measure, bool change) {
    if (change)
        return ratio;
    return measure.isShare ? std::clamp(measure.shown(ratio), 0.0, 1.0) : measure.shown(ratio);
}

std::string detailOf(const Dot& dot, const Drawn& drawn, const PanelInput& input) {
    const Estimate& value = drawn.value;
    const std::string rates = dot.rates.empty() ? std::string() : " at learning rate " + dot.rates;
    std::string text = fmt::format("{}{}, {}\nID {} {}\n{} {} {}", dot.text, rates, budgetText(input.wanted.budget, input.wanted.ofSteps), input.score.measure.title,
                                   inWords(value.id, input.score.measure, false), input.task, input.measure.title,
                                   inWords(value.ood, input.measure, false));
    text += "\nN: " + counted(value.id.seeds, "pretraining run");
    if (!dot.isBase)
        text += ", " + drawsText(kindOf(input.results), value.id.draws);
    if (drawn.difference.known && !dot.isPlain)
        text += fmt::format("\nminus plain fine-tuning, paired: ID {}; {} {}", inWords(drawn.difference.id, input.score.measure, true),
                            input.task, inWords(drawn.difference.ood, input.measure, true));
    return text;
}

FigurePoint pointOf(const Dot& dot, const Drawn& drawn, const PanelInput& input) {
    FigurePoint point;
    point.label = dot.label;
    const Estimate& shown = input.change && !dot.isPlain ? drawn.difference : drawn.value;
    point.n = shown.trainings;
    point.runs = shown.id.seeds;
    if (!dot.isBase)
        point.draws = shown.id.draws;
    point.detail = detailOf(dot, drawn, input);
    const bool chosen = !dot.rates.empty() && dot.source->plan.probe.kind == study::kFineTuning;
    const std::string modification = chosen ? chosenText(*dot.source, fmt::format("learning rate {} (best in ID)", dot.rates))
                                            : modificationText(*dot.source, dot.isBase ? 0 : dot.strength);
    point.recipe = pointRecipe(*dot.source, input.task, modification, input.wanted.budget, "trade-off", axisOf(input.wanted));
    if (input.change && dot.isPlain)
        return point; // by definition
    const auto set = [&](const CurvePoint& from, const Measure& measure, double& at, auto& low, auto& high) {
        at = shownIn(from.mean, measure, input.change);
        if (from.band == BandKind::None || !std::isfinite(from.low) || !std::isfinite(from.high))
            return;
        low = shownIn(from.low, measure, input.change);
        high = shownIn(from.high, measure, input.change);
    };
    set(shown.id, input.score.measure, point.x, point.xLow, point.xHigh);
    set(shown.ood, input.measure, point.y, point.low, point.high);
    return point;
}

// ---- a panel

/// A colour and a marker for each family: for the usual ones the same in every figure, for others by their number.
void setLooks(FigureCurve& curve, const std::string& family, std::size_t number) {
    struct Looks {
        const char* family;
        int color;
        Marker marker;
    };
    constexpr Looks kLooks[] = {{"plain", 0, Marker::Circle},        {"smaller-rate", 0, Marker::Plus},
                                {"interpolation", 1, Marker::Diamond}, {"l2", 2, Marker::Square},
                                {"replay", 3, Marker::TriangleUp},     {"lora", 5, Marker::TriangleDown},
                                {"head-first", 4, Marker::Pentagon}};
    curve.color = CurveColor::Category;
    curve.colorPosition = static_cast<double>(number);
    curve.marker = categoryMarkerAt(number);
    for (const Looks& one : kLooks)
        if (family.starts_with(one.family) && family.find('+') == std::string::npos) {
            curve.colorPosition = one.color;
            curve.marker = one.marker;
        }
}

/// The curve of a dot's family, made where it is new.
FigureCurve& curveOf(FigurePanel& panel, const Dot& dot, const Dots& dots) {
    if (const auto at = std::ranges::find(panel.curves, dot.family, &FigureCurve::id); at != panel.curves.end())
        return *at;
    FigureCurve& curve = panel.curves.emplace_back();
    curve.id = dot.family;
    curve.label = dot.familyName;
    if (dot.isBase) {
        curve.color = CurveColor::Base;
        curve.marker = Marker::Cross;
    } else {
        std::set<std::string> before; // in every panel the same, whatever is missing in it
        for (const Dot& one : dots.dots) {
            if (one.family == dot.family)
                break;
            before.insert(one.family);
        }
        setLooks(curve, dot.family, before.size());
    }
    return curve;
}

/// Short, since it stands beside a panel; the panel's title says of what.
std::string axisTitle(const char* of, const Measure& measure, bool change) {
    const std::string what = !change ? measure.axisTitle : measure.unit.empty() ? "change" : fmt::format("change ({})", measure.unit);
    return fmt::format("{}{}, {} is better", of, what, measure.higherIsBetter ? "higher" : "lower");
}

std::string betterNote(const Measure& id, const Measure& ood) {
    return fmt::format("better: {} {}", ood.higherIsBetter ? "upper" : "lower", id.higherIsBetter ? "right" : "left");
}

void setAxes(FigurePanel& panel, const PanelInput& input) {
    panel.x.title = axisTitle(input.score.tasks.size() == 1 ? "ID " : "mean ID ", input.score.measure, input.change);
    panel.y.title = axisTitle("", input.measure, input.change);
    panel.x.scale = input.options.xScale.value_or(AxisScale::Linear);
    panel.y.scale = input.options.yScale.value_or(AxisScale::Linear);
    fitAxis(panel, Dimension::X);
    fitAxis(panel, Dimension::Y);
}

/// What of the dots is not drawn, or not of all trainings.
struct Shortfall {
    std::vector<std::string> nothing, fewer;
    std::int64_t notFinite = 0, unpaired = 0;

    void say(FigurePanel& panel, bool complete) const {
        if (!nothing.empty())
            panel.notes.push_back(fmt::format("no result here of: {}{}", fmt::join(nothing, "; "), complete ? "" : "; results are to come"));
        if (!fewer.empty())
            panel.notes.push_back(fmt::format("over fewer trainings than plain fine-tuning: {}", fmt::join(fewer, "; ")));
        if (notFinite > 0)
            panel.notes.push_back(counted(notFinite, "training") + " not finite and left out");
        if (unpaired > 0)
            panel.notes.push_back(counted(unpaired, "training") + " left out: plain fine-tuning has none of the same checkpoint and seed");
    }
};

/// All shares of an interpolation have the same trainings.
std::string fewerText(const Dot& dot) {
    return dot.family.starts_with("interpolation") ? std::string("interpolation") : dot.text;
}

/// Of the trainings that plain fine-tuning has, too.
void keepPaired(PairedCells& cells, const PairedCells& plain, Shortfall& shortfall) {
    shortfall.unpaired += static_cast<std::int64_t>(std::erase_if(cells, [&](const auto& cell) { return !plain.contains(cell.first); }));
}

/// As addBandNotes has it, of all dots in the plane, with the sequences of the ID score where they are others; "" where no error is known.
std::string errorText(FigurePanel& panel, const std::vector<StrengthCurves>& of, const std::vector<CurvePoint>& ids, const PanelInput& input) {
    std::vector<const StrengthCurves*> sources;
    std::vector<CurvePoint> oods;
    for (const StrengthCurves& one : of) {
        sources.push_back(&one);
        oods.push_back(one.value.points.front());
    }
    const std::string text = addBandNotes(panel, sources, false, input.measure.item, kindOf(input.results));
    const auto counts = [](const std::vector<CurvePoint>& points, const std::string& item) {
        return countedRange(countRange(points, &CurvePoint::sequences), item.c_str());
    };
    const std::string own = counts(ids, input.score.measure.item);
    if (text.empty() || input.options.spread != Spread::Confidence95 || own == counts(oods, input.measure.item))
        return text;
    return fmt::format("{} (ID: {})", text, own);
}

Result<FigurePanel> makePanel(const PanelInput& input, std::string& errors) {
    FigurePanel panel;
    panel.title = fmt::format("{}: {} at {}, {}", input.task, input.change ? "change from plain" : input.measure.title,
                              input.wanted.ownRates() ? "rates best in ID" : "rate " + formatNumber(input.wanted.rate),
                              budgetText(input.wanted.budget, input.wanted.ofSteps));
    panel.badge = "OOD";
    panel.errorBars = true;
    Shortfall shortfall;
    const Dot* plainDot = input.dots.plain();
    PairedCells plain;
    if (plainDot)
        plain = detail::cellsOf(*plainDot, input.score.tasks, input.task, shortfall.notFinite);
    std::vector<StrengthCurves> sources;
    std::vector<CurvePoint> ids;
    bool joined = false; // the last point goes on into the next
    std::string family;
    for (const Dot& dot : input.dots.dots) {
        PairedCells cells = dot.isPlain ? plain : detail::cellsOf(dot, input.score.tasks, input.task, shortfall.notFinite);
        if (!plain.empty() && !dot.isBase && !dot.isPlain)
            keepPaired(cells, plain, shortfall);
        Drawn drawn;
        CREST_TRY(value, estimateOf(cells, input.options.spread));
        CREST_TRY(difference, estimateOf(detail::minusPlain(cells, plain, dot.isBase), input.options.spread));
        drawn.value = std::move(value);
        drawn.difference = std::move(difference);
        FigureCurve& curve = curveOf(panel, dot, input.dots);
        joined = joined && dot.family == family && dot.order.size() == 1;
        family = dot.family;
        if (!drawn.value.known || (input.change && !drawn.difference.known)) {
            shortfall.nothing.push_back(dot.text);
            joined = false;
            continue;
        }
        if (!dot.isBase && cells.size() < plain.size() && std::ranges::find(shortfall.fewer, fewerText(dot)) == shortfall.fewer.end())
            shortfall.fewer.push_back(fewerText(dot));
        if (!joined)
            curve.segments.emplace_back();
        joined = true;
        curve.segments.back().push_back(pointOf(dot, drawn, input));
        if (const Estimate& shown = input.change ? drawn.difference : drawn.value; !input.change || !dot.isPlain) {
            sources.push_back({input.task, input.change || !dot.isBase ? 1.0 : 0.0, Curve{{shown.ood}}, {}});
            ids.push_back(shown.id);
        }
    }
    std::erase_if(panel.curves, [](const FigureCurve& curve) { return curve.segments.empty(); });
    setAxes(panel, input);
    panel.notes.push_back(betterNote(input.score.measure, input.measure));
    errors = errorText(panel, sources, ids, input);
    if (input.change)
        panel.notes.push_back(input.wanted.ownRates() ? "differences are paired: the same checkpoint, data and seed, each at its own learning rate"
                                                      : "differences are paired: the same checkpoint, data, learning rate and seed");
    else if (plain.empty())
        panel.notes.push_back("no plain fine-tuning here: nothing to pair with");
    if (!input.score.note.empty())
        panel.notes.push_back("the ID score is " + input.score.note);
    shortfall.say(panel, isComplete(input.results));
    panel.notes.insert(panel.notes.end(), input.dots.chosen.begin(), input.dots.chosen.end());
    panel.notes.insert(panel.notes.end(), input.dots.leftOut.begin(), input.dots.leftOut.end());
    addCautions(panel, input.results, axisOf(input.wanted));
    for (const ProbeResults* sibling : input.dots.siblings)
        addReplayedTexts(panel, *sibling);
    return panel;
}

// ---- the figure

/// Panels with one x axis show one range of it.
void shareX(Figure& figure) {
    for (FigurePanel& panel : figure.panels)
        for (const FigurePanel& other : figure.panels)
            if (other.x.title == panel.x.title) {
                panel.x.low = std::min(panel.x.low, other.x.low);
                panel.x.high = std::max(panel.x.high, other.x.high);
            }
}

void shareErrors(Figure& figure, const std::vector<std::string>& errors) {
    std::set<std::string> distinct(errors.begin(), errors.end());
    distinct.erase("");
    if (distinct.size() == 1) {
        FigureKey& key = figure.keys.emplace_back();
        key.symbol = FigureKey::Symbol::Error;
        key.text = *distinct.begin();
        return;
    }
    for (std::size_t i = 0; i < figure.panels.size(); ++i)
        if (!errors[i].empty())
            figure.panels[i].notes.insert(figure.panels[i].notes.begin(), "error bars: " + errors[i]);
}

} // namespace

Result<Figure> tradeOffFigure(const ProbeResults& results, const FigureOptions& options) {
    CREST_TRY(wanted, detail::placeOf(results, options));
    const Dots dots = detail::dotsAt(results, wanted, options.metric);
    if (options.y != YQuantity::Value && !dots.plain())
        return fail(ErrorKind::Mismatch,
                    fmt::format("There is no plain fine-tuning{} to subtract: run it, or look at the values.",
                                wanted.ownRates() ? std::string() : " at learning rate " + formatNumber(wanted.rate)),
                    results.plan.probe.name);
    const ResultIndex index(results);
    const IdScore score = idScoreOf(results, options.metric);
    Figure figure;
    figure.name = "trade-off";
    figure.title = results.plan.probe.name;
    std::vector<std::string> errors;
    for (const study::TaskInProbe& task : orderedTasks(results.plan.probe)) {
        const std::size_t at = indexOfTask(results.plan, task.task);
        if (task.role != study::Role::OutOfDistribution || !canHaveCurve(index, at))
            continue;
        const Measure measure = measureOfTask(results, index, at, options.metric);
        for (const bool change : {false, true}) {
            if (change ? options.y == YQuantity::Value : options.y == YQuantity::Change)
                continue;
            CREST_TRY(panel, makePanel({results, options, wanted, dots, score, task.task, measure, change}, errors.emplace_back()));
            figure.panels.push_back(std::move(panel));
        }
    }
    shareX(figure);
    shareErrors(figure, errors);
    figure.columns = figure.panels.size() <= 1 ? 1 : figure.panels.size() <= 4 || options.y == YQuantity::Both ? 2 : 3;
    figure.provenance = provenanceWith(results, figure.name, options, dots.siblings);
    return figure;
}

} // namespace crest::analysis
