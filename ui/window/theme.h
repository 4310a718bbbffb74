// SPDX-License-Identifier: GPL-3.0-or-later
// Light or dark: the desktop's own palette by default, or one of Crest's two where the user asks for it.
#pragma once

#include <QApplication>
#include <QString>

namespace crest::ui {

enum class Theme { Desktop, Light, Dark };

/// "light", "dark"; anything else is the desktop's.
Theme themeFromName(const QString& name);
/// Desktop keeps style and colours; only the boxes of Fusion are drawn more clearly.
void applyTheme(QApplication& application, Theme theme);

/// Distances of the window are multiples of this.
inline constexpr int kRhythm = 8;

} // namespace crest::ui
