// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/letter_guard.h"

#include <QAbstractItemView>
#include <QApplication>
#include <QComboBox>
#include <QKeyEvent>

namespace crest::ui {
namespace {

bool isLetter(const QKeyEvent& event) {
    const bool plain = (event.modifiers() & ~(Qt::ShiftModifier | Qt::KeypadModifier)) == Qt::NoModifier;
    return plain && !event.text().isEmpty() && event.text().front().isLetterOrNumber();
}

} // namespace

LetterGuard::LetterGuard(QObject* parent)
    : QObject(parent) {
    QCoreApplication::instance()->installEventFilter(this);
}

bool LetterGuard::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::ShortcutOverride && isLetter(*static_cast<QKeyEvent*>(event)) &&
        (qobject_cast<QComboBox*>(watched) || qobject_cast<QAbstractItemView*>(watched))) {
        event->accept(); // comes to it as a key, and is no shortcut
        return true;
    }
    return QObject::eventFilter(watched, event);
}

} // namespace crest::ui
