// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/panel_items.h"

#include <algorithm>
#include <cmath>

#include <QFontMetricsF>
#include <QPainter>

#include "ui/charts/panel_cells.h"

namespace crest::ui {
namespace {

using analysis::Axis;
using analysis::Tick;

constexpr double kMajorTick = 0.38, kMinorTick = 0.22, kLabelGap = 0.25; ///< in em

QFont boldFont(const ChartStyle& style) {
    QFont font = style.font;
    font.setPixelSize(std::max(1, static_cast<int>(std::lround(1.04 * style.em))));
    font.setBold(true);
    return font;
}

QPen thinPen(const QColor& color, double width) {
    QPen pen(color, width);
    pen.setCapStyle(Qt::FlatCap);
    return pen;
}

/// Every how-manieth label is drawn so that none touches the next.
int labelStride(const std::vector<double>& centres, const std::vector<double>& widths, double gap) {
    const std::size_t n = centres.size();
    for (std::size_t stride = 1; stride < n; ++stride) {
        bool fits = true;
        for (std::size_t i = stride; i < n && fits; i += stride)
            fits = std::abs(centres[i] - centres[i - stride]) >= (widths[i] + widths[i - stride]) / 2 + gap;
        if (fits)
            return static_cast<int>(stride);
    }
    return static_cast<int>(std::max<std::size_t>(1, n));
}

/// What follows the last comma ("lower is better") goes first, then the end is elided.
QString fittingTitle(const QString& title, const QFontMetricsF& metrics, double room) {
    const bool cut = metrics.horizontalAdvance(title) > room && title.contains(u',');
    return metrics.elidedText(cut ? title.section(u',', 0, -2) : title, Qt::ElideRight, room);
}

double positionOnX(const PanelChart& chart, double value) {
    return chart.toItem({analysis::axisPosition(chart.panel().x, value), 0}).x();
}
double positionOnY(const PanelChart& chart, double value) {
    return chart.toItem({0, analysis::axisPosition(chart.panel().y, value)}).y();
}

} // namespace

QFont smallFont(const ChartStyle& style) {
    QFont font = style.font;
    font.setPixelSize(std::max(1, static_cast<int>(std::lround(0.82 * style.em))));
    return font;
}

double badgeWidth(const analysis::FigurePanel& panel, const ChartStyle& style) {
    if (panel.badge.empty())
        return 0;
    return QFontMetricsF(smallFont(style)).horizontalAdvance(QString::fromStdString(panel.badge)) + 0.7 * style.em;
}

PanelHeading panelHeading(const analysis::FigurePanel& panel, const ChartStyle& style, double width) {
    PanelHeading heading;
    heading.titleFont = boldFont(style);
    heading.noteFont = smallFont(style);
    heading.titleLine = 1.35 * style.em;
    heading.noteLine = 1.12 * style.em;
    const double badge = badgeWidth(panel, style);
    const double titleWidth = width - (badge > 0 ? badge + 0.5 * style.em : 0);
    heading.title = wrapText(QString::fromStdString(panel.title), heading.titleFont, titleWidth, 3);
    for (const std::string& note : analysis::panelNotes(panel))
        heading.notes += wrapText(QString::fromStdString(note), heading.noteFont, width, 3);
    return heading;
}

std::vector<Tick> ticksForLength(const Axis& axis, double length, double em) {
    return analysis::visibleTicks(axis, std::clamp(static_cast<int>(length / (2.0 * em)), 3, 9));
}

PanelGround::PanelGround(PanelChart* chart)
    : QGraphicsItem(chart)
    , m_chart(chart) {}

void PanelGround::setShape(const QRectF& bounds, PanelLabels labels) {
    prepareGeometryChange();
    m_bounds = bounds;
    m_labels = labels;
    update();
}

void PanelGround::paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) {
    const ChartStyle& style = m_chart->style();
    const QRectF plot = m_chart->plotRect();
    if (m_chart->panel().badge == "ID")
        painter->fillRect(plot, style.theme.tint);
    painter->setBrush(Qt::NoBrush);
    paintCells(painter, *m_chart);
    paintColorBar(painter, *m_chart);
    painter->setFont(style.font);
    paintY(painter);
    paintX(painter);
    paintLines(painter);
    paintBorders(painter);
    painter->setPen(thinPen(style.theme.axis, 0.08 * style.em));
    painter->drawLine(plot.topLeft(), plot.bottomLeft());
    painter->drawLine(plot.bottomLeft(), plot.bottomRight());
    paintHeading(painter);
}

