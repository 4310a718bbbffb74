// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/panel_cells.h"

#include <algorithm>
#include <cmath>

#include <QFontMetricsF>
#include <QPainter>

#include "core/analysis/figure_colors.h"
#include "ui/charts/panel_items.h"

namespace crest::ui {
namespace {

constexpr double kBarGap = 0.8, kBar = 0.9, kBarTick = 0.25, kTitle = 1.4; ///< in em
constexpr int kSteps = 64;

QColor colorOf(const analysis::FigurePanel& panel, double value, bool dark) {
    const analysis::Rgb color = analysis::cellColor(panel, value, dark);
    return {color.red, color.green, color.blue};
}

double widestLabel(const analysis::FigurePanel& panel, const ChartStyle& style, double height) {
    const QFontMetricsF metrics(smallFont(style));
    double widest = 0;
    for (const analysis::Tick& tick : ticksForLength(panel.color, height, style.em))
        widest = std::max(widest, metrics.horizontalAdvance(QString::fromStdString(tick.label)));
    return widest;
}

QRectF rectOf(const PanelChart& chart, const analysis::CellGeometry& at) {
    return QRectF(chart.toItem({at.left, at.top}), chart.toItem({at.right, at.bottom})).normalized();
}

void paintCross(QPainter* painter, const QRectF& field, const ChartStyle& style) {
    const double r = std::min({0.35 * style.em, field.width() / 3, field.height() / 3});
    const QPointF c = field.center();
    painter->setPen(QPen(style.theme.text, 0.11 * style.em));
    painter->drawLine(c + QPointF(-r, -r), c + QPointF(r, r));
    painter->drawLine(c + QPointF(-r, r), c + QPointF(r, -r));
}

} // namespace

double colorBarWidth(const analysis::FigurePanel& panel, const ChartStyle& style, double plotHeight) {
    if (panel.cells.empty() || !analysis::isDrawable(panel.color))
        return 0;
    return (kBarGap + kBar + 2 * kBarTick + kTitle) * style.em + widestLabel(panel, style, plotHeight);
}

void paintCells(QPainter* painter, const PanelChart& chart) {
    if (chart.panel().cells.empty())
        return;
    const ChartStyle& style = chart.style();
    const std::vector<analysis::CellGeometry> fields = analysis::cellGeometry(chart.panel());
    const bool smooth = painter->testRenderHint(QPainter::Antialiasing);
    painter->setRenderHint(QPainter::Antialiasing, false); // no seams between neighbours
    for (const analysis::CellGeometry& field : fields)
        if (field.cell->value)
            painter->fillRect(rectOf(chart, field), colorOf(chart.panel(), *field.cell->value, style.theme.dark));
    painter->setRenderHint(QPainter::Antialiasing, smooth);
    for (const analysis::CellGeometry& field : fields)
        if (field.cell->crossed)
            paintCross(painter, rectOf(chart, field), style);
}

void paintColorBar(QPainter* painter, const PanelChart& chart) {
    const analysis::FigurePanel& panel = chart.panel();
    if (panel.cells.empty() || !analysis::isDrawable(panel.color))
        return;
    const ChartStyle& style = chart.style();
    const QRectF plot = chart.plotRect();
    const double em = style.em, step = plot.height() / kSteps;
    const QRectF bar(plot.right() + kBarGap * em, plot.top(), kBar * em, plot.height());
    const bool smooth = painter->testRenderHint(QPainter::Antialiasing);
    painter->setRenderHint(QPainter::Antialiasing, false);
    int k = 0;
    for (const double value : analysis::colorSteps(panel.color, kSteps)) {
        const double top = bar.bottom() - step * ++k;
        painter->fillRect(QRectF(bar.left(), top, bar.width(), std::min(1.1 * step, bar.bottom() - top)),
                          colorOf(panel, value, style.theme.dark));
    }
    painter->setRenderHint(QPainter::Antialiasing, smooth);
    const QFont font = smallFont(style);
    const QFontMetricsF metrics(font);
    painter->setFont(font);
    double widest = 0;
    for (const analysis::Tick& tick : ticksForLength(panel.color, plot.height(), em)) {
        const double y = bar.bottom() - bar.height() * (tick.value - panel.color.low) / (panel.color.high - panel.color.low);
        const QString label = QString::fromStdString(tick.label);
        painter->setPen(QPen(style.theme.axis, 0.08 * em));
        painter->drawLine(QPointF(bar.right(), y), QPointF(bar.right() + kBarTick * em, y));
        painter->setPen(style.theme.text);
        painter->drawText(QPointF(bar.right() + 2 * kBarTick * em, y + metrics.capHeight() / 2), label);
        widest = std::max(widest, metrics.horizontalAdvance(label));
    }
    const QString title = metrics.elidedText(QString::fromStdString(panel.color.title), Qt::ElideRight, plot.height());
    painter->save();
    painter->translate(bar.right() + (2 * kBarTick + 0.3) * em + widest + metrics.ascent(), plot.center().y());
    painter->rotate(-90);
    painter->drawText(QPointF(-metrics.horizontalAdvance(title) / 2, 0), title);
    painter->restore();
}

const analysis::FigureCell* cellAt(const PanelChart& chart, const QPointF& at) {
    for (const analysis::CellGeometry& field : analysis::cellGeometry(chart.panel()))
        if (rectOf(chart, field).contains(at))
            return field.cell;
    return nullptr;
}

const analysis::FigureCell* cellFor(const analysis::FigurePanel& panel, double x, double y) {
    const auto found = std::find_if(panel.cells.begin(), panel.cells.end(), [&](const analysis::FigureCell& cell) {
        return cell.point.x == x && cell.point.y == y;
    });
    return found == panel.cells.end() ? nullptr : &*found;
}

const analysis::FigureCell* cellBeside(const analysis::FigurePanel& panel, const analysis::FigureCell& from, int key) {
    const analysis::FigureCell* best = &from;
    const auto nearer = [&](double candidate, double now, double origin, bool upwards) {
        const bool beyond = upwards ? candidate > origin : candidate < origin;
        return beyond && (now == origin || std::abs(candidate - origin) < std::abs(now - origin));
    };
    for (const analysis::FigureCell& cell : panel.cells) {
        const bool sideways = key == Qt::Key_Left || key == Qt::Key_Right;
        const auto value = [sideways](const analysis::FigureCell& one) { return sideways ? one.point.x : one.point.y; };
        const bool sameRow = sideways ? cell.point.y == from.point.y : cell.point.x == from.point.x;
        if (sameRow && nearer(value(cell), value(*best), value(from), key == Qt::Key_Right || key == Qt::Key_Up))
            best = &cell;
    }
    return best;
}

} // namespace crest::ui
