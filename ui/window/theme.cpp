// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/theme.h"

#include <QPalette>
#include <QStyleFactory>

namespace crest::ui {
namespace {

struct ThemeColors {
    QRgb window, base, alternate, text, muted, button, accent, accentText, tooltip;
};
constexpr ThemeColors kLight{0xfff4f5f6, 0xffffffff, 0xfff7f8f9, 0xff1f2328, 0xff8a9097,
                             0xfff0f1f3, 0xff2563a8, 0xffffffff, 0xffffffff};
constexpr ThemeColors kDark{0xff212428, 0xff2d3136, 0xff31353a, 0xffe3e6ea, 0xff7d848c,
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

} // namespace

Theme themeFromName(const QString& name) {
    if (name == QStringLiteral("light"))
        return Theme::Light;
    return name == QStringLiteral("dark") ? Theme::Dark : Theme::Desktop;
}

void applyTheme(QApplication& application, Theme theme) {
    if (theme == Theme::Desktop)
        return;
    QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    application.setPalette(paletteOf(theme == Theme::Dark ? kDark : kLight));
}

} // namespace crest::ui
