// SPDX-License-Identifier: Apache-2.0
// The one figure struct: what the screen, PDF, SVG, PNG, CSV and TeX all read. Numbers are tested on it, not on
// widgets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace crest::analysis {

enum class AxisScale { Linear, Log };
/// How ticks are labelled where a chart makes its own (after a zoom, or where `Axis::ticks` is empty).
enum class TickFormat { Number, Tokens, Whole }; ///< Whole: what is counted, such as steps

struct Tick {
    double value = 0;
    std::string label; ///< "4M", "1.5"
};

struct Axis {
    std::string title; ///< with its unit: "pretraining tokens", "loss (nats/token)"
    AxisScale scale = AxisScale::Linear;
    double low = 0, high = 1; ///< visible range, low < high; > 0 where the scale is Log
    std::vector<Tick> ticks;  ///< may be empty: the chart makes them (figure_view.h, visibleTicks)
    TickFormat format = TickFormat::Number;
    bool isEmpty = false; ///< no point gave it its range, so it has no ticks
};

struct FigurePoint {
    double x = 0, y = 0;
    std::optional<double> low, high; ///< the band
    std::int64_t n = 0;              ///< what the band's N counts (bandLabel says)
    std::string detail;              ///< hover: exact value, N, error; several lines
    std::string recipe;              ///< click: settings, seeds, versions, equivalent command
    std::optional<double> xLow = {}, xHigh = {}; ///< the error of x, where that was measured, too (FigurePanel::errorBars)
    std::string label = {};                      ///< beside the point, a word or a number: "0.1"
    std::int64_t runs = 0, draws = 0;            ///< pretraining runs and draws (seeds) behind it; 0: unknown, or nothing is drawn
};

enum class CurveColor {
    Base,    ///< near-black
    Ordered, ///< position on the viridis-like scale, dark to light
    Category ///< Okabe-Ito by index
};
enum class Marker { None, Circle, Square, Diamond, TriangleUp, TriangleDown, Pentagon, Star, Plus, Cross };

struct FigureCurve {
    std::string id;    ///< stable across panels and updates: "base", "gamma=0.1"
    std::string label; ///< legend
    CurveColor color = CurveColor::Ordered;
    double colorPosition = 0; ///< Ordered: 0..1; Category: index
    bool dashed = false;
    bool dotted = false; ///< points of others (overlays)
    Marker marker = Marker::Circle;
    bool visible = true;
    /// Points joined by lines; a gap (missing or non-finite value) starts a new segment.
    std::vector<std::vector<FigurePoint>> segments;
};

/// A vertical mark with its interval on the x axis (inflection).
struct FigureMark {
    std::string curve; ///< FigureCurve::id; takes its colour
    double x = 0, low = 0, high = 0;
    std::string label; ///< "16M (8M to 32M)"
};

/// A level across a panel: what guessing gives.
struct FigureLine {
    double y = 0;
    std::string label; ///< "chance 0.25"
};

/// A thin vertical line across a panel: what lies right of it was pretrained in another stage (other data, another
/// schedule). No line of a curve crosses it.
struct FigureBorder {
    double x = 0;       ///< between the last budget of one stage and the first of the next
    std::string label;  ///< at its top: "stage 2"
    std::string detail; ///< where exactly it is known to lie: "stage 2 begins between 7B and 9B tokens"
};

/// A field of a heat map.
struct FigureCell {
    double left = 0, right = 0, bottom = 0, top = 0; ///< its borders; one that is not finite cannot be shown
    /// x, y: what it stands for (budget, strength), within the borders; band, N, hover and recipe are those of `value`.
    FigurePoint point;
    std::optional<double> value; ///< its colour, by FigurePanel::color; absent: the ground is seen
    bool crossed = false;        ///< with a cross: values that are not finite are left out of it
    std::string state;           ///< why there is no value, or what is left out of it: "not measured"
};

struct FigurePanel {
    std::string title;
    std::string badge; ///< "ID", "OOD" or ""; ID panels are faintly tinted
    Axis x, y;
    std::vector<FigureCurve> curves;
    std::vector<FigureMark> marks;
    std::vector<FigureLine> lines; ///< thin, behind the curves; in range when all is shown
    std::vector<FigureBorder> borders; ///< of stages, behind the curves
    std::vector<std::string>
        notes; ///< in words below the title: "band: 95 % CI, 3 pretraining seeds"; "no inflection supported: ..."
    int hiddenNonFinite = 0; ///< points left out as gaps; said in the panel
    std::vector<FigureCell> cells; ///< below the curves; with any, the panel is a heat map
    /// What the colours of cells stand for (figure_colors.h): a scale of its own at the right of the panel.
    Axis color;
    bool lowerIsWorse = false; ///< cells are changes of a metric that is better the higher: orange is what is worse in every panel
    /// Errors are bars at the points, of x and of y, not bands: points lie in the plane and x need not ascend.
    bool errorBars = false;
};

/// What the legend says beside the curves: what a band, a bar at the foot of a panel, a cross in a field, or the bars of a
/// point stand for.
struct FigureKey {
    enum class Symbol { Band, Interval, Cross, Error } symbol = Symbol::Band;
    std::string text; ///< "95 % CI over 3 pretraining runs, 16 noise draws, 32 sequences"
    bool operator==(const FigureKey&) const = default;
};

struct Figure {
    std::string name; ///< file stem: "curves", "sensitivity"
    std::string title;
    std::vector<FigureKey> keys; ///< true of every panel; what holds for one only stands in its notes
    int columns = 2;             ///< panels per row
    std::vector<FigurePanel> panels;
    std::string provenance; ///< one JSON object as text: data hashes, settings, seeds, versions, command; embedded in
                            ///< every export
};

/// Exactly what is plotted (visible curves and points in the visible range) as CSV: panel, title, role, curve, x, y,
/// low, high, n; absent numbers are empty. With a heat map two columns more, value and state; its rows have the curve "map",
/// and low and high are the band of the value. With error bars three more, x_low, x_high and label. The last
/// two are runs and draws, of the point. Titles, axes, marks, stage borders, notes and the record (figure_record.h) stand in `#`
/// lines.
std::string figureToCsv(const Figure& figure);
/// A pgfplots picture of the same as a complete document (class standalone) that compiles with plain pdflatex; the
/// outer width is about `widthMm`, each panel `panelHeightMm` high. The record stands in a `%` line.
std::string figureToTex(const Figure& figure, double widthMm, double panelHeightMm = 50);

} // namespace crest::analysis
