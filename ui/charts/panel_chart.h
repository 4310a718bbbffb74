// SPDX-License-Identifier: GPL-3.0-or-later
// One panel as a graphics item: Qt Charts draws lines and bands, child items draw what it lacks. The screen's
// CurvePanel and the exports show this same item, so both look alike.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <QtCharts/QAreaSeries>
#include <QtCharts/QChart>
#include <QtCharts/QLineSeries>
#include <QtCharts/QValueAxis>

#include "core/analysis/figure_view.h"
#include "ui/charts/palette.h"

namespace crest::ui {

/// Which curves are to be seen, by id.
using Visibility = std::map<std::string, bool>;

/// Room around the plot area, in scene units.
struct PanelMargins {
    double left = 0, top = 0, right = 0, bottom = 0;
    bool operator==(const PanelMargins&) const = default;
};

/// What of the outer labels a panel carries: in a grid with one token axis only the lowest panels do.
struct PanelLabels {
    bool xTicks = true, xTitle = true;
    bool operator==(const PanelLabels&) const = default;
};

/// Used on the GUI thread only. Positions on a log axis are fed to Qt Charts as their log10 (its own log axis hides a
/// whole series for one value <= 0, and labels powers as 1e+06), geometry is cut to the visible range before.
class PanelChart : public QChart {
    Q_OBJECT
public:
    explicit PanelChart(const ChartStyle& style, QGraphicsItem* parent = nullptr);

    /// Replaces what is shown; series are kept where the panel has the same shape as before.
    void setPanel(const analysis::FigurePanel& panel);
    const analysis::FigurePanel& panel() const { return m_panel; }
    void setStyle(const ChartStyle& style);
    const ChartStyle& style() const { return m_style; }
    void setLabels(PanelLabels labels);

    /// Sets the item's size; its origin stays.
    void setSize(const QSizeF& size);
    /// The room that title, notes, tick labels and axis titles need at the present size, where left and right of the
    /// plot are at least those of `sides`: notes wrap in what is left between.
    PanelMargins neededMargins(const PanelMargins& sides = {}) const;
    /// Room as agreed with the neighbours (never less than needed in a grid); takes effect at once.
    void setMargins(const PanelMargins& margins);

    /// While frozen, changes of panel, size and margins are taken but not drawn; thawing draws them once. (Qt Charts
    /// lays every series out anew at each change.)
    void setFrozen(bool frozen);
    const PanelMargins& margins() const { return m_margins; }

    QRectF plotRect() const { return m_plot; }
    /// Axis positions (figure_view.h) to item coordinates and back.
    QPointF toItem(const analysis::XY& position) const;
    analysis::XY fromItem(const QPointF& point) const;
    /// The height at the bottom of the plot area that is kept free of curves for the marks.
    double stripHeight() const;

    /// A ring around a point (axis values); hidden with highlight(nullptr).
    void highlight(const analysis::FigurePoint* point, const QColor& color);
    void pin(const analysis::FigurePoint* point, const QColor& color);

private:
    struct CurveItems {
        std::vector<QLineSeries*> lines;
        std::vector<QAreaSeries*> bands;
    };
    void place();
    void refresh();
    void rebuildSeries(const std::vector<analysis::CurveGeometry>& geometry);
    void styleSeries();
    void placeRings();

    ChartStyle m_style;
    analysis::FigurePanel m_panel;
    PanelLabels m_labels;
    PanelMargins m_margins;
    QSizeF m_size{400, 280};
    QRectF m_plot;
    bool m_frozen = false;
    QValueAxis *m_xAxis = nullptr, *m_yAxis = nullptr;
    std::vector<CurveItems> m_items;
    class PanelGround* m_ground = nullptr; ///< grid, axes, labels, title: below the curves
    class PanelMarks* m_marks = nullptr;   ///< markers and inflection marks: above them
    struct Ring {
        QGraphicsEllipseItem* item = nullptr;
        double x = 0, y = 0; ///< axis values
        bool shown = false;
    };
    void setRing(Ring& ring, const analysis::FigurePoint* point, const QColor& color);
    Ring m_hover, m_pinned;
};

/// The widest left and right that one of them needs; top and bottom are 0.
PanelMargins commonSides(const std::vector<const PanelChart*>& panels);
/// Equal margins for the panels of a grid: left and right over all, top and bottom per row.
std::vector<PanelMargins> alignedMargins(const std::vector<const PanelChart*>& panels, int columns);
void alignMargins(const std::vector<PanelChart*>& panels, int columns);
/// Labels for panel `index` of a figure: with equal x axes and at most two rows only the rows where a panel has nothing
/// below it carry tick labels and the axis title.
PanelLabels panelLabels(const analysis::Figure& figure, int index);

/// Breaks a text at blanks into at most `maxLines` lines of at most `width`; the last is elided where it must be.
QStringList wrapText(const QString& text, const QFont& font, double width, int maxLines);

} // namespace crest::ui
