// SPDX-License-Identifier: GPL-3.0-or-later
// Ctrl+K: find any action by its name, run it with Return.
#pragma once

#include <QDialog>
#include <QList>

class QAction;
class QLineEdit;
class QListWidget;

namespace crest::ui {

class CommandSearch : public QDialog {
    Q_OBJECT
public:
    CommandSearch(const QList<QAction*>& actions, QWidget* parent);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void fill(const QString& text);
    void runCurrent();

    QList<QAction*> m_actions;
    QLineEdit* m_line;
    QListWidget* m_list;
};

/// The action's text without mnemonic and dots, with its menu: "Run: Pause run".
QString commandName(const QAction* action);

} // namespace crest::ui
