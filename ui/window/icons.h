// SPDX-License-Identifier: GPL-3.0-or-later
// Crest's icons: one family of line drawings (resources/icons), painted in the colour of the text beside them, so that
// both themes have them.
#pragma once

#include <optional>

#include <QColor>
#include <QIcon>
#include <QString>

namespace crest::ui {

/// `name` is a file of resources/icons without ".svg". Without a colour it follows the application's palette, also when
/// that changes.
QIcon icon(const QString& name, std::optional<QColor> color = std::nullopt);

/// Colours of states, readable on light and dark ground; always shown beside the state's word.
struct StateColors {
    QColor good, warning, bad, muted;
};
StateColors stateColors(const QPalette& palette);
/// A touch of the accent, as the ground of text that counts: to be told from the page in light and dark.
QColor accentGround(const QPalette& palette);

} // namespace crest::ui
