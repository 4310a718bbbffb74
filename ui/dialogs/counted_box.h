// SPDX-License-Identifier: GPL-3.0-or-later
// A spin box that says what it counts.
#pragma once

#include <QSpinBox>
#include <QString>

namespace crest::ui {

/// "1 window", "12 windows"; `what` is the singular.
inline void countIn(QSpinBox* box, const QString& what) {
    const auto show = [box, what](int count) { box->setSuffix(u' ' + what + (count == 1 ? QString() : QStringLiteral("s"))); };
    QObject::connect(box, &QSpinBox::valueChanged, box, show);
    show(box->value());
}

} // namespace crest::ui