/// Levels across the plot, thin and named above their right end.
void PanelGround::paintLines(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const analysis::FigurePanel& panel = m_chart->panel();
    const QRectF plot = m_chart->plotRect();
    const QFont small = smallFont(style);
    const QFontMetricsF metrics(small);
    painter->setFont(small);
    for (const analysis::FigureLine& line : panel.lines) {
        if (!analysis::inRange(panel.y, line.y))
            continue;
        const double y = positionOnY(*m_chart, line.y);
        QPen pen = thinPen(style.theme.muted, 0.08 * style.em);
        pen.setDashPattern({2, 3});
        painter->setPen(pen);
        painter->drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y));
        const QString label = QString::fromStdString(line.label);
        const bool above = y - 1.2 * style.em > plot.top();
        painter->setPen(style.theme.muted);
        painter->drawText(QPointF(plot.right() - metrics.horizontalAdvance(label) - 0.2 * style.em,
                                  above ? y - 0.25 * style.em : y + metrics.ascent() + 0.1 * style.em),
                          label);
    }
    painter->setFont(style.font);
}

/// Stage borders: a thin line over the whole height, named beside its top.
void PanelGround::paintBorders(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const analysis::FigurePanel& panel = m_chart->panel();
    const QRectF plot = m_chart->plotRect();
    const QFont small = smallFont(style);
    const QFontMetricsF metrics(small);
    painter->setFont(small);
    painter->setPen(thinPen(style.theme.muted, 0.08 * style.em));
    for (const analysis::FigureBorder& border : panel.borders) {
        if (!analysis::inRange(panel.x, border.x))
            continue;
        const double x = positionOnX(*m_chart, border.x), gap = 0.3 * style.em;
        painter->drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()));
        const QString label = QString::fromStdString(border.label);
        const double width = metrics.horizontalAdvance(label);
        const bool right = x + gap + width <= plot.right();
        painter->drawText(QPointF(right ? x + gap : x - gap - width, plot.top() + metrics.ascent()), label);
    }
    painter->setFont(style.font);
}

void PanelGround::paintHeading(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const analysis::FigurePanel& panel = m_chart->panel();
    const QRectF plot = m_chart->plotRect();
    const PanelHeading heading = panelHeading(panel, style, plot.width());
    double y = 0.35 * style.em; // titles of a row stand on one line, whatever notes follow
    painter->setPen(style.theme.text);
    painter->setFont(heading.titleFont);
    const QFontMetricsF titleMetrics(heading.titleFont), noteMetrics(heading.noteFont);
    for (const QString& line : heading.title) {
        painter->drawText(QPointF(plot.left(), y + titleMetrics.ascent()), line);
        y += heading.titleLine;
    }
    painter->setPen(style.theme.muted);
    painter->setFont(heading.noteFont);
    for (const QString& line : heading.notes) {
        painter->drawText(QPointF(plot.left(), y + noteMetrics.ascent()), line);
        y += heading.noteLine;
    }
    if (panel.badge.empty())
        return;
    const double width = badgeWidth(panel, style), height = 1.3 * style.em;
    const QRectF box(plot.right() - width, 0.3 * style.em, width, height);
    painter->setPen(Qt::NoPen);
    painter->setBrush(panel.badge == "ID" ? style.theme.idBadge : style.theme.oodBadge);
    painter->drawRoundedRect(box, 0.22 * style.em, 0.22 * style.em);
    painter->setPen(style.theme.badgeText);
    const QString text = QString::fromStdString(panel.badge);
    painter->drawText(QPointF(box.center().x() - noteMetrics.horizontalAdvance(text) / 2,
                              box.center().y() + noteMetrics.capHeight() / 2),
                      text);
}

void PanelGround::paintX(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const Axis& axis = m_chart->panel().x;
    const QRectF plot = m_chart->plotRect();
    const double em = style.em;
    const QFontMetricsF metrics(style.font);
    painter->setPen(thinPen(style.theme.axis, 0.08 * em));
    const std::vector<Tick> ticks = ticksForLength(axis, plot.width(), em);
    std::vector<double> centres, widths;
    for (const Tick& tick : ticks) {
        const double x = positionOnX(*m_chart, tick.value);
        painter->drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + kMajorTick * em));
        centres.push_back(x);
        widths.push_back(metrics.horizontalAdvance(QString::fromStdString(tick.label)));
    }
    for (const double value : analysis::minorTicks(axis)) {
        const double x = positionOnX(*m_chart, value);
        painter->drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + kMinorTick * em));
    }
    double y = plot.bottom() + (kMajorTick + kLabelGap) * em + metrics.ascent();
    painter->setPen(style.theme.text);
    if (m_labels.xTicks) {
        const auto stride = static_cast<std::size_t>(labelStride(centres, widths, 0.5 * em));
        for (std::size_t i = 0; i < ticks.size(); i += stride)
            painter->drawText(QPointF(centres[i] - widths[i] / 2, y), QString::fromStdString(ticks[i].label));
        y += 1.45 * em;
    }
    if (m_labels.xTitle) {
        const QString title = QString::fromStdString(axis.title);
        painter->drawText(QPointF(plot.center().x() - metrics.horizontalAdvance(title) / 2, y), title);
    }
}

