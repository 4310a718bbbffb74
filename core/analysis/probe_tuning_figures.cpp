// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_tuning_figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/analysis/checkpoint_place.h"
#include "core/analysis/figure_view.h"
#include "core/analysis/probe_gaps.h"
#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_rate_trend.h"
#include "core/analysis/probe_stages.h"
#include "core/analysis/statistics.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

constexpr const char* kChosen = "chosen";

/// "learning rate 0.004, best in ID": hover and recipe of a point of the envelope.
void sayRates(FigurePanel& panel, const ProbeResults& results, const Envelope& envelope, const std::string& task,
              XQuantity x) {
    std::map<double, double> tokensAt;
    for (const RateChoice& one : envelope.choices)
        tokensAt[xOf(one.tokens, results, x)] = one.tokens;
    for (FigureCurve& curve : panel.curves)
        if (curve.id == kEnvelopeCurve)
            for (auto& segment : curve.segments)
                for (FigurePoint& point : segment) {
                    const double tokens = tokensAt.at(point.x);
                    const std::string rates = fmt::format("{} {}, best in ID", kindOf(results).strength,
                                                          ratesText(choicesAt(envelope, tokens)));
                    point.detail += "\n" + rates;
                    point.recipe = pointRecipe(results, task, chosenText(results, rates), tokens, "envelope", x);
                }
}

// ---- the chosen rate

/// The width of the rates that a choice stands for, in logarithms: half-way to its neighbours among the candidates.
double widthOf(const RateChoice& choice) {
    std::vector<double> candidates;
    std::ranges::copy_if(choice.tried, std::back_inserter(candidates), [&](double rate) {
        return std::ranges::find(choice.notFinite, rate) == choice.notFinite.end() &&
               std::ranges::find(choice.unmeasured, rate) == choice.unmeasured.end();
    });
    const auto at = std::ranges::find(candidates, *choice.rate);
    const double below = at == candidates.begin() ? 0 : std::log(*at / *(at - 1)),
                 above = at + 1 == candidates.end() ? 0 : std::log(*(at + 1) / *at);
    return below > 0 && above > 0 ? (below + above) / 2 : below + above;
}

/// The step of the grid where the choices lie: an uneven one by the root of the mean square. 1 where nothing could be chosen.
double stepOf(const Envelope& envelope) {
    double squares = 0, count = 0;
    for (const RateChoice& one : envelope.choices)
        if (one.rate) {
            const double width = widthOf(one);
            squares += width * width;
            ++count;
        }
    return count > 0 ? std::exp(std::sqrt(squares / count)) : 1;
}

std::string choiceDetail(const RateChoice& choice, const Envelope& envelope, XQuantity x) {
    std::string text = fmt::format("pretraining seed {}, {}\nrate {}, ID score {} {} over {}",
                                   choice.pretrainSeed, budgetText(choice.tokens, x == XQuantity::Steps), formatNumber(*choice.rate),
                                   formatNumber(envelope.measure.shown(choice.score), 5), envelope.measure.valueUnit,
                                   counted(choice.seeds, "fine-tuning seed"));
    if (choice.low && choice.high)
        text += fmt::format("\nnot clearly worse: {} to {}", formatNumber(*choice.low), formatNumber(*choice.high));
    if (choice.isLowest || choice.isHighest)
        text += fmt::format("\nthe {} of the grid", choice.isLowest ? "smallest" : "largest");
    for (const double rate : choice.notFinite)
        text += fmt::format("\n{} at {}", std::ranges::find(choice.diverged, rate) != choice.diverged.end() ? "diverged" : "no finite ID score",
                            formatNumber(rate));
    return text;
}

FigurePoint choicePoint(const RateChoice& choice, const ProbeResults& results, const Envelope& envelope, XQuantity x) {
    FigurePoint point;
    point.x = xOf(choice.tokens, results, x);
    point.y = *choice.rate;
    point.n = point.draws = choice.seeds;
    point.runs = 1;
    point.detail = choiceDetail(choice, envelope, x);
    point.recipe = pointRecipe(results, envelope.idTasks.front(),
                               chosenText(results, fmt::format("{} {}, best in ID", kindOf(results).strength,
                                                               formatNumber(*choice.rate))),
                               choice.tokens, "chosen-rate", x);
    return point;
}

FigureCurve chosenCurve(const char* label) {
    FigureCurve curve;
    curve.id = kChosen;
    curve.label = label;
    curve.color = CurveColor::Category;
    return curve;
}

