// SPDX-License-Identifier: GPL-3.0-or-later
// A letter typed into a box or a list finds the entry that begins with it, as everywhere. The window has commands of one letter; they
// are for where a letter means nothing else. Undo and redo are the study's where a field has nothing of its own to take back.
#pragma once

#include <QObject>

namespace crest::ui {

/// Of all boxes and lists of all windows: an event filter of the application.
class LetterGuard : public QObject {
    Q_OBJECT
public:
    explicit LetterGuard(QObject* parent);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
};

} // namespace crest::ui
