// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/window/letter_guard.h"

#include <QAbstractItemView>
#include <QAbstractSpinBox>
#include <QApplication>
#include <QComboBox>
#include <QKeyEvent>
#include <QLineEdit>

namespace crest::ui {
namespace {

bool isLetter(const QKeyEvent& event) {
    const bool plain = (event.modifiers() & ~(Qt::ShiftModifier | Qt::KeypadModifier)) == Qt::NoModifier;
    return plain && !event.text().isEmpty() && event.text().front().isLetterOrNumber();
}

/// Whether it is Ctrl+Z or its like for a field that has nothing of its own to take back. Qt's fields keep the key all the same, so
/// that after an edit and Tab it would do nothing.
bool isForTheStudy(QObject* field, const QKeyEvent& event) {
    const bool undo = event.matches(QKeySequence::Undo), redo = event.matches(QKeySequence::Redo);
    if (!undo && !redo)
        return false;
    const auto* line = qobject_cast<QAbstractSpinBox*>(field) ? field->findChild<QLineEdit*>() : qobject_cast<QLineEdit*>(field);
    return line && !(undo ? line->isUndoAvailable() : line->isRedoAvailable());
}

} // namespace

LetterGuard::LetterGuard(QObject* parent)
    : QObject(parent) {
    QCoreApplication::instance()->installEventFilter(this);
}

bool LetterGuard::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() != QEvent::ShortcutOverride)
        return QObject::eventFilter(watched, event);
    const auto& key = *static_cast<QKeyEvent*>(event);
    if (isForTheStudy(watched, key)) {
        event->ignore(); // the shortcut's
        return true;
    }
    if (isLetter(key) &&
        (qobject_cast<QComboBox*>(watched) || qobject_cast<QAbstractItemView*>(watched))) {
        event->accept(); // comes to it as a key, and is no shortcut
        return true;
    }
    return QObject::eventFilter(watched, event);
}

} // namespace crest::ui
