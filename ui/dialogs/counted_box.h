// SPDX-License-Identifier: GPL-3.0-or-later
// A spin box that says what it counts.
#pragma once

#include <QString>

#include "ui/window/number_box.h"

namespace crest::ui {

/// "1 window", "12 windows"; `what` is the singular.
inline void countIn(QSpinBox* box, const QString& what) {
    const auto show = [box, what](int count) { box->setSuffix(u' ' + what + (count == 1 ? QString() : QStringLiteral("s"))); };
    QObject::connect(box, &QSpinBox::valueChanged, box, show);
    show(box->value());
}

/// A box of `what` from `low` to `high` that is called `name`.
inline QSpinBox* countedBox(int low, int high, int value, const QString& what, const QString& name) {
    auto* box = new WholeBox;
    box->setRange(low, high);
    box->setValue(value);
    countIn(box, what);
    box->setAlignment(Qt::AlignRight);
    box->setAccessibleName(name);
    return box;
}

} // namespace crest::ui