void PanelGround::paintY(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const Axis& axis = m_chart->panel().y;
    const QRectF plot = m_chart->plotRect();
    const double em = style.em;
    const QFontMetricsF metrics(style.font);
    double widest = 0;
    for (const Tick& tick : ticksForLength(axis, plot.height(), em)) {
        const double y = positionOnY(*m_chart, tick.value);
        painter->setPen(thinPen(style.theme.grid, 0.07 * em));
        if (m_chart->panel().cells.empty())
            painter->drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y));
        painter->setPen(thinPen(style.theme.axis, 0.08 * em));
        painter->drawLine(QPointF(plot.left() - kMajorTick * em, y), QPointF(plot.left(), y));
        const QString label = QString::fromStdString(tick.label);
        const double width = metrics.horizontalAdvance(label);
        painter->setPen(style.theme.text);
        painter->drawText(QPointF(plot.left() - (kMajorTick + kLabelGap) * em - width, y + metrics.capHeight() / 2), label);
        widest = std::max(widest, width);
    }
    painter->setPen(thinPen(style.theme.axis, 0.06 * em));
    for (const double value : analysis::minorTicks(axis)) {
        const double y = positionOnY(*m_chart, value);
        painter->drawLine(QPointF(plot.left() - kMinorTick * em, y), QPointF(plot.left(), y));
    }
    const double room = 2 * std::min(plot.center().y() - m_bounds.top(), m_bounds.bottom() - plot.center().y());
    const QString title = fittingTitle(QString::fromStdString(axis.title), metrics, room);
    painter->setPen(style.theme.text);
    painter->save();
    painter->translate(plot.left() - (kMajorTick + 2 * kLabelGap) * em - widest - metrics.descent(), plot.center().y());
    painter->rotate(-90);
    painter->drawText(QPointF(-metrics.horizontalAdvance(title) / 2, 0), title);
    painter->restore();
}

PanelMarks::PanelMarks(PanelChart* chart)
    : QGraphicsItem(chart)
    , m_chart(chart) {}

void PanelMarks::setShape(const QRectF& bounds, std::vector<Item> markers) {
    prepareGeometryChange();
    m_bounds = bounds;
    m_markers = std::move(markers);
    update();
}

void PanelMarks::paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) {
    paintMarks(painter);
    for (const Item& item : m_markers) {
        painter->setPen(thinPen(item.color, 0.1 * m_chart->style().em));
        for (const std::vector<analysis::XY>& bar : item.bars)
            painter->drawLine(m_chart->toItem(bar.front()), m_chart->toItem(bar.back()));
    }
    painter->setPen(Qt::NoPen);
    for (const Item& item : m_markers) {
        const QPainterPath shape = markerPath(item.marker, 0.62 * m_chart->style().em);
        painter->setBrush(item.color);
        for (const analysis::XY& at : item.at)
            painter->drawPath(shape.translated(m_chart->toItem(at)));
    }
    paintLabels(painter);
}

/// What a label would hide or be hidden by: markers, error bars and the lines between the points of a curve, as squares along them.
std::vector<QRectF> PanelMarks::obstacles() const {
    const double em = m_chart->style().em;
    std::vector<QRectF> squares;
    const auto put = [&](const QPointF& centre, double side) {
        squares.push_back(QRectF(0, 0, side, side).translated(centre - QPointF(side / 2, side / 2)));
    };
    const auto putAlong = [&](const QLineF& line) {
        const int steps = 1 + static_cast<int>(line.length() / (0.4 * em));
        for (int k = 0; k <= steps; ++k)
            put(line.pointAt(static_cast<double>(k) / steps), 0.4 * em);
    };
    for (const Item& item : m_markers) {
        for (const std::vector<analysis::XY>& bar : item.bars)
            putAlong({m_chart->toItem(bar.front()), m_chart->toItem(bar.back())});
        for (std::size_t i = 0; i < item.at.size(); ++i) {
            put(m_chart->toItem(item.at[i]), 0.7 * em);
            if (i > 0)
                putAlong({m_chart->toItem(item.at[i - 1]), m_chart->toItem(item.at[i])});
        }
    }
    return squares;
}

