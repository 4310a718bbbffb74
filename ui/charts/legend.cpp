// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/charts/legend.h"

#include <algorithm>
#include <cmath>

#include <QFontMetricsF>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QStyleOptionFocusRect>

#include "core/analysis/figure_view.h"
#include "ui/charts/panel_chart.h"
#include "ui/charts/panel_items.h"

namespace crest::ui {
namespace {

constexpr double kSample = 2.4, kGap = 0.5, kBetween = 1.4, kRow = 1.5, kKeySample = 1.6,
                 kKeyLine = 1.12; ///< in em

} // namespace

QSizeF legendEntrySize(const analysis::FigureCurve& curve, const ChartStyle& style) {
    const double text = QFontMetricsF(style.font).horizontalAdvance(QString::fromStdString(curve.label));
    return {(kSample + kGap) * style.em + text, kRow * style.em};
}

void paintLegendEntry(QPainter* painter, const QPointF& topLeft, const analysis::FigureCurve& curve,
                      const ChartStyle& style) {
    const double em = style.em, middle = topLeft.y() + kRow * em / 2;
    QColor color = curveColor(curve, style.theme), text = style.theme.text;
    if (!curve.visible) {
        color.setAlphaF(0.35F);
        text = style.theme.muted;
        text.setAlphaF(0.7F);
    }
    QPen pen(color, 0.145 * em);
    pen.setCapStyle(Qt::FlatCap);
    if (curve.dotted)
        pen.setDashPattern({1.2, 1.4});
    else if (curve.dashed)
        pen.setDashPattern({3.4, 1.7});
    painter->setPen(pen);
    painter->drawLine(QPointF(topLeft.x(), middle), QPointF(topLeft.x() + kSample * em, middle));
    painter->setPen(Qt::NoPen);
    painter->setBrush(color);
    painter->drawPath(markerPath(curve.marker, 0.62 * em).translated(topLeft.x() + kSample * em / 2, middle));
    painter->setBrush(Qt::NoBrush);
    QFont font = style.font;
    font.setStrikeOut(!curve.visible); // hidden is said by form as well as by colour
    painter->setFont(font);
    painter->setPen(text);
    painter->drawText(QPointF(topLeft.x() + (kSample + kGap) * em, middle + QFontMetricsF(style.font).capHeight() / 2),
                      QString::fromStdString(curve.label));
}

LegendLayout layOutLegend(const std::vector<analysis::FigureCurve>& curves,
                          const std::vector<analysis::FigureKey>& keys, const ChartStyle& style, double width) {
    LegendLayout out;
    const double em = style.em;
    double x = 0, y = 0, row = 0; // row: height of the one at y
    const auto put = [&](const QSizeF& size) {
        if (x > 0 && x + size.width() > width) {
            x = 0;
            y += row;
            row = 0;
        }
        const QPointF at(x, y);
        x += size.width() + kBetween * em;
        row = std::max(row, size.height());
        return at;
    };
    for (const analysis::FigureCurve& curve : curves)
        out.curves.push_back(put(legendEntrySize(curve, style)));
    const QFont font = smallFont(style);
    const double sample = (kKeySample + kGap) * em;
    for (const analysis::FigureKey& key : keys) {
        const QStringList lines = wrapText(QString::fromStdString(key.text), font, width - sample, 3);
        double text = 0;
        for (const QString& line : lines)
            text = std::max(text, QFontMetricsF(font).horizontalAdvance(line));
        const double height = std::max(kRow * em, static_cast<double>(lines.size()) * kKeyLine * em + 0.3 * em);
        out.keys.push_back({put({sample + text, height}), lines, key.symbol});
    }
    out.height = y + row;
    return out;
}

void paintLegendKey(QPainter* painter, const LegendLayout::Key& key, const ChartStyle& style) {
    const double em = style.em, middle = key.at.y() + kRow * em / 2;
    QColor soft = style.theme.muted;
    const QRectF sample(key.at.x(), middle - 0.35 * em, kKeySample * em, 0.7 * em);
    if (key.symbol == analysis::FigureKey::Symbol::Band) {
        soft.setAlphaF(0.35F);
        painter->fillRect(sample, soft);
    } else if (key.symbol == analysis::FigureKey::Symbol::Error) {
        painter->setPen(QPen(style.theme.muted, 0.1 * em));
        painter->drawLine(QPointF(sample.left(), middle), QPointF(sample.right(), middle));
        painter->drawLine(QPointF(sample.center().x(), sample.top()), QPointF(sample.center().x(), sample.bottom()));
    } else if (key.symbol == analysis::FigureKey::Symbol::Cross) {
        painter->setPen(QPen(style.theme.text, 0.11 * em));
        const QPointF arm(0.35 * em, 0.35 * em), other(0.35 * em, -0.35 * em);
        painter->drawLine(sample.center() - arm, sample.center() + arm);
        painter->drawLine(sample.center() - other, sample.center() + other);
    } else {
        soft.setAlphaF(0.6F);
        painter->fillRect(QRectF(sample.left(), middle - 0.2 * em, sample.width(), 0.4 * em), soft);
        painter->setPen(QPen(style.theme.muted, 0.17 * em, Qt::SolidLine, Qt::FlatCap));
        painter->drawLine(QPointF(sample.center().x(), sample.top()), QPointF(sample.center().x(), sample.bottom()));
    }
    const QFont font = smallFont(style);
    const double x = key.at.x() + (kKeySample + kGap) * em;
    double y = middle + QFontMetricsF(font).capHeight() / 2;
    painter->setFont(font);
    painter->setPen(style.theme.text);
    for (const QString& line : key.lines) {
        painter->drawText(QPointF(x, y), line);
        y += kKeyLine * em;
    }
}

LegendItem::LegendItem(const analysis::Figure& figure, const ChartStyle& style, double width, QGraphicsItem* parent)
    : QGraphicsItem(parent)
    , m_style(style)
    , m_width(width) {
    for (analysis::FigureCurve& curve : analysis::distinctCurves(figure))
        if (curve.visible)
            m_curves.push_back(std::move(curve));
    m_layout = layOutLegend(m_curves, figure.keys, m_style, width);
    m_height = m_layout.height;
}

void LegendItem::paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) {
    for (std::size_t i = 0; i < m_curves.size(); ++i)
        paintLegendEntry(painter, m_layout.curves[i], m_curves[i], m_style);
    for (const LegendLayout::Key& key : m_layout.keys)
        paintLegendKey(painter, key, m_style);
}

