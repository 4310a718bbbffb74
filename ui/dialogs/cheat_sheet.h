// SPDX-License-Identifier: GPL-3.0-or-later
// F1: every key and what the mouse does in a panel.
#pragma once

#include <QDialog>
#include <QList>

class QAction;

namespace crest::ui {

class CheatSheet : public QDialog {
    Q_OBJECT
public:
    CheatSheet(const QList<QAction*>& actions, QWidget* parent);
};

} // namespace crest::ui
