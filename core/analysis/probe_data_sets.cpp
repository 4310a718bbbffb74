// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_data_sets.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/analysis/figure_view.h"
#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_provenance.h"
#include "core/analysis/probe_training_runs.h"
#include "core/study/finer_rates.h"

namespace crest::analysis {
namespace {

std::string dataHashOf(const ProbeResults& run) {
    const Json& settings = run.plan.probe.settings;
    return settings.is_object() ? settings.value("data_hash", std::string()) : std::string();
}

/// One column: panels in rows, null where there is none.
using Column = std::vector<const FigurePanel*>;

/// The titles of a badge in the order of a part.
std::vector<std::string> titlesOf(const Figure& part, const std::string& badge) {
    std::vector<std::string> titles;
    for (const FigurePanel& panel : part.panels)
        if (panel.badge == badge)
            titles.push_back(panel.title);
    return titles;
}

/// Those that all parts have, in the order of the first.
std::vector<std::string> commonTitles(const std::vector<Figure>& parts, const std::string& badge) {
    std::vector<std::string> common = titlesOf(parts.front(), badge);
    for (const Figure& part : parts) {
        const std::vector<std::string> own = titlesOf(part, badge);
        std::erase_if(common, [&](const std::string& title) { return std::ranges::find(own, title) == own.end(); });
    }
    return common;
}

/// Badges in the order of the first part that has each.
std::vector<std::string> badgesOf(const std::vector<Figure>& parts) {
    std::vector<std::string> badges;
    for (const Figure& part : parts)
        for (const FigurePanel& panel : part.panels)
            if (std::ranges::find(badges, panel.badge) == badges.end())
                badges.push_back(panel.badge);
    return badges;
}

std::vector<Column> columnsOf(const std::vector<Figure>& parts) {
    std::vector<Column> columns(parts.size());
    for (const std::string& badge : badgesOf(parts)) {
        const std::vector<std::string> common = commonTitles(parts, badge);
        std::size_t rows = columns.front().size();
        for (std::size_t i = 0; i < parts.size(); ++i) {
            for (const bool shared : {true, false})
                for (const FigurePanel& panel : parts[i].panels)
                    if (panel.badge == badge && (std::ranges::find(common, panel.title) != common.end()) == shared)
                        columns[i].push_back(&panel);
            std::stable_sort(columns[i].begin() + static_cast<std::ptrdiff_t>(rows),
                             columns[i].begin() + static_cast<std::ptrdiff_t>(rows + common.size()),
                             [&](const FigurePanel* a, const FigurePanel* b) {
                                 return std::ranges::find(common, a->title) < std::ranges::find(common, b->title);
                             });
        }
        for (const Column& column : columns)
            rows = std::max(rows, column.size());
        for (Column& column : columns)
            column.resize(rows, nullptr);
    }
    return columns;
}

/// In the place of a task that one set does not have.
FigurePanel emptyPanel(const std::vector<Column>& columns, std::size_t row) {
    FigurePanel panel;
    panel.title = "no further task";
    for (const Column& column : columns)
        if (column[row]) {
            panel.badge = column[row]->badge;
            panel.x = column[row]->x;
            panel.y.title = column[row]->y.title;
        }
    return panel;
}

/// "prose: loss" as "prose (tuned on verses): loss".
std::string titleOn(const std::string& title, const std::string& data) {
    const std::size_t colon = std::min(title.rfind(": "), title.size());
    return fmt::format("{} (tuned on {}){}", title.substr(0, colon), data, title.substr(colon));
}

} // namespace

std::string trainedOn(const ProbeResults& results) {
    const Json& settings = results.plan.probe.settings;
    return settings.is_object() && settings.contains("data_task") && settings["data_task"].is_string()
               ? settings["data_task"].get<std::string>()
               : std::string();
}

DataSets dataSetsOf(const ProbeResults& results) {
    DataSets sets;
    const std::string variant = canonicalJson(results.plan.probe.settings.is_object() ? results.plan.probe.settings.value("training", Json()) : Json());
    std::map<std::string, const ProbeResults*> byData;
    std::map<std::string, std::int64_t> others;
    std::vector<std::pair<std::string, std::string>> order{{results.plan.id, dataHashOf(results)}}; // first run, data
    for (const ProbeResults& other : results.siblings) {
        const TrainingDifference difference = differenceOf(results.plan, other.plan);
        if (!difference.data || other.plan.probe.kind != results.plan.probe.kind)
            continue;
        const bool alike = difference.trained.empty() &&
                           canonicalJson(other.plan.probe.settings.value("training", Json())) == variant;
        if (!alike) {
            ++others[trainedOn(other)];
            continue;
        }
        byData[dataHashOf(other)] = &other; // the newest comes last
        order.emplace_back(other.plan.id, dataHashOf(other));
    }
    byData[dataHashOf(results)] = &results;
    std::ranges::sort(order);
    for (const auto& [id, data] : order)
        if (const auto at = byData.find(data); at != byData.end()) {
            sets.runs.push_back(at->second);
            byData.erase(at);
        }
    for (const ProbeResults* run : sets.runs)
        others.erase(trainedOn(*run));
    for (const auto& [data, count] : others)
        sets.leftOut.push_back(fmt::format("not beside these: {} on {}, trained in another way", counted(count, "run"), data));
    return sets;
}

void shareLadder(Figure& figure, const std::vector<const ProbeResults*>& runs) {
    std::set<double> ladder;
    for (const ProbeResults* run : runs)
        for (const double strength : study::gridOf(run->plan.probe))
            ladder.insert(strength);
    std::map<std::string, std::size_t> positions;
    for (const double strength : ladder)
        positions.emplace(curveId(*runs.front(), strength), positions.size());
    for (FigurePanel& panel : figure.panels)
        for (FigureCurve& curve : panel.curves)
            if (const auto at = positions.find(curve.id); at != positions.end()) {
                curve.marker = markerAt(at->second);
                curve.colorPosition = colorPositionAt(at->second, positions.size());
            }
}

void shareKeys(Figure& figure, std::vector<Figure>& parts) {
    const bool same = std::ranges::all_of(parts, [&](const Figure& part) { return part.keys == parts.front().keys; });
    if (same) {
        figure.keys = parts.front().keys;
        return;
    }
    for (Figure& part : parts)
        for (const FigureKey& key : part.keys) {
            if (key.symbol != FigureKey::Symbol::Band) {
                if (std::ranges::find(figure.keys, key) == figure.keys.end())
                    figure.keys.push_back(key);
                continue;
            }
            for (FigurePanel& panel : part.panels)
                panel.notes.insert(panel.notes.begin(), keyText(key));
        }
}

Result<Figure> sideBySide(const ProbeResults& results, const FigureOptions& options,
                          const std::vector<InflectionRow>& inflections, const MakeOfRun& make) {
    const DataSets sets = dataSetsOf(results);
    std::vector<Figure> parts;
    std::vector<const ProbeResults*> siblings;
    for (const ProbeResults* run : sets.runs) {
        std::vector<InflectionRow> own = inflections;
        if (run != &results) {
            siblings.push_back(run);
            own.clear();
            if (options.inflections) {
                CREST_TRY(found, inflectionTable(*run, options.metric));
                own = std::move(found);
            }
        }
        CREST_TRY(part, make(*run, own));
        parts.push_back(std::move(part));
    }
    if (parts.size() == 1) {
        if (!parts.front().panels.empty())
            for (const std::string& note : sets.leftOut)
                parts.front().panels.front().notes.push_back(note);
        return std::move(parts.front());
    }
    Figure figure = parts[static_cast<std::size_t>(std::ranges::find(sets.runs, &results) - sets.runs.begin())];
    figure.panels.clear();
    figure.keys.clear();
    shareKeys(figure, parts);
    const std::vector<Column> columns = columnsOf(parts);
    for (std::size_t row = 0; row < columns.front().size(); ++row)
        for (std::size_t i = 0; i < columns.size(); ++i) {
            FigurePanel& panel = figure.panels.emplace_back(columns[i][row] ? *columns[i][row] : emptyPanel(columns, row));
            if (columns[i][row])
                panel.title = titleOn(panel.title, trainedOn(*sets.runs[i]));
        }
    if (!figure.panels.empty())
        for (const std::string& note : sets.leftOut)
            figure.panels.front().notes.push_back(note);
    figure.columns = static_cast<int>(parts.size());
    figure.provenance = provenanceWith(results, figure.name, options, siblings);
    return figure;
}

} // namespace crest::analysis
