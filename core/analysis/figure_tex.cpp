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
    {"γ", "$\\gamma$"}, {"α", "$\\alpha$"}, {"σ", "$\\sigma$"}, {"μ", "$\\mu$"},    {"±", "$\\pm$"}, {"×", "$\\times$"},
    {"·", "$\\cdot$"},  {"≤", "$\\le$"},    {"≥", "$\\ge$"},    {"−", "$-$"},       {"–", "--"},     {"…", "\\dots{}"},
    {"⁰", "$^0$"},      {"¹", "$^1$"},      {"²", "$^2$"},      {"³", "$^3$"},      {"⁴", "$^4$"},   {"⁵", "$^5$"},
    {"⁶", "$^6$"},      {"⁷", "$^7$"},      {"⁸", "$^8$"},      {"⁹", "$^9$"},      {"⁻", "$^-$"},   {"\\", "\\textbackslash{}"},
    {"{", "\\{"},       {"}", "\\}"},       {"$", "\\$"},       {"&", "\\&"},       {"#", "\\#"},    {"%", "\\%"},
    {"_", "\\_"},       {"^", "\\^{}"},     {"~", "\\~{}"},     {"\n", " "},        {"\r", " "}};

std::string escaped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols), [&](const auto& s) { return text.starts_with(s.first); });
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
std::string braced(std::string_view text) { return "{" + escaped(text) + "}"; }

std::string number(double value) { return fmt::format("{:.8g}", value); }

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
    }
    return "*";
}

std::string coordinates(const Axis& x, const Axis& y, const std::vector<XY>& line) {
    std::string out;
    for (const XY& at : line)
        out += fmt::format("({},{})", number(axisValue(x, at.x)), number(axisValue(y, at.y)));
    return out;
}

void appendTicks(std::string& out, const char* name, const Axis& axis) {
    std::string at, labels;
    for (const Tick& tick : visibleTicks(axis)) {
        at += (at.empty() ? "" : ",") + number(tick.value);
        labels += (labels.empty() ? "" : ",") + braced(tick.label);
    }
    out += fmt::format("  {0}tick={{{1}}}, {0}ticklabels={{{2}}}, {0}min={3}, {0}max={4}, {0}mode={5},\n", name, at, labels,
                       number(axis.low), number(axis.high), axis.scale == AxisScale::Log ? "log" : "normal");
}

void appendCurve(std::string& out, const FigurePanel& panel, const FigureCurve& curve, const std::string& color) {
    const CurveGeometry geometry = curveGeometry(panel, curve);
    for (const BandGeometry& band : geometry.bands) {
        std::vector<XY> outline = band.upper;
        outline.insert(outline.end(), band.lower.rbegin(), band.lower.rend());
        out += fmt::format("\\addplot[draw=none, fill={}, fill opacity=0.2, forget plot] coordinates {{{}}} -- cycle;\n", color,
                           coordinates(panel.x, panel.y, outline));
    }
    for (const auto& line : geometry.lines)
        out += fmt::format("\\addplot[{}, line width=0.8pt, mark=none{}, forget plot] coordinates {{{}}};\n", color,
                           curve.dashed ? ", densely dashed" : "", coordinates(panel.x, panel.y, line));
    std::vector<XY> points;
    for (const MarkerGeometry& marker : geometry.markers)
        if (curve.marker != Marker::None || marker.alone)
            points.push_back(marker.at);
    const char* mark = curve.marker == Marker::None ? "*" : markName(curve.marker);
    if (!points.empty())
        out += fmt::format("\\addplot[{0}, only marks, mark={1}, mark size=1.6pt, forget plot] coordinates {{{2}}};\n", color, mark,
                           coordinates(panel.x, panel.y, points));
}

/// One entry for each curve of the figure, as images that belong to no plot.
void appendLegend(std::string& out, const Figure& figure, const std::map<std::string, std::string>& colors) {
    for (const FigureCurve& curve : distinctCurves(figure))
        if (curve.visible)
            out += fmt::format("\\addlegendimage{{{}, line width=0.8pt, mark={}, mark size=1.6pt{}}}\n\\addlegendentry{}\n", colors.at(curve.id),
                               markName(curve.marker), curve.dashed ? ", densely dashed" : "", braced(curve.label));
}

