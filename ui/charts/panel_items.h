// SPDX-License-Identifier: GPL-3.0-or-later
// What Qt Charts lacks, as child items of a panel: titles, notes, badge, grid, ticks with token labels, markers per
// curve, inflection marks. They paint in the panel's coordinates and hold no state but what they draw.
#pragma once

#include <QGraphicsItem>
#include <QStringList>

#include "ui/charts/panel_chart.h"

namespace crest::ui {

/// Title and notes as broken into lines for a width, with the fonts they are drawn in.
struct PanelHeading {
    QStringList title, notes;
    QFont titleFont, noteFont;
    double titleLine = 0, noteLine = 0; ///< line heights
    double height() const {
        return titleLine * static_cast<double>(title.size()) + noteLine * static_cast<double>(notes.size());
    }
};
PanelHeading panelHeading(const analysis::FigurePanel& panel, const ChartStyle& style, double width);
/// Width of the badge with its padding; 0 without one.
double badgeWidth(const analysis::FigurePanel& panel, const ChartStyle& style);
QFont smallFont(const ChartStyle& style);

/// Ticks that fit a length, from the panel's axis.
std::vector<analysis::Tick> ticksForLength(const analysis::Axis& axis, double length, double em);

/// Below the curves.
class PanelGround : public QGraphicsItem {
public:
    explicit PanelGround(PanelChart* chart);
    void setShape(const QRectF& bounds, PanelLabels labels);
    QRectF boundingRect() const override { return m_bounds; }
    void paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) override;

private:
    void paintHeading(QPainter* painter) const;
    void paintLines(QPainter* painter) const;
    void paintBorders(QPainter* painter) const;
    void paintX(QPainter* painter) const;
    void paintY(QPainter* painter) const;

    PanelChart* m_chart;
    QRectF m_bounds;
    PanelLabels m_labels;
};

/// Above the curves.
class PanelMarks : public QGraphicsItem {
public:
    struct Item {
        analysis::Marker marker = analysis::Marker::None;
        QColor color;
        std::vector<analysis::XY> at;
        std::vector<std::vector<analysis::XY>> bars; ///< errors of points without a band: both ends
        std::vector<QString> labels = {};            ///< beside each of `at`; fewer where the others have none
    };
    explicit PanelMarks(PanelChart* chart);
    void setShape(const QRectF& bounds, std::vector<Item> markers);
    QRectF boundingRect() const override { return m_bounds; }
    void paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) override;

    struct Label {
        QRectF box;
        QString text;
        QColor color;
    };
    std::vector<Label> placedLabels() const;

private:
    std::vector<QRectF> obstacles() const;
    void paintMarks(QPainter* painter) const;
    void paintLabels(QPainter* painter) const;

    PanelChart* m_chart;
    QRectF m_bounds;
    std::vector<Item> m_markers;
};

/// The marks of visible curves, in the order in which they are stacked from the bottom.
std::vector<const analysis::FigureMark*> visibleMarks(const analysis::FigurePanel& panel);
/// Where the bar of the k-th visible mark lies (item coordinates), cut to the visible range; empty outside it.
QRectF markBar(const PanelChart& chart, const analysis::FigureMark& mark, int k);

} // namespace crest::ui
