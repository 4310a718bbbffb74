// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/palette.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <QFontInfo>
#include <QTransform>
#include <QWidget>

#include "core/analysis/figure_colors.h"

namespace crest::ui {
namespace {

/// A plus sign of arms `width` thick and `reach` long, turned by `degrees`.
QPainterPath plusSign(double reach, double width, double degrees) {
    QPainterPath path;
    path.addRect(QRectF(-reach, -width / 2, 2 * reach, width));
    path.addRect(QRectF(-width / 2, -reach, width, 2 * reach));
    return QTransform().rotate(degrees).map(path.simplified());
}

QPainterPath regularPolygon(int corners, double radius, double innerRadius, double turn) {
    QPolygonF polygon;
    const bool star = innerRadius > 0;
    const int steps = star ? 2 * corners : corners;
    for (int k = 0; k < steps; ++k) {
        const double angle = turn + 2 * std::numbers::pi * k / steps;
        const double r = star && k % 2 ? innerRadius : radius;
        polygon << QPointF(r * std::cos(angle), r * std::sin(angle));
    }
    QPainterPath path;
    path.addPolygon(polygon);
    path.closeSubpath();
    return path;
}

} // namespace

ChartTheme lightTheme() {
    return {false,
            QColor(0xffffff),
            QColor(0xf1f8f5),
            QColor(0x222222),
            QColor(0x666666),
            QColor(0x444444),
            QColor(0xe3e6e5),
            QColor(0x2a7f62),
            QColor(0x666666),
            QColor(0xffffff),
            QColor(0x2a7f62)};
}

ChartTheme darkTheme() {
    return {true,
            QColor(0x232629),
            QColor(0x25302d),
            QColor(0xeceff1),
            QColor(0xa4abb0),
            QColor(0xa0a7ac),
            QColor(0x3a4044),
            QColor(0x37967a),
            QColor(0x70777c),
            QColor(0xffffff),
            QColor(0x5cc7a4)};
}

ChartTheme themeFor(const QPalette& palette) {
    const bool dark = palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
    return dark ? darkTheme() : lightTheme();
}

ChartStyle chartStyle(const ChartTheme& theme, const QFont& family, double em) {
    ChartStyle style{theme, family, em};
    style.font.setPixelSize(std::max(1, static_cast<int>(std::lround(em))));
    style.font.setHintingPreference(QFont::PreferNoHinting);
    style.font.setBold(false);
    return style;
}

ChartStyle screenStyle(const QWidget& widget) {
    return chartStyle(themeFor(widget.palette()), widget.font(), QFontInfo(widget.font()).pixelSize());
}

QColor curveColor(const analysis::FigureCurve& curve, const ChartTheme& theme) {
    const analysis::Rgb color = analysis::curveColor(curve, theme.dark);
    return QColor(color.red, color.green, color.blue);
}

QPainterPath markerPath(analysis::Marker marker, double size) {
    const double r = size / 2;
    constexpr double kUp = -std::numbers::pi / 2;
    QPainterPath path;
    switch (marker) {
    case analysis::Marker::None:
        break;
    case analysis::Marker::Circle:
        path.addEllipse(QPointF(0, 0), r, r);
        break;
    case analysis::Marker::Square:
        path.addRect(QRectF(-0.9 * r, -0.9 * r, 1.8 * r, 1.8 * r));
        break;
    case analysis::Marker::Diamond:
        return regularPolygon(4, 1.25 * r, 0, kUp);
    case analysis::Marker::TriangleUp:
        return regularPolygon(3, 1.25 * r, 0, kUp);
    case analysis::Marker::TriangleDown:
        return regularPolygon(3, 1.25 * r, 0, -kUp);
    case analysis::Marker::Pentagon:
        return regularPolygon(5, 1.12 * r, 0, kUp);
    case analysis::Marker::Star:
        return regularPolygon(5, 1.45 * r, 0.62 * r, kUp);
    case analysis::Marker::Plus:
        return plusSign(1.3 * r, 0.6 * r, 0);
    case analysis::Marker::Cross:
        return plusSign(1.35 * r, 0.6 * r, 45);
    }
    return path;
}

} // namespace crest::ui
