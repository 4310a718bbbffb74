// SPDX-License-Identifier: Apache-2.0
// A figure as a pgfplots document.
#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "core/analysis/figure_colors.h"
#include "core/analysis/figure_record.h"
#include "core/analysis/figure_view.h"

namespace crest::analysis {
namespace {

/// What titles and labels may hold beyond ASCII; pdflatex knows few of these by itself.
constexpr std::pair<std::string_view, std::string_view> kSymbols[] = {
    {"γ", "$\\gamma$"}, {"α", "$\\alpha$"}, {"σ", "$\\sigma$"}, {"μ", "$\\mu$"},
    {"η", "$\\eta$"},   {"λ", "$\\lambda$"}, {"τ", "$\\tau$"},
    {"±", "$\\pm$"},    {"×", "$\\times$"}, {"·", "$\\cdot$"},  {"≤", "$\\le$"},
    {"≥", "$\\ge$"},    {"−", "$-$"},       {"–", "--"},        {"…", "\\dots{}"},
    {"⁰", "$^0$"},      {"¹", "$^1$"},      {"²", "$^2$"},      {"³", "$^3$"},
    {"⁴", "$^4$"},      {"⁵", "$^5$"},      {"⁶", "$^6$"},      {"⁷", "$^7$"},
    {"⁸", "$^8$"},      {"⁹", "$^9$"},      {"⁻", "$^-$"},      {"\\", "\\textbackslash{}"},
    {"{", "\\{"},       {"}", "\\}"},       {"$", "\\$"},       {"&", "\\&"},
    {"#", "\\#"},       {"%", "\\%"},       {"_", "\\_"},       {"^", "\\^{}"},
    {"~", "\\~{}"},     {"\n", " "},        {"\r", " "}};

std::string escaped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                         [&](const auto& s) { return text.starts_with(s.first); });
        if (symbol != std::end(kSymbols)) {
            out += symbol->second;
            text.remove_prefix(symbol->first.size());
        } else {
            out += text.front();
            text.remove_prefix(1);
        }
    }
    return out;
}

/// Braces keep commas and brackets of a text out of pgfplots' key lists.
std::string braced(std::string_view text) {
    return fmt::format("{{{}}}", escaped(text));
}

std::string texNumber(double value) {
    return fmt::format("{:.8g}", value);
}

/// As value of the key `mark`, further keys included.
const char* markName(Marker marker) {
    switch (marker) {
    case Marker::None:
        return "none";
    case Marker::Circle:
        return "*";
    case Marker::Square:
        return "square*";
    case Marker::Diamond:
        return "diamond*";
    case Marker::TriangleUp:
        return "triangle*";
    case Marker::TriangleDown:
        return "triangle*, mark options={rotate=180}";
    case Marker::Pentagon:
        return "pentagon*";
    case Marker::Star:
        return "star";
    case Marker::Plus:
        return "+";
    case Marker::Cross:
        return "x";
    }
    return "*";
}

const char* lineStyle(const FigureCurve& curve) {
    return curve.dotted ? ", densely dotted" : curve.dashed ? ", densely dashed" : "";
}

std::string coordinates(const Axis& x, const Axis& y, const std::vector<XY>& line) {
    std::string out;
    for (const XY& at : line)
        out += fmt::format("({},{})", texNumber(axisValue(x, at.x)), texNumber(axisValue(y, at.y)));
    return out;
}

/// Height in mm of the strip at the bottom of a plot that is kept free of curves for the marks.
double stripMm(const FigurePanel& panel) {
    const auto shown = std::count_if(panel.marks.begin(), panel.marks.end(), [&](const FigureMark& mark) {
        return std::any_of(panel.curves.begin(), panel.curves.end(),
                           [&](const auto& curve) { return curve.id == mark.curve && curve.visible; });
    });
    return shown == 0 ? 0 : 1.2 + 2.0 * static_cast<double>(shown);
}

void appendTicks(std::string& out, const char* name, const Axis& axis, double lowest) {
    std::string at, labels;
    for (const Tick& tick : visibleTicks(axis)) {
        const char* comma = at.empty() ? "" : ",";
        at += fmt::format("{}{}", comma, texNumber(tick.value));
        labels += fmt::format("{}{}", comma, braced(tick.label));
    }
    out += fmt::format("  {0}tick={{{1}}}, {0}ticklabels={{{2}}}, {0}min={3}, {0}max={4}, {0}mode={5},\n", name, at,
                       labels, texNumber(lowest), texNumber(axis.high), axis.scale == AxisScale::Log ? "log" : "normal");
}

