// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/panel_chart.h"

#include <algorithm>
#include <cmath>

#include <QFontMetricsF>
#include <QGraphicsEllipseItem>
#include <QGraphicsLayout>
#include <QPen>
#include <QtCharts/QLegend>

#include "ui/charts/panel_cells.h"
#include "ui/charts/panel_items.h"

namespace crest::ui {
namespace {

using analysis::axisPosition;
using analysis::CurveGeometry;
using analysis::XY;

/// Curves with more points than this carry no markers.
constexpr std::size_t kMostMarkers = 120;
constexpr float kBandAlpha = 0.20F;

QList<QPointF> toPoints(const std::vector<XY>& line) {
    QList<QPointF> points;
    points.reserve(static_cast<qsizetype>(line.size()));
    for (const XY& at : line)
        points.append(QPointF(at.x, at.y));
    return points;
}

bool sameAxis(const analysis::Axis& a, const analysis::Axis& b) {
    return a.scale == b.scale && a.low == b.low && a.high == b.high && a.title == b.title;
}

} // namespace

PanelChart::PanelChart(const ChartStyle& style, QGraphicsItem* parent)
    : QChart(parent)
    , m_style(style)
    , m_xAxis(new QValueAxis(this))
    , m_yAxis(new QValueAxis(this))
    , m_ground(new PanelGround(this))
    , m_marks(new PanelMarks(this)) {
    legend()->hide();
    setBackgroundVisible(false);
    setPlotAreaBackgroundVisible(false);
    setAnimationOptions(NoAnimation);
    layout()->setContentsMargins(0, 0, 0, 0);
    for (QValueAxis* axis : {m_xAxis, m_yAxis})
        axis->setVisible(false);
    addAxis(m_xAxis, Qt::AlignBottom);
    addAxis(m_yAxis, Qt::AlignLeft);
    m_ground->setZValue(-10);
    m_marks->setZValue(1000);
    for (Ring* ring : {&m_hover, &m_pinned}) {
        ring->item = new QGraphicsEllipseItem(this);
        ring->item->setZValue(1001);
        ring->item->setVisible(false);
    }
}

void PanelChart::setPanel(const analysis::FigurePanel& panel) {
    m_panel = panel;
    refresh();
}

void PanelChart::setStyle(const ChartStyle& style) {
    m_style = style;
    m_margins = neededMargins();
    place();
}

void PanelChart::setLabels(PanelLabels labels) {
    if (labels == m_labels)
        return;
    m_labels = labels;
    refresh();
}

void PanelChart::setSize(const QSizeF& size) {
    if (size == m_size)
        return;
    m_size = size;
    setGeometry(QRectF(pos(), size));
    place();
}

PanelMargins PanelChart::neededMargins(const PanelMargins& sides) const {
    const double em = m_style.em;
    const QFontMetricsF metrics(m_style.font);
    PanelMargins margins;
    const double height = std::max(4 * em, m_size.height() - 4 * em);
    double widest = 0;
    for (const analysis::Tick& tick : ticksForLength(m_panel.y, height, em))
        widest = std::max(widest, metrics.horizontalAdvance(QString::fromStdString(tick.label)));
    margins.left = std::max(sides.left, widest + 2.4 * em);
    margins.right = std::max(sides.right, 1.3 * em + colorBarWidth(m_panel, m_style, height));
    const double width = std::max(4 * em, m_size.width() - margins.left - margins.right);
    margins.top = panelHeading(m_panel, m_style, width).height() + 0.8 * em;
    margins.bottom = 0.7 * em + (m_labels.xTicks ? 1.3 * em : 0.2 * em) + (m_labels.xTitle ? 1.55 * em : 0);
    return margins;
}

void PanelChart::setMargins(const PanelMargins& margins) {
    if (margins == m_margins)
        return;
    m_margins = margins;
    place();
}

void PanelChart::place() {
    const PanelMargins& margins = m_margins;
    const double em = m_style.em;
    m_plot = QRectF(margins.left, margins.top, std::max(em, m_size.width() - margins.left - margins.right),
                    std::max(em, m_size.height() - margins.top - margins.bottom));
    refresh();
}

void PanelChart::setFrozen(bool frozen) {
    m_frozen = frozen;
    refresh();
}

double PanelChart::stripHeight() const {
    const std::size_t marks = visibleMarks(m_panel).size();
    const double wanted = marks == 0 ? 0 : (0.55 + 0.72 * static_cast<double>(marks)) * m_style.em;
    return std::min(wanted, m_plot.height() / 2);
}

QPointF PanelChart::toItem(const XY& position) const {
    const double xLow = axisPosition(m_panel.x, m_panel.x.low), xHigh = axisPosition(m_panel.x, m_panel.x.high);
    const double yLow = axisPosition(m_panel.y, m_panel.y.low), yHigh = axisPosition(m_panel.y, m_panel.y.high);
    return {m_plot.left() + (position.x - xLow) / (xHigh - xLow) * m_plot.width(),
            m_plot.bottom() - stripHeight() - (position.y - yLow) / (yHigh - yLow) * (m_plot.height() - stripHeight())};
}

XY PanelChart::fromItem(const QPointF& point) const {
    const double xLow = axisPosition(m_panel.x, m_panel.x.low), xHigh = axisPosition(m_panel.x, m_panel.x.high);
    const double yLow = axisPosition(m_panel.y, m_panel.y.low), yHigh = axisPosition(m_panel.y, m_panel.y.high);
    return {xLow + (point.x() - m_plot.left()) / m_plot.width() * (xHigh - xLow),
            yLow + (m_plot.bottom() - stripHeight() - point.y()) / (m_plot.height() - stripHeight()) * (yHigh - yLow)};
}

void PanelChart::refresh() {
    if (m_frozen)
        return;
    setPlotArea(m_plot);
    const QRectF bounds(QPointF(0, 0), m_size);
    m_ground->setShape(bounds, m_labels);
    std::vector<CurveGeometry> geometry;
    std::vector<PanelMarks::Item> markers;
    for (const analysis::FigureCurve& curve : m_panel.curves) {
        geometry.push_back(curve.visible ? analysis::curveGeometry(m_panel, curve) : CurveGeometry{});
        const auto& points = geometry.back().markers;
        PanelMarks::Item item{curve.marker, curveColor(curve, m_style.theme), {}, {}, {}};
        if (item.marker == analysis::Marker::None &&
            std::any_of(points.begin(), points.end(), [](const auto& m) { return m.alone; }))
            item.marker = analysis::Marker::Circle;
        for (const analysis::MarkerGeometry& marker : points)
            for (const std::vector<XY>& bar : {marker.bar, marker.across})
                if (!bar.empty())
                    item.bars.push_back(bar);
        for (const analysis::MarkerGeometry& marker : points)
            if (marker.alone || (curve.marker != analysis::Marker::None && points.size() <= kMostMarkers)) {
                item.at.push_back(marker.at);
                item.labels.push_back(QString::fromStdString(marker.point->label));
            }
        if (!item.at.empty())
            markers.push_back(std::move(item));
    }
    if (!m_plot.isEmpty() && analysis::isDrawable(m_panel.x) && analysis::isDrawable(m_panel.y)) {
        m_xAxis->setRange(axisPosition(m_panel.x, m_panel.x.low), axisPosition(m_panel.x, m_panel.x.high));
        m_yAxis->setRange(fromItem(m_plot.bottomLeft()).y, fromItem(m_plot.topLeft()).y);
    }
    rebuildSeries(geometry);
    m_marks->setShape(bounds, std::move(markers));
    placeRings();
}

void PanelChart::rebuildSeries(const std::vector<CurveGeometry>& geometry) {
    bool sameShape = geometry.size() == m_items.size();
    for (std::size_t i = 0; sameShape && i < geometry.size(); ++i)
        sameShape =
            geometry[i].lines.size() == m_items[i].lines.size() && geometry[i].bands.size() == m_items[i].bands.size();
    if (!sameShape) {
        removeAllSeries(); // deletes them
        m_items.assign(geometry.size(), {});
        const auto attach = [this](QAbstractSeries* series) {
            addSeries(series);
            series->attachAxis(m_xAxis);
            series->attachAxis(m_yAxis);
        };
        for (std::size_t i = 0; i < geometry.size(); ++i) // all bands lie below all lines
            for (std::size_t k = 0; k < geometry[i].bands.size(); ++k) {
                auto* band = new QAreaSeries;
                band->setUpperSeries(new QLineSeries(band));
                band->setLowerSeries(new QLineSeries(band));
                m_items[i].bands.push_back(band);
            }
        for (std::size_t i = 0; i < geometry.size(); ++i)
            for (std::size_t k = 0; k < geometry[i].lines.size(); ++k)
                m_items[i].lines.push_back(new QLineSeries);
        // Points first, then into the chart: an added series with points is laid out once.
        for (std::size_t i = 0; i < geometry.size(); ++i) {
            for (std::size_t k = 0; k < geometry[i].bands.size(); ++k) {
                m_items[i].bands[k]->upperSeries()->replace(toPoints(geometry[i].bands[k].upper));
                m_items[i].bands[k]->lowerSeries()->replace(toPoints(geometry[i].bands[k].lower));
                attach(m_items[i].bands[k]);
            }
        }
        for (std::size_t i = 0; i < geometry.size(); ++i)
            for (std::size_t k = 0; k < geometry[i].lines.size(); ++k) {
                m_items[i].lines[k]->replace(toPoints(geometry[i].lines[k]));
                attach(m_items[i].lines[k]);
            }
        styleSeries();
        return;
    }
    for (std::size_t i = 0; i < geometry.size(); ++i) {
        for (std::size_t k = 0; k < geometry[i].bands.size(); ++k) {
            m_items[i].bands[k]->upperSeries()->replace(toPoints(geometry[i].bands[k].upper));
            m_items[i].bands[k]->lowerSeries()->replace(toPoints(geometry[i].bands[k].lower));
        }
        for (std::size_t k = 0; k < geometry[i].lines.size(); ++k)
            m_items[i].lines[k]->replace(toPoints(geometry[i].lines[k]));
    }
    styleSeries();
}

void PanelChart::styleSeries() {
    for (std::size_t i = 0; i < m_items.size() && i < m_panel.curves.size(); ++i) {
        const analysis::FigureCurve& curve = m_panel.curves[i];
        const QColor color = curveColor(curve, m_style.theme);
        QPen pen(color, 0.145 * m_style.em);
        pen.setCapStyle(curve.dashed || curve.dotted ? Qt::FlatCap : Qt::RoundCap);
        pen.setJoinStyle(Qt::RoundJoin);
        if (curve.dotted)
            pen.setDashPattern({1.2, 1.4});
        else if (curve.dashed)
            pen.setDashPattern({3.4, 1.7});
        for (QLineSeries* line : m_items[i].lines)
            if (line->pen() != pen)
                line->setPen(pen);
        QColor soft = color;
        soft.setAlphaF(kBandAlpha);
        for (QAreaSeries* band : m_items[i].bands) {
            if (band->brush() != QBrush(soft))
                band->setBrush(soft);
            if (band->pen() != QPen(Qt::NoPen))
                band->setPen(Qt::NoPen);
        }
    }
}

void PanelChart::setRing(Ring& ring, const analysis::FigurePoint* point, const QColor& color) {
    ring.shown = point != nullptr;
    if (point) {
        ring.x = point->x;
        ring.y = point->y;
        ring.item->setPen(QPen(color, 0.16 * m_style.em));
        QColor soft = color;
        soft.setAlphaF(0.25F);
        ring.item->setBrush(soft);
    }
    placeRings();
}

void PanelChart::highlight(const analysis::FigurePoint* point, const QColor& color) {
    setRing(m_hover, point, color);
}
void PanelChart::pin(const analysis::FigurePoint* point, const QColor& color) {
    setRing(m_pinned, point, color);
}

void PanelChart::placeRings() {
    for (Ring* ring : {&m_hover, &m_pinned}) {
        const bool visible =
            ring->shown && analysis::inRange(m_panel.x, ring->x) && analysis::inRange(m_panel.y, ring->y);
        ring->item->setVisible(visible);
        if (!visible)
            continue;
        const double r = (ring == &m_pinned ? 0.75 : 0.6) * m_style.em;
        const QPointF at = toItem({axisPosition(m_panel.x, ring->x), axisPosition(m_panel.y, ring->y)});
        ring->item->setRect(QRectF(at.x() - r, at.y() - r, 2 * r, 2 * r));
    }
}

PanelMargins commonSides(const std::vector<const PanelChart*>& panels) {
    PanelMargins sides;
    for (const PanelChart* panel : panels) {
        const PanelMargins own = panel->neededMargins();
        sides.left = std::max(sides.left, own.left);
        sides.right = std::max(sides.right, own.right);
    }
    return sides;
}

std::vector<PanelMargins> alignedMargins(const std::vector<const PanelChart*>& panels, int columns) {
    const auto perRow = static_cast<std::size_t>(std::max(1, columns));
    const PanelMargins sides = commonSides(panels);
    std::vector<PanelMargins> margins;
    for (const PanelChart* panel : panels)
        margins.push_back(panel->neededMargins(sides));
    for (std::size_t row = 0; row < panels.size(); row += perRow) {
        const std::size_t end = std::min(panels.size(), row + perRow);
        double top = 0, bottom = 0;
        for (std::size_t i = row; i < end; ++i) {
            top = std::max(top, margins[i].top);
            bottom = std::max(bottom, margins[i].bottom);
        }
        for (std::size_t i = row; i < end; ++i)
            margins[i] = {sides.left, top, sides.right, bottom};
    }
    return margins;
}

void alignMargins(const std::vector<PanelChart*>& panels, int columns) {
    const std::vector<PanelMargins> margins = alignedMargins({panels.begin(), panels.end()}, columns);
    for (std::size_t i = 0; i < panels.size(); ++i)
        panels[i]->setMargins(margins[i]);
}

PanelLabels panelLabels(const analysis::Figure& figure, int index) {
    const int count = static_cast<int>(figure.panels.size()), columns = std::max(1, figure.columns);
    // All of a row are labelled where one has nothing below it: the room is there, and none stands bare beside it.
    const int lastOfRow = std::min(count, (index / columns + 1) * columns) - 1;
    const bool lowest = lastOfRow + columns >= count;
    bool shared = (count + columns - 1) / columns <= 2;
    for (const analysis::FigurePanel& panel : figure.panels)
        shared = shared && sameAxis(panel.x, figure.panels.front().x);
    return {lowest || !shared, lowest || !shared};
}

QStringList wrapText(const QString& text, const QFont& font, double width, int maxLines) {
    const QFontMetricsF metrics(font);
    QStringList lines;
    QString line;
    const QStringList words = text.split(u' ', Qt::SkipEmptyParts);
    for (qsizetype i = 0; i < words.size(); ++i) {
        const QString longer = line.isEmpty() ? words[i] : line + u' ' + words[i];
        if (line.isEmpty() || metrics.horizontalAdvance(longer) <= width) {
            line = longer;
            continue;
        }
        if (lines.size() + 1 == maxLines) {
            line += u' ' + words.mid(i).join(u' '); // the last line takes the rest and is elided
            break;
        }
        lines << line;
        line = words[i];
    }
    if (!line.isEmpty())
        lines << line;
    for (QString& each : lines)
        each = metrics.elidedText(each, Qt::ElideRight, width);
    return lines;
}

} // namespace crest::ui
