// SPDX-License-Identifier: GPL-3.0-or-later
// The fields of a heat map in a panel: painting, the scale of their colours, finding one by place or by key. GUI thread only.
#pragma once

#include "ui/charts/panel_chart.h"

class QPainter;

namespace crest::ui {

/// Room that the scale of colours takes at the right of the plot; 0 where the panel is no map.
double colorBarWidth(const analysis::FigurePanel& panel, const ChartStyle& style, double plotHeight);
/// Fields with a value in its colour, crosses where values are not finite; others show the ground.
void paintCells(QPainter* painter, const PanelChart& chart);
/// The scale, right of the plot: colours, ticks, title with its unit.
void paintColorBar(QPainter* painter, const PanelChart& chart);

/// The field at a place in item coordinates; null beside them.
const analysis::FigureCell* cellAt(const PanelChart& chart, const QPointF& at);
/// The field that stands for these values; null where there is none.
const analysis::FigureCell* cellFor(const analysis::FigurePanel& panel, double x, double y);
/// The next field in the direction of an arrow key; `from` itself at an edge.
const analysis::FigureCell* cellBeside(const analysis::FigurePanel& panel, const analysis::FigureCell& from, int key);

} // namespace crest::ui
