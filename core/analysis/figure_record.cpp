// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/figure_record.h"

#include <string_view>

#include "core/analysis/figure_view.h"
#include "core/base/version.h"

namespace crest::analysis {
namespace {

constexpr int kRecordVersion = 1;

Json axisJson(const Axis& axis) {
    return {{"title", axis.title},
            {"scale", axis.scale == AxisScale::Log ? "log" : "linear"},
            {"low", numberToJson(axis.low)},
            {"high", numberToJson(axis.high)}};
}

Json mapJson(const FigurePanel& panel) {
    std::int64_t fields = 0, crossed = 0, empty = 0;
    for (const FigureCell& cell : panel.cells)
        if (inRange(panel.x, cell.point.x) && inRange(panel.y, cell.point.y)) {
            ++fields;
            crossed += cell.crossed;
            empty += !cell.value && !cell.crossed;
        }
    return {{"title", panel.color.title},  {"low", numberToJson(panel.color.low)}, {"high", numberToJson(panel.color.high)},
            {"fields", fields}, {"not_finite", crossed},          {"not_measured", empty}};
}

Json panelJson(const FigurePanel& panel) {
    Json curves = Json::array(), marks = Json::array();
    for (const FigureCurve& curve : panel.curves) {
        if (!curve.visible)
            continue;
        std::int64_t points = 0;
        for (const auto& segment : curve.segments)
            for (const FigurePoint& point : segment)
                points += inRange(panel.x, point.x) && inRange(panel.y, point.y);
        curves.push_back({{"id", curve.id}, {"label", curve.label}, {"points", points}});
        for (const FigureMark& mark : panel.marks)
            if (mark.curve == curve.id)
                marks.push_back({{"curve", curve.label}, {"label", mark.label}});
    }
    Json json = {{"title", panel.title}, {"role", panel.badge},        {"x", axisJson(panel.x)}, {"y", axisJson(panel.y)},
                 {"curves", curves},     {"notes", panelNotes(panel)}, {"marks", marks}};
    for (const FigureLine& line : panel.lines)
        json["lines"].push_back({{"y", numberToJson(line.y)}, {"label", line.label}});
    if (!panel.cells.empty())
        json["map"] = mapJson(panel);
    return json;
}

} // namespace

std::string figureRecord(const Figure& figure) {
    Json panels = Json::array();
    for (const FigurePanel& panel : figure.panels)
        panels.push_back(panelJson(panel));
    Json keys = Json::array();
    for (const FigureKey& key : figure.keys)
        keys.push_back(keyText(key));
    Json provenance = figure.provenance;
    if (auto parsed = parseJson(figure.provenance, "provenance"))
        provenance = std::move(*parsed);
    const Json record = {
        {"crest_figure", kRecordVersion},
        {"crest", version()},
        {"figure", {{"name", figure.name}, {"title", figure.title}, {"keys", keys}, {"panels", panels}}},
        {"provenance", provenance}};
    return canonicalJson(record);
}

Result<Json> parseFigureRecord(const std::string& text, const std::string& where) {
    CREST_TRY(record, parseJson(text, where));
    CREST_TRY(found, requireInt(record, "crest_figure", where, 1, 1'000'000));
    if (found > kRecordVersion)
        return fail(ErrorKind::Unsupported, "the figure was made by a newer Crest; update Crest to read it", where);
    if (!record.contains("figure") || !record["figure"].is_object() || !record.contains("provenance"))
        return fail(ErrorKind::Malformed, "the figure's record lacks what it shows or its provenance", where);
    return record;
}

Result<std::string> recordFromText(const std::string& content, const std::string& where) {
    std::string_view rest = content;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.size() < 2 || (line[0] != '#' && line[0] != '%') || line[1] != ' ')
            continue;
        line.remove_prefix(2);
        if (line.starts_with(kRecordMark))
            return std::string(line.substr(std::string_view(kRecordMark).size()));
    }
    return fail(ErrorKind::NotFound, "this file carries no record of a Crest figure", where);
}

} // namespace crest::analysis