void appendCurve(std::string& out, const FigurePanel& panel, const FigureCurve& curve, const std::string& color) {
    const CurveGeometry geometry = curveGeometry(panel, curve);
    for (const BandGeometry& band : geometry.bands) {
        std::vector<XY> outline = band.upper;
        outline.insert(outline.end(), band.lower.rbegin(), band.lower.rend());
        out +=
            fmt::format("\\addplot[draw=none, fill={}, fill opacity=0.2, forget plot] coordinates {{{}}} -- cycle;\n",
                        color, coordinates(panel.x, panel.y, outline));
    }
    for (const auto& line : geometry.lines)
        out += fmt::format("\\addplot[{}, line width=0.8pt, mark=none{}, forget plot] coordinates {{{}}};\n", color,
                           lineStyle(curve), coordinates(panel.x, panel.y, line));
    std::vector<XY> points;
    for (const MarkerGeometry& marker : geometry.markers)
        if (curve.marker != Marker::None || marker.alone)
            points.push_back(marker.at);
    for (const MarkerGeometry& marker : geometry.markers)
        for (const std::vector<XY>& bar : {marker.bar, marker.across})
            if (!bar.empty())
                out += fmt::format("\\addplot[{}, line width=0.6pt, mark=none, forget plot] coordinates {{{}}};\n", color,
                                   coordinates(panel.x, panel.y, bar));
    const char* mark = curve.marker == Marker::None ? "*" : markName(curve.marker);
    if (!points.empty())
        out += fmt::format("\\addplot[{0}, only marks, mark={1}, mark size=1.6pt, forget plot] coordinates {{{2}}};\n",
                           color, mark, coordinates(panel.x, panel.y, points));
    for (const MarkerGeometry& marker : geometry.markers)
        if (!marker.point->label.empty())
            out += fmt::format("\\node[{}, anchor=south west, font=\\scriptsize, inner sep=1.5pt] at (axis cs:{},{}) {};\n", color,
                               texNumber(axisValue(panel.x, marker.at.x)), texNumber(axisValue(panel.y, marker.at.y)),
                               braced(marker.point->label));
}

/// One entry for each curve of the figure, as images that belong to no plot.
void appendLegend(std::string& out, const Figure& figure, const std::map<std::string, std::string>& colors) {
    for (const FigureCurve& curve : distinctCurves(figure))
        if (curve.visible)
            out += fmt::format(
                "\\addlegendimage{{{}, line width=0.8pt, mark={}, mark size=1.6pt{}}}\n\\addlegendentry{}\n",
                colors.at(curve.id), markName(curve.marker), lineStyle(curve),
                braced(curve.label));
}

/// Behind the curves, with its label above the right end.
void appendLines(std::string& out, const FigurePanel& panel) {
    for (const FigureLine& line : panel.lines)
        if (inRange(panel.y, line.y))
            out += fmt::format("\\draw[black!55, line width=0.4pt, dash pattern=on 1pt off 1.5pt] ({{rel axis "
                               "cs:0,0}}|-{{axis cs:{0},{1}}}) -- ({{rel axis cs:1,0}}|-{{axis cs:{0},{1}}}) "
                               "node[anchor=south east, font=\\scriptsize, inner sep=1pt] {2};\n",
                               texNumber(panel.x.high), texNumber(line.y), braced(line.label));
}

std::string fillOf(const Rgb& color) {
    return fmt::format("fill={{rgb,255:red,{};green,{};blue,{}}}", color.red, color.green, color.blue);
}

/// Fields of a heat map, below the curves; a cross where values are not finite.
void appendCells(std::string& out, const FigurePanel& panel) {
    for (const CellGeometry& at : cellGeometry(panel)) {
        const std::string left = texNumber(axisValue(panel.x, at.left)), right = texNumber(axisValue(panel.x, at.right)),
                          bottom = texNumber(axisValue(panel.y, at.bottom)), top = texNumber(axisValue(panel.y, at.top));
        if (at.cell->value)
            out += fmt::format("\\fill[{}] (axis cs:{},{}) rectangle (axis cs:{},{});\n",
                               fillOf(cellColor(panel, *at.cell->value, false)), left, bottom, right, top);
        if (at.cell->crossed)
            out += fmt::format("\\node[font=\\footnotesize, inner sep=0pt] at (axis cs:{},{}) {{$\\times$}};\n",
                               texNumber(axisValue(panel.x, (at.left + at.right) / 2)),
                               texNumber(axisValue(panel.y, (at.bottom + at.top) / 2)));
    }
}

