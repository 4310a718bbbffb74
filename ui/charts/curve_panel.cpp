// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/curve_panel.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QRubberBand>
#include <QTimer>
#include <QToolTip>
#include <QWheelEvent>

#include "ui/charts/hover_text.h"
#include "ui/charts/panel_cells.h"
#include "ui/charts/panel_items.h"

namespace crest::ui {
namespace {

using analysis::axisPosition;
using analysis::axisValue;

} // namespace

CurvePanel::CurvePanel(QWidget* parent)
    : QGraphicsView(parent)
    , m_chart(new PanelChart(screenStyle(*this))) {
    setScene(new QGraphicsScene(this));
    scene()->addItem(m_chart);
    scene()->setItemIndexMethod(QGraphicsScene::NoIndex);
    setFrameShape(QFrame::NoFrame);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setRenderHint(QPainter::Antialiasing);
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setInteractive(false);
    restyle();
}

CurvePanel::~CurvePanel() = default;

QSize CurvePanel::sizeHint() const {
    return {420, 300};
}
QSize CurvePanel::minimumSizeHint() const {
    return {240, 190};
}

void CurvePanel::setPanel(const analysis::FigurePanel& panel) {
    if (m_home.x.title != panel.x.title || m_home.y.title != panel.y.title)
        m_zooms.clear();
    m_home = panel;
    analysis::FigurePanel shown = panel;
    if (isZoomed()) {
        const Zoom zoom = currentZoom();
        shown.x.low = zoom.xLow;
        shown.x.high = zoom.xHigh;
        shown.y.low = zoom.yLow;
        shown.y.high = zoom.yHigh;
    }
    m_chart->setPanel(shown);
    if (m_ownMargins)
        m_chart->setMargins(m_chart->neededMargins());
    if (!m_hoverText.isEmpty()) // numbers that come in while one looks at them
        QTimer::singleShot(0, this, &CurvePanel::refreshHover);
    setAccessibleName(QString::fromStdString(panel.title));
    QStringList notes;
    for (const std::string& note : analysis::panelNotes(panel))
        notes << QString::fromStdString(note);
    for (const analysis::FigureBorder& border : panel.borders)
        notes << QString::fromStdString(border.detail);
    setAccessibleDescription(notes.join(u". "));
}

void CurvePanel::setXRange(double low, double high) {
    analysis::FigurePanel shown = panel();
    if (shown.x.low == low && shown.x.high == high)
        return;
    if (!isZoomed())
        m_zooms.push_back(currentZoom());
    shown.x.low = low;
    shown.x.high = high;
    hideHover();
    m_chart->setPanel(shown);
    const Zoom now = currentZoom();
    if (now.xLow == m_home.x.low && now.xHigh == m_home.x.high && now.yLow == m_home.y.low &&
        now.yHigh == m_home.y.high)
        m_zooms.clear();
    Q_EMIT viewChanged();
}

void CurvePanel::setCurvesVisible(const Visibility& wanted) {
    analysis::FigurePanel shown = panel();
    for (auto* each : {&shown, &m_home})
        for (analysis::FigureCurve& curve : each->curves)
            if (const auto one = wanted.find(curve.id); one != wanted.end())
                curve.visible = one->second;
    hideHover();
    m_chart->setPanel(shown);
}

void CurvePanel::setScale(analysis::Dimension dimension, analysis::AxisScale scale) {
    analysis::Axis& axis = dimension == analysis::Dimension::X ? m_home.x : m_home.y;
    if (axis.scale == scale)
        return;
    axis.scale = scale;
    analysis::fitAxis(m_home, dimension);
    m_zooms.clear();
    hideHover();
    m_chart->setPanel(m_home);
    Q_EMIT viewChanged();
}

CurvePanel::Zoom CurvePanel::currentZoom() const {
    return {panel().x.low, panel().x.high, panel().y.low, panel().y.high};
}

void CurvePanel::applyZoom(const Zoom& zoom) {
    const Zoom before = currentZoom();
    analysis::FigurePanel shown = panel();
    shown.x.low = zoom.xLow;
    shown.x.high = zoom.xHigh;
    shown.y.low = zoom.yLow;
    shown.y.high = zoom.yHigh;
    if (!analysis::isDrawable(shown.x) || !analysis::isDrawable(shown.y))
        return;
    hideHover();
    m_chart->setPanel(shown);
    if (before.xLow != zoom.xLow || before.xHigh != zoom.xHigh)
        Q_EMIT xRangeChanged(zoom.xLow, zoom.xHigh);
    Q_EMIT viewChanged();
}

void CurvePanel::zoomTo(double xLow, double xHigh, double yLow, double yHigh) {
    m_zooms.push_back(currentZoom());
    applyZoom({xLow, xHigh, yLow, yHigh});
}

void CurvePanel::previousZoom() {
    if (m_zooms.empty())
        return;
    const Zoom zoom = m_zooms.back();
    m_zooms.pop_back();
    applyZoom(zoom);
}

void CurvePanel::resetZoom() {
    m_zooms.clear();
    applyZoom({m_home.x.low, m_home.x.high, m_home.y.low, m_home.y.high});
}

CurvePanel::Hit CurvePanel::nearestPoint(const QPointF& at, double within) const {
    Hit best;
    double bestDistance = within;
    for (const analysis::FigureCurve& curve : panel().curves) {
        if (!curve.visible)
            continue;
        for (const auto& segment : curve.segments)
            for (const analysis::FigurePoint& point : segment) {
                if (!analysis::inRange(panel().x, point.x) || !analysis::inRange(panel().y, point.y))
                    continue;
                const QPointF place =
                    m_chart->toItem({axisPosition(panel().x, point.x), axisPosition(panel().y, point.y)});
                const double distance = std::hypot(place.x() - at.x(), place.y() - at.y());
                if (distance < bestDistance) {
                    bestDistance = distance;
                    best = {&curve, &point};
                }
            }
    }
    if (!best.point)
        if (const analysis::FigureCell* cell = cellAt(*m_chart, at))
            best.point = &cell->point;
    return best;
}

const analysis::FigureMark* CurvePanel::markAt(const QPointF& at) const {
    int k = 0;
    for (const analysis::FigureMark* mark : visibleMarks(panel())) {
        const double slack = 0.3 * m_chart->style().em;
        if (markBar(*m_chart, *mark, k++).adjusted(-slack, -slack / 2, slack, slack / 2).contains(at))
            return mark;
    }
    return nullptr;
}

void CurvePanel::showHover(const Hit& hit) {
    const ChartTheme& theme = m_chart->style().theme;
    m_cursorCurve = hit.curve ? hit.curve->id : std::string();
    m_cursorX = hit.point->x;
    m_cursorY = hit.point->y;
    m_onPoint = true;
    m_chart->highlight(hit.point, hit.curve ? curveColor(*hit.curve, theme) : theme.accent);
    m_hoverText = ui::hoverText(panel(), hit.point->x, hit.point);
    const QPointF place =
        m_chart->toItem({axisPosition(panel().x, hit.point->x), axisPosition(panel().y, hit.point->y)});
    QToolTip::showText(viewport()->mapToGlobal(mapFromScene(place) + QPoint(14, 10)),
                       hoverHtml(panel(), hit.point->x, hit.point, themeFor(QToolTip::palette())), viewport());
}

CurvePanel::Hit CurvePanel::hitAtCursor() const {
    if (m_hoverText.isEmpty() || !m_onPoint)
        return {};
    if (m_cursorCurve.empty()) {
        const analysis::FigureCell* cell = cellFor(panel(), m_cursorX, m_cursorY);
        return {nullptr, cell ? &cell->point : nullptr};
    }
    for (const auto& [curve, point] : analysis::pointsAt(panel(), m_cursorX))
        if (curve->id == m_cursorCurve)
            return {curve, point};
    return {};
}

/// The same point with its numbers of now. A layout that changed has hidden the tip: it is shown again.
void CurvePanel::refreshHover() {
    if (m_hoverText.isEmpty() || !m_onPoint)
        return;
    if (const Hit hit = hitAtCursor(); hit.point)
        showHover(hit);
    else
        hideHover();
}

void CurvePanel::hideHover() {
    if (m_hoverText.isEmpty())
        return;
    m_hoverText.clear();
    m_chart->highlight(nullptr, {});
    QToolTip::hideText();
}

void CurvePanel::pinHit(const Hit& hit) {
    if (!hit.point) {
        m_chart->pin(nullptr, {});
        Q_EMIT pointReleased();
        return;
    }
    m_chart->pin(hit.point, m_chart->style().theme.accent);
    Q_EMIT pointPinned(QString::fromStdString(hit.point->recipe));
}

void CurvePanel::restyle() {
    if (m_restyling)
        return;
    m_restyling = true; // setting the background brush sends a change event
    const ChartStyle style = screenStyle(*this);
    setBackgroundBrush(style.theme.ground);
    m_chart->setStyle(style);
    m_restyling = false;
    Q_EMIT styleChanged();
}

void CurvePanel::resizeEvent(QResizeEvent* event) {
    QGraphicsView::resizeEvent(event);
    const QSizeF size = viewport()->size();
    setSceneRect(QRectF(QPointF(0, 0), size));
    m_chart->setSize(size);
    if (m_ownMargins)
        m_chart->setMargins(m_chart->neededMargins());
    if (event->size().width() != event->oldSize().width())
        Q_EMIT widthChanged();
}

void CurvePanel::setOwnMargins(bool own) {
    m_ownMargins = own;
}

void CurvePanel::changeEvent(QEvent* event) {
    QGraphicsView::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange ||
        event->type() == QEvent::StyleChange)
        restyle();
}

