// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/wheel_guard.h"

#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QApplication>
#include <QComboBox>
#include <QEvent>
#include <QScrollArea>
#include <QScrollBar>

namespace crest::ui {
namespace {

/// A field that the wheel would change; null for anything else.
QWidget* asField(QObject* object) {
    if (qobject_cast<QComboBox*>(object) || qobject_cast<QAbstractSpinBox*>(object) ||
        (qobject_cast<QAbstractSlider*>(object) && !qobject_cast<QScrollBar*>(object)))
        return static_cast<QWidget*>(object);
    return nullptr;
}

bool isInScrollArea(const QWidget* widget) {
    for (const QWidget* above = widget->parentWidget(); above; above = above->parentWidget())
        if (qobject_cast<const QScrollArea*>(above))
            return true;
    return false;
}

} // namespace

WheelGuard::WheelGuard(QObject* parent)
    : QObject(parent) {
    QCoreApplication::instance()->installEventFilter(this);
}

bool WheelGuard::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::Polish) {
        if (QWidget* field = asField(watched); field && field->focusPolicy() == Qt::WheelFocus)
            field->setFocusPolicy(Qt::StrongFocus); // else the wheel would give it the focus first
    } else if (event->type() == QEvent::Wheel) {
        if (const QWidget* field = asField(watched); field && !field->hasFocus() && isInScrollArea(field)) {
            event->ignore(); // goes on to the column
            return true;
        }
    }
    return QObject::eventFilter(watched, event);
}

} // namespace crest::ui
