// SPDX-License-Identifier: GPL-3.0-or-later
// One panel on screen: a view of a PanelChart with hover, pin, zoom and keyboard.
#pragma once

#include <vector>

#include <QGraphicsView>

#include "ui/charts/panel_chart.h"

class QRubberBand;

namespace crest::ui {

/// Mouse: hover shows exact values, click pins, drag zooms into a box, wheel zooms at the cursor (Shift: x only),
/// double-click resets. Keys: arrows walk the points, Return pins, R previous zoom, Ctrl+0 reset, Escape lets go.
/// Light or dark follows the widget's palette, sizes its font.
class CurvePanel : public QGraphicsView {
    Q_OBJECT
public:
    explicit CurvePanel(QWidget* parent = nullptr);
    ~CurvePanel() override;

    /// Replaces the data in place. A zoom the user has made is kept, unless the axes show something else now.
    void setPanel(const analysis::FigurePanel& panel);
    /// The panel as it is seen now: visible range, visible curves, scales.
    const analysis::FigurePanel& panel() const { return m_chart->panel(); }
    PanelChart* chart() const { return m_chart; }

    /// From a linked panel; emits nothing.
    void setXRange(double low, double high);
    void setCurvesVisible(const Visibility& wanted);
    /// Changes the scale of an axis, fits its range to the data and forgets the zooms.
    void setScale(analysis::Dimension dimension, analysis::AxisScale scale);

    void zoomTo(double xLow, double xHigh, double yLow, double yHigh);
    void previousZoom();
    void resetZoom();
    bool isZoomed() const { return !m_zooms.empty(); }

    /// Whether the panel takes the margins it needs by itself (the default), or a grid aligns them.
    void setOwnMargins(bool own);
    /// What the tooltip says now, as plain text; "" where nothing is hovered.
    QString hoverText() const { return m_hoverText; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    void xRangeChanged(double low, double high);
    /// The visible range or a scale has changed.
    void viewChanged();
    void pointPinned(const QString& recipe);
    void pointReleased();
    /// Font or palette have changed: margins may need aligning anew.
    void styleChanged();
    /// Notes may wrap otherwise now: the same.
    void widthChanged();

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Zoom {
        double xLow, xHigh, yLow, yHigh;
    };
    struct Hit {
        const analysis::FigureCurve* curve = nullptr; ///< null where the point is a field's
        const analysis::FigurePoint* point = nullptr;
    };
    Zoom currentZoom() const;
    void applyZoom(const Zoom& zoom);
    Hit nearestPoint(const QPointF& at, double within) const;
    const analysis::FigureMark* markAt(const QPointF& at) const;
    void showHover(const Hit& hit);
    void refreshHover();
    void hideHover();
    void pinHit(const Hit& hit);
    Hit hitAtCursor() const;
    void walk(int key);
    void walkFields(int key);
    void restyle();
    void dragTo(const QPoint& at);

    PanelChart* m_chart = nullptr;
    analysis::FigurePanel m_home; ///< as given: what a reset shows
    std::vector<Zoom> m_zooms;    ///< the views before the present one, oldest first
    QRubberBand* m_band = nullptr;
    QPoint m_pressed;
    bool m_pressing = false;
    QString m_hoverText;
    std::string m_cursorCurve; ///< the hovered point, for walking by keys; "": of a field
    double m_cursorX = 0, m_cursorY = 0;
    bool m_onPoint = false; ///< what is hovered is a point or a field, not a mark
    bool m_restyling = false, m_ownMargins = true;
};

} // namespace crest::ui
