// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/dialogs/length_bars.h"

#include <algorithm>

#include <QPainter>

#include "ui/charts/palette.h"
#include "ui/data/format.h"
#include "ui/window/theme.h"

namespace crest::ui {
namespace {

constexpr int kBarHeight = 5 * kRhythm;

} // namespace

LengthBars::LengthBars(QWidget* parent)
    : QWidget(parent) {
    setAccessibleName(tr("Lengths of the examples"));
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.85);
    setFont(small);
}

QSize LengthBars::sizeHint() const {
    return {30 * kRhythm, kBarHeight + 2 * fontMetrics().height()};
}

void LengthBars::setLengths(const data::LengthHistogram& lengths, std::int64_t most) {
    m_lengths = lengths;
    m_most = most;
    setVisible(!lengths.counts.empty());
    const auto largest = std::max_element(lengths.counts.begin(), lengths.counts.end());
    if (!lengths.counts.empty()) {
        const std::int64_t from = lengths.width * (largest - lengths.counts.begin());
        const QString words = tr("Examples of %1 to %2 tokens. Most, %3, have %4 to %5.")
                                  .arg(lengths.shortest)
                                  .arg(lengths.longest)
                                  .arg(*largest)
                                  .arg(from + 1)
                                  .arg(from + lengths.width);
        setAccessibleDescription(words);
        setToolTip(words);
    }
    update();
}

QRectF LengthBars::plot() const {
    const double line = fontMetrics().height();
    return {1, line, width() - 2.0, height() - 2 * line};
}

/// Of a number of tokens; the axis begins at 0.
double LengthBars::placeOf(double tokens) const {
    const double end = static_cast<double>(m_lengths.width * static_cast<std::int64_t>(m_lengths.counts.size()));
    return plot().left() + plot().width() * tokens / end;
}

void LengthBars::paintEvent(QPaintEvent*) {
    if (m_lengths.counts.empty())
        return;
    QPainter painter(this);
    const ChartTheme theme = themeFor(palette());
    const QRectF area = plot();
    const auto most = static_cast<double>(*std::max_element(m_lengths.counts.begin(), m_lengths.counts.end()));
    for (std::size_t i = 0; i < m_lengths.counts.size(); ++i) {
        if (m_lengths.counts[i] == 0)
            continue;
        const auto from = static_cast<double>(static_cast<std::int64_t>(i) * m_lengths.width);
        const double left = placeOf(from), right = placeOf(from + static_cast<double>(m_lengths.width));
        const double high = std::max(1.0, area.height() * static_cast<double>(m_lengths.counts[i]) / most); // one of many is seen, too
        const bool beyond = m_most > 0 && from >= static_cast<double>(m_most);
        painter.fillRect(QRectF(left, area.bottom() - high, std::max(1.0, right - left - 1), high), beyond ? theme.muted : theme.accent);
    }
    painter.setPen(theme.axis);
    painter.drawLine(area.bottomLeft(), area.bottomRight());
    painter.setPen(theme.muted);
    const QRectF below(area.left(), area.bottom(), area.width(), height() - area.bottom());
    const QString end = tr("%1 tokens").arg(m_lengths.width * static_cast<std::int64_t>(m_lengths.counts.size()));
    if (limit().isEmpty() || limit().left() > fontMetrics().horizontalAdvance(QStringLiteral("0  ")))
        painter.drawText(below, Qt::AlignLeft | Qt::AlignVCenter, QStringLiteral("0"));
    if (limit().isEmpty() || limit().right() < area.right() - fontMetrics().horizontalAdvance(end + QStringLiteral("  ")))
        painter.drawText(below, Qt::AlignRight | Qt::AlignVCenter, end);
    painter.drawText(QRectF(area.left(), 0, area.width(), area.top()), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("rows by length, at most %1 in a bar").arg(static_cast<qlonglong>(most)));
    paintLimit(painter);
}

QString LengthBars::limitText() const {
    return tr("at most %1").arg(m_most);
}

/// The words below the place where examples are cut; empty where none is.
QRectF LengthBars::limit() const {
    if (m_most <= 0 || m_lengths.longest <= m_most)
        return {};
    const QRectF area = plot();
    const double wide = fontMetrics().horizontalAdvance(limitText());
    const double left = std::clamp(placeOf(static_cast<double>(m_most)) - wide / 2, area.left(), area.right() - wide);
    return {left, area.bottom(), wide, height() - area.bottom()};
}

void LengthBars::paintLimit(QPainter& painter) const {
    if (limit().isEmpty())
        return;
    const ChartTheme theme = themeFor(palette());
    const QRectF area = plot();
    const double x = placeOf(static_cast<double>(m_most));
    painter.setPen(QPen(theme.text, 1, Qt::DashLine));
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
    painter.setPen(theme.text);
    painter.drawText(limit(), Qt::AlignCenter | Qt::TextDontClip, limitText());
}

} // namespace crest::ui
