// SPDX-License-Identifier: GPL-3.0-or-later
// Dialogs whose labels wrap and change.
#pragma once

#include <QLayout>
#include <QWidget>

namespace crest::ui {

/// Makes a dialog high enough for what its labels say now; Qt gives a longer text no more room than there is.
inline void growToFit(QWidget* dialog) {
    const int needed = dialog->layout() ? dialog->layout()->totalHeightForWidth(dialog->width()) : 0;
    if (needed > dialog->height())
        dialog->resize(dialog->width(), needed);
}

} // namespace crest::ui
