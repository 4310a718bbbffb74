// SPDX-License-Identifier: GPL-3.0-or-later
// The spectra of the theory lab with a handle for each value.
#pragma once

#include <vector>

#include <QWidget>

#include "ui/charts/palette.h"

namespace crest::ui {

/// Circles are sigma (falling: a handle stops at its neighbours), squares sigma' where it is shown. The height is a square root, so that small
/// values can be told apart. Mouse: drag a handle. Keys: Left and Right choose the mode, Space the spectrum, Up and Down move the value by
/// 0.02, Page keys by 0.2.
class SpectrumEdit : public QWidget {
    Q_OBJECT
public:
    static constexpr double kTop = 5, kBottom = 0.02, kGap = 0.01; ///< sigma: kBottom to kTop, kGap apart; sigma': 0 to kTop

    explicit SpectrumEdit(QWidget* parent = nullptr);

    /// Emits nothing. `threshold`: a level across, 0 for none.
    void setSpectra(const std::vector<double>& sigma, const std::vector<double>& target, bool showTarget, double threshold);
    const std::vector<double>& sigma() const { return m_sigma; }
    const std::vector<double>& target() const { return m_target; }

    int mode() const { return m_mode; }
    bool onTarget() const { return m_onTarget; }
    void select(int mode, bool onTarget);
    /// As if dragged there: within the neighbours. Emits edited() where it changes something.
    void moveTo(int mode, bool onTarget, double value);
    /// Where a handle stands, in widget coordinates.
    QPointF handleAt(int mode, bool onTarget) const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

Q_SIGNALS:
    void edited();
    void selected();

protected:
    void paintEvent(QPaintEvent*) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent*) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    double em() const;
    QRectF plot() const;
    double valueAt(double y) const;
    double yOf(double value) const;
    void paintScale(QPainter& painter, const ChartTheme& theme) const;
    void paintHandles(QPainter& painter, const ChartTheme& theme, bool target) const;
    void describe();

    std::vector<double> m_sigma, m_target;
    bool m_showTarget = false, m_onTarget = false, m_dragging = false;
    double m_threshold = 0;
    int m_mode = 0;
};

} // namespace crest::ui