/// What the colours of a panel's fields stand for, at its right.
void appendColorBar(std::string& out, const Figure& figure, std::size_t index, int columns, double plotMm) {
    constexpr int kSteps = 40;
    const FigurePanel& panel = figure.panels[index];
    if (panel.cells.empty() || !isDrawable(panel.color))
        return;
    const std::string corner = fmt::format("group c{}r{}.south east", index % static_cast<std::size_t>(columns) + 1,
                                           index / static_cast<std::size_t>(columns) + 1);
    const double step = plotMm / kSteps;
    int k = 0;
    for (const double value : colorSteps(panel.color, kSteps)) // a little overlap, so that no gap shows
        out += fmt::format("\\fill[{}] ([xshift=2mm, yshift={}mm]{}) rectangle ++(2.5mm,{}mm);\n",
                           fillOf(cellColor(panel, value, false)), texNumber(step * k++), corner, texNumber(step * 1.05));
    for (const Tick& tick : visibleTicks(panel.color, 6))
        out += fmt::format("\\node[anchor=west, font=\\scriptsize, inner sep=1pt] at ([xshift=4.7mm, yshift={}mm]{}) {};\n",
                           texNumber(plotMm * (tick.value - panel.color.low) / (panel.color.high - panel.color.low)), corner,
                           braced(tick.label));
    out += fmt::format("\\node[rotate=90, anchor=north, font=\\scriptsize, inner sep=1pt] at ([xshift=11.5mm, "
                       "yshift={}mm]{}) {};\n",
                       texNumber(plotMm / 2), corner, braced(panel.color.title));
}

/// Behind the curves, with its label beside the top.
void appendBorders(std::string& out, const FigurePanel& panel) {
    for (const FigureBorder& border : panel.borders)
        if (inRange(panel.x, border.x))
            out += fmt::format("\\draw[black!55, line width=0.4pt] ({{axis cs:{0},{1}}}|-{{rel axis cs:0,0}}) -- ({{axis "
                               "cs:{0},{1}}}|-{{rel axis cs:0,1}}) node[anchor=north west, font=\\scriptsize, inner "
                               "sep=1pt] {2};\n",
                               texNumber(border.x), texNumber(panel.y.high), braced(border.label));
}

void appendMarks(std::string& out, const FigurePanel& panel, double plotMm,
                 const std::map<std::string, std::string>& colors) {
    int k = 0;
    for (const FigureMark& mark : panel.marks) {
        const auto curve = std::find_if(panel.curves.begin(), panel.curves.end(),
                                        [&](const auto& each) { return each.id == mark.curve; });
        if (curve == panel.curves.end() || !curve->visible)
            continue;
        const std::string& color = colors.at(mark.curve);
        const double height = 1.4 + 2.0 * k++;
        const double low = std::max(mark.low, panel.x.low), high = std::min(mark.high, panel.x.high);
        const auto at = [&](double x, double mm) {
            return fmt::format("({{axis cs:{},{}}}|-{{rel axis cs:0,{}}})", texNumber(x), texNumber(panel.y.high),
                               texNumber(mm / plotMm));
        };
        if (low < high)
            out += fmt::format("\\draw[{}, opacity=0.55, line width=2.6pt] {} -- {};\n", color, at(low, height),
                               at(high, height));
        if (inRange(panel.x, mark.x))
            out += fmt::format("\\draw[{}, line width=1pt] {} -- {};\n", color, at(mark.x, height - 1),
                               at(mark.x, height + 1));
    }
}

/// A colour name for each curve; the definitions go to `out`.
std::map<std::string, std::string> defineColors(const Figure& figure, std::string& out) {
    std::map<std::string, std::string> names;
    for (const FigureCurve& curve : distinctCurves(figure)) {
        const Rgb color = curveColor(curve, false);
        const std::string& name = names[curve.id] = fmt::format("crest{}", names.size() + 1);
        out += fmt::format("\\definecolor{{{}}}{{RGB}}{{{},{},{}}}\n", name, color.red, color.green, color.blue);
    }
    return names;
}

void appendPanel(std::string& out, const Figure& figure, std::size_t index, double plotMm,
                 const std::map<std::string, std::string>& colors) {
    const FigurePanel& panel = figure.panels[index];
    std::string title = "\\textbf" + braced(panel.title);
    if (!panel.badge.empty())
        title += " \\,{\\scriptsize [" + escaped(panel.badge) + "]}";
    for (const std::string& note : panelNotes(panel))
        title += "\\\\[-2pt]{\\scriptsize " + escaped(note) + "}";
    const bool lowest = index + static_cast<std::size_t>(std::max(1, figure.columns)) >= figure.panels.size();
    out += fmt::format("\\nextgroupplot[\n  title={{{}}},\n  xlabel={}, ylabel={},\n", title,
                       braced(lowest ? panel.x.title : ""), braced(panel.y.title));
    const double low = axisPosition(panel.y, panel.y.low), high = axisPosition(panel.y, panel.y.high),
                 strip = stripMm(panel);
    appendTicks(out, "x", panel.x, panel.x.low);
    appendTicks(out, "y", panel.y, axisValue(panel.y, low - (high - low) * strip / std::max(1.0, plotMm - strip)));
    if (panel.badge == "ID")
        out += "  axis background/.style={fill=crestTint},\n";
    out += "]\n";
    appendCells(out, panel);
    appendLines(out, panel);
    appendBorders(out, panel);
    for (const FigureCurve& curve : panel.curves)
        if (curve.visible)
            appendCurve(out, panel, curve, colors.at(curve.id));
    appendMarks(out, panel, plotMm, colors);
    if (index == 0)
        appendLegend(out, figure, colors);
}