/// One run: a line, with the rates that are not clearly worse as its band.
FigureCurve ofOneRun(const ProbeResults& results, const Envelope& envelope, XQuantity x) {
    FigureCurve curve = chosenCurve("rate best in ID");
    const LineBreaks breaks(results, x);
    const RateChoice* last = nullptr; ///< that the line comes from
    for (const RateChoice& one : envelope.choices) {
        if (!one.rate) {
            last = nullptr;
            continue;
        }
        if (!last || breaks.isBetween(last->tokens, one.tokens))
            curve.segments.emplace_back();
        last = &one;
        FigurePoint point = choicePoint(one, results, envelope, x);
        point.low = one.low;
        point.high = one.high;
        curve.segments.back().push_back(std::move(point));
    }
    return curve;
}

/// The geometric mean over runs, its interval by Student's t of the logarithms.
FigureCurve meanOfRuns(const ProbeResults& results, const Envelope& envelope, XQuantity x) {
    FigureCurve curve = chosenCurve("geometric mean of the runs");
    const LineBreaks breaks(results, x);
    std::optional<double> last; ///< that the line comes from
    std::set<double> budgets;
    for (const RateChoice& one : envelope.choices)
        budgets.insert(one.tokens);
    for (const double tokens : budgets) {
        std::vector<double> logs;
        for (const RateChoice& one : choicesAt(envelope, tokens))
            if (one.rate)
                logs.push_back(std::log(*one.rate));
        if (logs.empty()) {
            last.reset();
            continue;
        }
        if (!last || breaks.isBetween(*last, tokens))
            curve.segments.emplace_back();
        last = tokens;
        const Summary summary = summarize(logs);
        FigurePoint point;
        point.x = xOf(tokens, results, x);
        point.y = std::exp(summary.mean);
        point.n = point.runs = summary.n;
        if (summary.n > 1) {
            const Interval interval = studentInterval(summary.mean, summary.se, static_cast<double>(summary.n - 1));
            point.low = std::exp(interval.low);
            point.high = std::exp(interval.high);
        }
        const std::string rates = ratesText(choicesAt(envelope, tokens));
        point.detail = fmt::format("{}\nchosen: {}", budgetText(tokens, x == XQuantity::Steps), rates);
        point.recipe = pointRecipe(results, envelope.idTasks.front(),
                                   chosenText(results, fmt::format("{} {}, best in ID", kindOf(results).strength, rates)),
                                   tokens, "chosen-rate", x);
        curve.segments.back().push_back(std::move(point));
    }
    return curve;
}

/// Each run's choices as markers without a line, since they lie on each other.
void addRuns(FigurePanel& panel, const ProbeResults& results, const Envelope& envelope,
             const std::set<std::int64_t>& runs, XQuantity x) {
    constexpr Marker kMarkers[] = {Marker::Square, Marker::Diamond, Marker::TriangleUp, Marker::Plus, Marker::Cross};
    std::size_t number = 0;
    for (const std::int64_t run : runs) {
        FigureCurve curve;
        curve.id = fmt::format("run={}", run);
        curve.label = fmt::format("pretraining seed {}", run);
        curve.color = CurveColor::Category;
        curve.colorPosition = static_cast<double>(number + 1);
        curve.marker = kMarkers[number++ % std::size(kMarkers)];
        for (const RateChoice& one : envelope.choices)
            if (one.rate && one.pretrainSeed == run)
                curve.segments.push_back({choicePoint(one, results, envelope, x)});
        panel.curves.push_back(std::move(curve));
    }
}

