// SPDX-License-Identifier: Apache-2.0
// A figure as CSV: exactly what is plotted.
#include <algorithm>

#include <fmt/format.h>

#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"
#include "core/base/csv.h"

namespace crest::analysis {
namespace {

/// Shortest text that reads back as the same double.
std::string exact(double value) {
    return fmt::format("{}", value);
}

std::string exact(const std::optional<double>& value) {
    return value ? exact(*value) : std::string();
}

std::string oneLine(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\r')
            c = ' ';
    return text;
}

void appendAbout(std::string& out, const FigurePanel& panel, std::size_t number) {
    const auto scale = [](const Axis& axis) { return axis.scale == AxisScale::Log ? "log" : "linear"; };
    out += oneLine(fmt::format("# panel {}: {}; x: {} ({}, {} to {}); y: {} ({}, {} to {})", number, panel.title,
                               panel.x.title, scale(panel.x), exact(panel.x.low), exact(panel.x.high), panel.y.title,
                               scale(panel.y), exact(panel.y.low), exact(panel.y.high))) +
           "\n";
    for (const std::string& note : panelNotes(panel))
        out += oneLine(fmt::format("# panel {}: note: {}", number, note)) + "\n";
    if (!panel.cells.empty())
        out += oneLine(fmt::format("# panel {}: map: {}, {} to {}", number, panel.color.title, exact(panel.color.low),
                                   exact(panel.color.high))) +
               "\n";
    for (const FigureLine& line : panel.lines)
        out += oneLine(fmt::format("# panel {}: line at y {}: {}", number, exact(line.y), line.label)) + "\n";
    for (const FigureBorder& border : panel.borders)
        out += oneLine(fmt::format("# panel {}: stage border at x {}: {}", number, exact(border.x),
                                   border.detail.empty() ? border.label : border.detail)) +
               "\n";
    for (const FigureMark& mark : panel.marks)
        for (const FigureCurve& curve : panel.curves)
            if (curve.visible && curve.id == mark.curve)
                out += oneLine(fmt::format("# panel {}: mark on {}: x {}, from {} to {}: {}", number, curve.label,
                                           exact(mark.x), exact(mark.low), exact(mark.high), mark.label)) +
                       "\n";
}

/// Empty where there is none.
std::string count(std::int64_t number) {
    return number > 0 ? std::to_string(number) : std::string();
}

/// The last columns of a row, and its end.
std::string behind(const FigurePoint& point) {
    return fmt::format(",{},{}\n", count(point.runs), count(point.draws));
}

/// What the colours stand for, and every field in range.
void appendCells(std::string& out, const FigurePanel& panel, std::size_t number, bool bars) {
    for (const FigureCell& cell : panel.cells)
        if (inRange(panel.x, cell.point.x) && inRange(panel.y, cell.point.y))
            out += fmt::format("{},{},{},map,{},{},{},{},{},{},{}", number, csvField(panel.title), csvField(panel.badge),
                               exact(cell.point.x), exact(cell.point.y), exact(cell.point.low), exact(cell.point.high),
                               count(cell.point.n), exact(cell.value), csvField(cell.state)) +
                   (bars ? ",,," : "") + behind(cell.point);
}

} // namespace

std::string figureToCsv(const Figure& figure) {
    std::string out = fmt::format("# {}{}\n", kRecordMark, figureRecord(figure));
    for (const FigureKey& key : figure.keys)
        out += oneLine("# " + keyText(key)) + "\n";
    for (std::size_t p = 0; p < figure.panels.size(); ++p)
        appendAbout(out, figure.panels[p], p + 1);
    const bool map = std::ranges::any_of(figure.panels, [](const auto& panel) { return !panel.cells.empty(); });
    const bool bars = std::ranges::any_of(figure.panels, &FigurePanel::errorBars);
    out += fmt::format("panel,title,role,curve,x,y,low,high,n{}{},runs,draws\n", map ? ",value,state" : "", bars ? ",x_low,x_high,label" : "");
    for (std::size_t p = 0; p < figure.panels.size(); ++p) {
        const FigurePanel& panel = figure.panels[p];
        appendCells(out, panel, p + 1, bars);
        for (const FigureCurve& curve : panel.curves) {
            if (!curve.visible)
                continue;
            const std::string head =
                fmt::format("{},{},{},{}", p + 1, csvField(panel.title), csvField(panel.badge), csvField(curve.label));
            for (const auto& segment : curve.segments)
                for (const FigurePoint& point : segment)
                    if (inRange(panel.x, point.x) && inRange(panel.y, point.y))
                        out += fmt::format("{},{},{},{},{},{}{}{}", head, exact(point.x), exact(point.y), exact(point.low),
                                           exact(point.high), count(point.n), map ? ",," : "",
                                           bars ? fmt::format(",{},{},{}", exact(point.xLow), exact(point.xHigh), csvField(point.label))
                                                : "") +
                               behind(point);
        }
    }
    return out;
}

} // namespace crest::analysis
