// SPDX-License-Identifier: GPL-3.0-or-later
// A whole figure laid out for paper: the same panel items as on screen, with all lengths following the font size.
#pragma once

#include <memory>
#include <vector>

#include <QGraphicsScene>

#include "ui/charts/panel_chart.h"

namespace crest::ui {

struct PaperSize {
    double widthMm = 174;
    double panelHeightMm =
        60; ///< of one row; rows that carry axis labels or notes are higher by those, so that plots are equally high
    double fontPt = 8;
    int columns = 0; ///< panels per row; 0: as the figure says, but no panel narrower than 55 mm
};

/// Panels per row on this paper.
int columnsOnPaper(const analysis::Figure& figure, const PaperSize& paper);

/// A scene in units of a tenth of a point. GUI thread only (a chart lives in a QGraphicsScene).
class FigurePainter {
public:
    FigurePainter(const analysis::Figure& figure, const PaperSize& paper, const ChartTheme& theme = lightTheme());
    ~FigurePainter();

    static constexpr double kUnitsPerPoint = 10;
    static constexpr double kUnitsPerMm = kUnitsPerPoint * 72 / 25.4;

    QSizeF sizeUnits() const { return m_size; }
    QSizeF sizeMm() const { return m_size / kUnitsPerMm; }
    /// Draws the figure into `target` (painter coordinates), without its ground.
    void paint(QPainter* painter, const QRectF& target);

private:
    void layOut(const analysis::Figure& figure, const PaperSize& paper, const ChartStyle& style);

    std::unique_ptr<QGraphicsScene> m_scene;
    std::vector<PanelChart*> m_charts;
    QSizeF m_size;
};

} // namespace crest::ui