void CurvePanel::dragTo(const QPoint& at) {
    if (!m_band && (at - m_pressed).manhattanLength() < QApplication::startDragDistance())
        return;
    if (!m_band) {
        hideHover();
        m_band = new QRubberBand(QRubberBand::Rectangle, viewport());
        m_band->show();
    }
    m_band->setGeometry(QRect(m_pressed, at).normalized() & m_chart->plotRect().toAlignedRect());
}

void CurvePanel::mouseMoveEvent(QMouseEvent* event) {
    if (m_pressing) {
        dragTo(event->pos());
        return;
    }
    const QPointF at = mapToScene(event->pos());
    if (const analysis::FigureMark* mark = markAt(at)) {
        m_cursorCurve.clear(); // no point is looked at
        m_onPoint = false;
        m_hoverText = QString::fromStdString(mark->label);
        QToolTip::showText(event->globalPosition().toPoint(), m_hoverText.toHtmlEscaped(), viewport());
        return;
    }
    if (const Hit hit = nearestPoint(at, 2.2 * m_chart->style().em); hit.point)
        showHover(hit);
    else
        hideHover();
}

void CurvePanel::mousePressEvent(QMouseEvent* event) {
    setFocus(Qt::MouseFocusReason);
    m_pressing = event->button() == Qt::LeftButton && m_chart->plotRect().contains(mapToScene(event->pos()));
    m_pressed = event->pos();
}