LegendButton::LegendButton(const analysis::FigureCurve& curve, QWidget* parent)
    : QAbstractButton(parent) {
    setCheckable(true);
    setFocusPolicy(Qt::StrongFocus);
    setCurve(curve);
}

void LegendButton::setCurve(const analysis::FigureCurve& curve) {
    m_curve = curve;
    setChecked(curve.visible);
    const QString label = QString::fromStdString(curve.label);
    setAccessibleName(label);
    setAccessibleDescription(curve.visible ? tr("shown") : tr("hidden"));
    setToolTip(tr("%1\nClick hides or shows it, Ctrl+click or Alt+click (or S) shows it alone").arg(label));
    update();
}

QSize LegendButton::sizeHint() const {
    const QSizeF size = legendEntrySize(m_curve, screenStyle(*this));
    return {static_cast<int>(std::ceil(size.width())) + 4, static_cast<int>(std::ceil(size.height()))};
}

void LegendButton::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    paintLegendEntry(&painter, QPointF(2, 0), m_curve, screenStyle(*this));
    if (hasFocus()) {
        QStyleOptionFocusRect option;
        option.initFrom(this);
        style()->drawPrimitive(QStyle::PE_FrameFocusRect, &option, &painter, this);
    }
}

void LegendButton::mouseReleaseEvent(QMouseEvent* event) {
    setDown(false);
    if (event->button() != Qt::LeftButton || !rect().contains(event->pos()))
        return;
    if (event->modifiers() & (Qt::AltModifier | Qt::ControlModifier)) // many desktops keep Alt+click for themselves
        Q_EMIT soloAsked();
    else
        Q_EMIT toggleAsked();
}

