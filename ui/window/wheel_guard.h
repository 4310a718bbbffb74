// SPDX-License-Identifier: GPL-3.0-or-later
// The wheel over a column of fields scrolls the column: a field takes it only where it was clicked or reached by keys before. So nothing
// of a probe changes on the way past it.
#pragma once

#include <QObject>

namespace crest::ui {

/// Of all boxes, spin boxes and sliders in scroll areas, of all windows: an event filter of the application.
class WheelGuard : public QObject {
    Q_OBJECT
public:
    explicit WheelGuard(QObject* parent);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
};

} // namespace crest::ui
