// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/pages/spectrum_edit.h"

#include <algorithm>
#include <cmath>

#include <QFontInfo>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>

#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr double kLevels[] = {0, 0.2, 0.5, 1, 2, 3, 4, 5};
constexpr double kStep = 0.02, kPageSteps = 10, kHandle = 0.8; ///< kHandle in em

QString number(double value) {
    return toQString(formatNumber(value, 3));
}

} // namespace

SpectrumEdit::SpectrumEdit(QWidget* parent)
    : QWidget(parent) {
    setAccessibleName(tr("Spectra"));
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setToolTip(tr("Drag a handle. Keys: Left and Right choose the mode, Space the spectrum, Up and Down change the value."));
}

QSize SpectrumEdit::sizeHint() const {
    return {30 * kRhythm, static_cast<int>(15 * em())};
}

double SpectrumEdit::em() const {
    return QFontInfo(font()).pixelSize();
}

QRectF SpectrumEdit::plot() const {
    return QRectF(rect()).adjusted(2.4 * em(), 0.8 * em(), -0.5 * em(), -1.6 * em());
}

double SpectrumEdit::yOf(double value) const {
    return plot().bottom() - std::sqrt(std::clamp(value, 0.0, kTop) / kTop) * plot().height();
}

double SpectrumEdit::valueAt(double y) const {
    const double share = std::clamp((plot().bottom() - y) / plot().height(), 0.0, 1.0);
    return share * share * kTop;
}

QPointF SpectrumEdit::handleAt(int mode, bool onTarget) const {
    const auto at = static_cast<std::size_t>(mode);
    const double share = (mode + 0.5) / static_cast<double>(std::max<std::size_t>(1, m_sigma.size()));
    return {plot().left() + share * plot().width(), yOf(onTarget ? m_target[at] : m_sigma[at])};
}

void SpectrumEdit::setSpectra(const std::vector<double>& sigma, const std::vector<double>& target, bool showTarget, double threshold) {
    m_sigma = sigma;
    m_target = target;
    m_showTarget = showTarget;
    m_threshold = threshold;
    m_onTarget = m_onTarget && showTarget;
    m_mode = std::clamp(m_mode, 0, std::max(0, static_cast<int>(sigma.size()) - 1));
    describe();
    update();
}

void SpectrumEdit::select(int mode, bool onTarget) {
    m_mode = std::clamp(mode, 0, std::max(0, static_cast<int>(m_sigma.size()) - 1));
    m_onTarget = onTarget && m_showTarget;
    describe();
    update();
    Q_EMIT selected();
}

void SpectrumEdit::moveTo(int mode, bool onTarget, double value) {
    const auto at = static_cast<std::size_t>(mode);
    if (at >= m_sigma.size())
        return;
    double low = 0, high = kTop;
    if (!onTarget) {
        low = at + 1 < m_sigma.size() ? m_sigma[at + 1] + kGap : kBottom;
        high = at > 0 ? m_sigma[at - 1] - kGap : kTop;
    }
    double& now = onTarget ? m_target[at] : m_sigma[at];
    if (low > high) // neighbours as close as they may be
        return;
    const double wanted = std::clamp(std::round(value * 100) / 100, low, high);
    if (wanted == now)
        return;
    now = wanted;
    describe();
    update();
    Q_EMIT edited();
}

/// What a screen reader says: the spectra, and the handle that the keys move.
void SpectrumEdit::describe() {
    QStringList values;
    for (const double sigma : m_sigma)
        values << number(sigma);
    QString text = tr("σ: %1").arg(values.join(QStringLiteral(", ")));
    if (m_showTarget) {
        values.clear();
        for (const double target : m_target)
            values << number(target);
        text += tr("; σ': %1").arg(values.join(QStringLiteral(", ")));
    }
    if (!m_sigma.empty()) {
        const auto at = static_cast<std::size_t>(m_mode);
        text += tr(". Mode %1, %2 %3")
                    .arg(m_mode + 1)
                    .arg(m_onTarget ? tr("σ'") : tr("σ"), number(m_onTarget ? m_target[at] : m_sigma[at]));
    }
    setAccessibleDescription(text);
}

void SpectrumEdit::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const ChartTheme theme = themeFor(palette());
    painter.fillRect(rect(), theme.ground);
    paintScale(painter, theme);
    if (m_showTarget)
        paintHandles(painter, theme, true);
    paintHandles(painter, theme, false);
}

