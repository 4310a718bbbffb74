// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/theme.h"

#include <algorithm>

#include <QPainter>
#include <QPalette>
#include <QProxyStyle>
#include <QStyleFactory>
#include <QStyleOption>

namespace crest::ui {
namespace {

struct ThemeColors {
    QRgb window, base, alternate, text, muted, button, accent, accentText, tooltip;
};
constexpr ThemeColors kLight{0xfff4f5f6, 0xffffffff, 0xfff7f8f9, 0xff1f2328, 0xff6b7177,
                             0xfff0f1f3, 0xff2563a8, 0xffffffff, 0xffffffff};
constexpr ThemeColors kDark{0xff212428, 0xff2d3136, 0xff31353a, 0xffe3e6ea, 0xff9aa1a9,
                            0xff363a3f, 0xff5b9bdf, 0xff10151b, 0xff363a3f};

QPalette paletteOf(const ThemeColors& colors) {
    QPalette palette(QColor(colors.button), QColor(colors.window));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText})
        palette.setColor(role, QColor(colors.text));
    palette.setColor(QPalette::Base, QColor(colors.base));
    palette.setColor(QPalette::AlternateBase, QColor(colors.alternate));
    palette.setColor(QPalette::ToolTipBase, QColor(colors.tooltip));
    palette.setColor(QPalette::PlaceholderText, QColor(colors.muted));
    palette.setColor(QPalette::Highlight, QColor(colors.accent));
    palette.setColor(QPalette::HighlightedText, QColor(colors.accentText));
    palette.setColor(QPalette::Link, QColor(colors.accent));
    palette.setColor(QPalette::LinkVisited, QColor(colors.accent));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::HighlightedText})
        palette.setColor(QPalette::Disabled, role, QColor(colors.muted));
    palette.setColor(QPalette::Disabled, QPalette::Highlight, QColor(colors.button));
    return palette;
}

/// Fusion draws the frame of a box darker than the window, which on a dark one is hardly seen. Here it is a mixture of
/// text and ground, and a tick stands on the accent.
class ClearStyle : public QProxyStyle {
public:
    ClearStyle()
        : QProxyStyle(QStyleFactory::create(QStringLiteral("Fusion"))) {}

    void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                       const QWidget* widget) const override {
        if (element != PE_IndicatorCheckBox && element != PE_IndicatorItemViewItemCheck)
            return QProxyStyle::drawPrimitive(element, option, painter, widget);
        const QPalette& colors = option->palette;
        const bool enabled = option->state & State_Enabled, ticked = option->state & (State_On | State_NoChange);
        const QColor text = colors.color(enabled ? QPalette::Active : QPalette::Disabled, QPalette::WindowText);
        const QColor accent = enabled ? colors.color(QPalette::Active, QPalette::Highlight) : text;
        const double side = std::min(option->rect.width(), option->rect.height()) - 1.0;
        const QRectF box(option->rect.x() + 0.5, option->rect.y() + 0.5, side, side);
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        QColor frame = text;
        frame.setAlphaF(0.75F);
        painter->setPen(QPen(ticked ? accent : option->state & State_HasFocus ? accent : frame, 1.2));
        painter->setBrush(ticked ? accent : colors.color(QPalette::Base));
        painter->drawRoundedRect(box, 2.5, 2.5);
        if (ticked)
            drawTick(painter, box, colors.color(QPalette::Active, QPalette::HighlightedText),
                     option->state & State_NoChange);
        painter->restore();
    }

private:
    static void drawTick(QPainter* painter, const QRectF& box, const QColor& color, bool partly) {
        const auto at = [&](double x, double y) {
            return QPointF(box.left() + x * box.width(), box.top() + y * box.height());
        };
        painter->setPen(QPen(color, 0.14 * box.width(), Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        if (partly)
            painter->drawLine(at(0.25, 0.5), at(0.75, 0.5));
        else
            painter->drawPolyline(QPolygonF{at(0.23, 0.52), at(0.43, 0.72), at(0.78, 0.3)});
    }
};

} // namespace

Theme themeFromName(const QString& name) {
    if (name == QStringLiteral("light"))
        return Theme::Light;
    return name == QStringLiteral("dark") ? Theme::Dark : Theme::Desktop;
}

void applyTheme(QApplication& application, Theme theme) {
    // A desktop's own style stays; Fusion, which stands in where there is none, has boxes that are hardly seen.
    const bool fusion = QApplication::style()->objectName().compare(QStringLiteral("fusion"), Qt::CaseInsensitive) == 0;
    if (theme != Theme::Desktop || fusion)
        QApplication::setStyle(new ClearStyle);
    if (theme == Theme::Desktop)
        return;
    application.setPalette(paletteOf(theme == Theme::Dark ? kDark : kLight));
}

} // namespace crest::ui
