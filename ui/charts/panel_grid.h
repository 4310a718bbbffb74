// SPDX-License-Identifier: GPL-3.0-or-later
// A whole figure on screen: small multiples with a shared token axis and one legend.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include <QElapsedTimer>
#include <QTimer>
#include <QWidget>

#include "ui/charts/curve_panel.h"
#include "ui/charts/legend.h"

class QGridLayout;
class QScrollArea;

namespace crest::ui {

/// Panels are made and updated one per turn of the event loop, none before the first paint, and a new figure is taken
/// at most ten times a second (the latest wins). What the user does to the view (hidden curves, log or linear, zoom)
/// outlives updates and flows back into figure(), so that an export of figure() is what is seen.
/// Keys: G log/linear x, L log/linear y, R previous zoom, Ctrl+0 reset. GUI thread only.
class PanelGrid : public QWidget {
    Q_OBJECT
public:
    explicit PanelGrid(QWidget* parent = nullptr);

    void setFigure(const analysis::Figure& figure);
    /// All panels at once, before it returns: for figures that follow a slider, of a few panels. Before the first paint as setFigure.
    void showNow(const analysis::Figure& figure);
    /// The figure as seen.
    const analysis::Figure& figure() const { return m_figure; }

    void setCurvesVisible(const Visibility& wanted);
    /// All panels between their given scale and the other one.
    void toggleLog(analysis::Dimension dimension);
    void resetZoom();

    Legend* legend() const { return m_legend; }
    /// Panels made so far, in the figure's order.
    const std::vector<CurvePanel*>& panels() const { return m_panels; }
    bool isUpToDate() const { return !m_next && m_updated >= m_figure.panels.size(); }

Q_SIGNALS:
    /// The view of the figure changed (by the user or by new data).
    void figureChanged();
    /// All panels show the latest figure.
    void panelsShown();
    void pointPinned(const QString& recipe);
    void pointReleased();

protected:
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void takeNext();
    void applyUserState();
    void updateOne();
    CurvePanel* makePanel();
    void reserveRows();
    void placePanels();
    PanelLabels labelsOf(std::size_t index) const;
    void alignSoon();
    void alignOne();
    int columnsFor(int width) const;
    void panelViewChanged(std::size_t index);
    void linkX(const CurvePanel* from, double low, double high);

    Legend* m_legend;
    QScrollArea* m_scroll;
    QWidget* m_content;
    QGridLayout* m_layout;
    std::vector<CurvePanel*> m_panels;
    analysis::Figure m_source, m_figure; ///< as given; as seen
    std::optional<analysis::Figure> m_next;
    std::map<std::string, bool> m_visible; ///< what the user has shown or hidden
    bool m_flipX = false, m_flipY = false;
    std::size_t m_updated = 0; ///< panels that show m_figure
    std::size_t m_alignNext = 0;
    std::vector<PanelMargins> m_margins; ///< as they will be after aligning
    int m_columns = 1;
    bool m_painted = false;
    QTimer m_takeTimer, m_updateTimer, m_alignTimer;
    QElapsedTimer m_sinceTaken;
};

} // namespace crest::ui
