// SPDX-License-Identifier: GPL-3.0-or-later
// Colours and markers of charts: grounds and inks for light and dark, marker shapes.
#pragma once

#include <QColor>
#include <QFont>
#include <QPainterPath>
#include <QPalette>

#include "core/analysis/figure.h"

class QWidget;

namespace crest::ui {

/// The ground a chart is drawn on and the colours of everything but the curves.
struct ChartTheme {
    bool dark = false;
    QColor ground, tint; ///< tint: the plot area of ID panels
    QColor text, muted, axis, grid;
    QColor idBadge, oodBadge, badgeText;
    QColor accent; ///< hover ring, pinned point, zoom box
};
ChartTheme lightTheme();
ChartTheme darkTheme();
/// Dark where the palette's window colour is darker than its text.
ChartTheme themeFor(const QPalette& palette);

/// All lengths of a chart are multiples of its font size, so that a chart on screen and one at 8 pt on paper look
/// alike.
struct ChartStyle {
    ChartTheme theme;
    QFont font;     ///< its pixel size is `em` (rounded); no hinting, tabular digits come with the default fonts
    double em = 13; ///< font size in scene units
};
ChartStyle chartStyle(const ChartTheme& theme, const QFont& family, double em);
ChartStyle screenStyle(const QWidget& widget); ///< in its own font and palette

/// From the tables of core/analysis/figure_colors.h.
QColor curveColor(const analysis::FigureCurve& curve, const ChartTheme& theme);

/// A marker's outline around (0, 0), about `size` wide, of equal visual weight.
QPainterPath markerPath(analysis::Marker marker, double size);

} // namespace crest::ui
