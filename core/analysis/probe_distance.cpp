// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_distance.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "core/analysis/probe_panels.h"
#include "core/analysis/probe_stages.h"
#include "core/base/units.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

constexpr const char* kAll = "all weights";

Measure distanceMeasure() {
    Measure measure;
    measure.metric = "distance";
    measure.title = "distance from the start";
    measure.item = "tensor";
    measure.axisTitle = "distance / norm of the start";
    return measure;
}

/// What layers have in common: "model.layers.3.mlp.up_proj.weight" is "mlp.up_proj"; outside of them the whole name.
std::string kindOfTensor(std::string name) {
    if (name.ends_with(".weight"))
        name.resize(name.size() - 7);
    std::size_t after = std::string::npos; // what follows the first number between dots
    for (std::size_t at = 0; at < name.size() && after == std::string::npos;) {
        const std::size_t end = std::min(name.find('.', at), name.size());
        const std::string_view part(name.data() + at, end - at);
        if (!part.empty() && end < name.size() &&
            std::ranges::all_of(part, [](unsigned char c) { return std::isdigit(c) != 0; }))
            after = end + 1;
        at = end + 1;
    }
    return after == std::string::npos ? name : name.substr(after);
}

/// Relative distance of every kind of tensor, in the order of the checkpoint.
std::vector<std::pair<std::string, double>> byKind(const study::WeightChange& change) {
    std::vector<std::string> order;
    std::map<std::string, std::pair<double, double>> squares;
    for (std::size_t i = 0; i < change.tensors.size(); ++i) {
        const std::string kind = kindOfTensor(change.tensors[i]);
        const auto [at, isNew] = squares.try_emplace(kind);
        if (isNew)
            order.push_back(kind);
        at->second.first += std::pow(static_cast<double>(change.distances[i]), 2);
        at->second.second += std::pow(static_cast<double>(change.starts[i]), 2);
    }
    std::vector<std::pair<std::string, double>> all;
    for (const std::string& kind : order)
        if (const auto [moved, start] = squares.at(kind); start > 0)
            all.emplace_back(kind, std::sqrt(moved / start));
    return all;
}

/// The change of a cell, which every task of it has.
const study::WeightChange* changeOf(const ResultIndex& index, const study::Cell& cell, const study::Plan& plan) {
    for (std::size_t t = 0; t < cell.keys.size() && t < plan.tasks.size(); ++t)
        if (const study::ResultRow* row = index.row(cell, t); row && row->change)
            return &*row->change;
    return nullptr;
}

/// One "task" is all weights at every strength, the others a kind of tensor at `strength`.
std::vector<Observation> distances(const ProbeResults& results, double strength, XQuantity x) {
    const study::Plan& plan = results.plan;
    const ResultIndex index(results);
    const std::vector<char> counted = chooseCheckpoints(plan, x).counted;
    const std::vector<double> grid = study::gridOf(plan.probe); // a rate of a few checkpoints is no curve over pretraining
    std::vector<Observation> out;
    for (const study::Cell& cell : plan.cells) {
        const study::WeightChange* change = changeOf(index, cell, plan);
        if (!change || !counted[static_cast<std::size_t>(cell.checkpoint)] ||
            (!cell.isBase() && std::ranges::find(grid, cell.strength) == grid.end()))
            continue;
        const study::PlannedCheckpoint& checkpoint = plan.checkpoints[static_cast<std::size_t>(cell.checkpoint)];
        const auto add = [&](const std::string& what, double value) {
            out.push_back({static_cast<double>(*placeOf(checkpoint, x)), checkpoint.pretrainSeed.value_or(-1), what, cell.strength,
                           cell.seed, value, {}, {}});
        };
        add(kAll, change->relative());
        if (cell.strength == strength)
            for (const auto& [kind, value] : byKind(*change))
                add(kind, value);
    }
    return out;
}

} // namespace

bool hasDistances(const ProbeResults& results) {
    return std::ranges::any_of(results.rows, [](const study::ResultRow& row) { return row.change.has_value(); });
}

Result<Figure> distanceFigure(const ProbeResults& results, const FigureOptions& options) {
    CREST_TRY(strength, wantedStrength(results, options));
    CREST_TRY(curves, buildCurves(distances(results, strength, options.x), {options.spread}));
    const Measure measure = distanceMeasure();
    Figure figure;
    figure.name = "distance";
    figure.title = results.plan.probe.name;
    std::vector<std::string> bands;
    for (const bool whole : {true, false}) {
        FigurePanel& panel = figure.panels.emplace_back();
        panel.title = whole ? std::string("distance from the start, all weights")
                            : fmt::format("by kind of tensor at {}", study::strengthText(kindOf(results), strength));
        std::vector<const StrengthCurves*> sources;
        for (const StrengthCurves& one : curves)
            if ((one.task == kAll) == whole)
                sources.push_back(&one);
        for (std::size_t i = 0; i < sources.size(); ++i) {
            const CurveLooks looks = whole ? looksOf(results, sources[i]->strength, i)
                                           : CurveLooks{sources[i]->task, sources[i]->task, i, sources.size(), true};
            panel.curves.push_back(
                makeFigureCurve(results, *sources[i], {measure, options.x, false}, looks, panel.hiddenNonFinite));
        }
        setAxes(panel, results, options, measure.axisTitle, AxisScale::Log);
        bands.push_back(addBandNotes(panel, sources, false, measure.item, kindOf(results)));
        if (!whole)
            panel.notes.push_back("the same tensor of all layers together");
        addCautions(panel, results, options.x);
        addStageBorders(panel, results, options.x);
    }
    addFinerRates(figure, results);
    shareBands(figure, bands);
    figure.columns = 2;
    figure.provenance = figureProvenance(results, figure.name, options);
    return figure;
}

} // namespace crest::analysis