/// Beside its point, where it covers the least of other labels and obstacles and of what lies outside the plot.
std::vector<PanelMarks::Label> PanelMarks::placedLabels() const {
    std::vector<Label> labels;
    if (std::ranges::none_of(m_markers, [](const Item& item) {
            return std::ranges::any_of(item.labels, [](const QString& label) { return !label.isEmpty(); });
        }))
        return labels;
    const double em = m_chart->style().em, gap = 0.45 * em;
    const QFontMetricsF metrics(smallFont(m_chart->style()));
    std::vector<QRectF> taken = obstacles();
    const auto covered = [&](const QRectF& box) {
        const QRectF inside = box & m_chart->plotRect();
        double area = 4 * (box.width() * box.height() - inside.width() * inside.height());
        for (const QRectF& other : taken)
            if (const QRectF both = box & other; !both.isEmpty())
                area += both.width() * both.height();
        return area;
    };
    for (const Item& item : m_markers)
        for (std::size_t i = 0; i < item.at.size() && i < item.labels.size(); ++i) {
            if (item.labels[i].isEmpty())
                continue;
            const QSizeF size(metrics.horizontalAdvance(item.labels[i]), metrics.ascent() + metrics.descent());
            const QPointF at = m_chart->toItem(item.at[i]);
            QRectF best;
            const double left = -gap - size.width(), above = -size.height() - 0.1 * em, below = 0.1 * em, centre = -size.width() / 2;
            for (const QPointF& corner : {QPointF(gap, above), QPointF(gap, below), QPointF(left, above), QPointF(left, below),
                                          QPointF(centre, above - 0.4 * em), QPointF(centre, below + 0.4 * em)})
                if (const QRectF box(at + corner, size); best.isNull() || covered(box) < covered(best))
                    best = box;
            taken.push_back(best);
            labels.push_back({best, item.labels[i], item.color});
        }
    return labels;
}

void PanelMarks::paintLabels(QPainter* painter) const {
    const QFont small = smallFont(m_chart->style());
    const double ascent = QFontMetricsF(small).ascent();
    painter->setFont(small);
    for (const Label& label : placedLabels()) {
        painter->setPen(label.color);
        painter->drawText(QPointF(label.box.left(), label.box.top() + ascent), label.text);
    }
    painter->setFont(m_chart->style().font);
}

void PanelMarks::paintMarks(QPainter* painter) const {
    const ChartStyle& style = m_chart->style();
    const analysis::FigurePanel& panel = m_chart->panel();
    int k = 0;
    for (const analysis::FigureMark* mark : visibleMarks(panel)) {
        const QRectF bar = markBar(*m_chart, *mark, k++);
        const auto curve = std::find_if(panel.curves.begin(), panel.curves.end(),
                                        [&](const analysis::FigureCurve& c) { return c.id == mark->curve; });
        QColor color = curveColor(*curve, style.theme);
        if (!bar.isEmpty()) {
            QColor soft = color;
            soft.setAlphaF(0.55F);
            painter->fillRect(bar, soft);
        }
        if (!analysis::inRange(panel.x, mark->x))
            continue;
        const double x = positionOnX(*m_chart, mark->x), reach = 0.28 * style.em,
                     y = m_chart->plotRect().bottom() - (0.62 + 0.72 * (k - 1)) * style.em;
        painter->setPen(thinPen(color, 0.17 * style.em));
        painter->drawLine(QPointF(x, y - bar.height() / 2 - reach), QPointF(x, y + bar.height() / 2 + reach));
    }
}

std::vector<const analysis::FigureMark*> visibleMarks(const analysis::FigurePanel& panel) {
    std::vector<const analysis::FigureMark*> marks;
    for (const analysis::FigureMark& mark : panel.marks)
        for (const analysis::FigureCurve& curve : panel.curves)
            if (curve.id == mark.curve && curve.visible) {
                marks.push_back(&mark);
                break;
            }
    return marks;
}

QRectF markBar(const PanelChart& chart, const analysis::FigureMark& mark, int k) {
    const QRectF plot = chart.plotRect();
    const double em = chart.style().em;
    const auto clamped = [&](double value) {
        const double x = positionOnX(chart, value);
        // An end that a log axis cannot show (0 tokens) lies beyond the left border.
        return std::isfinite(x) ? std::clamp(x, plot.left(), plot.right()) : plot.left();
    };
    const double left = clamped(mark.low), right = clamped(mark.high), centre = plot.bottom() - (0.62 + 0.72 * k) * em;
    return {left, centre - 0.2 * em, right - left, 0.4 * em};
}

} // namespace crest::ui
