// SPDX-License-Identifier: Apache-2.0
// What of a figure is visible, in plain numbers: axis positions, ticks, and the geometry of curves cut to the visible
// range. Screen and exports draw exactly this, so no painter needs to clip.
#pragma once

#include <vector>

#include "core/analysis/axis.h"
#include "core/analysis/figure.h"

namespace crest::analysis {

enum class Dimension { X, Y };

/// Where a value lies on the drawn axis: the value itself, or log10 of it. NaN where the axis cannot show it (not
/// finite, or <= 0 on a log axis).
double axisPosition(const Axis& axis, double value);
/// The inverse of axisPosition.
double axisValue(const Axis& axis, double position);
/// Whether low and high are finite, ordered and possible on the axis's scale.
bool isDrawable(const Axis& axis);
/// Whether value lies in [low, high] (with a tolerance of 1e-9 of the drawn width) and can be shown.
bool inRange(const Axis& axis, double value);

/// Sets low and high so that the points and bands of the visible curves, and the lines, are in range, with a margin of 5 %; of a heat
/// map its borders, without a margin. Without a drawable point the range is 0..1, or 1..10 on a log axis.
void fitAxis(FigurePanel& panel, Dimension dimension);
/// The ticks to draw: the axis's own where at least two of them are in range, else new ones (tokens or numbers; powers
/// of ten as 10⁻² on a long log axis). At most `most`.
std::vector<Tick> visibleTicks(const Axis& axis, int most = 9);
/// Values of the unlabelled ticks between powers of ten on a log axis of numbers; empty elsewhere.
std::vector<double> minorTicks(const Axis& axis);

/// The distinct curves of a figure by id, in order of appearance, without points: what a legend lists. `visible` where
/// any panel shows it.
std::vector<FigureCurve> distinctCurves(const Figure& figure);

/// A key of the legend in words alone: "band: 95 % CI over ...", "bar: inflection ...".
std::string keyText(const FigureKey& key);

/// Points of visible curves, and fields, that a log axis cannot show (<= 0); they are left out and said.
int undrawablePoints(const FigurePanel& panel);
/// The panel's notes and, where points are left out, how many and why.
std::vector<std::string> panelNotes(const FigurePanel& panel);

/// The band of one segment as two polylines over the same x range, in axis positions.
struct BandGeometry {
    std::vector<XY> upper, lower;
};
struct MarkerGeometry {
    XY at; ///< axis positions
    const FigurePoint* point = nullptr;
    bool alone = false; ///< the only point of its segment: drawn as a marker whatever the curve's style
    /// Where it has an error for which there is no band (it is alone, or the panel has error bars): both ends, cut to the range.
    std::vector<XY> bar;
    std::vector<XY> across = {}; ///< the same of the error of x
};
/// One curve in axis positions, cut to the visible ranges. Points that cannot be shown end a line, as gaps do.
struct CurveGeometry {
    std::vector<std::vector<XY>> lines; ///< each of two points or more
    std::vector<BandGeometry> bands;
    std::vector<MarkerGeometry> markers; ///< points in range; valid as long as the curve
};
/// Lines of more than `maxPoints` points are thinned to the least and greatest of each column first. The curve's
/// visible flag is not looked at. Empty where an axis is not drawable.
CurveGeometry curveGeometry(const FigurePanel& panel, const FigureCurve& curve, std::size_t maxPoints = 2000);

/// A field of a heat map cut to the visible ranges, in axis positions. Valid as long as the panel.
struct CellGeometry {
    const FigureCell* cell = nullptr;
    double left = 0, right = 0, bottom = 0, top = 0;
};
/// Those that can be shown and have any area in range. Empty where an axis is not drawable.
std::vector<CellGeometry> cellGeometry(const FigurePanel& panel);
/// The scale of a heat map's colours as so many equal steps from low to high: the value in the middle of each.
std::vector<double> colorSteps(const Axis& color, int count);

/// The points of all visible curves at one x (equal within 1e-9 relative), in order of the curves: what a hover lists.
struct PointAt {
    const FigureCurve* curve = nullptr;
    const FigurePoint* point = nullptr;
};
std::vector<PointAt> pointsAt(const FigurePanel& panel, double x);

} // namespace crest::analysis