void appendMarks(std::string& out, const FigurePanel& panel, const std::map<std::string, std::string>& colors) {
    int k = 0;
    for (const FigureMark& mark : panel.marks) {
        const auto curve = std::find_if(panel.curves.begin(), panel.curves.end(), [&](const auto& each) { return each.id == mark.curve; });
        if (curve == panel.curves.end() || !curve->visible)
            continue;
        const std::string& color = colors.at(mark.curve);
        const double height = 0.03 + 0.035 * k++;
        const double low = std::max(mark.low, panel.x.low), high = std::min(mark.high, panel.x.high);
        const auto at = [&](double x, double y) { return fmt::format("({{axis cs:{},{}}}|-{{rel axis cs:0,{}}})", number(x), number(panel.y.high), number(y)); };
        if (low < high)
            out += fmt::format("\\draw[{}, opacity=0.55, line width=2.4pt] {} -- {};\n", color, at(low, height), at(high, height));
        if (inRange(panel.x, mark.x))
            out += fmt::format("\\draw[{}, line width=1pt] {} -- {};\n", color, at(mark.x, height - 0.02), at(mark.x, height + 0.02));
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

void appendPanel(std::string& out, const Figure& figure, std::size_t index, const std::map<std::string, std::string>& colors) {
    const FigurePanel& panel = figure.panels[index];
    std::string title = "\\textbf" + braced(panel.title);
    if (!panel.badge.empty())
        title += " \\,{\\scriptsize [" + escaped(panel.badge) + "]}";
    for (const std::string& note : panelNotes(panel))
        title += "\\\\[-2pt]{\\scriptsize " + escaped(note) + "}";
    out += fmt::format("\\nextgroupplot[\n  title={{{}}},\n  xlabel={}, ylabel={},\n", title, braced(panel.x.title), braced(panel.y.title));
    appendTicks(out, "x", panel.x);
    appendTicks(out, "y", panel.y);
    if (panel.badge == "ID")
        out += "  axis background/.style={fill=crestTint},\n";
    out += "]\n";
    for (const FigureCurve& curve : panel.curves)
        if (curve.visible)
            appendCurve(out, panel, curve, colors.at(curve.id));
    appendMarks(out, panel, colors);
    if (index == 0)
        appendLegend(out, figure, colors);
}

// Inside another document \documentclass is an error command: then only the picture is set, so that a paper can \input
// the file as it is. Alone, the page is cut to the picture without further packages.
constexpr const char* kHead = R"(% Compile with pdflatex, or \input it where \usepackage{pgfplots} and \usepgfplotslibrary{groupplots} stand in the preamble.
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
constexpr const char* kTail = R"(\end{groupplot}
\end{tikzpicture}}%
\crestEnd
)";

} // namespace

std::string figureToTex(const Figure& figure, double widthMm, double panelHeightMm) {
    const int count = static_cast<int>(figure.panels.size()), columns = std::clamp(figure.columns, 1, std::max(1, count));
    const int rows = std::max(1, (count + columns - 1) / columns);
    const double gapMm = 16, plotMm = std::max(15.0, (widthMm - gapMm * columns) / columns);
    std::string out = fmt::format("% {}{}\n", kRecordMark, figureRecord(figure)) + kHead + "\\definecolor{crestTint}{RGB}{241,248,245}\n";
    const auto colors = defineColors(figure, out);
    out += "\\setbox\\crestBox=\\hbox{%\n\\begin{tikzpicture}\n\\begin{groupplot}[\n";
    out += fmt::format("  group style={{group size={} by {}, horizontal sep={}mm, vertical sep=19mm}},\n", columns, rows, number(gapMm));
    out += fmt::format("  width={}mm, height={}mm, scale only axis,\n", number(plotMm), number(std::max(15.0, panelHeightMm - 19)));
    out += "  tick label style={font=\\footnotesize}, label style={font=\\footnotesize}, title style={align=left, font=\\small},\n"
           "  axis lines*=left, tick align=outside, ymajorgrids, grid style={black!10},\n"
           "  legend columns=4, legend cell align=left,\n"
           "  legend style={draw=none, fill=none, font=\\footnotesize, at={(0,1)}, yshift=12mm, anchor=south west},\n]\n";
    for (std::size_t i = 0; i < figure.panels.size(); ++i)
        appendPanel(out, figure, i, colors);
    return out + kTail;
}

} // namespace crest::analysis