void CurvePanel::mouseReleaseEvent(QMouseEvent* event) {
    if (!m_pressing || event->button() != Qt::LeftButton)
        return;
    m_pressing = false;
    if (!m_band) {
        pinHit(nearestPoint(mapToScene(event->pos()), 1.5 * m_chart->style().em));
        return;
    }
    const QRect box = m_band->geometry();
    m_band->deleteLater();
    m_band = nullptr;
    if (box.width() < 4 || box.height() < 4)
        return;
    const analysis::XY from = m_chart->fromItem(box.bottomLeft()), to = m_chart->fromItem(box.topRight());
    zoomTo(axisValue(panel().x, from.x), axisValue(panel().x, to.x), axisValue(panel().y, from.y),
           axisValue(panel().y, to.y));
}

void CurvePanel::mouseDoubleClickEvent(QMouseEvent*) {
    m_pressing = false;
    resetZoom();
}

void CurvePanel::wheelEvent(QWheelEvent* event) {
    const QPointF at = mapToScene(event->position().toPoint());
    if (!m_chart->plotRect().contains(at) || event->angleDelta().y() == 0) {
        event->ignore(); // beside the plot the page scrolls
        return;
    }
    const double factor = std::pow(0.8, event->angleDelta().y() / 120.0);
    const analysis::XY here = m_chart->fromItem(at);
    const auto scaled = [factor](const analysis::Axis& axis, double centre, double value) {
        return axisValue(axis, centre + (axisPosition(axis, value) - centre) * factor);
    };
    const bool onlyX = event->modifiers().testFlag(Qt::ShiftModifier);
    const analysis::Axis &x = panel().x, &y = panel().y;
    zoomTo(scaled(x, here.x, x.low), scaled(x, here.x, x.high), onlyX ? y.low : scaled(y, here.y, y.low),
           onlyX ? y.high : scaled(y, here.y, y.high));
    event->accept();
}

void CurvePanel::leaveEvent(QEvent* event) {
    hideHover();
    QGraphicsView::leaveEvent(event);
}

} // namespace crest::ui
