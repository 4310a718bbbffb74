// SPDX-License-Identifier: GPL-3.0-or-later
// One legend for all panels of a figure: Qt Charts would list line, band and marker of a curve as three entries.
#pragma once

#include <vector>

#include <QAbstractButton>
#include <QGraphicsItem>

#include "core/analysis/figure.h"
#include "ui/charts/palette.h"

namespace crest::ui {

/// Line, marker and label; pale where the curve is hidden.
QSizeF legendEntrySize(const analysis::FigureCurve& curve, const ChartStyle& style);
void paintLegendEntry(QPainter* painter, const QPointF& topLeft, const analysis::FigureCurve& curve,
                      const ChartStyle& style);
/// Where entries lie in rows of at most `width`; returns the height. `places` may be null.
double flowLegend(const std::vector<analysis::FigureCurve>& curves, const ChartStyle& style, double width,
                  std::vector<QPointF>* places);

/// For exports: the visible curves only.
class LegendItem : public QGraphicsItem {
public:
    LegendItem(const analysis::Figure& figure, const ChartStyle& style, double width, QGraphicsItem* parent = nullptr);
    double height() const { return m_height; }
    QRectF boundingRect() const override { return {0, 0, m_width, m_height}; }
    void paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) override;

private:
    std::vector<analysis::FigureCurve> m_curves;
    ChartStyle m_style;
    double m_width, m_height;
    std::vector<QPointF> m_places;
};

/// One entry on screen: a button that is checked while its curve is visible. S or Alt+Space shows it alone.
class LegendButton : public QAbstractButton {
    Q_OBJECT
public:
    LegendButton(const analysis::FigureCurve& curve, QWidget* parent);
    void setCurve(const analysis::FigureCurve& curve);
    const analysis::FigureCurve& curve() const { return m_curve; }
    QSize sizeHint() const override;

Q_SIGNALS:
    void toggleAsked();
    void soloAsked();

protected:
    void paintEvent(QPaintEvent*) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    analysis::FigureCurve m_curve;
};

/// The legend as the control of a grid: click hides or shows, Alt+click shows one alone (again: all).
class Legend : public QWidget {
    Q_OBJECT
public:
    explicit Legend(QWidget* parent = nullptr);
    void setCurves(const std::vector<analysis::FigureCurve>& curves);
    LegendButton* button(const std::string& id) const;
    QSize sizeHint() const override;
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;

Q_SIGNALS:
    void visibilityAsked(const QString& id, bool visible);

protected:
    void resizeEvent(QResizeEvent*) override;
    void changeEvent(QEvent* event) override;

private:
    void solo(const std::string& id);
    void place();
    std::vector<LegendButton*> m_buttons;
};

} // namespace crest::ui