void LegendButton::keyPressEvent(QKeyEvent* event) {
    const bool press = event->key() == Qt::Key_Space || event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (event->key() == Qt::Key_S || (press && event->modifiers().testFlag(Qt::AltModifier)))
        Q_EMIT soloAsked();
    else if (press)
        Q_EMIT toggleAsked();
    else if (event->key() == Qt::Key_Left || event->key() == Qt::Key_Up)
        focusNextPrevChild(false);
    else if (event->key() == Qt::Key_Right || event->key() == Qt::Key_Down)
        focusNextPrevChild(true);
    else
        QWidget::keyPressEvent(event);
}

Legend::Legend(QWidget* parent)
    : QWidget(parent) {
    // Fixed would cap it at the height of its hint, which is of another width, and cut off the last row.
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    setAccessibleName(tr("Legend"));
}

void Legend::setCurves(const std::vector<analysis::FigureCurve>& curves) {
    while (m_buttons.size() > curves.size()) {
        m_buttons.back()->deleteLater();
        m_buttons.pop_back();
    }
    for (std::size_t i = 0; i < curves.size(); ++i) {
        if (i < m_buttons.size()) {
            m_buttons[i]->setCurve(curves[i]);
            continue;
        }
        auto* button = new LegendButton(curves[i], this);
        connect(button, &LegendButton::toggleAsked, this, [this, button] {
            Q_EMIT visibilityAsked({{button->curve().id, !button->curve().visible}});
        });
        connect(button, &LegendButton::soloAsked, this, [this, button] { solo(button->curve().id); });
        button->show();
        m_buttons.push_back(button);
    }
    place();
    updateGeometry();
}

void Legend::solo(const std::string& id) {
    const bool alone = std::all_of(m_buttons.begin(), m_buttons.end(),
                                   [&](const LegendButton* b) { return b->curve().visible == (b->curve().id == id); });
    Visibility wanted; // all at once: every panel is drawn once
    for (const LegendButton* each : m_buttons)
        wanted[each->curve().id] = alone || each->curve().id == id;
    Q_EMIT visibilityAsked(wanted);
}

LegendButton* Legend::button(const std::string& id) const {
    const auto found =
        std::find_if(m_buttons.begin(), m_buttons.end(), [&](const auto* b) { return b->curve().id == id; });
    return found == m_buttons.end() ? nullptr : *found;
}

void Legend::setKeys(const std::vector<analysis::FigureKey>& keys) {
    if (keys == m_keys)
        return;
    m_keys = keys;
    QStringList words;
    for (const analysis::FigureKey& key : keys)
        words << QString::fromStdString(analysis::keyText(key));
    setAccessibleDescription(words.join(QStringLiteral("; ")));
    setToolTip(words.join(u'\n'));
    place();
    updateGeometry();
    update();
}

LegendLayout Legend::layOut(int width) const {
    std::vector<analysis::FigureCurve> curves;
    for (const LegendButton* each : m_buttons)
        curves.push_back(each->curve());
    return layOutLegend(curves, m_keys, screenStyle(*this), width - 4);
}

int Legend::heightForWidth(int width) const {
    return static_cast<int>(std::ceil(layOut(width).height));
}

QSize Legend::sizeHint() const {
    return {400, heightForWidth(std::max(400, width()))};
}

void Legend::place() {
    const LegendLayout layout = layOut(width());
    for (std::size_t i = 0; i < m_buttons.size(); ++i)
        m_buttons[i]->setGeometry(QRect(layout.curves[i].toPoint(), m_buttons[i]->sizeHint()));
}

void Legend::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const ChartStyle style = screenStyle(*this);
    painter.translate(2, 0); // as the buttons
    for (const LegendLayout::Key& key : layOut(width()).keys)
        paintLegendKey(&painter, key, style);
}

void Legend::resizeEvent(QResizeEvent*) {
    place();
}

void Legend::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
        place();
        updateGeometry();
    }
}

} // namespace crest::ui
