// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/palette.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace crest::ui {
namespace {

constexpr std::array<QRgb, 10> kViridis{0xff440154, 0xff482878, 0xff3e4989, 0xff31688e, 0xff26828e,
                                        0xff1f9e89, 0xff35b779, 0xff6ece58, 0xffb5de2b, 0xfffde725};
constexpr std::array<QRgb, 7> kOkabeIto{0xff0072b2, 0xffd55e00, 0xff009e73, 0xffcc79a7, 0xffe69f00, 0xff56b4e9, 0xfff0e442};
// Yellow is lost on white, dark blue and vermilion are weak on dark grey.
constexpr std::array<QRgb, 7> kOkabeItoDark{0xff56b4e9, 0xffe69f00, 0xff2fc29a, 0xffe29ac4, 0xfff0e442, 0xff4a9fd4, 0xffea8048};

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
    return {false,     QColor(0xffffff), QColor(0xf1f8f5), QColor(0x222222), QColor(0x666666), QColor(0x444444),
            QColor(0xe3e6e5), QColor(0x2a7f62), QColor(0x666666), QColor(0xffffff), QColor(0x2a7f62)};
}

ChartTheme darkTheme() {
    return {true,      QColor(0x232629), QColor(0x25302d), QColor(0xeceff1), QColor(0xa4abb0), QColor(0xa0a7ac),
            QColor(0x3a4044), QColor(0x37967a), QColor(0x70777c), QColor(0xffffff), QColor(0x5cc7a4)};
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

QColor orderedColor(double position, bool dark) {
    const double clamped = std::clamp(std::isfinite(position) ? position : 0.0, 0.0, 1.0);
    const double at = (dark ? 0.32 + 0.68 * clamped : 0.10 + 0.77 * clamped) * (kViridis.size() - 1);
    const auto index = std::min(static_cast<std::size_t>(at), kViridis.size() - 2);
    const double t = at - static_cast<double>(index);
    const QColor a(kViridis[index]), b(kViridis[index + 1]);
    const auto mix = [t](float u, float v) { return u + static_cast<float>(t) * (v - u); };
    return QColor::fromRgbF(mix(a.redF(), b.redF()), mix(a.greenF(), b.greenF()), mix(a.blueF(), b.blueF()));
}

QColor categoryColor(int index, bool dark) {
    const auto& table = dark ? kOkabeItoDark : kOkabeIto;
    const int size = static_cast<int>(table.size());
    return QColor(table[static_cast<std::size_t>((index % size + size) % size)]);
}

QColor curveColor(const analysis::FigureCurve& curve, const ChartTheme& theme) {
    switch (curve.color) {
    case analysis::CurveColor::Base:
        return theme.dark ? QColor(0xeeeeee) : QColor(0x1a1a1a);
    case analysis::CurveColor::Ordered:
        return orderedColor(curve.colorPosition, theme.dark);
    case analysis::CurveColor::Category:
        return categoryColor(static_cast<int>(std::lround(curve.colorPosition)), theme.dark);
    }
    return theme.text;
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
    }
    return path;
}

} // namespace crest::ui