/// Below the lowest panel of the first column, which is always there.
void appendKeys(std::string& out, const Figure& figure, int rows, double widthMm) {
    std::string text;
    for (const FigureKey& key : figure.keys)
        text += (text.empty() ? "" : "\\\\") + escaped(keyText(key));
    if (!text.empty())
        out +=
            fmt::format("\\node[anchor=north west, align=left, font=\\scriptsize, inner xsep=0pt, text width={}mm] at "
                        "([yshift=-11mm]group c1r{}.south west) {{{}}};\n",
                        texNumber(std::max(20.0, widthMm - 16)), rows, text);
}

// Inside another document \documentclass is an error command: then only the picture is set, so that a paper can \input
// the file as it is. Alone, the page is cut to the picture without further packages.
constexpr const char* kHead =
    R"(% Compile with pdflatex, or \input it where \usepackage{pgfplots} and \usepgfplotslibrary{groupplots} stand in the preamble.
\makeatletter
\ifx\documentclass\@twoclasseserror
\def\crestEnd{\leavevmode\box\crestBox}
\else
\def\crestEnd{\pdfhorigin=0pt \pdfvorigin=0pt \pdfpagewidth=\wd\crestBox
\pdfpageheight=\dimexpr\ht\crestBox+\dp\crestBox\relax \shipout\box\crestBox \end{document}}
\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{pgfplots}
\usepgfplotslibrary{groupplots}
\usetikzlibrary{plotmarks}
\pgfplotsset{compat=1.16}
\begin{document}
\fi
\makeatother
\ifdefined\crestBox\else\newbox\crestBox\fi
)";
constexpr const char* kTail = R"(\end{tikzpicture}}%
\crestEnd
)";

} // namespace

std::string figureToTex(const Figure& figure, double widthMm, double panelHeightMm) {
    const int count = static_cast<int>(figure.panels.size()),
              columns = std::clamp(figure.columns, 1, std::max(1, count));
    const int rows = std::max(1, (count + columns - 1) / columns);
    const bool map = std::any_of(figure.panels.begin(), figure.panels.end(),
                                 [](const FigurePanel& panel) { return !panel.cells.empty(); });
    const double gapMm = map ? 30 : 16, plotMm = std::max(15.0, (widthMm - gapMm * columns) / columns);
    std::size_t notes = 0;
    for (const FigurePanel& panel : figure.panels)
        notes = std::max(notes, panelNotes(panel).size());
    const double betweenMm = 18 + 3.2 * static_cast<double>(notes), heightMm = std::max(15.0, panelHeightMm - 18);
    std::string out = fmt::format("% {}{}\n", kRecordMark, figureRecord(figure)) + kHead +
                      "\\definecolor{crestTint}{RGB}{241,248,245}\n";
    const auto colors = defineColors(figure, out);
    out += "\\setbox\\crestBox=\\hbox{%\n\\begin{tikzpicture}\n\\begin{groupplot}[\n";
    out += fmt::format("  group style={{group size={} by {}, horizontal sep={}mm, vertical sep={}mm}},\n", columns,
                       rows, texNumber(gapMm), texNumber(betweenMm));
    out += fmt::format("  width={}mm, height={}mm, scale only axis,\n", texNumber(plotMm), texNumber(heightMm));
    out += "  tick label style={font=\\footnotesize}, label style={font=\\footnotesize}, title style={align=left, "
           "font=\\small, at={(0,1)}, anchor=south west, inner xsep=0pt},\n"
           "  axis lines*=left, tick align=outside, ymajorgrids, grid style={black!10},\n"
           "  legend columns=5, legend cell align=left,\n"
           "  legend style={draw=none, fill=none, /tikz/every even column/.append style={column sep=3mm}, "
           "font=\\footnotesize, at={(0,1)}, yshift=" +
           texNumber(7 + 3.2 * static_cast<double>(notes)) + "mm, anchor=south west},\n]\n";
    for (std::size_t i = 0; i < figure.panels.size(); ++i)
        appendPanel(out, figure, i, heightMm, colors);
    out += "\\end{groupplot}\n";
    for (std::size_t i = 0; i < figure.panels.size(); ++i)
        appendColorBar(out, figure, i, columns, heightMm);
    appendKeys(out, figure, rows, widthMm);
    return out + kTail;
}

} // namespace crest::analysis