void addTrend(FigurePanel& panel, const ProbeResults& results, const Envelope& envelope, const FigureOptions& options) {
    const double step = stepOf(envelope);
    if (!(step > 1)) {
        panel.notes.push_back("no trend: there was one rate to choose from");
        return;
    }
    std::vector<RatePoint> points;
    for (const RateChoice& one : envelope.choices)
        if (one.rate)
            points.push_back({one.tokens, one.pretrainSeed, *one.rate});
    const std::string over = options.x == XQuantity::Steps ? "steps" : "tokens";
    const RateTrendResult trend = rateTrend(points, step, options.quickExponent, over);
    if (!trend.known) {
        panel.notes.push_back("no trend: three budgets with a chosen rate are the least");
        return;
    }
    panel.notes.push_back("trend: " + trend.text);
    panel.notes.push_back(fmt::format("constant: less than one step of the grid over these budgets (exponent within {} of 0); "
                                      "quickly: exponent {} or below",
                                      formatNumber(trend.constantWithin, 2), formatNumber(trend.quickBelow, 2)));
    if (std::ranges::any_of(envelope.choices, [](const auto& one) { return one.isLowest || one.isHighest; }))
        panel.notes.push_back("rates at an edge of the grid count as they are: the trend may be stronger");
    FigureCurve line;
    line.id = "trend";
    line.label = fmt::format("{}^{}: {}", over, formatNumber(trend.exponent, 2), rateTrendName(trend.trend));
    line.color = CurveColor::Base;
    line.dashed = true;
    line.marker = Marker::None;
    line.segments.emplace_back();
    const auto [least, most] = std::ranges::minmax_element(points, {}, &RatePoint::tokens);
    for (const double tokens : {least->tokens, most->tokens}) {
        FigurePoint point;
        point.x = xOf(tokens, results, options.x);
        point.y = trend.rateAtCentre * std::pow(tokens / trend.centre, trend.exponent);
        point.detail = "trend: " + trend.text;
        line.segments.back().push_back(std::move(point));
    }
    panel.curves.push_back(std::move(line));
}

} // namespace

Result<Figure> envelopeFigure(const ProbeResults& results, const FigureOptions& options,
                              const std::vector<InflectionRow>& inflections) {
    const std::vector<Observation> observations = observationsOf(results, options.metric, options.x);
    CREST_TRY(envelope, envelopeOf(results, observations, options.metric, options.x));
    const auto looks = [&](double strength) {
        return strength == 0 ? looksOf(results, 0, 0)
                             : CurveLooks{kEnvelopeCurve, "tuned, rate best in ID", 0, 1, false};
    };
    CREST_TRY(figure, taskFigure({results, "envelope", options, envelopeObservations(observations, envelope), looks,
                                  inflections}));
    const std::vector<study::TaskInProbe> tasks = orderedTasks(results.plan.probe);
    for (FigurePanel& panel : figure.panels) {
        for (const study::TaskInProbe& task : tasks)
            if (panel.title.starts_with(task.task + ": "))
                sayRates(panel, results, envelope, task.task, options.x);
        if (panel.badge != "ID")
            continue; // the choice is made, and told, where the ID score is
        panel.notes.insert(panel.notes.end(), envelope.notes.begin(), envelope.notes.end());
        if (!envelope.favourNote.empty())
            panel.notes.push_back(envelope.favourNote);
    }
    return figure;
}

Result<Figure> chosenRateFigure(const ProbeResults& results, const FigureOptions& options) {
    const std::vector<Observation> observations = observationsOf(results, options.metric, options.x);
    CREST_TRY(envelope, envelopeOf(results, observations, options.metric, options.x));
    std::set<std::int64_t> runs;
    for (const RateChoice& one : envelope.choices)
        runs.insert(one.pretrainSeed);
    Figure figure;
    figure.name = "chosen-rate";
    figure.title = results.plan.probe.name;
    figure.columns = 1;
    FigurePanel& panel = figure.panels.emplace_back();
    panel.title = fmt::format("chosen {}", kindOf(results).strength);
    if (runs.size() > 1) {
        panel.curves.push_back(meanOfRuns(results, envelope, options.x));
        addRuns(panel, results, envelope, runs, options.x);
        figure.keys.push_back({FigureKey::Symbol::Band, fmt::format("95 % CI over {}, of the logarithm",
                                                                    counted(static_cast<std::int64_t>(runs.size()), "pretraining run"))});
    } else {
        panel.curves.push_back(ofOneRun(results, envelope, options.x));
        FigureKey& key = figure.keys.emplace_back(); // a temporary's moves make GCC 12 warn of bounds that are kept
        key.text = "rates whose ID score is not clearly worse (95 %), for these checkpoints";
    }
    addTrend(panel, results, envelope, options);
    panel.notes.insert(panel.notes.end(), envelope.notes.begin(), envelope.notes.end());
    if (envelope.grid.size() > 1) {
        panel.lines.push_back({envelope.grid.front(), "smallest tried"});
        panel.lines.push_back({envelope.grid.back(), "largest tried"});
    }
    setAxes(panel, results, options, fmt::format("{} best in ID", kindOf(results).strength), AxisScale::Log);
    for (const double rate : study::gridOf(results.plan.probe))
        panel.y.ticks.push_back({rate, formatNumber(rate)});
    addCautions(panel, results, options.x);
    addStageBorders(panel, results, options.x);
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

} // namespace crest::analysis
