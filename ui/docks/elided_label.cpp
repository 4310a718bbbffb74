// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/docks/elided_label.h"

#include <QPainter>
#include <QStyle>

namespace crest::ui {

void ElidedLabel::paintEvent(QPaintEvent* event) {
    const QRect room = contentsRect();
    if (fontMetrics().horizontalAdvance(text()) <= room.width())
        return QLabel::paintEvent(event);
    QPainter painter(this);
    style()->drawItemText(&painter, room, static_cast<int>(alignment()), palette(), isEnabled(),
                          fontMetrics().elidedText(text(), Qt::ElideRight, room.width()), foregroundRole());
}

} // namespace crest::ui
