// SPDX-License-Identifier: GPL-3.0-or-later
// One line above the pages for what went wrong or needs a decision, instead of a dialog.
#pragma once

#include <QFrame>

class QLabel;
class QPushButton;

namespace crest::ui {

class MessageBar : public QFrame {
    Q_OBJECT
public:
    explicit MessageBar(QWidget* parent = nullptr);
    /// `action` is the text of a button that emits actionAsked(); "" for none. Shown until closed or replaced.
    void showMessage(const QString& message, const QString& action = {});
    QString message() const;

Q_SIGNALS:
    void actionAsked();
    void closed(const QString& message); ///< by the user

private:
    QLabel *m_icon, *m_text;
    QPushButton* m_action;
};

} // namespace crest::ui
