// SPDX-License-Identifier: GPL-3.0-or-later
// One legend for all panels of a figure: Qt Charts would list line, band and marker of a curve as three entries.
#pragma once

#include <vector>

#include <QAbstractButton>
#include <QGraphicsItem>

#include "core/analysis/figure.h"
#include "ui/charts/palette.h"
#include "ui/charts/panel_chart.h"

namespace crest::ui {

/// Line, marker and label; pale where the curve is hidden.
QSizeF legendEntrySize(const analysis::FigureCurve& curve, const ChartStyle& style);
void paintLegendEntry(QPainter* painter, const QPointF& topLeft, const analysis::FigureCurve& curve,
                      const ChartStyle& style);
/// Where everything lies in rows of at most `width`: the curves, then the keys in smaller type, wrapped where one is
/// longer than a row.
struct LegendLayout {
    struct Key {
        QPointF at;
        QStringList lines;
        analysis::FigureKey::Symbol symbol;
    };
    std::vector<QPointF> curves;
    std::vector<Key> keys;
    double height = 0;
};
LegendLayout layOutLegend(const std::vector<analysis::FigureCurve>& curves,
                          const std::vector<analysis::FigureKey>& keys, const ChartStyle& style, double width);
/// A swatch of the band, of an inflection's mark or of a cross, and what it stands for.
void paintLegendKey(QPainter* painter, const LegendLayout::Key& key, const ChartStyle& style);

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
    LegendLayout m_layout;
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

/// The legend as the control of a grid: click hides or shows, Ctrl+click or Alt+click shows one alone (again: all).
class Legend : public QWidget {
    Q_OBJECT
public:
    explicit Legend(QWidget* parent = nullptr);
    void setCurves(const std::vector<analysis::FigureCurve>& curves);
    void setKeys(const std::vector<analysis::FigureKey>& keys);
    const std::vector<analysis::FigureKey>& keys() const { return m_keys; }
    LegendButton* button(const std::string& id) const;
    QSize sizeHint() const override;
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;

Q_SIGNALS:
    void visibilityAsked(const crest::ui::Visibility& wanted);

protected:
    void paintEvent(QPaintEvent*) override;
    void resizeEvent(QResizeEvent*) override;
    void changeEvent(QEvent* event) override;

private:
    void solo(const std::string& id);
    LegendLayout layOut(int width) const;
    void place();
    std::vector<LegendButton*> m_buttons;
    std::vector<analysis::FigureKey> m_keys;
};

} // namespace crest::ui