void SpectrumEdit::paintScale(QPainter& painter, const ChartTheme& theme) const {
    QFont small = font();
    small.setPixelSize(std::max(1, static_cast<int>(0.85 * em())));
    painter.setFont(small);
    const QFontMetricsF metrics(small);
    const QRectF area = plot();
    for (const double level : kLevels) {
        painter.setPen(QPen(level == 0 ? theme.axis : theme.grid, 1));
        painter.drawLine(QPointF(area.left(), yOf(level)), QPointF(area.right(), yOf(level)));
        painter.setPen(theme.muted);
        const QString label = number(level);
        painter.drawText(QPointF(area.left() - metrics.horizontalAdvance(label) - 0.5 * em(), yOf(level) + metrics.capHeight() / 2), label);
    }
    for (int i = 0; i < static_cast<int>(m_sigma.size()); ++i) {
        const QString label = QString::number(i + 1);
        painter.setPen(i == m_mode ? theme.text : theme.muted);
        painter.drawText(QPointF(handleAt(i, false).x() - metrics.horizontalAdvance(label) / 2, area.bottom() + 1.2 * em()), label);
    }
    if (m_threshold <= 0 || m_threshold > kTop)
        return;
    QPen pen(theme.accent, 1.5);
    pen.setDashPattern({3, 2});
    painter.setPen(pen);
    painter.drawLine(QPointF(area.left(), yOf(m_threshold)), QPointF(area.right(), yOf(m_threshold)));
    const QString label = tr("2dγ²");
    painter.drawText(QPointF(area.right() - metrics.horizontalAdvance(label), yOf(m_threshold) - 0.3 * em()), label);
}

void SpectrumEdit::paintHandles(QPainter& painter, const ChartTheme& theme, bool target) const {
    analysis::FigureCurve looks;
    looks.color = target ? analysis::CurveColor::Category : analysis::CurveColor::Base;
    const QColor color = curveColor(looks, theme);
    for (int i = 0; i < static_cast<int>(m_sigma.size()); ++i) {
        const QPointF at = handleAt(i, target);
        if (!target) {
            painter.setPen(QPen(color, 1.5));
            painter.drawLine(at, QPointF(at.x(), plot().bottom()));
        }
        const bool chosen = i == m_mode && target == m_onTarget;
        if (chosen) {
            QColor soft = theme.accent;
            soft.setAlphaF(hasFocus() ? 0.45F : 0.25F);
            painter.setPen(Qt::NoPen);
            painter.setBrush(soft);
            painter.drawEllipse(at, 1.1 * em() * kHandle, 1.1 * em() * kHandle);
        }
        painter.setPen(QPen(theme.ground, 1));
        painter.setBrush(color);
        painter.drawPath(markerPath(target ? analysis::Marker::Square : analysis::Marker::Circle, kHandle * em()).translated(at));
    }
}

void SpectrumEdit::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton)
        return;
    double nearest = 2 * em();
    for (int i = 0; i < static_cast<int>(m_sigma.size()); ++i)
        for (const bool target : {false, true}) {
            const QPointF away = handleAt(i, target) - event->position();
            const double distance = std::hypot(away.x(), away.y());
            if ((target && !m_showTarget) || distance >= nearest)
                continue;
            nearest = distance;
            m_dragging = true;
            select(i, target);
        }
}

void SpectrumEdit::mouseMoveEvent(QMouseEvent* event) {
    if (m_dragging)
        moveTo(m_mode, m_onTarget, valueAt(event->position().y()));
}

void SpectrumEdit::mouseReleaseEvent(QMouseEvent*) {
    m_dragging = false;
}

void SpectrumEdit::keyPressEvent(QKeyEvent* event) {
    if (m_sigma.empty())
        return QWidget::keyPressEvent(event);
    const auto at = static_cast<std::size_t>(m_mode);
    const double now = m_onTarget ? m_target[at] : m_sigma[at];
    switch (event->key()) {
    case Qt::Key_Left:
        return select(m_mode - 1, m_onTarget);
    case Qt::Key_Right:
        return select(m_mode + 1, m_onTarget);
    case Qt::Key_Space:
        return select(m_mode, !m_onTarget);
    case Qt::Key_Up:
        return moveTo(m_mode, m_onTarget, now + kStep);
    case Qt::Key_Down:
        return moveTo(m_mode, m_onTarget, now - kStep);
    case Qt::Key_PageUp:
        return moveTo(m_mode, m_onTarget, now + kPageSteps * kStep);
    case Qt::Key_PageDown:
        return moveTo(m_mode, m_onTarget, now - kPageSteps * kStep);
    default:
        QWidget::keyPressEvent(event);
    }
}

} // namespace crest::ui
